//! The engine's notices as log lines, with KairosChain's names and keys.

use kairos_engine::{Notice, Status};
use serde_json::{Map, Value, json};

use crate::log::{Level, Log};

/// Writes one notice.
pub(crate) fn write(log: &Log, notice: &Notice) {
    let (level, event, details) = match notice {
        Notice::Started { status } => (Level::Info, "daemon_started", snapshot(status)),
        Notice::Recovered { after, bytes } => {
            (Level::Warn, "journal_recovered", json!({"after": after, "bytes": bytes}))
        }
        Notice::ShutdownBegin { open } => {
            (Level::Info, "daemon_shutdown_begin", json!({"open_effects": open}))
        }
        Notice::GracefulTimeoutExceeded { open } => {
            (Level::Warn, "daemon_graceful_timeout_exceeded", json!({"open_effects": open}))
        }
        Notice::CycleInterrupted { mandate } => {
            (Level::Info, "daemon_cycle_interrupted", json!({"mandate_id": mandate.to_string()}))
        }
        Notice::Stopped { status } => (Level::Info, "daemon_stopped", snapshot(status)),
        Notice::Reloaded { schedules } => {
            (Level::Info, "daemon_config_reloaded", json!({"schedules": schedules}))
        }
        Notice::ReloadFailed { error } => {
            (Level::Error, "daemon_config_reload_failed", json!({"error": error}))
        }
        Notice::Status { status } => (Level::Info, "daemon_status", snapshot(status)),
        Notice::BudgetExceeded { mandate } => {
            (Level::Warn, "daemon_budget_exceeded", json!({"mandate_id": mandate.to_string()}))
        }
        Notice::Quarantined { mandate } => {
            (Level::Error, "daemon_quarantined", json!({"mandate_id": mandate.to_string()}))
        }
        Notice::CycleFailed { mandate } => {
            (Level::Error, "daemon_cycle_runner_failed", json!({"mandate_id": mandate.to_string()}))
        }
        Notice::HeartbeatFailed { error } => {
            (Level::Error, "daemon_heartbeat", json!({"error": error}))
        }
    };
    let Value::Object(details) = details else { return };
    log.line(level, event, "daemon", details);
}

/// KairosChain's status snapshot.
fn snapshot(status: &Status) -> Value {
    let seconds = |ms: u64| Value::from(ms / 1000);
    let mut map = Map::new();
    map.insert("state".into(), status.state.word().into());
    map.insert("pid".into(), status.pid.into());
    map.insert("tick_count".into(), status.tick_count.into());
    map.insert("mailbox_size".into(), status.mailbox_size.into());
    map.insert("started_at".into(), status.started_at.map(|t| t.to_string()).into());
    map.insert("shutdown_requested".into(), status.shutdown_requested.into());
    map.insert("tick_interval".into(), seconds(status.tick_interval_ms));
    map.insert("graceful_timeout".into(), seconds(status.graceful_timeout_ms));
    map.insert("journal_head".into(), status.head.0.into());
    Value::Object(map)
}
