//! The five phases of a cycle.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phase, in the order a cycle enters them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Observe,
    Orient,
    Decide,
    Act,
    Reflect,
}

impl Phase {
    /// The word used in journals, prompts and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Orient => "orient",
            Self::Decide => "decide",
            Self::Act => "act",
            Self::Reflect => "reflect",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
