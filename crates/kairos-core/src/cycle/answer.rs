//! What a model may say, typed.
//!
//! Owns the closed form of an answer as events carry it: enums, ids, paths, numbers. Never holds
//! the model's prose, which stays in the answer's blob, nor its JSON, which `effects::model` parses
//! once at the door.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::gate::risk::Risk;
use crate::plan::Step;

/// A valid answer to one of the three asking phases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Orient { risk: Risk },
    Decide(Decide),
    Reflect { assessment: Assessment },
}

/// What decide said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decide {
    pub status: Status,
    /// A checked graph: names unique, dependencies known, no cycle, at most 64.
    pub steps: Vec<Step>,
    /// Hash over the normalised steps in the order they would be taken: the same plan in other words
    /// of intent is the same plan.
    pub fingerprint: Digest,
}

/// Where decide sees the mandate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// More cycles are needed after these steps.
    Continue,
    /// The goal is reached once these steps succeed.
    Done,
    /// A person must look.
    Blocked,
}

/// How reflect judges the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assessment {
    Success,
    Partial,
    Failure,
    Unknown,
}
