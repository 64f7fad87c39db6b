//! Looks at the workspace on behalf of schedules.
//!
//! Owns the thread that takes them, one after the other: conditions when they are asked, of which the
//! engine asks at most one for each schedule, and watched files between them; and beside it one for
//! conditions that are commands, behind which no file waits. Never decides what follows.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kairos_core::schedule::condition::Test;
use kairos_core::schedule::definition::ScheduleName;
use kairos_effects::file::{Files, Unclear};
use kairos_effects::shell::Commands;
use kairos_engine::{LookAt, Probe, Returns};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::hints::Hints;
use crate::startup::{self, Startup};
use crate::watching::Watching;

/// Hints are not listened to for so long after some came: a flood of them wakes nobody more often.
const DEAF: Duration = Duration::from_millis(100);

/// Where looks are asked for; the thread ends with it.
pub(crate) struct Looks(Arc<Asked>);

/// What is asked and not taken yet.
struct Asked {
    queue: Mutex<Queue>,
    bell: OwnedFd,
}

#[derive(Default)]
struct Queue {
    looks: Wanted,
    closed: bool,
}

/// For each schedule its condition as it was asked for last, since nobody waits for what was asked before;
/// and under no name all that is watched. So it never has more than schedules, however long a look takes.
type Wanted = BTreeMap<Option<ScheduleName>, LookAt>;

impl Queue {
    fn add(&mut self, look: LookAt) {
        let whose = match &look {
            LookAt::Condition(probe) => Some(probe.schedule.clone()),
            LookAt::Files(_) => None,
        };
        self.looks.insert(whose, look);
    }
}

impl Looks {
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn begin(
        files: Arc<Files>,
        commands: Arc<Commands>,
        returns: Returns,
    ) -> Result<Self, Startup> {
        let begun = || {
            let (sender, probes) = channel::<Probe>();
            let back = returns.clone();
            // It ends with the other thread, which has the sender.
            thread::Builder::new().name("conditions".into()).spawn(move || {
                for probe in probes {
                    let found = told(|| commands.look(&probe.condition, &probe.scopes));
                    back.looked(probe, found);
                }
            })?;
            let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let asked = Arc::new(Asked { queue: Mutex::default(), bell });
            let (queue, made) = (Arc::clone(&asked), thread::Builder::new().name("looks".into()));
            made.spawn(move || Looking::new(files, sender, returns).serve(&queue))?;
            Ok::<_, io::Error>(Self(asked))
        };
        begun().map_err(Startup::cannot("start the thread of looks"))
    }

    /// Never blocks.
    pub(crate) fn ask(&self, look: LookAt) {
        self.0.change(|queue| queue.add(look));
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.change(|queue| queue.closed = true);
    }
}

impl Asked {
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        // Full means that it rings already.
        rustix::io::write(&self.bell, &1_u64.to_ne_bytes()).ok();
    }

    /// All that is asked; none when nothing will be any more.
    fn take(&self) -> Option<Wanted> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::io::read(&self.bell, &mut [0; 8]).ok();
        (!queue.closed).then(|| std::mem::take(&mut queue.looks))
    }
}

/// The thread's own things.
struct Looking {
    files: Arc<Files>,
    /// Conditions that are commands: at most one for each schedule.
    commands: Sender<Probe>,
    returns: Returns,
    watching: Watching,
    hints: Hints,
    deaf_until: Instant,
}

impl Looking {
    fn new(files: Arc<Files>, commands: Sender<Probe>, returns: Returns) -> Self {
        let (watching, hints) = (Watching::default(), Hints::default());
        Self { files, commands, returns, watching, hints, deaf_until: Instant::now() }
    }

    fn serve(mut self, asked: &Asked) {
        while let Some(looks) = asked.take() {
            for look in looks.into_values() {
                self.asked(look);
            }
            self.watched();
            self.wait(asked);
        }
    }

    fn asked(&mut self, look: LookAt) {
        match look {
            LookAt::Condition(probe) if matches!(probe.condition.test, Test::Command { .. }) => {
                // The thread ends only with this sender.
                self.commands.send(probe).ok();
            }
            LookAt::Condition(probe) => {
                let found = told(|| self.files.look(&probe.condition, &probe.scopes));
                self.returns.looked(probe, found);
            }
            LookAt::Files(watches) => {
                self.hints = if watches.is_empty() { Hints::default() } else { Hints::begin() };
                self.watching = Watching::begin(watches, Instant::now());
            }
        }
    }

    /// Looks at the files that are due longest.
    fn watched(&mut self) {
        let Some(one) = self.watching.due(Instant::now()) else { return };
        let (watch, hints) = (&one.watch, &mut self.hints);
        let found = told(|| {
            let mut enters = |directory: &_| hints.listen(AsFd::as_fd(directory), &watch.schedule);
            self.files.contents(&watch.glob, &watch.scopes, &mut enters)
        });
        if let Some(settled) = one.found(found, Instant::now()) {
            self.returns.settled_on(one.watch.clone(), settled);
        }
    }

    /// Until something is asked, due, or told by the system.
    fn wait(&mut self, asked: &Asked) {
        let now = Instant::now();
        let deaf = self.deaf_until.saturating_duration_since(now);
        let mut wait = self.watching.wait(now);
        let bell = self.hints.bell().filter(|_| deaf.is_zero());
        if bell.is_none() && !deaf.is_zero() {
            wait = wait.map(|wait| wait.min(deaf));
        }
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds = vec![PollFd::new(&asked.bell, PollFlags::IN)];
        fds.extend(bell.as_ref().map(|bell| PollFd::new(bell, PollFlags::IN)));
        // What fails or is interrupted is only an earlier look.
        poll(&mut fds, wait.as_ref()).ok();
        let rings = fds.get(1).is_some_and(|bell| !bell.revents().is_empty());
        drop(fds);
        if rings {
            let now = Instant::now();
            self.deaf_until = now + DEAF;
            self.watching.stir(&self.hints.stirred(), now);
        }
    }
}

/// What was found, or why nobody can tell.
fn told<T>(look: impl FnOnce() -> Result<T, Unclear>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(found) => found.map_err(|unclear| startup::chain(&unclear)),
        Err(_) => Err("looking panicked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kairos_engine::Watch;

    use super::*;

    #[test]
    fn what_is_asked_again_takes_the_place_of_what_was_asked() {
        let watch = |glob: &str| {
            let (schedule, scopes) = ("inbox".parse().expect("a name"), Arc::default());
            Watch { schedule, glob: glob.to_owned(), settle_ms: 1_000, scopes }
        };
        let mut queue = Queue::default();
        for n in 0..10_000 {
            queue.add(LookAt::Files(vec![watch(&format!("{n}/**"))]));
        }
        let left: Vec<_> = queue.looks.into_values().collect();
        let [LookAt::Files(watches)] = &left[..] else { panic!("{left:?}") };
        assert_eq!(watches[0].glob, "9999/**");
    }
}
