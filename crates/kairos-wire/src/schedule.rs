//! A rule that says when, as people see it.
//!
//! Owns the public shape of a schedule, of its slots, and of firing one by hand.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mandate::Mandate;

// tidy: table
/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What it is over time, whatever it is called; mostly its name.
    pub id: String,
    pub name: String,
    pub state: State,
    /// When it is due, in the words of `schedules.yml`.
    #[serde(flatten)]
    pub timing: Timing,
    /// An IANA zone name; `UTC` where only elapsed time counts.
    pub timezone: String,
    pub enabled: bool,
    /// When the next slot is let go; null when there is none, also while it is paused.
    pub next: Option<String>,
    /// What an interval is counted from; null for the other kinds.
    #[serde(default)]
    pub anchor: Option<String>,
    /// Up to when it has no slot, because the clock had been there already; else null.
    #[serde(default)]
    pub held_until: Option<String>,
    /// The latest slot; null when there was none.
    pub last: Option<Slot>,
    /// What its last finished mandate came to; null when there is none.
    #[serde(default)]
    pub last_outcome: Option<String>,
    /// Mandates that failed since one did not.
    #[serde(default)]
    pub failures: u32,
    /// Null unless it is paused.
    #[serde(default)]
    pub paused: Option<Paused>,
    pub missed_policy: String,
    pub concurrency: String,
}

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// An expression.
    Cron(String),
    /// An interval in milliseconds.
    EveryMs(u64),
    /// The one time its zone's clock shows.
    At(String),
    /// What makes it due besides the clock.
    Trigger(Trigger),
}

/// What makes a schedule due besides the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A delivery to `POST /v1/hooks/NAME`.
    Webhook {},
    /// The files of a glob hold something else, and have stood so for a while.
    Path { glob: String, settle_ms: u64 },
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(text) => f.write_str(text),
            Self::EveryMs(ms) => {
                let units = [(86_400_000, 'd'), (3_600_000, 'h'), (60_000, 'm')];
                let whole = units.into_iter().find(|(unit, _)| ms % unit == 0);
                let (unit, letter) = whole.unwrap_or((1000, 's'));
                write!(f, "every {}{letter}", ms / unit)
            }
            Self::At(at) => write!(f, "at {at}"),
            Self::Trigger(Trigger::Webhook {}) => f.write_str("webhook"),
            Self::Trigger(Trigger::Path { glob, .. }) => write!(f, "path {glob}"),
        }
    }
}

/// Why a schedule fires nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    pub since: String,
    /// Who paused it; null when its mandates did.
    pub by: Option<String>,
    /// How many mandates in a row had failed then; null when a person paused it.
    pub failures: Option<u32>,
}

/// Whether a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Enabled,
    Paused,
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

/// `POST /v1/schedules/NAME/fire`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fire {
    /// The slot to fire again, as an instant or as its zone's clock shows it; null is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
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
    /// Whether a person had fired it so before, and this is what that made.
    #[serde(default)]
    pub repeated: bool,
    pub mandate_id: String,
    /// Null while the daemon still reads its history: it is recorded all the same.
    pub mandate: Option<Mandate>,
}

/// What became of a delivery to a webhook: durable when this is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Whether it stands for a mandate; not where the schedule is paused or off.
    pub enqueued: bool,
    pub command_id: String,
    pub schedule: String,
    /// What became of its slot: `fired`, or `skipped`.
    pub state: String,
    /// Why it did not fire: `paused`.
    pub reason: Option<String>,
    /// It was delivered before under the same name, and this is what it made then.
    pub repeated: bool,
    pub mandate_id: Option<String>,
    /// Null while the daemon still reads its history, and when it is long over.
    pub mandate: Option<Mandate>,
    /// The position of the record that made it durable.
    pub seq: u64,
}
