//! What follows from an outcome, or from knowing that none will come.
//!
//! Owns the table of recovery: a read is done again, a model call is asked again within its
//! attempts, a change is compared with the disk, and what nobody can prove waits for a person.
//! While draining, outcomes are recorded and what they call for is left to the next start.

use crate::budget::Usage;
use crate::cycle::retry::{self, CallFailure, Next};
use crate::effect::{Change, Class, Doubt, Failure, Intent, Outcome, Reconciled, Reply, TempName};
use crate::event::Event;
use crate::gate::proposal::Closed;
use crate::id::EffectId;
use crate::input::Now;
use crate::mandate::outcome::ParkReason;
use crate::mandate::standing::Open;
use crate::plan::{StepEnd, StepFailure};
use crate::state::State;

use super::advance::advance;
use super::draft::Draft;
use super::{execute, promote, step};

/// Records an outcome and goes on. An outcome of no open effect means nothing any more.
pub(super) fn decide(state: &State, now: &Now, effect: EffectId, outcome: &Outcome) -> Vec<Event> {
    let Some(mandate) = state.effect(effect) else { return Vec::new() };
    let open = mandate.open.as_ref().filter(|open| open.effect == effect && !open.unsettled);
    let Some(open) = open else { return Vec::new() };
    let mut draft = Draft::of(state, now, mandate);
    if !draft.may_begin() && needs_more(open, outcome) {
        // It stays open: the next start finds it lost and compares or asks again.
        return Vec::new();
    }
    if let Some(doubt) = doubt(outcome)
        .or_else(|| interrupted(open, outcome))
        .or_else(|| no_way_to_tell(&draft, open, outcome))
    {
        unsettled(&mut draft, effect, doubt, outcome);
        return draft.done();
    }
    settle_budget(&mut draft, open, outcome);
    let mandate = draft.id();
    draft.emit(Event::EffectSettled { mandate, effect, outcome: outcome.clone() });
    after(&mut draft, open, outcome);
    advance(&mut draft);
    draft.done()
}

/// An effect without a certain outcome: after a crash, a panic or a cut connection alike.
pub(super) fn lost(state: &State, now: &Now, effect: EffectId) -> Vec<Event> {
    decide(state, now, effect, &Outcome::Lost)
}

/// Whether the step of this outcome can go on only by a further effect.
fn needs_more(open: &Open, outcome: &Outcome) -> bool {
    match open.intent {
        Intent::Ask { .. } | Intent::Observe | Intent::Verify => false,
        // What a command did is a fact; what it changed waits in the state.
        Intent::Execute { .. } => !matches!(
            outcome,
            Outcome::Executed(_)
                | Outcome::NotExecuted { .. }
                | Outcome::Stale
                | Outcome::Failed(
                    Failure::Blob | Failure::Busy | Failure::NoSpace | Failure::Oversize
                )
        ),
        Intent::Clear { .. } => is_unclear(outcome),
        Intent::Prepare { .. } | Intent::Reconcile { .. } | Intent::Diff { .. } => !matches!(
            outcome,
            Outcome::Refused(_) | Outcome::NotExecuted { .. } | Outcome::Unsettled(_)
        ),
        Intent::Change { .. } => {
            !matches!(outcome, Outcome::Refused(_) | Outcome::Unsettled(_) | Outcome::Stale)
        }
    }
}

/// Whether something may still lie beside the target.
fn is_unclear(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Lost | Outcome::Failed(_))
}

fn doubt(outcome: &Outcome) -> Option<Doubt> {
    match outcome {
        Outcome::Unsettled(doubt) | Outcome::Reconciled(Reconciled::Unsettled(doubt)) => {
            Some(*doubt)
        }
        _ => None,
    }
}

/// A command that reaches the world and did not come to its own end, or of which nothing was heard.
fn interrupted(open: &Open, outcome: &Outcome) -> Option<Doubt> {
    let is_opaque = open.intent.class() == Class::Opaque;
    let is_certain = match outcome {
        Outcome::Executed(ran) => ran.end.is_certain(),
        // Looked at before it was begun.
        Outcome::NotExecuted { .. } | Outcome::Stale => true,
        Outcome::Failed(failure) => matches!(failure, Failure::Busy),
        _ => false,
    };
    (is_opaque && !is_certain).then_some(Doubt::Interrupted)
}

