//! How the daemon and its budget stand.

use axum::Json;
use axum::extract::State;
use kairos_engine::HeldClock;
use kairos_engine::space::Standing;
use kairos_wire as wire;

use crate::door::Door;
use crate::queue;

pub(crate) async fn status(State(door): State<Door>) -> Json<wire::Status> {
    let status = door.handle.status();
    let count = |n: usize| n as u64;
    Json(wire::Status {
        state: status.state.word().to_owned(),
        pid: status.pid,
        tick_count: status.tick_count,
        mailbox_size: count(status.mailbox_size),
        started_at: status.started_at.map(|at| at.to_string()),
        shutdown_requested: status.shutdown_requested,
        tick_interval: seconds(status.tick_interval_ms),
        graceful_timeout: seconds(status.graceful_timeout_ms),
        journal_first: status.first.0,
        journal_head: status.head.0,
        waiting: count(status.waiting),
        running: count(status.running),
        queued: count(status.queued),
        checkpoints: door.checkpoints(),
        space: Some(space(&status.space)),
        clock: Some(clock(status.clock)),
        queued_because: queue::all(&status).map(ToOwned::to_owned),
    })
}

fn space(standing: &Standing) -> wire::status::Space {
    let Standing { found, limits, low, .. } = standing;
    wire::status::Space {
        low: low.map(|low| low.word().to_owned()),
        reason: low.map(|low| low.to_string()),
        hint: low.map(|low| low.hint().to_owned()),
        free_bytes: found.free,
        keep_free_bytes: limits.free_bytes,
        used_bytes: found.used,
        cap_bytes: limits.bytes,
    }
}

fn clock(held: Option<HeldClock>) -> wire::status::Clock {
    wire::status::Clock {
        held: held.is_some(),
        stepped_ms: held.map(|held| held.stepped_ms),
        until: held.map(|held| held.until.to_string()),
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

pub(crate) async fn budget(State(door): State<Door>) -> Json<wire::Budget> {
    let status = door.handle.status();
    let (used, held) = (status.budget.used, status.budget.held);
    let caps = status.rules.as_ref().map(|rules| rules.day).unwrap_or_default();
    let line = |used, held, cap| wire::budget::Line { used, held, cap };
    Json(wire::Budget {
        day: status.budget.day.map(|day| day.to_string()),
        day_ends: status.day_ends.map(|at| at.to_string()),
        calls: line(used.calls, held.calls, caps.calls),
        tokens: line(used.tokens, held.tokens, caps.tokens),
        usd_micros: line(used.usd_micros, held.usd_micros, caps.usd_micros),
    })
}
