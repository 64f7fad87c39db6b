//! Everything that waits for the engine's next turn.
//!
//! Owns the bounds and the order: a stop bypasses every queue and is never dropped; reload and what the
//! daemon tells itself go past what was asked; outcomes have their own
//! queue, bounded by open permits and never refused; people's decisions go before commands; both
//! share 10,000 places, and the next is refused.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kairos_core::digest::Digest;
use kairos_core::effect::{Effect, Failure, Outcome};
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::Limit;
use kairos_core::fold::Seq;
use kairos_core::id::{CommandId, EffectId};
use kairos_core::input::Verb;
use kairos_core::principal::Principal;
use kairos_core::schedule::Contents;
use kairos_core::schedule::condition::Found;
use kairos_core::state::State;
use kairos_journal::Settled;
use kairos_journal::retention::{Deleted, Excess};
use tokio::sync::oneshot;

use crate::answer::{Accepted, SubmitError};
use crate::condition::Probe;
use crate::configuration::Retention;
use crate::upkeep::BlobNotice;
use crate::watch::Watch;

/// Commands and decisions that may wait.
pub const WAITING_MAX: usize = 10_000;
/// Inputs one turn takes.
pub(crate) const TURN_MAX: usize = 1_024;
/// Stops that count: the first drains, the second ends the grace.
const STOPS_MAX: u8 = 2;

/// A command and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) by: Principal,
    pub(crate) verb: Verb,
    pub(crate) command: CommandId,
    pub(crate) answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

impl Asked {
    /// Whether it is about work that is there already: such go before new work.
    pub(crate) fn is_decision(&self) -> bool {
        match self.verb {
            Verb::Create { .. } | Verb::Fire { .. } | Verb::Deliver { .. } => false,
            Verb::Stop { .. }
            | Verb::Decide { .. }
            | Verb::Judge { .. }
            | Verb::Erase { .. }
            | Verb::Pause { .. }
            | Verb::Resume { .. }
            | Verb::ConfirmClock => true,
        }
    }
}

/// An effect's end, as it came in.
#[derive(Debug)]
pub(crate) enum Ended {
    Settled(Box<Settled<State, Outcome>>),
    /// Its permit was dropped.
    Dropped {
        effect: EffectId,
        outcome: Box<Outcome>,
    },
}

/// What goes past every queue of what was asked.
#[derive(Debug)]
pub(crate) enum Urgent {
    Reload(Option<oneshot::Sender<Result<(), SubmitError>>>),
    /// Write the status to the log.
    Report,
    /// Nothing but a turn.
    Look,
    /// For the log.
    SpaceUnknown {
        error: String,
    },
    /// For the log.
    SnapshotFailed {
        kind: &'static str,
        error: String,
    },
    /// Texts that are still to go and could not be removed. At most as many as the state keeps.
    EraseAgain(BTreeSet<Digest>),
    /// A text that was to go. To be recorded.
    Erased {
        blob: Digest,
        end: ErasureEnd,
    },
    /// What a look at a schedule's condition found; `Err` says why nobody can tell.
    Looked(Probe, Result<Found, String>),
    /// What the files that a schedule watches settled on; `Err` says why nobody can tell.
    SettledOn(Watch, Result<Contents, String>),
    /// For the log.
    Blobs(BlobNotice),
    /// Segments may go, judged by these limits.
    Delete(Excess, Retention),
    /// For the log.
    Swept {
        first: Seq,
        deleted: Deleted,
        over: Option<Limit>,
    },
    /// For the log.
    RetentionFailed {
        error: String,
    },
}

/// One turn's inputs, in the order they are taken.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// How often a stop was asked for, as far as it counts.
    pub(crate) stops: u8,
    pub(crate) urgent: Vec<Urgent>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) decisions: Vec<Asked>,
    pub(crate) commands: Vec<Asked>,
    pub(crate) waiting: usize,
    /// A timer rang.
    pub(crate) rang: bool,
}

