//! The engine's notices: as log lines with KairosChain's names and keys, and in words for whoever
//! started the process and looks at its stderr.
//!
//! Owns both forms. The log has every notice; said are those that somebody has to know.

use kairos_api::Trouble;
use kairos_core::event::Limit;
use kairos_core::schedule::pause::PausedBy;
use kairos_core::space::Bytes;
use kairos_engine::collect::Collected;
use kairos_engine::space::Standing;
use kairos_engine::{BlobNotice, Notice, Status};

use crate::log::{Detail, Level, Log};
use crate::output::table::one_line;
use crate::output::when;

// tidy: table
/// A notice in words; `None` for what only the log has.
pub(crate) fn said(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Reloaded { schedules: 1 } => "configuration reloaded: 1 schedule".to_owned(),
        Notice::Reloaded { schedules } => format!("configuration reloaded: {schedules} schedules"),
        Notice::ReloadFailed { error } => {
            let mut lines = error.lines();
            let first = one_line(lines.next().unwrap_or_default());
            format!(
                "error: the configuration was not reloaded, the earlier one holds: {first}\n\
                 hint: `kairos config check` shows all that is wrong"
            )
        }
        Notice::Recovered { after, bytes, saved_as } => format!(
            "warning: the journal's torn tail of {bytes} bytes after position `{after}` was cut \
             off and kept as `.kairos/journal/{}`\n\
             hint: nobody was told of what stood there; `kairos journal verify` proves the rest",
            one_line(saved_as)
        ),
        Notice::Quarantined { mandate } => format!(
            "error: mandate `{mandate}` aborted the daemon twice and is ended [poison]\n\
             hint: `kairos mandate logs {mandate}` tells what it did"
        ),
        Notice::GracefulTimeoutExceeded { open } => format!(
            "warning: the grace is over with {open} effects open\n\
             hint: the next start looks what became of them"
        ),
        Notice::SnapshotPassedOver { name, why } => format!(
            "warning: the snapshot `.kairos/journal/{}` was not used: {}\n\
             hint: nothing is lost, the start took an older one or read all records",
            one_line(name),
            one_line(why)
        ),
        Notice::SpaceLow { shortage } => format!(
            "warning: short of room: {shortage} [{}]\n\
             hint: {}; until then what runs goes on, nothing new begins, and slots wait",
            shortage.word(),
            shortage.hint()
        ),
        Notice::SpaceEnough { standing } => format!("room again: {}", figures(standing)),
        Notice::SpaceUnknown { error } => format!(
            "warning: nobody can say how much room the disk has: {}\n\
             hint: what was known before holds; `df -h .kairos` may tell",
            one_line(error)
        ),
        Notice::RetentionFailed { error } => format!(
            "warning: old segments of the journal cannot be deleted, all stay: {}\n\
             hint: the next snapshot, and the next start, look again",
            one_line(error)
        ),
        Notice::ClockStepped { by_ms, until } => format!(
            "warning: the wall clock was set {} [clock_held]\n\
             hint: no slot is looked at and nothing expires until {until}, or until you say that it \
             is right: `kairos clock confirm`",
            when::step(*by_ms)
        ),
        Notice::SchedulePaused { schedule, why: PausedBy::Failures(n) } => format!(
            "warning: schedule `{schedule}` is paused: {n} of its mandates in a row failed\n\
             hint: once that is mended, `kairos schedule resume '{schedule}'` lets it go on"
        ),
        Notice::SchedulePaused { schedule, why: PausedBy::Person(by) } => {
            format!("schedule `{schedule}` is paused by {by}")
        }
        Notice::ScheduleResumed { schedule, by } => {
            format!("schedule `{schedule}` goes on, says {by}")
        }
        Notice::SchedulesAhead { count, schedule, until } => format!(
            "warning: {count} {} no slot for a while, `{schedule}` none before {until}: the clock had \
             been there [ahead]\n\
             hint: `kairos schedule fire` fires one by hand; under another `id` a schedule begins anew",
            if *count == 1 { "schedule has" } else { "schedules have" },
        ),
        Notice::HeartbeatUnreadable { error } => format!(
            "warning: the last heartbeat cannot be read, so nobody compared the journal with it: {}\n\
             hint: was the journal restored? `kairos journal verify --checkpoint FILE` proves that it \
             goes on from a checkpoint kept elsewhere",
            one_line(error)
        ),
        Notice::ClockSettled { by: None } => "the wall clock has stood and is believed".to_owned(),
        Notice::ClockSettled { by: Some(by) } => format!("the wall clock is right, says {by}"),
        Notice::FilesUnknown { schedule, error } => format!(
            "warning: nobody can tell what the files that `{}` watches hold, so it does not fire: {}",
            one_line(schedule.as_str()),
            one_line(error)
        ),
        Notice::ConditionUnknown { schedule, error } => format!(
            "warning: nobody can tell whether the condition of `{}` holds, so it does not fire: {}",
            one_line(schedule.as_str()),
            one_line(error)
        ),
        Notice::Started { .. }
        | Notice::SegmentsDeleted { .. }
        | Notice::ShutdownBegin { .. }
        | Notice::CycleInterrupted { .. }
        | Notice::Stopped { .. }
        | Notice::Status { .. }
        | Notice::BudgetExceeded { .. }
        | Notice::CycleFailed { .. }
        | Notice::SnapshotFailed { .. }
        | Notice::Blobs(_)
        | Notice::HeartbeatFailed { .. } => return None,
    })
}

