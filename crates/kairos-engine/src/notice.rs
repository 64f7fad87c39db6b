//! What the engine says for the log.
//!
//! Owns the closed list of notices with KairosChain's event names and detail keys. Never writes a
//! line; the binary does.

use kairos_core::event::Limit;
use kairos_core::fold::Seq;
use kairos_core::id::MandateId;
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::pause::PausedBy;
use kairos_core::space::Shortage;
use kairos_core::time::Time;
use kairos_journal::retention::Deleted;

use crate::lifecycle::Status;
use crate::space::Standing;
use crate::upkeep::BlobNotice;

/// One thing worth a log line.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The journal is recovered and open ends are taken up.
    Started {
        status: Status,
    },
    /// A torn tail was cut off.
    Recovered {
        after: u64,
        bytes: u64,
        /// Where the bytes are kept, relative to the journal.
        saved_as: String,
    },
    ShutdownBegin {
        open: usize,
    },
    GracefulTimeoutExceeded {
        open: usize,
    },
    /// An effect was open when the daemon ended.
    CycleInterrupted {
        mandate: MandateId,
    },
    Stopped {
        status: Status,
    },
    Reloaded {
        schedules: usize,
    },
    ReloadFailed {
        error: String,
    },
    Status {
        status: Status,
    },
    /// A mandate waits for budget.
    BudgetExceeded {
        mandate: MandateId,
    },
    /// A mandate aborted the engine twice and was ended.
    Quarantined {
        mandate: MandateId,
    },
    /// A mandate's cycles failed.
    CycleFailed {
        mandate: MandateId,
    },
    /// A snapshot was not believed at the start; an older one was, or none.
    SnapshotPassedOver {
        /// Relative to the journal.
        name: String,
        why: String,
    },
    /// No new snapshot could be made; those there are stay.
    SnapshotFailed {
        /// Of what it would have been.
        kind: &'static str,
        error: String,
    },
    /// Blobs were removed, or could not be.
    Blobs(BlobNotice),
    /// Room ran short: what runs is finished, and nothing new begins.
    SpaceLow {
        shortage: Shortage,
    },
    /// There is room again, and all goes on.
    SpaceEnough {
        standing: Standing,
    },
    /// Nobody can say how much room there is.
    SpaceUnknown {
        error: String,
    },
    /// Retention deleted the oldest segments.
    SegmentsDeleted {
        /// Where the journal begins now.
        first: Seq,
        deleted: Deleted,
        /// Why; what an earlier start left is only ended.
        over: Option<Limit>,
    },
    /// Retention cannot delete what it should; all stays.
    RetentionFailed {
        error: String,
    },
    /// A schedule fires nothing until a person lets it go on.
    SchedulePaused {
        schedule: ScheduleName,
        why: PausedBy,
    },
    ScheduleResumed {
        schedule: ScheduleName,
        by: Principal,
    },
    /// So many schedules have no slot for a while: the clock had been there. This one waits longest.
    SchedulesAhead {
        count: usize,
        schedule: ScheduleName,
        until: Time,
    },
    /// The wall clock was set, and is not believed yet.
    ClockStepped {
        by_ms: i64,
        /// When it is, if nobody sets it again.
        until: Time,
    },
    /// It is believed again: a person said so, or it has stood long enough.
    ClockSettled {
        by: Option<Principal>,
    },
    /// Nobody can tell what the files that a schedule watches hold: it does not fire.
    FilesUnknown {
        schedule: ScheduleName,
        error: String,
    },
    /// Nobody can tell whether a schedule's condition holds: its slot does not fire.
    ConditionUnknown {
        schedule: ScheduleName,
        error: String,
    },
    /// The heartbeat could not be written.
    HeartbeatFailed {
        error: String,
    },
    /// The last heartbeat cannot be read, so whether the journal was restored was not checked.
    HeartbeatUnreadable {
        error: String,
    },
}
