//! Proof that an effect's decision is on disk.
//!
//! Owns the permit's life: out of a commit, into a performer, back as settled or lost. Never says
//! what an effect is. Every performer takes a [`Permit`] by value; the engine makes its input from
//! what comes back.

use std::fmt;
use std::sync::Arc;

use kairos_core::fold::{At, Fold};

/// Where the effect of a permit goes that was dropped without being settled: a performer that
/// panicked, a queue that was closed. Called on the thread that dropped it; must not block.
pub type Lost<F> = Arc<dyn Fn(<F as Fold>::Effect) + Send + Sync>;

/// Leave to perform one effect, once.
///
/// Comes only out of [`Ledger::commit`](crate::Ledger::commit), so its effect's decision is synced.
/// Nothing copies, stores or makes one; [the forgeries](crate::forgeries) one could try do not
/// compile.
#[must_use = "a permit that is dropped is an effect lost"]
pub struct Permit<F: Fold> {
    at: At,
    /// Taken by `settle`; what is still here at `drop` is lost.
    effect: Option<F::Effect>,
    lost: Lost<F>,
}

impl<F: Fold> Permit<F> {
    pub(crate) fn new(at: At, effect: F::Effect, lost: Lost<F>) -> Self {
        Self { at, effect: Some(effect), lost }
    }

    #[must_use]
    pub fn effect(&self) -> &F::Effect {
        self.effect.as_ref().expect("only `settle` takes the effect, and it takes the permit too")
    }

    /// The frame that asked for the effect.
    #[must_use]
    pub fn at(&self) -> At {
        self.at
    }

    /// Says how the effect ended and gives the permit up.
    pub fn settle<O>(mut self, outcome: O) -> Settled<F, O> {
        let effect = self.effect.take().expect("a permit is settled once: `settle` consumes it");
        Settled { at: self.at, effect, outcome }
    }
}

impl<F: Fold> Drop for Permit<F> {
    fn drop(&mut self) {
        if let Some(effect) = self.effect.take() {
            (self.lost)(effect);
        }
    }
}

impl<F: Fold> fmt::Debug for Permit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("at", &self.at).finish_non_exhaustive()
    }
}

/// An effect and how it ended; only [`Permit::settle`] makes one.
#[must_use = "an outcome nobody records is an effect lost"]
pub struct Settled<F: Fold, O> {
    at: At,
    effect: F::Effect,
    outcome: O,
}

impl<F: Fold, O> Settled<F, O> {
    /// The frame that asked for the effect.
    #[must_use]
    pub fn at(&self) -> At {
        self.at
    }

    #[must_use]
    pub fn effect(&self) -> &F::Effect {
        &self.effect
    }

    #[must_use]
    pub fn outcome(&self) -> &O {
        &self.outcome
    }

    #[must_use]
    pub fn into_parts(self) -> (F::Effect, O) {
        (self.effect, self.outcome)
    }
}

impl<F: Fold, O: fmt::Debug> fmt::Debug for Settled<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settled")
            .field("at", &self.at)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
