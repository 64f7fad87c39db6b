//! What follows from an input: the one door into the rules.
//!
//! Owns the dispatch from input to rule; each file here holds the rules of one noun. Pure: the same
//! state, input and circumstances give the same events, ids among them.

mod advance;
mod call;
mod changes;
mod command;
mod configure;
mod draft;
mod due;
mod execute;
mod promote;
mod settle;
mod slots;
mod step;

use crate::event::{Event, Limit};
use crate::id::MandateId;
use crate::input::{Alarm, Input, Now, Verb};
use crate::refusal::Refusal;
use crate::space::Shortage;
use crate::state::State;

/// Decides what follows from `input`.
///
/// # Errors
/// A [`Refusal`] says no to a person; nothing is recorded then. Inputs that no person sent are
/// never refused: those that no longer mean anything yield no events.
pub fn decide(state: &State, input: &Input, now: &Now) -> Result<Vec<Event>, Refusal> {
    match input {
        Input::Started { version, pid, machine } => {
            let (version, pid, machine) = (version.clone(), *pid, *machine);
            Ok(vec![Event::DaemonStarted { version, pid, machine }])
        }
        Input::Repaired { after, bytes, segments, by } => {
            let (after, bytes, segments, by) = (*after, *bytes, *segments, by.clone());
            Ok(vec![Event::Repaired { after, bytes, segments, by }])
        }
        Input::Adopted => Ok(vec![Event::Adopted {}]),
        Input::Space { low } => Ok(space(state, *low)),
        Input::ClockStepped { by_ms } => Ok(vec![Event::ClockStepped { by_ms: *by_ms }]),
        Input::ClockSettled => {
            let settled = Event::ClockSettled { by: None };
            Ok(state.clock.map(|_| settled).into_iter().collect())
        }
        // An age by a clock that is not believed is none.
        Input::Delete { over: Limit::Days, .. } if state.clock.is_some() => Ok(Vec::new()),
        // What was given up already is not given up twice.
        Input::Delete { first, .. } if *first <= state.kept_from() => Ok(Vec::new()),
        Input::Delete { first, segments, bytes, over } => {
            let (first, segments, bytes, over) = (*first, *segments, *bytes, *over);
            Ok(vec![Event::SegmentsDeleted { first, segments, bytes, over }])
        }
        Input::Recovered { after, bytes, saved_as } => {
            Ok(vec![Event::Recovered { after: *after, bytes: *bytes, saved_as: saved_as.clone() }])
        }
        Input::Configured { rules, set, gone, renamed } => {
            Ok(configure::decide(state, now, rules, (set, gone, renamed)))
        }
        Input::Command { by, verb } => command::decide(state, now, by, verb),
        Input::Settled { effect, outcome } => Ok(settle::decide(state, now, *effect, outcome)),
        Input::Lost { effect } => Ok(settle::lost(state, now, *effect)),
        Input::Due(alarm) => Ok(due::decide(state, now, alarm)),
        Input::Slots { schedule, revision, accounted, next, zone_clock, files } => {
            let (which, then) = ((schedule, *revision), (*next, *zone_clock));
            Ok(slots::decide(state, now, which, (accounted, *files), then))
        }
        Input::Changed { schedule, revision, files } => {
            Ok(changes::decide(state, now, (schedule, *revision), *files))
        }
        Input::Admit { only } => Ok(advance::admit(state, now, *only)),
        Input::Continue { mandate } => Ok(advance::go_on(state, now, *mandate)),
        Input::Quarantine { mandate } => Ok(command::quarantine(state, now, *mandate)),
        Input::Erased { blob, end } => {
            let settled = Event::ErasureSettled { blob: *blob, end: *end };
            Ok(state.erasing.contains(blob).then_some(settled).into_iter().collect())
        }
    }
}

/// Only what differs from what is recorded: the figures alone are no event.
fn space(state: &State, low: Option<Shortage>) -> Vec<Event> {
    match (state.low, low) {
        (Some(before), Some(low)) if low.is_like(&before) => Vec::new(),
        (_, Some(shortage)) => vec![Event::SpaceLow { shortage }],
        (Some(_), None) => vec![Event::SpaceEnough {}],
        (None, None) => Vec::new(),
    }
}

/// The mandate an input is about, before it is decided: whom to blame when the decision panics.
#[must_use]
pub fn subject(state: &State, input: &Input, now: &Now) -> Option<MandateId> {
    match input {
        Input::Settled { effect, .. } | Input::Lost { effect } => {
            state.effect(*effect).map(|mandate| mandate.id)
        }
        Input::Due(Alarm::Mandate(mandate))
        | Input::Continue { mandate }
        | Input::Quarantine { mandate } => Some(*mandate),
        Input::Admit { only } => advance::candidate(state, now, *only),
        Input::Command { verb, .. } => match verb {
            Verb::Stop { mandate } => Some(*mandate),
            Verb::Decide { proposal, .. } => state.proposal(*proposal).map(|mandate| mandate.id),
            Verb::Judge { effect, .. } => state.effect(*effect).map(|mandate| mandate.id),
            Verb::Create { .. }
            | Verb::Fire { .. }
            | Verb::Deliver { .. }
            | Verb::Erase { .. }
            | Verb::Pause { .. }
            | Verb::Resume { .. }
            | Verb::ConfirmClock => None,
        },
        Input::Started { .. }
        | Input::Recovered { .. }
        | Input::Repaired { .. }
        | Input::Adopted
        | Input::Erased { .. }
        | Input::Space { .. }
        | Input::ClockStepped { .. }
        | Input::ClockSettled
        | Input::Delete { .. }
        | Input::Configured { .. }
        | Input::Due(_)
        | Input::Slots { .. }
        | Input::Changed { .. } => None,
    }
}
