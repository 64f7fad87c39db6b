//! Effects that have no outcome, and what a person says of one.
//!
//! Owns the public shape of an effect and of settling it.

use serde::{Deserialize, Serialize};

/// An effect that was begun and has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub id: String,
    pub mandate_id: String,
    /// The step of the plan, from 0; null where it belongs to none.
    pub step: Option<u8>,
    /// What recovery does with it: `read`, `model`, `file`, `opaque`.
    pub class: String,
    pub state: State,
    /// In words.
    pub what: String,
    /// RFC 3339, UTC.
    pub since: String,
    /// Why nobody can prove it; null while it is open.
    pub doubt: Option<String>,
    /// What a command had told by then; absent where it told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
}

/// Where an effect without an outcome stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Under way; it settles by itself.
    Open,
    /// Nobody can prove whether it happened; a person settles it.
    Unsettled,
}

/// `GET /v1/effects`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    pub effects: Vec<Effect>,
}

/// `POST /v1/effects/ID/settle`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    pub answer: Answer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a person says of an unsettled effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Happened,
    DidNot,
    Unknown,
}

/// The answer is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Always true.
    pub enqueued: bool,
    pub command_id: String,
    pub effect_id: String,
    pub answer: Answer,
}
