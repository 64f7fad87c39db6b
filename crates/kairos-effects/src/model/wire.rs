//! What the wire formats have in common.
//!
//! Owns the form of a request that a provider may not know, and what is read from its answer. Each
//! provider's own shapes stand in its file, as pure functions over bytes.

use kairos_core::budget::Usage;

/// How a request is put, as far as providers differ within one format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Asks in words only: the provider knows no schema.
    pub plain: bool,
    /// Names the limit `max_tokens`, as servers do that follow the older form.
    pub old_limit: bool,
}

/// What a provider answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub stop: Stop,
    /// `None` when it did not say; the reservation counts then.
    pub usage: Option<Usage>,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was done, as far as anybody can tell.
    Finished,
    /// It reached the most output tokens.
    Limit,
    /// It would not answer.
    Refused,
}

/// A 200 that is not what the wire format says.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not in the provider's form")]
pub struct Unreadable {
    #[from]
    source: serde_json::Error,
}

impl Stop {
    /// What is wrong with the text for that reason alone, in words for the model.
    #[must_use]
    pub const fn problem(self) -> Option<&'static str> {
        match self {
            Self::Finished => None,
            Self::Limit => {
                Some("the answer was cut off at the most output tokens; answer more briefly")
            }
            Self::Refused => Some("the model refused to answer"),
        }
    }
}
