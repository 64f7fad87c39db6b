//! A step held for a person.
//!
//! Owns what a person decides on: the change with both sides' hashes, and the one hash a decision
//! binds to. Never holds bytes; the diff and both sides are blobs.

use serde::{Deserialize, Serialize};

use crate::digest::{BlobRef, Digest};
use crate::effect::Change;
use crate::gate::risk::Risk;
use crate::gate::scope::Scope;

/// A proposal as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub step: u8,
    pub change: Change,
    pub diff: BlobRef,
    pub scope: Scope,
    pub risk: Risk,
    pub reason: HoldReason,
    /// SHA-256 over the change's meaning only; see [`Change::hash`].
    pub hash: Digest,
}

/// Why the gate holds a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The path is protected (l0 or l1).
    ProtectedScope,
    /// The action's risk is above the mandate's budget for it.
    RiskAboveBudget,
}

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    Approved,
    Rejected,
    Expired,
    /// The target changed since it was opened; a new proposal takes its place.
    Stale,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Reject,
}

impl Closed {
    /// The word used in journals and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Stale => "stale",
        }
    }
}

impl HoldReason {
    /// The word used in journals and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ProtectedScope => "protected_scope",
            Self::RiskAboveBudget => "risk_above_budget",
        }
    }
}