/// A comparison that was tried often enough and never came to an end: a person has to look.
fn no_way_to_tell(draft: &Draft<'_>, open: &Open, outcome: &Outcome) -> Option<Doubt> {
    let compares = matches!(open.intent, Intent::Reconcile { .. });
    let compared = matches!(outcome, Outcome::Reconciled(_) | Outcome::Refused(_));
    (compares && !compared && step::is_tired(draft)).then_some(Doubt::Disk)
}

fn unsettled(draft: &mut Draft<'_>, effect: EffectId, doubt: Doubt, outcome: &Outcome) {
    let mandate = draft.id();
    let told = match outcome {
        Outcome::Executed(ran) => Some(ran.told),
        _ => None,
    };
    draft.emit(Event::EffectUnsettled { mandate, effect, doubt, told });
    draft.emit(Event::MandateParked { mandate, reason: ParkReason::Unsettled, until: None });
}

/// Books what a call cost. Without a report from the provider the reservation counts as used.
pub(super) fn settle_budget(draft: &mut Draft<'_>, open: &Open, outcome: &Outcome) {
    if !matches!(open.intent, Intent::Ask { .. }) {
        return;
    }
    let usage = match outcome {
        Outcome::Asked(attempt) => attempt.usage,
        // Nothing was sent.
        Outcome::Failed(Failure::Busy) => Some(Usage::default()),
        _ => None,
    };
    let spent = draft.mandate.spent;
    let used = usage.map_or(spent.held, |usage| spent.price.spent(usage));
    let mandate = draft.id();
    draft.emit(Event::BudgetSettled { mandate, effect: open.effect, used });
}

fn after(draft: &mut Draft<'_>, open: &Open, outcome: &Outcome) {
    if draft.mandate.ending.is_some() && !must_go_on(open, outcome) {
        if let (Intent::Execute { step, .. }, Outcome::Executed(_)) = (&open.intent, outcome) {
            execute::used(draft, *step);
        }
        // A stop was acknowledged: nothing new begins, and `advance` ends the mandate.
        return;
    }
    match &open.intent {
        Intent::Ask { attempt, .. } => asked(draft, open.effect, *attempt, outcome),
        // Read again when nobody knows what was read; a failed read was folded in as an answer.
        Intent::Observe | Intent::Verify => {}
        Intent::Prepare { step } => after_prepare(draft, *step, outcome),
        Intent::Change { step, change, temp, elevation } => match outcome {
            Outcome::Changed { .. } => done(draft, *step, change, *temp),
            Outcome::Stale => step::stale(draft, *step, *elevation),
            Outcome::Refused(refusal) => step::fail(draft, *step, StepFailure::File(*refusal)),
            // The bytes to write are not to be had, so nothing was touched.
            Outcome::Failed(failure @ (Failure::Blob | Failure::Busy)) => {
                step::fail(draft, *step, StepFailure::Performer(*failure));
            }
            // Lost, panicked or failed half-way: the disk knows.
            _ => {
                let (step, change, temp) = (*step, change.clone(), *temp);
                draft.begin(Intent::Reconcile { step, change, temp });
            }
        },
        Intent::Reconcile { step, change, temp } => match outcome {
            Outcome::Reconciled(Reconciled::Done) => done(draft, *step, change, *temp),
            Outcome::Reconciled(_) => change_again(draft, *step, change),
            Outcome::Refused(refusal) => step::fail(draft, *step, StepFailure::File(*refusal)),
            _ => {
                let (step, change, temp) = (*step, change.clone(), *temp);
                draft.begin(Intent::Reconcile { step, change, temp });
            }
        },
        Intent::Clear { step, change, temp } => match outcome {
            _ if is_unclear(outcome) && !step::is_tired(draft) => {
                let (step, change, temp) = (*step, change.clone(), *temp);
                draft.begin(Intent::Clear { step, change, temp });
            }
            // What cannot be removed beside the target is litter, not an open question.
            _ if !promote::is_under_way(draft, *step) => {
                step::end(draft, *step, StepEnd::Succeeded);
            }
            _ if promote::may_go_on(draft) => promote::next(draft, *step),
            // Stopped, waiting for its turn, or drained: `act` finds changes that do not stand.
            _ => {}
        },
        Intent::Execute { step, invocation, elevation } => {
            execute::settled(draft, (*step, *invocation, *elevation), outcome);
        }
        Intent::Diff { step, change } => match outcome {
            Outcome::Prepared { change, diff } => step::prepared(draft, *step, change, *diff),
            Outcome::Failed(failure @ (Failure::Blob | Failure::NoSpace)) => {
                step::fail(draft, *step, StepFailure::Performer(*failure));
            }
            _ if step::is_tired(draft) => {
                step::fail(draft, *step, StepFailure::Performer(Failure::Disk));
            }
            _ => draft.begin(Intent::Diff { step: *step, change: change.clone() }),
        },
    }
}

