//! The act phase: steps through the gate, one effect at a time.
//!
//! Owns the order prepare → gate → change → clear, and what holds, refuses or fails a step; what is a
//! command's own is in `execute` and `promote`. A step
//! held for a person lets independent ones go on; the mandate parks when nothing else is left.

use crate::cycle::phase::Phase;
use crate::cycle::standing::Plan;
use crate::digest::BlobRef;
use crate::effect::{Change, Intent, TempName};
use crate::event::Event;
use crate::gate::judge::{Verdict, judge};
use crate::gate::proposal::{Closed, Decision, Proposal, Subject};
use crate::id::ProposalId;
use crate::mandate::outcome::ParkReason;
use crate::plan::{Action, Status as NodeStatus, StepEnd, StepFailure};

use super::draft::Draft;
use super::{execute, promote};

/// Effects begun for one step at most; a target that keeps changing is left alone then.
const TRIES_MAX: u8 = 8;

/// Takes the plan one step further.
pub(super) fn act(draft: &mut Draft<'_>) {
    let mandate = draft.id();
    let Some(plan) = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref()) else {
        return;
    };
    if let Some(held) = plan.held.iter().find(|held| held.decision == Some(Decision::Approve)) {
        let (step, subject, proposal) = (held.what.step, held.what.subject.clone(), held.proposal);
        return match subject {
            Subject::Change(change) => change_again(draft, step, change, Some(proposal)),
            Subject::Command(invocation) => {
                execute::again(draft, step, invocation, Some(proposal));
            }
        };
    }
    if let Some(step) = begun(plan) {
        // Begun, not held, and nothing under way: a person said that its change did not happen, or
        // what its command changed is not all brought to the tree.
        return match promote::is_under_way(draft, step) {
            true => promote::next(draft, step),
            false => prepare_again(draft, step),
        };
    }
    let next = plan.graph.next_runnable().cloned();
    if let Some(step) = next.and_then(|name| plan.steps.iter().position(|s| s.name == name)) {
        let action = plan.steps[step].action.clone();
        return begin(draft, u8::try_from(step).unwrap_or(u8::MAX), &action);
    }
    if plan.held.is_empty() {
        return draft.emit(Event::PhaseEntered { mandate, phase: Phase::Reflect });
    }
    let until = plan.held.iter().map(|held| held.expires).min();
    draft.emit(Event::MandateParked { mandate, reason: ParkReason::Approval, until });
}

/// A step that runs and waits for nobody.
fn begun(plan: &Plan) -> Option<u8> {
    let mut places = (0u8..).zip(plan.graph.steps());
    places.find_map(|(step, (_, status))| {
        let held = plan.held.iter().any(|held| held.what.step == step);
        (status == NodeStatus::Running && !held).then_some(step)
    })
}

fn begin(draft: &mut Draft<'_>, step: u8, action: &Action) {
    let mandate = draft.id();
    draft.emit(Event::StepBegun { mandate, step });
    let allowed = draft.mandate.spec.allowed_actions.as_ref();
    if allowed.is_some_and(|allowed| !allowed.contains(&action.kind())) {
        return fail(draft, step, StepFailure::NotAllowed);
    }
    match action {
        Action::Noop => end(draft, step, StepEnd::Succeeded),
        Action::ToolCall | Action::PdfBuild => fail(draft, step, StepFailure::Unsupported),
        Action::Shell
        | Action::CodeEdit { .. }
        | Action::FileCreate { .. }
        | Action::FileMove { .. }
        | Action::FileDelete { .. } => draft.begin(Intent::Prepare { step }),
    }
}

/// A step's target is open and both sides are stored: the gate decides.
pub(super) fn prepared(draft: &mut Draft<'_>, step: u8, change: &Change, diff: BlobRef) {
    match gate(draft, step, change) {
        Verdict::Permit => change_tree(draft, step, change.clone(), None),
        Verdict::Refuse(failure) => fail(draft, step, failure),
        Verdict::Hold { scope, risk, reason } => {
            let (subject, hash) = (Subject::Change(change.clone()), change.hash());
            hold(draft, Proposal { step, subject, diff, scope, risk, reason, hash });
        }
    }
}

/// Judges a change. One that a command made may risk as much as the command itself.
pub(super) fn gate(draft: &Draft<'_>, step: u8, change: &Change) -> Verdict {
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    let so_far = plan.map(|plan| plan.so_far).unwrap_or_default();
    let risk = plan.and_then(|plan| plan.promotion(step)).map(|promotion| promotion.risk);
    let budget = draft.mandate.spec.risk_budget.max(risk.unwrap_or_default());
    judge(&draft.state.scopes, budget, so_far, change)
}