#[derive(Debug, Default)]
struct Queues {
    stops: u8,
    urgent: Vec<Urgent>,
    ended: VecDeque<Ended>,
    decisions: VecDeque<Asked>,
    commands: VecDeque<Asked>,
    closed: bool,
    /// Something may be due, or the wall clock was set. Rung twice it is one.
    rung: bool,
    /// The engine's thread waits and was not woken yet.
    sleeps: bool,
}

/// The queues and the signal that there is something in them.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queues: Mutex<Queues>,
    filled: Condvar,
}

impl Inbox {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Every critical section leaves the queues whole, so a panic elsewhere does not matter.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the queues back and wakes the engine's thread if it sleeps. Not before: it would wait
    /// for them again. Nor oftener than it sleeps: each wake-up is a call of the system.
    fn filled(&self, mut queues: MutexGuard<'_, Queues>) {
        let sleeps = std::mem::take(&mut queues.sleeps);
        drop(queues);
        if sleeps {
            self.filled.notify_one();
        }
    }

    /// The daemon is to stop. However much waits, this is never dropped.
    pub(crate) fn stop(&self) {
        let mut queues = self.queues();
        queues.stops = (queues.stops + 1).min(STOPS_MAX);
        self.filled(queues);
    }

    pub(crate) fn urgent(&self, urgent: Urgent) {
        let mut queues = self.queues();
        // Repeated signals coalesce.
        // What is to be recorded counts; of it there is no more than the state keeps. So does what a
        // slot waits for, and a change of files: one for each schedule, and settled.
        if queues.urgent.len() < TURN_MAX
            || matches!(
                urgent,
                Urgent::Erased { .. }
                    | Urgent::EraseAgain(_)
                    | Urgent::Looked(..)
                    | Urgent::SettledOn(..)
            )
        {
            queues.urgent.push(urgent);
        }
        self.filled(queues);
    }

    /// It is time to look.
    pub(crate) fn ring(&self) {
        let mut queues = self.queues();
        queues.rung = true;
        self.filled(queues);
    }

    pub(crate) fn settled(&self, settled: Settled<State, Outcome>) {
        let mut queues = self.queues();
        queues.ended.push_back(Ended::Settled(Box::new(settled)));
        self.filled(queues);
    }

    /// A permit was dropped; while its thread unwinds, that is a panic in its performer.
    pub(crate) fn dropped(&self, effect: &Effect) {
        let panicked = std::thread::panicking();
        let outcome = if panicked { Outcome::Failed(Failure::Panicked) } else { Outcome::Lost };
        let ended = Ended::Dropped { effect: effect.id(), outcome: Box::new(outcome) };
        let mut queues = self.queues();
        queues.ended.push_back(ended);
        self.filled(queues);
    }

    /// Whether one more may wait.
    pub(crate) fn room(&self) -> Result<(), SubmitError> {
        self.queues().room()
    }

    pub(crate) fn ask(&self, asked: Asked) {
        let mut queues = self.queues();
        if let Err(refused) = queues.room() {
            drop(queues);
            asked.answer.send(Err(refused)).ok();
            return;
        }
        match asked.is_decision() {
            true => queues.decisions.push_back(asked),
            false => queues.commands.push_back(asked),
        }
        self.filled(queues);
    }

    /// Takes what one turn may hold, waiting at most `wait` for the first of it.
    pub(crate) fn take(&self, wait: Duration) -> Batch {
        let mut queues = self.queues();
        if queues.is_empty() && !wait.is_zero() {
            let nothing = |queues: &mut Queues| {
                queues.sleeps = queues.is_empty();
                queues.sleeps
            };
            let waited = self.filled.wait_timeout_while(queues, wait, nothing);
            queues = waited.unwrap_or_else(PoisonError::into_inner).0;
            queues.sleeps = false;
        }
        let mut room = TURN_MAX;
        let rang = std::mem::take(&mut queues.rung);
        let urgent = std::mem::take(&mut queues.urgent);
        let stops = std::mem::take(&mut queues.stops);
        let mut batch = Batch { stops, urgent, rang, ..Batch::default() };
        drain(&mut queues.ended, &mut batch.ended, &mut room);
        drain(&mut queues.decisions, &mut batch.decisions, &mut room);
        room = room.min(TURN_MAX / 2);
        drain(&mut queues.commands, &mut batch.commands, &mut room);
        batch.waiting = queues.decisions.len() + queues.commands.len() + queues.ended.len();
        batch
    }

