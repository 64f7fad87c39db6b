//! What the engine is told at start and at each reload.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use kairos_core::rules::Rules;
use kairos_core::schedule::definition::Definition;

use crate::calendar::Zones;

/// A configuration that was read whole.
#[derive(Debug)]
pub struct Configuration {
    pub rules: Rules,
    /// No two have one name or one identity.
    pub schedules: Vec<Definition>,
    /// The file that would say which schedules there are, where it does not exist: no reason to give
    /// up those that are known.
    pub missing: Option<PathBuf>,
    /// Zones by name, for these schedules and for those that are in no configuration any more.
    pub zones: Zones,
    pub options: Options,
}

/// What rules the engine and not its decisions.
#[derive(Clone, Debug)]
pub struct Options {
    /// Accepted for KairosChain's sake; nothing polls.
    pub tick_interval_ms: u64,
    /// How long a drain waits for what is open.
    pub graceful_timeout_ms: u64,
    pub heartbeat_interval_ms: u64,
    /// Where the budget's day begins.
    pub day_zone: TimeZone,
    pub retention: Retention,
}

/// How much of the past is kept, and how much room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Segments of the journal whose newest frame is older than so many days may go.
    pub days: u32,
    /// What journal and blobs may take: the oldest segments go before that, and with more what runs
    /// is finished and nothing accepted.
    pub bytes: u64,
    /// What stays free on the disk: with less, what runs is finished and nothing accepted.
    pub free_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, bytes: 2 << 30, free_bytes: 256 << 20 }
    }
}
