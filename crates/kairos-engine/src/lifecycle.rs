//! Where the daemon is between its first and its last moment, and the status it shows.
//!
//! | state | until |
//! |---|---|
//! | initialized | the journal is asked for |
//! | starting | it is recovered and open ends are taken up |
//! | running | a stop is asked |
//! | draining | nothing is open, or the grace is over |
//! | stopped | – |
//! | error | – (a stop step failed) |

use std::sync::Arc;

use kairos_core::budget::Budget;
use kairos_core::fold::Seq;
use kairos_core::id::MandateId;
use kairos_core::rules::Rules;
use kairos_core::time::Time;

use crate::clocks::HeldClock;
use crate::space::Standing;

/// The daemon's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    #[default]
    Initialized,
    Starting,
    Running,
    Draining,
    Stopped,
    Error,
}

impl Lifecycle {
    /// The word used in routes, the log and the heartbeat.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

// tidy: table
/// The daemon as of its last commit.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub state: Lifecycle,
    pub pid: u32,
    /// Turns taken.
    pub tick_count: u64,
    /// Inputs waiting.
    pub mailbox_size: usize,
    pub started_at: Option<Time>,
    pub shutdown_requested: bool,
    pub tick_interval_ms: u64,
    pub graceful_timeout_ms: u64,
    /// Where the journal begins: what stands before was deleted.
    pub first: Seq,
    /// The newest frame on disk.
    pub head: Seq,
    pub running: usize,
    pub queued: usize,
    pub waiting: usize,
    /// The mandate that has been running longest.
    pub active: Option<MandateId>,
    pub active_mandates: Vec<MandateId>,
    pub last_cycle_at: Option<Time>,
    pub budget: Budget,
    pub day_ends: Option<Time>,
    pub rules: Option<Arc<Rules>>,
    /// The room on the disk, as it was looked at last.
    pub space: Standing,
    /// The wall clock, while it is not believed.
    pub clock: Option<HeldClock>,
}

impl Status {
    /// Of this process, whose journal is recovered.
    pub(crate) fn starting(now: Time, first: Seq, head: Seq) -> Self {
        Self {
            state: Lifecycle::Starting,
            pid: std::process::id(),
            started_at: Some(now),
            first,
            head,
            ..Self::default()
        }
    }
}
