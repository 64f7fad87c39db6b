//! A step held for a person.
//!
//! Owns what a person decides on, a change with both sides' hashes or a command as it was resolved, and
//! the one hash a decision binds to. Never holds bytes; what a person reads, and both sides, are blobs.

use serde::{Deserialize, Serialize};

use crate::digest::{BlobRef, Digest};
use crate::effect::Change;
use crate::gate::risk::Risk;
use crate::gate::scope::Scope;
use crate::shell::Invocation;

/// A proposal as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub step: u8,
    #[serde(flatten)]
    pub subject: Subject,
    /// What a person reads: a diff, or a command in full.
    pub diff: BlobRef,
    pub scope: Scope,
    pub risk: Risk,
    pub reason: HoldReason,
    /// SHA-256 over the meaning only; see [`Change::hash`] and [`Invocation::hash`].
    pub hash: Digest,
}

/// What a person decides on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Change(Change),
    Command(Invocation),
}

impl Subject {
    #[must_use]
    pub fn hash(&self) -> Digest {
        match self {
            Self::Change(change) => change.hash(),
            Self::Command(invocation) => invocation.hash(),
        }
    }

    /// The stored texts it names, beside what a person reads.
    pub fn texts(&self) -> impl Iterator<Item = BlobRef> {
        let (pre, post) = match self {
            Self::Change(change) => (change.pre(), change.post()),
            Self::Command(invocation) => (Some(invocation.shown), None),
        };
        pre.into_iter().chain(post)
    }
}

/// Why the gate holds a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The path is protected (l0 or l1).
    ProtectedScope,
    /// The action's risk is above the mandate's budget for it.
    RiskAboveBudget,
    /// Nobody can take it back or tell afterwards whether it happened.
    Opaque,
    /// No rule of the catalogue knows the program.
    Unlisted,
    /// Which files of the workspace it executes cannot be listed.
    InputsNotBound,
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
            Self::Opaque => "opaque",
            Self::Unlisted => "unlisted",
            Self::InputsNotBound => "inputs_not_bound",
        }
    }
}
