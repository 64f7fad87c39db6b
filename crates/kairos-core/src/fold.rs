//! The seam between the rules and the journal.
//!
//! Owns the position of a record and the one operation a journal needs from a state: fold an
//! event in. Never knows frames, files or syncs. `kairos-journal` is generic over [`Fold`], so it
//! can keep the state and the effects it releases without learning what an event means.

use crate::time::Time;

/// Position of a frame in the journal, counted from 1. 0 stands before the first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where and when an event stands: the frame's position and the instant written in it.
///
/// `apply` takes its notion of time from here and nowhere else, so a replay sees what the live
/// run saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub seq: Seq,
    pub time: Time,
}

/// A state that events fold into.
pub trait Fold {
    type Event;
    type Effect;

    /// Folds one event in and pushes the effects it asks for onto `out`.
    ///
    /// Total: any event that `decide` can yield is accepted in any state. The effects reach a
    /// performer only through a committed permit; at recovery they are dropped and the engine asks
    /// `resume` instead.
    fn apply(&mut self, at: At, event: &Self::Event, out: &mut Vec<Self::Effect>);
}
