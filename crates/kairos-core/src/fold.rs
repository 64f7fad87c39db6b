//! The seam between the rules and the journal.
//!
//! Owns the position of a record and the one operation a journal needs from a state: fold an
//! event in. Never knows frames, files or syncs. `kairos-journal` is generic over [`Fold`], so it
//! can keep the state and the effects it releases without learning what an event means.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Position of a frame in the journal, counted from 1. 0 stands before the first frame.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A fold that can be written down whole and read back, so that a start need not fold everything.
///
/// What is restored must act as what was written: the same events bring the same effects and the
/// same fold, and so on for ever.
pub trait Snapshot: Fold {
    /// What its snapshots are called: lower-case letters, the ending of a file's name.
    const KIND: &'static str;
    /// The version of its written form. Every change of the form counts it up, and what reads a
    /// form goes on reading those before it: once old segments are gone, a snapshot is all there is.
    const SCHEMA: u32;
    /// What is written: mostly the fold itself.
    type Form: Serialize + DeserializeOwned;

    fn form(&self) -> &Self::Form;

    /// Takes the place of everything folded so far.
    fn restore(&mut self, form: Self::Form);
}
