//! A step held for a person, and the decision on it.
//!
//! Owns the public shape of a proposal and of deciding it.

use serde::{Deserialize, Serialize};

use crate::blob::Erasure;

// tidy: table
/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub id: String,
    pub mandate_id: String,
    pub state: State,
    /// `l0`, `l1` or `l2`.
    pub scope: String,
    /// What the step does: `code_edit`, `file_create`, `file_move`, `file_delete`, `shell`.
    pub action: String,
    /// Empty of a command.
    pub path: String,
    /// Where a move goes; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What a `shell` step asked for, in one line; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A unified diff of exactly what would change, or everything about a command; null when it was
    /// erased.
    pub diff: Option<String>,
    /// `sha256:…` over what the change means: what a decision binds to.
    pub hash: String,
    pub risk: String,
    /// Why it is held.
    pub reason: String,
    pub created_at: String,
    pub expires_at: String,
    /// Who decided; null where nobody did.
    pub decided_by: Option<String>,
    /// Its diff and both sides, as far as they were erased and are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<Erasure>,
    /// The keys KairosChain gave.
    #[serde(flatten)]
    pub former: Former,
}

/// What clients of KairosChain's proposal routes read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    pub proposal_id: String,
    pub proposal_hash: String,
    /// `pending_approval`, or the state's word.
    pub status: String,
    pub current_status: String,
    pub target: Target,
}

/// KairosChain's form of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub path: String,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Approved,
    Rejected,
    Expired,
    /// The target changed since it was opened.
    Stale,
}

/// `GET /v1/proposals`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposals {
    pub proposals: Vec<Proposal>,
    pub count: usize,
}

/// The body of `POST /v1/proposals/ID/approve` and `reject`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The hash of what the person saw; `If-Match` may say it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_hash: Option<String>,
    /// A comment: recorded is who is authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which way a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approve,
    Reject,
}

/// The decision is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Always true.
    pub enqueued: bool,
    pub command_id: String,
    pub proposal_id: String,
    pub decision: Verdict,
    /// Null while the daemon still reads its history: it is recorded all the same.
    pub proposal: Option<Proposal>,
}
