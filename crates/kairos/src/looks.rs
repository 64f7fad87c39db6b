//! Looks at the workspace on behalf of schedules.
//!
//! Owns the one thread that takes them, one after the other: conditions when they are asked, of which
//! the engine asks at most one for each schedule, and watched files between them. Never decides what
//! follows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use kairos_effects::file::{Files, Unclear};
use kairos_engine::{LookAt, Returns};

use crate::startup::{self, Startup};
use crate::watching::Watching;

/// Where looks are asked for; the thread ends with it.
pub(crate) struct Looks(Sender<LookAt>);

impl Looks {
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn begin(files: Arc<Files>, returns: Returns) -> Result<Self, Startup> {
        let (sender, asked) = channel::<LookAt>();
        let made = thread::Builder::new().name("looks".into());
        let made = made.spawn(move || Looking { files, returns }.serve(&asked));
        made.map_err(Startup::cannot("start the thread of looks"))?;
        Ok(Self(sender))
    }

    /// Never blocks.
    pub(crate) fn ask(&self, look: LookAt) {
        // The thread ends only with this sender, so its queue takes it.
        self.0.send(look).ok();
    }
}

/// The thread's own things.
struct Looking {
    files: Arc<Files>,
    returns: Returns,
}

impl Looking {
    fn serve(&self, asked: &Receiver<LookAt>) {
        let mut watching = Watching::default();
        loop {
            let next = match watching.wait(Instant::now()) {
                Some(wait) => asked.recv_timeout(wait),
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(LookAt::Condition(probe)) => {
                    let found = told(|| self.files.look(&probe.condition, &probe.scopes));
                    self.returns.looked(probe, found);
                }
                Ok(LookAt::Files(watches)) => watching = Watching::begin(watches, Instant::now()),
                Err(RecvTimeoutError::Timeout) => self.watched(&mut watching),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks at the files that are due.
    fn watched(&self, watching: &mut Watching) {
        let Some(one) = watching.due(Instant::now()) else { return };
        let found = told(|| self.files.contents(&one.watch.glob, &one.watch.scopes));
        if let Some(settled) = one.found(found, Instant::now()) {
            self.returns.settled_on(one.watch.clone(), settled);
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
