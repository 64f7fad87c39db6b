//! The sign of life beside the journal.
//!
//! Owns `run/heartbeat.json`: whole or not at all, after a power loss too, 0600, KairosChain's keys and
//! ours. The engine's one periodic wake-up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kairos_core::fold::Seq;
use kairos_core::id::MandateId;
use serde::{Deserialize, Serialize};

use crate::lifecycle::Status;

/// More than any heartbeat takes.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize)]
struct Heartbeat<'a> {
    pid: u32,
    ts: String,
    last_cycle_at: Option<String>,
    active_mandate_id: Option<MandateId>,
    active_mandates: &'a [MandateId],
    queue_depth: usize,
    tick_count: u64,
    state: &'static str,
    journal_head: u64,
    /// Which limit holds back new work.
    #[serde(skip_serializing_if = "Option::is_none")]
    low_on_space: Option<&'static str>,
}

/// The head of the journal as the last heartbeat saw it; `None` where there is none, or one of
/// KairosChain's, which knows of no journal.
///
/// # Errors
/// There is one that cannot be read, so nobody can tell.
pub(crate) fn head(file: &Path) -> io::Result<Option<Seq>> {
    #[derive(Deserialize)]
    struct Last {
        journal_head: Option<u64>,
    }
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text)?;
    let last: Last = serde_json::from_slice(&text)?;
    Ok(last.journal_head.map(Seq))
}

/// Writes the heartbeat.
///
/// # Errors
/// The disk's; the one before stays then.
pub(crate) fn write(file: &Path, status: &Status, now: kairos_core::time::Time) -> io::Result<()> {
    let beat = Heartbeat {
        pid: status.pid,
        ts: now.to_string(),
        last_cycle_at: status.last_cycle_at.map(|at| at.to_string()),
        active_mandate_id: status.active,
        active_mandates: &status.active_mandates,
        queue_depth: status.queued,
        tick_count: status.tick_count,
        state: status.state.word(),
        journal_head: status.head.0,
        low_on_space: status.space.low.map(|low| low.word()),
    };
    let text = serde_json::to_vec(&beat).map_err(io::Error::other)?;
    let temp = file.with_extension("json.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut new = options.open(&temp)?;
    new.write_all(&text)?;
    // Else the name could outlive the power and the text not: the check of the next start would be lost.
    new.sync_data()?;
    fs::rename(&temp, file)
}
