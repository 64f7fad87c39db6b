//! Stored texts that a person wants gone.
//!
//! Owns the public shape of an erasure and of asking for it.

use serde::{Deserialize, Serialize};

/// A text that was erased. Its hash and length stay in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// SHA-256 of the text, 64 hex digits.
    pub blob_id: String,
    pub state: State,
    /// When it was asked for: RFC 3339, UTC.
    pub at: String,
    pub by: String,
    /// Null when the reason was erased too.
    pub reason: Option<String>,
    /// When its bytes went, or it turned out that they are needed; null while it is under way.
    pub settled_at: Option<String>,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; the bytes may still be there. It goes on by itself, after a restart too.
    Erasing,
    /// The bytes are off the disk.
    Erased,
    /// They stay: work that began meanwhile had stored them again.
    Needed,
}

/// `POST /v1/blobs/ID/erase`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    pub reason: String,
}

/// The erasure is recorded, now or before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Whether something had to be recorded for it.
    pub enqueued: bool,
    /// Absent when it was erased before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    pub blob_id: String,
    pub state: State,
    /// Null while the views have not reached it.
    pub erasure: Option<Erasure>,
}