    /// Takes what was asked since, at most `room` of it: nothing while something waits that goes
    /// before all of it.
    pub(crate) fn take_asked(&self, mut room: usize) -> Vec<Asked> {
        let mut queues = self.queues();
        let mut asked = Vec::new();
        if queues.stops == 0 && queues.urgent.is_empty() && queues.ended.is_empty() {
            drain(&mut queues.decisions, &mut asked, &mut room);
            drain(&mut queues.commands, &mut asked, &mut room);
        }
        asked
    }

    /// Refuses what waits and whatever comes from now on, outcomes excepted.
    pub(crate) fn close(&self) {
        let mut queues = self.queues();
        queues.closed = true;
        let waiting: Vec<_> = std::mem::take(&mut queues.decisions)
            .into_iter()
            .chain(std::mem::take(&mut queues.commands))
            .collect();
        drop(queues);
        for asked in waiting {
            asked.answer.send(Err(SubmitError::Stopping)).ok();
        }
    }
}

impl Queues {
    fn room(&self) -> Result<(), SubmitError> {
        if self.closed {
            Err(SubmitError::Stopping)
        } else if self.decisions.len() + self.commands.len() >= WAITING_MAX {
            Err(SubmitError::Full)
        } else {
            Ok(())
        }
    }

    fn is_empty(&self) -> bool {
        !self.rung
            && self.stops == 0
            && self.urgent.is_empty()
            && self.ended.is_empty()
            && self.decisions.is_empty()
            && self.commands.is_empty()
    }
}

fn drain<T>(from: &mut VecDeque<T>, to: &mut Vec<T>, room: &mut usize) {
    let taken = from.len().min(*room);
    *room -= taken;
    to.extend(from.drain(..taken));
}

/// Where performers bring settled effects back.
#[derive(Clone, Debug)]
pub struct Returns(pub(crate) Arc<Inbox>);

impl Returns {
    /// Brings one back; never blocks, never refused.
    pub fn settled(&self, settled: Settled<State, Outcome>) {
        self.0.settled(settled);
    }

    /// Brings back what a look found, or why nobody can tell; never blocks, never refused.
    pub fn looked(&self, look: Probe, found: Result<Found, String>) {
        self.0.urgent(Urgent::Looked(look, found));
    }

    /// Brings what the files of a watch settled on, or why nobody can tell; never blocks, never refused.
    /// To be called when that changes, and no more often than they settle.
    pub fn settled_on(&self, watch: Watch, files: Result<Contents, String>) {
        self.0.urgent(Urgent::SettledOn(watch, files));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_never_dropped_and_a_second_counts_however_much_waits() {
        let inbox = Inbox::default();
        for _ in 0..2 * TURN_MAX {
            inbox.urgent(Urgent::Reload(None));
        }
        for expected in [1, 2, 2] {
            inbox.stop();
            assert_eq!(inbox.queues().stops, expected);
        }
        assert_eq!(inbox.take_asked(TURN_MAX).len(), 0);
        let batch = inbox.take(Duration::ZERO);
        assert_eq!((batch.stops, batch.urgent.len()), (2, TURN_MAX));
        assert!(inbox.queues().is_empty(), "it is taken once");
        inbox.stop();
        assert!(!inbox.queues().is_empty(), "a stop alone ends the wait");
        assert_eq!(inbox.take(Duration::MAX).stops, 1);
    }
}
