//! What follows when time has passed.
//!
//! Owns waits that end, limits that are reached and proposals that expire; none of it while the wall
//! clock is not believed. Slots of schedules are `slots`.

use crate::event::Event;
use crate::gate::proposal::Closed;
use crate::id::MandateId;
use crate::input::{Alarm, Now};
use crate::mandate::outcome::{EndReason, Outcome, ParkReason};
use crate::mandate::standing::Standing;
use crate::plan::StepFailure;
use crate::state::State;

use super::advance::{advance, finish};
use super::draft::Draft;
use super::step;

pub(super) fn decide(state: &State, now: &Now, alarm: &Alarm) -> Vec<Event> {
    match alarm {
        Alarm::Mandate(id) => mandate(state, now, *id),
        Alarm::Day | Alarm::Key(_) if state.clock.is_some() => Vec::new(),
        Alarm::Day => day(state, now),
        Alarm::Key(key) => vec![Event::KeyForgotten { key: *key }],
        // The calendar accounts for slots; see `Input::Slots`.
        Alarm::Schedule(_) => Vec::new(),
    }
}

/// A new day. A clock that went back begins none; the day's end is only moved to where the calendar
/// now has it.
fn day(state: &State, now: &Now) -> Vec<Event> {
    let day = state.budget.day.map_or(now.day, |day| day.max(now.day));
    vec![Event::DayBegan { day, ends: now.day_ends }]
}

fn mandate(state: &State, now: &Now, id: MandateId) -> Vec<Event> {
    let Some(mandate) = state.mandate(id) else { return Vec::new() };
    let mut draft = Draft::of(state, now, mandate);
    if state.clock.is_some() {
        // What runs goes on; what ends by the clock waits until it is believed.
        advance(&mut draft);
        return draft.done();
    }
    if mandate.time_limit().is_some_and(|limit| limit <= now.time) {
        stop(&mut draft, Outcome::Expired, None, None);
        return draft.done();
    }
    expire_proposals(&mut draft);
    match draft.mandate.standing {
        Standing::Running => advance(&mut draft),
        Standing::Parked { reason, until } if until.is_some_and(|t| t <= now.time) => {
            match reason {
                ParkReason::Checkpoint => {
                    finish(&mut draft, Outcome::Failed, None, Some(EndReason::Blocked));
                }
                ParkReason::Provider | ParkReason::Budget => {
                    draft.emit(Event::MandateReady { mandate: id })
                }
                ParkReason::Approval | ParkReason::Unsettled => {}
            }
        }
        Standing::Parked { .. } | Standing::Queued | Standing::Ready => {}
    }
    draft.done()
}

fn expire_proposals(draft: &mut Draft<'_>) {
    let mandate = draft.id();
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    let late = plan.iter().flat_map(|plan| &plan.held);
    let late = late.filter(|held| held.decision.is_none() && held.expires <= draft.now.time);
    let late: Vec<_> = late.map(|held| (held.proposal, held.what.step)).collect();
    for (proposal, step) in &late {
        draft.emit(Event::ProposalClosed { mandate, proposal: *proposal, how: Closed::Expired });
        step::fail(draft, *step, StepFailure::Expired);
    }
    if !late.is_empty() {
        wake(draft);
    }
}

/// Queues a mandate parked for approval again when there is something to do.
pub(super) fn wake(draft: &mut Draft<'_>) {
    let mandate = draft.id();
    let Standing::Parked { reason: ParkReason::Approval, .. } = draft.mandate.standing else {
        return;
    };
    let Some(plan) = draft.mandate.cycle.as_ref().and_then(|c| c.plan.as_ref()) else { return };
    let decided = plan.held.iter().any(|held| held.decision.is_some());
    if decided || plan.held.is_empty() || plan.graph.next_runnable().is_some() {
        draft.emit(Event::MandateReady { mandate });
    }
}

/// Asks a mandate to end, and ends it now unless an effect is under way.
pub(super) fn stop(
    draft: &mut Draft<'_>,
    outcome: Outcome,
    reason: Option<EndReason>,
    by: Option<crate::principal::Principal>,
) {
    let mandate = draft.id();
    draft.emit(Event::StopAsked { mandate, outcome, reason, by });
    let under_way = draft.mandate.open.as_ref().is_some_and(|open| !open.unsettled);
    if !under_way {
        finish(draft, outcome, None, reason);
    }
}
