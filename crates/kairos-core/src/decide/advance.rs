//! What a running mandate does next, and which waiting one may start.
//!
//! Owns the order of phases and the end of cycles and mandates; the table stands in
//! `cycle::standing`. Never looks at an outcome: by the time this is asked, outcomes are folded in.

use crate::cycle::answer::{Decide, Status};
use crate::cycle::phase::Phase;
use crate::effect::Intent;
use crate::event::Event;
use crate::gate::proposal::Closed;
use crate::id::MandateId;
use crate::input::{Now, Pace};
use crate::mandate::outcome::{EndReason, Outcome, ParkReason};
use crate::mandate::standing::{Mandate, Standing};
use crate::plan::{Action, StepEnd};
use crate::state::State;

use super::draft::Draft;
use super::{call, slots, step};

/// Failed cycles in a row that end a mandate.
const FAILED_IN_ROW_MAX: u8 = 2;

/// The first waiting mandate that may start or resume. `only` is a mandate that has the process
/// for itself: others may be written as running, but nothing works on them.
pub(super) fn candidate(state: &State, now: &Now, only: Option<MandateId>) -> Option<MandateId> {
    let rules = state.rules.as_ref()?;
    let low = match now.pace {
        Pace::Running => false,
        Pace::Low(_) => true,
        Pace::Draining => return None,
    };
    let held = |mandate: &Mandate| low && mandate.standing == Standing::Queued;
    if let Some(only) = only {
        let waits = state.index.places.contains_key(&only);
        return state.mandates.get(&only).filter(|only| waits && !held(only)).map(|only| only.id);
    }
    if state.index.running.len() >= usize::from(rules.max_running) {
        return None;
    }
    let exhausted = state.budget.is_exhausted(&rules.day);
    let admissible = |mandate: &&Mandate| {
        let is_poor = exhausted && mandate.standing == Standing::Queued;
        !is_poor && !held(mandate) && !state.is_scope_taken(&mandate.spec.project_scope)
    };
    let mut waiting = state.index.queue.iter().filter_map(|(_, id)| state.mandate(*id));
    waiting.find(admissible).map(|mandate| mandate.id)
}

/// Starts or resumes the first waiting mandate that may; no events when none may.
pub(super) fn admit(state: &State, now: &Now, only: Option<MandateId>) -> Vec<Event> {
    let mandate = candidate(state, now, only).and_then(|id| state.mandate(id));
    let Some(mandate) = mandate else { return Vec::new() };
    let mut draft = Draft::of(state, now, mandate);
    let id = mandate.id;
    draft.emit(if mandate.standing == Standing::Queued {
        Event::MandateStarted { mandate: id }
    } else {
        Event::MandateResumed { mandate: id }
    });
    advance(&mut draft);
    draft.done()
}

/// Lets a mandate that was running go on.
pub(super) fn go_on(state: &State, now: &Now, id: MandateId) -> Vec<Event> {
    let Some(mandate) = state.mandate(id) else { return Vec::new() };
    let mut draft = Draft::of(state, now, mandate);
    advance(&mut draft);
    draft.done()
}

/// Takes the mandate as far as it gets without an outcome from outside.
///
/// Bounded: each round enters a phase, begins an effect, parks, or finishes, and a plan has at
/// most 64 steps.
pub(super) fn advance(draft: &mut Draft<'_>) {
    while draft.may_begin()
        && draft.mandate.standing == Standing::Running
        && draft.mandate.open.is_none()
    {
        if let Some(ending) = draft.mandate.ending {
            return finish(draft, ending.outcome, None, ending.reason);
        }
        if !next(draft) {
            return;
        }
    }
}

/// Takes one step; false when the mandate waits for time to pass.
fn next(draft: &mut Draft<'_>) -> bool {
    let mandate = draft.id();
    let Some(cycle) = &draft.mandate.cycle else {
        let cycle = draft.mandate.past.cycles + 1;
        draft.emit(Event::CycleStarted { mandate, cycle });
        draft.emit(Event::PhaseEntered { mandate, phase: Phase::Observe });
        return true;
    };
    if cycle.call.failed {
        end_cycle(draft, true);
        return true;
    }
    match cycle.phase {
        Phase::Observe if cycle.seen.is_none() => draft.begin(Intent::Observe),
        Phase::Observe => draft.emit(Event::PhaseEntered { mandate, phase: Phase::Orient }),
        Phase::Orient if cycle.orientation.is_none() => return call::ask(draft, Phase::Orient),
        Phase::Orient => draft.emit(Event::PhaseEntered { mandate, phase: Phase::Decide }),
        Phase::Decide if cycle.decision.is_none() => return call::ask(draft, Phase::Decide),
        Phase::Decide => decided(draft),
        Phase::Act => step::act(draft),
        Phase::Reflect => return reflect(draft),
    }
    true
}

