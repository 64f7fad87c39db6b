//! The gate: what a prepared step needs before it may happen.
//!
//! Owns the verdict over a resolved change. Never opens a file: it sees what `prepare` found, and
//! the scopes and the mandate's risk budget.
//!
//! | target | within the risk budget | above it |
//! |---|---|---|
//! | l2 | permit | proposal |
//! | l1, l0 | proposal | proposal |
//! | control plane | refuse | refuse |
//! | command of the catalogue | permit | proposal |
//! | command that reaches the world, is in no catalogue, or executes files nobody can list | proposal | proposal |

use crate::effect::{Change, Class};
use crate::gate::proposal::HoldReason;
use crate::gate::risk::Risk;
use crate::gate::scope::{Classified, Scope, Scopes};
use crate::plan::StepFailure;
use crate::shell::{Inputs, Invocation};

/// Files one cycle may change before its edits count as medium risk.
pub const FILES_LOW_MAX: u32 = 20;
/// Bytes one cycle may write before its edits count as medium risk.
pub const BYTES_LOW_MAX: u64 = 256 * 1024;

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Permit,
    Hold { scope: Scope, risk: Risk, reason: HoldReason },
    Refuse(StepFailure),
}

/// How much the cycle has changed before this step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SoFar {
    pub files: u32,
    pub bytes: u64,
}

/// Judges a prepared change.
#[must_use]
pub fn judge(scopes: &Scopes, risk_budget: Risk, so_far: SoFar, change: &Change) -> Verdict {
    let mut scope = Scope::L2;
    for path in std::iter::once(change.path()).chain(change.to()) {
        match scopes.classify(path) {
            Classified::Refused { .. } => return Verdict::Refuse(StepFailure::ControlPlane),
            Classified::Scoped { scope: here, .. } => scope = scope.max(here),
        }
    }
    let risk = risk(so_far, change);
    if scope > Scope::L2 {
        Verdict::Hold { scope, risk, reason: HoldReason::ProtectedScope }
    } else if risk > risk_budget {
        Verdict::Hold { scope, risk, reason: HoldReason::RiskAboveBudget }
    } else {
        Verdict::Permit
    }
}

/// Judges a resolved command.
#[must_use]
pub fn judge_command(risk_budget: Risk, invocation: &Invocation) -> Verdict {
    let risk = invocation.risk;
    let hold = |scope, reason| Verdict::Hold { scope, risk, reason };
    if !invocation.listed {
        hold(Scope::L0, HoldReason::Unlisted)
    } else if invocation.inputs == Inputs::NotBound {
        hold(Scope::L0, HoldReason::InputsNotBound)
    } else if invocation.class() == Class::Opaque {
        hold(Scope::L2, HoldReason::Opaque)
    } else if risk > risk_budget {
        hold(Scope::L2, HoldReason::RiskAboveBudget)
    } else {
        Verdict::Permit
    }
}

fn risk(so_far: SoFar, change: &Change) -> Risk {
    let bytes = so_far.bytes.saturating_add(change.post().map_or(0, |post| post.bytes));
    match change {
        Change::Delete { .. } | Change::Move { .. } => Risk::Medium,
        Change::Edit { .. } | Change::Create { .. }
            if so_far.files >= FILES_LOW_MAX || bytes > BYTES_LOW_MAX =>
        {
            Risk::Medium
        }
        Change::Edit { .. } | Change::Create { .. } => Risk::Low,
    }
}
