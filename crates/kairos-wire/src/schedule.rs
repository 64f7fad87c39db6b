//! A rule that says when, as people see it.
//!
//! Owns the public shape of a schedule, of its slots, and of firing one by hand.

use serde::{Deserialize, Serialize};

use crate::mandate::Mandate;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The name once more: every entity has an `id`.
    pub id: String,
    pub name: String,
    pub state: State,
    pub cron: String,
    /// An IANA zone name.
    pub timezone: String,
    pub enabled: bool,
    /// The next slot; null when there is none.
    pub next: Option<String>,
    /// The latest slot; null when there was none.
    pub last: Option<Slot>,
    pub missed_policy: String,
    pub concurrency: String,
}

/// Whether a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Enabled,
    Disabled,
}

/// What became of a slot, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// `fired`, `coalesced`, `skipped`, `dropped_stale`, `refused`.
    pub state: String,
    pub reason: Option<String>,
    /// When it was due; of several, the latest.
    pub at: String,
    pub mandate_id: Option<String>,
    /// How its mandate ended; null while that goes on, and when it is older than those that are shown.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Whether its mandate's checks held; null where nobody looked.
    #[serde(default)]
    pub verified: Option<bool>,
    /// How many slots in a row: 1 except for a range.
    pub count: u64,
    /// Who fired it; null when its time came.
    pub by: Option<String>,
}

/// `GET /v1/schedules`, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedules {
    pub schedules: Vec<Schedule>,
}

/// A person fired a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// Always true.
    pub enqueued: bool,
    pub command_id: String,
    pub schedule: String,
    /// The record that acknowledges it.
    #[serde(default)]
    pub seq: u64,
    pub mandate_id: String,
    /// Null while the daemon still reads its history: it is recorded all the same.
    pub mandate: Option<Mandate>,
}
