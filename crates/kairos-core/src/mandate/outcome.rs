//! How a mandate stands and how it ends.
//!
//! Owns the closed lists of reasons and outcomes. Never decides which holds; `decide` does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a finished mandate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The goal is claimed reached, every check held, and something changed.
    Achieved,
    /// The goal is claimed reached, every check held, and nothing had to change.
    Unchanged,
    /// The cycles are used up.
    Exhausted,
    /// Two cycles in a row failed, or a call failed for good, or nobody unblocked it in time.
    Failed,
    /// The same plan came again.
    Looped,
    /// A person stopped it.
    Stopped,
    /// Every step was refused by the gate.
    Refused,
    /// Its time was up.
    Expired,
}

/// Why a finished mandate ended so, where the outcome alone does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// It aborted the engine twice.
    Poison,
    /// The model said it cannot go on, and nobody answered in time.
    Blocked,
    /// Two cycles in a row failed.
    CyclesFailed,
    /// An unsettled effect or an expired proposal left nothing to do.
    StepsFailed,
    /// A newer fire of its schedule took its place.
    Replaced,
    /// The command of a check is refused, so that it can never hold.
    ChecksRefused,
}

/// What a parked mandate waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// A person decides a proposal.
    Approval,
    /// The day or the mandate has no budget left.
    Budget,
    /// A person looks: the model said it is blocked.
    Checkpoint,
    /// A person says whether an effect happened.
    Unsettled,
    /// The provider answers again.
    Provider,
}

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        impl $type {
            /// The word used in journals, routes and output.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    )+};
}

words! {
    Outcome {
        Achieved = "achieved", Unchanged = "unchanged", Exhausted = "exhausted",
        Failed = "failed", Looped = "looped", Stopped = "stopped", Refused = "refused",
        Expired = "expired",
    }
    ParkReason {
        Approval = "approval", Budget = "budget", Checkpoint = "checkpoint",
        Unsettled = "unsettled", Provider = "provider",
    }
    EndReason {
        Poison = "poison", Blocked = "blocked", CyclesFailed = "cycles_failed",
        StepsFailed = "steps_failed", Replaced = "replaced", ChecksRefused = "checks_refused",
    }
}
