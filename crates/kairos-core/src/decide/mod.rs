//! What follows from an input: the one door into the rules.
//!
//! Owns the dispatch from input to rule; each file here holds the rules of one noun. Pure: the same
//! state, input and circumstances give the same events, ids among them.

mod advance;
mod call;
mod command;
mod configure;
mod draft;
mod due;
mod settle;
mod slots;
mod step;

use crate::event::Event;
use crate::input::{Input, Now};
use crate::refusal::Refusal;
use crate::state::State;

/// Decides what follows from `input`.
///
/// # Errors
/// A [`Refusal`] says no to a person; nothing is recorded then. Inputs that no person sent are
/// never refused: those that no longer mean anything yield no events.
pub fn decide(state: &State, input: &Input, now: &Now) -> Result<Vec<Event>, Refusal> {
    match input {
        Input::Started { version, pid } => {
            Ok(vec![Event::DaemonStarted { version: version.clone(), pid: *pid }])
        }
        Input::Recovered { after, bytes, saved_as } => {
            Ok(vec![Event::Recovered { after: *after, bytes: *bytes, saved_as: saved_as.clone() }])
        }
        Input::Configured { rules, set, gone } => {
            Ok(configure::decide(state, now, rules, set, gone))
        }
        Input::Command { by, verb } => command::decide(state, now, by, verb),
        Input::Settled { effect, outcome } => Ok(settle::decide(state, now, *effect, outcome)),
        Input::Lost { effect } => Ok(settle::lost(state, now, *effect)),
        Input::Due(alarm) => Ok(due::decide(state, now, alarm)),
        Input::Slots { schedule, revision, accounted, next } => {
            Ok(slots::decide(state, now, schedule, *revision, accounted, *next))
        }
        Input::Admit { only } => Ok(advance::admit(state, now, *only)),
        Input::Continue { mandate } => Ok(advance::go_on(state, now, *mandate)),
        Input::Quarantine { mandate } => Ok(command::quarantine(state, now, *mandate)),
    }
}