// tidy: table
/// Writes one notice.
pub(crate) fn write(log: &Log, notice: &Notice) {
    let mandate = |id: &kairos_core::id::MandateId| vec![("mandate_id", text(id))];
    let open = |open: usize| vec![("open_effects", count(open as u64))];
    let (level, event, details) = match notice {
        Notice::Started { status } => (Level::Info, "daemon_started", snapshot(status)),
        Notice::Recovered { after, bytes, saved_as } => {
            let place = ("saved_as", text(saved_as));
            let details = vec![("after", count(*after)), ("bytes", count(*bytes)), place];
            (Level::Warn, "journal_recovered", details)
        }
        Notice::ShutdownBegin { open: n } => (Level::Info, "daemon_shutdown_begin", open(*n)),
        Notice::GracefulTimeoutExceeded { open: n } => {
            (Level::Warn, "daemon_graceful_timeout_exceeded", open(*n))
        }
        Notice::CycleInterrupted { mandate: id } => {
            (Level::Info, "daemon_cycle_interrupted", mandate(id))
        }
        Notice::Stopped { status } => (Level::Info, "daemon_stopped", snapshot(status)),
        Notice::Reloaded { schedules } => {
            (Level::Info, "daemon_config_reloaded", vec![("schedules", count(*schedules as u64))])
        }
        Notice::ReloadFailed { error } => {
            (Level::Error, "daemon_config_reload_failed", vec![("error", text(error))])
        }
        Notice::Status { status } => {
            let mut details = snapshot(status);
            details.push(("log_lines_dropped", count(log.dropped())));
            (Level::Info, "daemon_status", details)
        }
        Notice::BudgetExceeded { mandate: id } => {
            (Level::Warn, "daemon_budget_exceeded", mandate(id))
        }
        Notice::Quarantined { mandate: id } => (Level::Error, "daemon_quarantined", mandate(id)),
        Notice::CycleFailed { mandate: id } => {
            (Level::Error, "daemon_cycle_runner_failed", mandate(id))
        }
        Notice::SnapshotPassedOver { name, why } => {
            let details = vec![("name", text(name)), ("error", text(why))];
            (Level::Warn, "snapshot_passed_over", details)
        }
        Notice::SnapshotFailed { kind, error } => {
            let details = vec![("kind", text(kind)), ("error", text(error))];
            (Level::Warn, "snapshot_failed", details)
        }
        Notice::Blobs(notice) => blobs(notice),
        Notice::SpaceLow { shortage } => {
            let message = ("message", text(shortage));
            (Level::Warn, "daemon_space_low", vec![("limit", text(&shortage.word())), message])
        }
        Notice::SpaceEnough { standing } => {
            (Level::Info, "daemon_space_enough", vec![("message", text(&figures(standing)))])
        }
        Notice::SpaceUnknown { error } => {
            (Level::Warn, "daemon_space_unknown", vec![("error", text(error))])
        }
        Notice::SegmentsDeleted { first, deleted, over } => {
            let over = over.map_or(Detail::Null, |over| match over {
                Limit::Days => text(&"days"),
                Limit::Bytes => text(&"bytes"),
            });
            let details = vec![
                ("first", count(first.0)),
                ("segments", count(deleted.segments.into())),
                ("bytes", count(deleted.bytes)),
                ("over", over),
            ];
            (Level::Info, "segments_deleted", details)
        }
        Notice::RetentionFailed { error } => {
            (Level::Warn, "retention_failed", vec![("error", text(error))])
        }
        Notice::ClockStepped { by_ms, until } => {
            let details = vec![("by_ms", Detail::Number(*by_ms)), ("until", text(until))];
            (Level::Warn, "daemon_clock_stepped", details)
        }
        Notice::ClockSettled { by } => {
            let by = by.as_ref().map_or(Detail::Null, text);
            (Level::Info, "daemon_clock_settled", vec![("by", by)])
        }
        Notice::FilesUnknown { schedule, error } => {
            let details = vec![("schedule", text(schedule)), ("error", text(error))];
            (Level::Warn, "schedule_files_unknown", details)
        }
        Notice::ConditionUnknown { schedule, error } => {
            let details = vec![("schedule", text(schedule)), ("error", text(error))];
            (Level::Warn, "schedule_condition_unknown", details)
        }
        Notice::SchedulePaused { schedule, why } => {
            let (by, failures) = match why {
                PausedBy::Person(by) => (text(by), Detail::Null),
                PausedBy::Failures(n) => (Detail::Null, count(u64::from(*n))),
            };
            let details = vec![("schedule", text(schedule)), ("by", by), ("failures", failures)];
            (Level::Warn, "schedule_paused", details)
        }
        Notice::ScheduleResumed { schedule, by } => {
            let details = vec![("schedule", text(schedule)), ("by", text(by))];
            (Level::Info, "schedule_resumed", details)
        }
        Notice::SchedulesAhead { count: n, schedule, until } => {
            let n = ("schedules", count(*n as u64));
            let details = vec![n, ("schedule", text(schedule)), ("until", text(until))];
            (Level::Warn, "schedules_ahead", details)
        }
        Notice::HeartbeatFailed { error } => {
            (Level::Error, "daemon_heartbeat", vec![("error", text(error))])
        }
        Notice::HeartbeatUnreadable { error } => {
            (Level::Warn, "heartbeat_unreadable", vec![("error", text(error))])
        }
    };
    log.line(level, event, "daemon", &details);
}