/// Begins a change that was allowed some time ago, if the rules of today still allow it: by
/// themselves, or by the decision over `elevation` for a scope no higher than was decided on.
pub(super) fn change_again(
    draft: &mut Draft<'_>,
    step: u8,
    change: Change,
    elevation: Option<ProposalId>,
) {
    let decided = elevation.and_then(|proposal| draft.mandate.held(proposal));
    let decided = decided.map(|held| held.what.scope);
    match gate(draft, step, &change) {
        Verdict::Refuse(failure) => fail(draft, step, failure),
        Verdict::Permit => change_tree(draft, step, change, elevation),
        Verdict::Hold { scope, .. } if decided.is_some_and(|decided| scope <= decided) => {
            change_tree(draft, step, change, elevation);
        }
        Verdict::Hold { .. } => stale(draft, step, elevation),
    }
}

pub(super) fn hold(draft: &mut Draft<'_>, what: Proposal) {
    let mandate = draft.id();
    let step = what.step;
    let rules = draft.state.rules.as_ref();
    let most = rules.map_or(0, |rules| usize::from(rules.proposals_max));
    let ttl_ms = rules.map_or(0, |rules| rules.proposal_ttl_ms);
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    if plan.is_some_and(|plan| plan.held.iter().any(|held| held.what.hash == what.hash)) {
        return fail(draft, step, StepFailure::Repeated);
    }
    if draft.proposals >= most {
        return fail(draft, step, StepFailure::TooManyWaiting);
    }
    let proposal = draft.ids().proposal();
    let expires = draft.now.time.plus_ms(ttl_ms);
    draft.emit(Event::ProposalOpened { mandate, proposal, expires, what: Box::new(what) });
}

/// Begins to bring a change to the tree; `elevation` is the proposal that allows it.
pub(super) fn change_tree(
    draft: &mut Draft<'_>,
    step: u8,
    change: Change,
    elevation: Option<ProposalId>,
) {
    let effect = draft.ids().effect();
    let temp = TempName::of(effect);
    draft.begin_as(effect, Intent::Change { step, change, temp, elevation });
}

/// The target is not as it was prepared: look again, and let a person see it again.
pub(super) fn stale(draft: &mut Draft<'_>, step: u8, elevation: Option<ProposalId>) {
    let mandate = draft.id();
    if let Some(proposal) = elevation {
        draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Stale });
    }
    if promote::is_under_way(draft, step) {
        // Somebody else's file now: the command does not get to change it.
        return fail(draft, step, StepFailure::Stale);
    }
    if draft.may_begin() {
        prepare_again(draft, step);
    }
    // Else the next start finds a step that was begun and waits for nobody.
}

/// Begins a step's preparation once more, unless that was tried too often.
pub(super) fn prepare_again(draft: &mut Draft<'_>, step: u8) {
    if is_tired(draft) {
        fail(draft, step, StepFailure::Stale);
    } else {
        draft.begin(Intent::Prepare { step });
    }
}

/// Whether as many effects were begun for the present step as may be.
pub(super) fn is_tired(draft: &Draft<'_>) -> bool {
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    plan.is_none_or(|plan| plan.tries >= TRIES_MAX)
}

pub(super) fn fail(draft: &mut Draft<'_>, step: u8, failure: StepFailure) {
    end(draft, step, StepEnd::Failed(failure));
}

/// Ends a step, and with it the steps that its failure cancelled.
pub(super) fn end(draft: &mut Draft<'_>, step: u8, how: StepEnd) {
    let mandate = draft.id();
    draft.emit(Event::StepFinished { mandate, step, end: how });
    for skipped in cancelled(draft) {
        draft.emit(Event::StepFinished { mandate, step: skipped, end: StepEnd::Skipped });
    }
}

fn cancelled(draft: &Draft<'_>) -> Vec<u8> {
    let Some(plan) = draft.mandate.cycle.as_ref().and_then(|c| c.plan.as_ref()) else {
        return Vec::new();
    };
    let places = plan.graph.steps().zip(&plan.ends).enumerate();
    places
        .filter(|(_, ((_, status), end))| *status == NodeStatus::Cancelled && end.is_none())
        .filter_map(|(place, _)| u8::try_from(place).ok())
        .collect()
}
