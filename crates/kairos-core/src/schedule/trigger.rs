//! What makes a schedule due besides the clock.
//!
//! Owns the kinds of triggers in their written form. Never looks at a file and never reads a request:
//! doors and the looks at the workspace bring what they found as inputs.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// What makes a schedule due that has no timetable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Somebody who knows its secret delivers to `POST /v1/hooks/NAME`.
    Webhook {},
    /// What the files of a glob hold changes, and has stood for `settle_ms` since.
    Path { glob: String, settle_ms: u64 },
}

/// The shortest and the longest time to settle, in milliseconds.
pub const SETTLE_MS: RangeInclusive<u64> = 1_000..=3_600_000;

impl Trigger {
    /// The word used in configuration and output.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook {} => "webhook",
            Self::Path { .. } => "path",
        }
    }
}
