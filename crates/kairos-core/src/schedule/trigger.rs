//! What makes a schedule due besides the clock.
//!
//! Owns the kinds of triggers in their written form. Never looks at a file and never reads a request:
//! doors and the looks at the workspace bring what they found as inputs.

use serde::{Deserialize, Serialize};

/// What makes a schedule due that has no timetable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Somebody who knows its secret delivers to `POST /v1/hooks/NAME`.
    Webhook {},
}

impl Trigger {
    /// The word used in configuration and output.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook {} => "webhook",
        }
    }
}