/// Decide has answered: accept its plan, or see that there is nothing to do.
fn decided(draft: &mut Draft<'_>) {
    let mandate = draft.id();
    let Some(decision) = draft.mandate.cycle.as_ref().and_then(|c| c.decision.clone()) else {
        return;
    };
    let answer = &decision.answer;
    if answer.status == Status::Blocked {
        let ttl = draft.state.rules.as_ref().map_or(0, |rules| rules.proposal_ttl_ms);
        let until = Some(draft.now.time.plus_ms(ttl));
        return draft.emit(Event::MandateParked { mandate, reason: ParkReason::Checkpoint, until });
    }
    if answer.steps.is_empty() {
        return draft.emit(Event::PhaseEntered { mandate, phase: Phase::Reflect });
    }
    if is_loop(&draft.mandate, answer) {
        return finish(draft, Outcome::Looped, None, None);
    }
    let steps = u8::try_from(answer.steps.len()).unwrap_or(u8::MAX);
    draft.emit(Event::PlanAccepted { mandate, fingerprint: answer.fingerprint, steps });
    draft.emit(Event::PhaseEntered { mandate, phase: Phase::Act });
}

/// The same plan as the last one, or as the one before. Commands alone may be given again behind
/// another plan: tests, a change, the same tests.
fn is_loop(mandate: &Mandate, answer: &Decide) -> bool {
    let [last, before] = mandate.past.plans.map(|plan| plan == Some(answer.fingerprint));
    let only_commands = answer.steps.iter().all(|step| step.action == Action::Shell);
    last || (before && !only_commands)
}

/// How the steps of a cycle went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    /// There was a plan, and every step succeeded.
    Well,
    /// There was nothing to do.
    Nothing,
    /// Some step did not succeed.
    Badly,
    /// The gate refused every step.
    AllRefused,
}

fn went(mandate: &Mandate) -> Went {
    let Some(plan) = mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref()) else {
        return Went::Nothing;
    };
    let refused = |end: &Option<StepEnd>| match end {
        Some(StepEnd::Failed(failure)) => failure.is_refusal(),
        Some(StepEnd::Skipped) => true,
        Some(StepEnd::Succeeded) | None => false,
    };
    if plan.ends.iter().all(|end| *end == Some(StepEnd::Succeeded)) {
        Went::Well
    } else if plan.ends.iter().all(refused) {
        Went::AllRefused
    } else {
        Went::Badly
    }
}

/// Reflect, then the checks, then the cycle's end. False when a call waits for its time.
fn reflect(draft: &mut Draft<'_>) -> bool {
    let went = went(&draft.mandate);
    let Some(cycle) = &draft.mandate.cycle else { return false };
    if went == Went::AllRefused {
        finish(draft, Outcome::Refused, None, None);
        return true;
    }
    if went != Went::Nothing && cycle.reflection.is_none() {
        return call::ask(draft, Phase::Reflect);
    }
    let said_done =
        cycle.decision.as_ref().is_some_and(|decided| decided.answer.status == Status::Done);
    let last = cycle.number >= draft.mandate.spec.max_cycles;
    let claims = went != Went::Badly && (said_done || (last && went == Went::Well));
    if !claims {
        end_cycle(draft, went == Went::Badly);
    } else if draft.mandate.spec.verify.is_empty() {
        achieved(draft, None);
    } else {
        match cycle.failed_checks {
            None => draft.begin(Intent::Verify),
            Some(0) => achieved(draft, Some(true)),
            // No cycle can mend what the operator asked for.
            Some(_) if cycle.checks_refused => {
                let reason = Some(EndReason::ChecksRefused);
                finish(draft, Outcome::Failed, Some(false), reason);
            }
            Some(_) => end_cycle(draft, false),
        }
    }
    true
}

fn achieved(draft: &mut Draft<'_>, verified: Option<bool>) {
    let outcome = if draft.mandate.past.changed { Outcome::Achieved } else { Outcome::Unchanged };
    finish(draft, outcome, verified, None);
}

fn end_cycle(draft: &mut Draft<'_>, failed: bool) {
    let mandate = draft.id();
    let cycle = draft.mandate.cycle.as_ref();
    let last = cycle.is_some_and(|cycle| cycle.number >= draft.mandate.spec.max_cycles);
    let verified = cycle.and_then(|cycle| cycle.failed_checks).map(|n| n == 0);
    draft.emit(Event::CycleFinished { mandate, failed });
    if draft.mandate.past.failed_in_row >= FAILED_IN_ROW_MAX {
        finish(draft, Outcome::Failed, verified, Some(EndReason::CyclesFailed));
    } else if last {
        finish(draft, Outcome::Exhausted, verified, None);
    }
}

/// Ends the mandate; what still waits for a person is closed.
pub(super) fn finish(
    draft: &mut Draft<'_>,
    outcome: Outcome,
    verified: Option<bool>,
    reason: Option<EndReason>,
) {
    let mandate = draft.id();
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    let held = plan.iter().flat_map(|plan| &plan.held).map(|held| held.proposal);
    for proposal in held.collect::<Vec<_>>() {
        draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Expired });
    }
    draft.emit(Event::MandateFinished { mandate, outcome, verified, reason });
    if let Some(pause) = slots::pause_after(draft.state, &draft.mandate, outcome) {
        draft.emit(pause);
    }
}
