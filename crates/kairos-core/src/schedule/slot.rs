//! What became of a slot.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Every slot ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// It made a mandate.
    Fired,
    /// A later slot fired for it.
    Coalesced,
    Skipped,
    /// Too late to fire.
    DroppedStale,
    Refused,
}

/// Why a slot did not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotReason {
    /// The schedule's policy for missed slots.
    Policy,
    /// Its rule was edited or taken away before it fired.
    RuleChanged,
    /// The journal was restored, copied or repaired: nobody can say whether it fired meanwhile.
    Restored,
    /// Its schedule was paused.
    Paused,
    /// What must hold did not.
    Condition,
    /// Nobody could tell whether what must hold does.
    ConditionUnknown,
    /// The files that it watches are gone: a change, but nothing to do.
    NoFiles,
    /// An earlier mandate is not finished.
    Overlap,
    /// No model is configured.
    NoModel,
    /// The model it names has no price, and a cap in USD holds.
    Unpriced,
}

impl SlotState {
    /// The word used in journals and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Coalesced => "coalesced",
            Self::Skipped => "skipped",
            Self::DroppedStale => "dropped_stale",
            Self::Refused => "refused",
        }
    }
}

impl SlotReason {
    /// The word used in journals and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::RuleChanged => "rule_changed",
            Self::Restored => "restored",
            Self::Paused => "paused",
            Self::Condition => "condition",
            Self::ConditionUnknown => "condition_unknown",
            Self::NoFiles => "no_files",
            Self::Overlap => "overlap",
            Self::NoModel => "no_model",
            Self::Unpriced => "unpriced",
        }
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for SlotReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
