//! How the daemon stands.
//!
//! Owns KairosChain's snapshot keys and ours beside them.

use serde::{Deserialize, Serialize};

// tidy: table
/// `GET /v1/status`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `initialized`, `starting`, `running`, `draining`, `stopped`, `error`.
    pub state: String,
    pub pid: u32,
    /// Turns since the start.
    pub tick_count: u64,
    /// Inputs that wait.
    pub mailbox_size: u64,
    pub started_at: Option<String>,
    pub shutdown_requested: bool,
    /// Seconds.
    pub tick_interval: f64,
    /// Seconds.
    pub graceful_timeout: f64,
    /// The first position there is: retention deleted what stood before.
    #[serde(default)]
    pub journal_first: u64,
    /// The highest durable position.
    pub journal_head: u64,
    /// Mandates that are parked.
    pub waiting: u64,
    pub running: u64,
    pub queued: u64,
    /// What keeps the queued ones from starting: `budget`, `scope`, `max_running` or `stopping`;
    /// null when nothing does.
    #[serde(default)]
    pub queued_because: Option<String>,
    /// Signed checkpoints; absent where nobody signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Checkpoints>,
}

/// How the journal's signed checkpoints stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Frames the newest one is over.
    pub size: Option<u64>,
    /// Why the last one was not signed.
    pub problem: Option<String>,
    pub witnesses: Vec<Witness>,
}

/// A place outside the workspace that holds checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Such as `file PATH`, `git REMOTE BRANCH`, `http URL`.
    pub witness: String,
    /// Frames the newest one that it took is over.
    pub size: Option<u64>,
    /// Why it did not take the last one.
    pub problem: Option<String>,
}