fn blobs(notice: &BlobNotice) -> (Level, &'static str, Vec<(&'static str, Detail)>) {
    match notice {
        BlobNotice::Collected(Collected { looked_at, removed, bytes, recent }) => {
            let details = vec![
                ("blobs", count(*removed)),
                ("bytes", count(*bytes)),
                ("of", count(*looked_at)),
                ("recent", count(*recent)),
            ];
            (Level::Info, "blobs_collected", details)
        }
        BlobNotice::NotCollected { error } => {
            (Level::Warn, "blobs_not_collected", vec![("error", text(error))])
        }
        BlobNotice::Erased(blob) => (Level::Info, "blob_erased", vec![("blob", text(blob))]),
        BlobNotice::NotErased { blob, error } => {
            let details = vec![("blob", text(blob)), ("error", text(error))];
            (Level::Error, "blob_not_erased", details)
        }
    }
}

/// Writes what goes wrong at a door.
pub(crate) fn trouble(log: &Log, trouble: &Trouble) {
    let (event, error) = match trouble {
        Trouble::CannotAccept { error } => ("daemon_cannot_accept", error),
    };
    log.line(Level::Error, event, "door", &[("error", text(error))]);
}

/// `43 GiB free, 1.2 GiB used`
fn figures(standing: &Standing) -> String {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "?".into(), |n| Bytes(n).to_string());
    let Standing { found, .. } = standing;
    format!("{} free on the disk, {} used", bytes(found.free), bytes(found.used))
}

fn text(value: &impl ToString) -> Detail {
    Detail::Text(value.to_string())
}

fn count(n: u64) -> Detail {
    Detail::Number(i64::try_from(n).unwrap_or(i64::MAX))
}

/// KairosChain's status snapshot, and the journal's head.
fn snapshot(status: &Status) -> Vec<(&'static str, Detail)> {
    vec![
        ("state", text(&status.state.word())),
        ("pid", count(status.pid.into())),
        ("tick_count", count(status.tick_count)),
        ("mailbox_size", count(status.mailbox_size as u64)),
        ("started_at", status.started_at.map_or(Detail::Null, |at| text(&at))),
        ("shutdown_requested", Detail::Flag(status.shutdown_requested)),
        ("tick_interval", count(status.tick_interval_ms / 1000)),
        ("graceful_timeout", count(status.graceful_timeout_ms / 1000)),
        ("journal_head", count(status.head.0)),
    ]
}
