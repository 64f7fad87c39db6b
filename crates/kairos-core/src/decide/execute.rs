//! A step's command: from what was resolved to what it brought.
//!
//! Owns when a resolved command may be executed, and what its outcome means for the step. A command
//! that can be repeated is repeated when nobody knows how it ended; any other waits for a person.

use crate::effect::{Failure, Intent, Outcome};
use crate::event::Event;
use crate::gate::judge::{Verdict, judge_command};
use crate::gate::proposal::{Closed, Proposal, Subject};
use crate::id::ProposalId;
use crate::plan::{StepEnd, StepFailure};
use crate::shell::{Invocation, Ran};

use super::draft::Draft;
use super::{promote, settle, step};

/// A command was found and its argv taken: the gate decides.
pub(super) fn resolved(draft: &mut Draft<'_>, step: u8, invocation: &Invocation) {
    match judge_command(draft.mandate.spec.risk_budget, invocation) {
        Verdict::Permit => begin(draft, step, *invocation, None),
        Verdict::Refuse(failure) => step::fail(draft, step, failure),
        Verdict::Hold { scope, risk, reason } => {
            let subject = Subject::Command(*invocation);
            let (diff, hash) = (invocation.shown, invocation.hash());
            step::hold(draft, Proposal { step, subject, diff, scope, risk, reason, hash });
        }
    }
}

/// Begins a command that was allowed some time ago, if the rules of today still allow it: by
/// themselves, or by the decision over `elevation` for a scope no higher than was decided on.
pub(super) fn again(
    draft: &mut Draft<'_>,
    step: u8,
    invocation: Invocation,
    elevation: Option<ProposalId>,
) {
    let decided = elevation.and_then(|proposal| draft.mandate.held(proposal));
    let decided = decided.map(|held| held.what.scope);
    match judge_command(draft.mandate.spec.risk_budget, &invocation) {
        Verdict::Refuse(failure) => step::fail(draft, step, failure),
        Verdict::Permit => begin(draft, step, invocation, elevation),
        Verdict::Hold { scope, .. } if decided.is_some_and(|decided| scope <= decided) => {
            begin(draft, step, invocation, elevation);
        }
        Verdict::Hold { .. } => step::stale(draft, step, elevation),
    }
}

fn begin(draft: &mut Draft<'_>, step: u8, invocation: Invocation, elevation: Option<ProposalId>) {
    draft.begin(Intent::Execute { step, invocation, elevation });
}

/// What follows from a command's outcome.
pub(super) fn settled(
    draft: &mut Draft<'_>,
    (step, invocation, elevation): (u8, Invocation, Option<ProposalId>),
    outcome: &Outcome,
) {
    match outcome {
        Outcome::Executed(ran) => executed(draft, step, ran),
        Outcome::NotExecuted { why, .. } => {
            used(draft, step);
            step::fail(draft, step, StepFailure::Command(*why));
        }
        // It is not what was judged any more.
        Outcome::Stale => step::stale(draft, step, elevation),
        Outcome::Failed(
            failure @ (Failure::Blob | Failure::Busy | Failure::NoSpace | Failure::Oversize),
        ) => step::fail(draft, step, StepFailure::Performer(*failure)),
        // Nothing is left of it, or it would wait for a person.
        _ if step::is_tired(draft) => {
            step::fail(draft, step, StepFailure::Performer(Failure::Disk));
        }
        _ => again(draft, step, invocation, elevation),
    }
}

fn executed(draft: &mut Draft<'_>, step: u8, ran: &Ran) {
    used(draft, step);
    if !ran.end.is_well() {
        step::fail(draft, step, StepFailure::Ended(ran.end));
    } else if let Some(spoilt) = ran.spoilt {
        step::fail(draft, step, StepFailure::Spoilt(spoilt));
    } else if draft.may_begin() {
        promote::next(draft, step);
    } else if ran.changes.is_empty() {
        step::end(draft, step, StepEnd::Succeeded);
    }
    // Else the next start finds changes that do not stand.
}

/// A decision is for one execution.
pub(super) fn used(draft: &mut Draft<'_>, step: u8) {
    let mandate = draft.id();
    if let Some(proposal) = settle::approved(draft, step) {
        draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Approved });
    }
}
