//! The state, with somebody who looks on.
//!
//! Owns the fold that the ledger of a simulated daemon holds: the product's own state, its history,
//! and the law that is asked of every event. What a snapshot stands for it has not seen; a second
//! reading, of everything, then takes its place. Never changes what the state does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kairos_core::effect::Effect;
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Snapshot};
use kairos_core::state::State;

use super::law::{Findings, Law, Spent};

/// Events with their positions, in order.
pub(super) type History = Vec<(At, Event)>;

/// What is seen of a fold, shared with whoever asks.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

/// What was seen.
pub(super) struct Seen {
    pub(super) law: Law,
    /// Every event, also those that never reach the disk.
    pub(super) history: History,
    /// Whether a snapshot stands for the beginning, of which nothing was seen.
    late: bool,
}

impl Watch {
    pub(super) fn new(findings: Findings) -> Self {
        let seen = Seen { law: Law::new(findings), history: History::new(), late: false };
        Self(Arc::new(Mutex::new(seen)))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what somebody saw who was there from the beginning.
    pub(super) fn take(&self, other: Self) {
        std::mem::swap(&mut *self.seen(), &mut *other.seen());
    }
}

/// The state, watched.
pub(super) struct Watched {
    state: State,
    watch: Watch,
}

impl Watched {
    pub(super) fn new(watch: Watch) -> Self {
        Self { state: State::empty(), watch }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }
}

impl AsRef<State> for Watched {
    fn as_ref(&self) -> &State {
        &self.state
    }
}

impl Fold for Watched {
    type Event = Event;
    type Effect = Effect;

    fn apply(&mut self, at: At, event: &Event, out: &mut Vec<Effect>) {
        super::poison::taste(&self.state, event);
        let mut seen = self.watch.seen();
        let before = Spent::of(&self.state, event);
        if !seen.late {
            seen.law.before(at, event, &self.state);
        }
        self.state.apply(at, event, out);
        if !seen.late {
            seen.law.after(event, &self.state, &before);
            seen.law.slots.apply(at, event);
        }
        seen.history.push((at, event.clone()));
    }
}

/// The product's own snapshots: of the state alone.
impl Snapshot for Watched {
    const KIND: &'static str = State::KIND;
    const SCHEMA: u32 = State::SCHEMA;
    type Form = State;

    fn form(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
        self.watch.seen().late = true;
    }
}
