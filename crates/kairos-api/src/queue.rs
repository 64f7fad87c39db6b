//! Why a mandate is queued.
//!
//! Owns the words for what admission waits for, read off what is shown: the rules decide anew each
//! time, and nothing of it is recorded.

use kairos_engine::{Lifecycle, Status};
use kairos_views::{MandateView, StateView, Views};
use kairos_wire as wire;

/// What keeps the queued mandates from starting.
pub(crate) fn all(status: &Status) -> Option<&'static str> {
    if status.queued == 0 {
        return None;
    }
    common(status, true).or((status.running > 0).then_some("scope"))
}

/// The same of one, whatever its scope; `fresh` when it was never started, and so waits for a day
/// with a budget.
fn common(status: &Status, fresh: bool) -> Option<&'static str> {
    let rules = status.rules.as_ref()?;
    if status.state == Lifecycle::Draining {
        Some("stopping")
    } else if fresh && status.space.low.is_some() {
        Some("space")
    } else if fresh && status.budget.is_exhausted(&rules.day) {
        Some("budget")
    } else if status.running >= usize::from(rules.max_running) {
        Some("max_running")
    } else {
        None
    }
}

/// Adds to a queued mandate why it does not start, and until when where that is known.
pub(crate) fn explain(
    shown: &mut wire::Mandate,
    view: &MandateView,
    views: &Views,
    status: &Status,
) {
    if view.state != StateView::Queued {
        return;
    }
    let running = status.active_mandates.iter().filter_map(|id| views.mandates.get(*id));
    let scope = &view.spec.project_scope;
    let taken = || running.into_iter().any(|other| other.spec.project_scope == *scope);
    let reason = common(status, view.started.is_none()).or_else(|| taken().then_some("scope"));
    shown.reason = reason.map(ToOwned::to_owned);
    if reason == Some("budget") {
        shown.until = status.day_ends.map(|at| at.to_string());
    }
}
