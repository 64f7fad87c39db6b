//! Old segments, looked at in the background.
//!
//! Owns when: after a snapshot was made, when a deletion was recorded, when the limits or the day
//! changed; and the order: a turn records what will go, and only what a durable record gives up is
//! deleted. Never on the engine's thread, and nothing fails with it: what stands in the way is told
//! once, and all stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use kairos_core::event::Limit;
use kairos_core::fold::Seq;
use kairos_core::time::Time;
use kairos_disk::{Fs, RealFs};
use kairos_journal::retention::{Deleted, Excess, Limits, Looked, Standing, is_due};

use crate::configuration;
use crate::inbox::{Inbox, Urgent};
use crate::snapshots::{NICE, Snapshots};
use crate::world::{boot_ms, time};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Deletes what is recorded and covers what is next: [`kairos_journal::retention::look`] with the
/// signer and the places that only the binary knows. May take its time, but for one segment at most
/// once the flag is set: a stop waits for it.
pub type Look = Box<dyn FnMut(Standing, &Limits, &AtomicBool) -> Result<Looked, String> + Send>;

/// What retention needs from outside.
pub struct Retain {
    /// The kinds of snapshots that everything is begun from: each has to stand for what goes.
    pub kinds: &'static [&'static str],
    pub look: Look,
}

impl std::fmt::Debug for Retain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retain").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// What the thread shares with the engine.
#[derive(Debug)]
pub(crate) struct Retention {
    journal: Arc<<RealFs as Fs>::Dir>,
    inbox: Arc<Inbox>,
    wish: Mutex<Wish>,
    moved: Condvar,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Wish {
    /// Something changed since the last look.
    look: bool,
    limits: configuration::Retention,
    /// Where the journal begins as recorded, and why it does, when that was recorded here.
    kept_from: Seq,
    over: Option<Limit>,
    /// From when on ages are believed, in milliseconds since the machine was started.
    ages_from_ms: u64,
    thread: Option<JoinHandle<()>>,
}

impl Retention {
    pub(crate) fn new(journal: Arc<<RealFs as Fs>::Dir>, inbox: Arc<Inbox>) -> Arc<Self> {
        let (wish, moved, stop) = Default::default();
        Arc::new(Self { journal, inbox, wish, moved, stop })
    }

    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Wish)) {
        let mut wish = self.wish();
        change(&mut wish);
        wish.look = true;
        self.moved.notify_all();
    }

    /// A snapshot was made, a day is over, or the clock is believed again.
    pub(crate) fn look(&self) {
        self.tell(|_| {});
    }

    /// The limits from now on.
    pub(crate) fn limit(&self, limits: configuration::Retention) {
        self.tell(|wish| wish.limits = limits);
    }

    /// Whether these limits are in force. What was judged by others is judged anew.
    pub(crate) fn goes_by(&self, limits: configuration::Retention) -> bool {
        self.wish().limits == limits
    }

    /// The journal begins with `first` as records say that are durable.
    pub(crate) fn recorded(&self, first: Seq, over: Option<Limit>) {
        self.tell(|wish| (wish.kept_from, wish.over) = (first, over));
    }

    /// Looks from now on, on a thread of its own. Nothing is too old before `ages_from_ms`, counted since
    /// the machine was started.
    pub(crate) fn begin(
        self: &Arc<Self>,
        snapshots: &Arc<Snapshots>,
        retain: Retain,
        ages_from_ms: u64,
    ) {
        self.wish().ages_from_ms = ages_from_ms;
        let (retention, snapshots) = (Arc::clone(self), Arc::clone(snapshots));
        let thread = thread::Builder::new().name("retention".to_owned());
        match thread.spawn(move || retention.serve(&snapshots, retain)) {
            Ok(thread) => self.wish().thread = Some(thread),
            Err(error) => self.failed(format!("its thread cannot be made: {error}")),
        }
    }

    /// Ends the thread, without waiting for it.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.look();
    }

    /// Ends the thread and waits for it, as long as reading one segment takes.
    pub(crate) fn close(&self) {
        self.stop();
        let thread = self.wish().thread.take();
        // What panicked there has said so, and ends nothing here.
        thread.map(JoinHandle::join);
    }

    /// Waits for the next reason to look: the limits, where the journal begins, and why.
    fn wait(&self) -> Option<(configuration::Retention, Seq, Option<Limit>)> {
        let nothing = |wish: &mut Wish| !wish.look;
        let waited = self.moved.wait_while(self.wish(), nothing);
        let mut wish = waited.unwrap_or_else(PoisonError::into_inner);
        wish.look = false;
        let found = (wish.limits, wish.kept_from, wish.over);
        (!self.stop.load(Ordering::Relaxed)).then_some(found)
    }

    fn serve(&self, snapshots: &Snapshots, mut retain: Retain) {
        // As for snapshots: the engine goes first.
        rustix::process::setpriority_process(None, NICE).ok();
        let mut said = None;
        while let Some((limits, recorded, over)) = self.wait() {
            let age_ms = i64::from(limits.days) * DAY_MS;
            let oldest = Time::from_ms(time().as_ms().saturating_sub(age_ms));
            let oldest = if boot_ms() < self.wish().ages_from_ms { Time::EPOCH } else { oldest };
            let by = Limits { oldest, bytes_max: limits.bytes };
            match self.once(snapshots, &mut retain, recorded, &by) {
                Ok(Looked { deleted, next }) => {
                    said = None;
                    if deleted.segments > 0 {
                        self.swept(recorded, deleted, over);
                    }
                    if let Some(next) = next {
                        self.inbox.urgent(Urgent::Delete(next, limits));
                    }
                }
                Err(_) if self.stop.load(Ordering::Relaxed) => {}
                Err(error) if said.as_ref() == Some(&error) => {}
                Err(error) => {
                    said = Some(error.clone());
                    self.failed(error);
                }
            }
        }
    }

    fn once(
        &self,
        snapshots: &Snapshots,
        retain: &mut Retain,
        recorded: Seq,
        limits: &Limits,
    ) -> Result<Looked, String> {
        if !snapshots.keeps(retain.kinds) {
            return Ok(Looked::default());
        }
        let due = is_due(&RealFs, &self.journal, recorded, limits);
        if !due.map_err(|error| told(&error))? {
            return Ok(Looked::default());
        }
        let founded = snapshots.founded(retain.kinds).map_err(|error| told(&error))?;
        let Some(founded) = founded else { return Ok(Looked::default()) };
        (retain.look)(Standing { founded, recorded }, limits, &self.stop)
    }

    /// Every segment before `first` is gone for good.
    fn swept(&self, first: Seq, deleted: Deleted, over: Option<Limit>) {
        self.inbox.urgent(Urgent::Swept { first, deleted, over });
    }

    fn failed(&self, error: String) {
        self.inbox.urgent(Urgent::RetentionFailed { error });
    }
}

/// An error with its cause.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// As the input that records it.
pub(crate) fn input(excess: Excess) -> kairos_core::input::Input {
    let Excess { first, segments, bytes, over } = excess;
    kairos_core::input::Input::Delete { first, segments, bytes, over }
}
