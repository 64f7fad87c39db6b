//! What people ask of the daemon, and what waits for them.
//!
//! Owns the way from an act's numbers to a command about something that is there. Never waits for an
//! answer.

use kairos_core::digest::Digest;
use kairos_core::effect::PersonSays;
use kairos_core::event::Key;
use kairos_core::gate::proposal::Decision;
use kairos_core::id::{EffectId, MandateId, ProposalId};
use kairos_core::input::Verb;
use kairos_core::mandate::outcome::ParkReason;
use kairos_core::mandate::standing::Standing;
use kairos_core::state::State;
use kairos_core::time::Time;

use super::daemon::Daemon;
use super::scene::spec;
use super::script::Act;

/// Goals people have.
pub(super) const GOALS: u16 = 40;

/// The command an act comes to; none where there is nothing to ask about.
pub(super) fn verb(act: Act, state: &State, daemon: &Daemon) -> Option<Verb> {
    match act {
        Act::Create { goal, key } => {
            let goal = goal % GOALS;
            let spec = Box::new(spec(goal, daemon.goal(goal)?));
            Some(Verb::Create { spec, key: keyed(key, goal) })
        }
        Act::Fire { schedule, key } => {
            let loaded = nth(state.schedules(), schedule)?;
            Some(Verb::Fire {
                schedule: loaded.definition.name.clone(),
                slot: None,
                key: keyed(key, schedule),
            })
        }
        Act::Stop { which } => Some(Verb::Stop { mandate: nth(state.mandates(), which)?.id }),
        Act::Decide { which, how } => {
            let (proposal, hash) = nth(proposals(state).into_iter(), which)?;
            let decision = if how % 8 == 6 { Decision::Reject } else { Decision::Approve };
            let hash = match how % 8 {
                5 => None,
                7 => Some(Digest::of(b"something else")),
                _ => Some(hash),
            };
            Some(Verb::Decide { proposal, decision, hash, note: None })
        }
        Act::Judge { which, how } => {
            let effect = nth(unsettled(state).into_iter(), which)?;
            let says = [PersonSays::Happened, PersonSays::DidNot, PersonSays::Unknown];
            Some(Verb::Judge { effect, answer: says[usize::from(how % 3)], note: None })
        }
        Act::Pause { schedule } => {
            let loaded = nth(state.schedules(), schedule)?;
            Some(Verb::Pause { schedule: loaded.definition.name.clone() })
        }
        Act::Resume { schedule } => {
            let paused = state.schedules().filter(|loaded| {
                let fare = state.fare(loaded.definition.identity());
                fare.is_some_and(|fare| fare.paused().is_some())
            });
            let loaded = nth(paused, schedule)?;
            Some(Verb::Resume { schedule: loaded.definition.name.clone() })
        }
        Act::Confirm {} => Some(Verb::ConfirmClock),
        _ => None,
    }
}

/// Three of four say no key; of the rest, one now and then asks for something else under it.
fn keyed(key: u16, what: u16) -> Option<Key> {
    let name = Digest::of(&(key / 4 % 3).to_be_bytes());
    let request = Digest::of(&(what % 2).to_be_bytes());
    key.is_multiple_of(4).then_some(Key { key: name, request })
}

fn nth<T>(of: impl Iterator<Item = T>, which: u16) -> Option<T> {
    let all: Vec<T> = of.collect();
    let place = usize::from(which).checked_rem(all.len())?;
    all.into_iter().nth(place)
}

/// What waits for a decision.
fn proposals(state: &State) -> Vec<(ProposalId, Digest)> {
    let plans = state.mandates().filter_map(|mandate| mandate.cycle.as_ref()?.plan.as_ref());
    let held = plans.flat_map(|plan| &plan.held).filter(|held| held.decision.is_none());
    held.map(|held| (held.proposal, held.what.hash)).collect()
}

/// Effects somebody has to look after.
pub(super) fn unsettled(state: &State) -> Vec<EffectId> {
    let open = state.mandates().filter_map(|mandate| mandate.open.as_ref());
    open.filter(|open| open.unsettled).map(|open| open.effect).collect()
}

/// Mandates that wait for a person, and will for a while yet.
pub(super) fn waiting(state: &State, now: Time) -> Vec<(MandateId, Standing)> {
    let waits = |standing: Standing| match standing {
        Standing::Parked { reason, until } => {
            let person = match reason {
                ParkReason::Approval | ParkReason::Checkpoint | ParkReason::Unsettled => true,
                ParkReason::Budget | ParkReason::Provider => false,
            };
            person && until.is_none_or(|until| until > now)
        }
        Standing::Queued | Standing::Running | Standing::Ready => false,
    };
    let mandates = state.mandates().filter(|mandate| waits(mandate.standing));
    // What is due of it is not the start's doing.
    let mandates = mandates.filter(|mandate| mandate.due().is_none_or(|due| due > now));
    mandates.map(|mandate| (mandate.id, mandate.standing)).collect()
}
