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
    /// What keeps the queued ones from starting: `budget`, `scope`, `max_running`, `space` or
    /// `stopping`;
    /// null when nothing does.
    #[serde(default)]
    pub queued_because: Option<String>,
    /// The room on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// The wall clock, as far as it is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// Signed checkpoints; absent where nobody signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Checkpoints>,
}

/// How much room there is, at the last look, and whether it is enough for new work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Which limit holds back new work: `free` (`retention.keep_free`), `used`
    /// (`retention.bytes`) or `segment` (the journal's next segment cannot be made); null when none
    /// does.
    pub low: Option<String>,
    /// The same in words, with the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Null where the file system does not say.
    pub free_bytes: Option<u64>,
    pub keep_free_bytes: u64,
    /// Of journal and blobs; null until they have been counted.
    pub used_bytes: Option<u64>,
    pub cap_bytes: u64,
}

/// Whether the wall clock was set further than time explains, and is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// While it is, no slot is looked at, nothing expires and no day begins.
    pub held: bool,
    /// How far it was set, all steps together; negative is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped_ms: Option<i64>,
    /// When it is believed, if nobody sets it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
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
