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
}