/// The change stands: close what allowed it, and clear what it left.
pub(super) fn done(draft: &mut Draft<'_>, step: u8, change: &Change, temp: TempName) {
    let mandate = draft.id();
    if let Some(proposal) = approved(draft, step) {
        draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Approved });
    }
    draft.begin(Intent::Clear { step, change: change.clone(), temp });
}

pub(super) fn approved(draft: &Draft<'_>, step: u8) -> Option<crate::id::ProposalId> {
    let plan = draft.mandate.cycle.as_ref()?.plan.as_ref()?;
    plan.held.iter().find(|held| held.what.step == step).map(|held| held.proposal)
}

/// It did not happen: once more, under the decision that allowed it.
fn change_again(draft: &mut Draft<'_>, step: u8, change: &Change) {
    if step::is_tired(draft) {
        return step::fail(draft, step, StepFailure::Performer(Failure::Disk));
    }
    let elevation = approved(draft, step);
    step::change_again(draft, step, change.clone(), elevation);
}

/// Whether a change that was begun has to be brought to a certain end even by a mandate that is
/// ending: compared with the disk, or cleared up after.
fn must_go_on(open: &Open, outcome: &Outcome) -> bool {
    match open.intent {
        Intent::Change { .. } => !matches!(outcome, Outcome::Stale | Outcome::Refused(_)),
        Intent::Reconcile { .. } => {
            !matches!(outcome, Outcome::Reconciled(Reconciled::Retry) | Outcome::Refused(_))
        }
        Intent::Clear { .. } => true,
        Intent::Observe
        | Intent::Ask { .. }
        | Intent::Prepare { .. }
        | Intent::Execute { .. }
        | Intent::Diff { .. }
        | Intent::Verify => false,
    }
}

fn after_prepare(draft: &mut Draft<'_>, step: u8, outcome: &Outcome) {
    match outcome {
        Outcome::Prepared { change, diff } => step::prepared(draft, step, change, *diff),
        Outcome::Resolved { invocation } => execute::resolved(draft, step, invocation),
        Outcome::NotExecuted { why, .. } => step::fail(draft, step, StepFailure::Command(*why)),
        Outcome::Refused(refusal) => step::fail(draft, step, StepFailure::File(*refusal)),
        Outcome::Failed(failure) => step::fail(draft, step, StepFailure::Performer(*failure)),
        _ => step::prepare_again(draft, step),
    }
}

/// A call that brought no answer is tried again, waits for the provider, or fails the cycle.
fn asked(draft: &mut Draft<'_>, effect: EffectId, attempt: u8, outcome: &Outcome) {
    let failure = match outcome {
        Outcome::Asked(attempt) => match &attempt.reply {
            Reply::Answered { .. } | Reply::Invalid { .. } => return,
            Reply::Failed(failure) => *failure,
            // Ours, not the provider's: asked again when the mandate goes on.
            Reply::Cancelled => return,
        },
        // No attempt mends a text that is gone; the fold has marked the call as failed.
        Outcome::Failed(Failure::Blob | Failure::Disk | Failure::NoSpace | Failure::Oversize) => {
            return;
        }
        _ => CallFailure::Transport,
    };
    let mandate = draft.id();
    if *outcome == Outcome::Lost {
        // It died with its daemon, which says nothing of the provider: asked again, and at once
        // unless that happens again and again.
        let until = draft.now.time.plus_ms(retry::lost_wait_ms(attempt, effect));
        return draft.emit(Event::CallDelayed { mandate, until });
    }
    match retry::after(failure, attempt, effect) {
        Next::Retry { wait_ms } => {
            draft.emit(Event::CallDelayed { mandate, until: draft.now.time.plus_ms(wait_ms) });
        }
        Next::Park => {
            let parks = u32::from(draft.mandate.past.provider_parks);
            let until = draft.now.time.plus_ms(retry::parked_wait_ms(parks, effect));
            let reason = ParkReason::Provider;
            draft.emit(Event::MandateParked { mandate, reason, until: Some(until) });
        }
        // Folding the outcome in has marked the call as failed.
        Next::Fail => {}
    }
}
