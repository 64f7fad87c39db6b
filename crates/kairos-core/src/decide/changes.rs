//! Files that changed.
//!
//! Owns the fate of a slot that a change of a schedule's files is: each contents that differ from what
//! was seen are one slot, named by their digest. What is overlap, and what a fire makes, the slots of
//! the clock say too. Never looks at a file.

use super::slots::{Replaced, created, refusal};
use crate::event::Event;
use crate::id::IdSource;
use crate::input::Now;
use crate::schedule::Contents;
use crate::schedule::definition::ScheduleName;
use crate::schedule::slot::{SlotReason, SlotState};
use crate::state::State;

/// Records that the files of a schedule hold something else. Where a fire has more mandates to replace
/// than one frame can stop, some are stopped and nothing else: the change is still to be seen.
pub(super) fn decide(
    state: &State,
    now: &Now,
    (name, revision): (&ScheduleName, u32),
    files: Contents,
) -> Vec<Event> {
    let loaded = state.schedules.get(name).filter(|loaded| loaded.revision == revision);
    let Some(loaded) = loaded.filter(|loaded| loaded.definition.watches().is_some()) else {
        return Vec::new();
    };
    let fare = state.fare(loaded.definition.identity()).cloned().unwrap_or_default();
    if fare.seen == files {
        return Vec::new();
    }
    let skipped = match () {
        () if fare.restored => Some(SlotReason::Restored),
        () if fare.paused().is_some() => Some(SlotReason::Paused),
        () if files.is_empty() => Some(SlotReason::NoFiles),
        () => None,
    };
    let (mut events, mut mandate) = (Vec::new(), None);
    let (fate, reason) = match (skipped, refusal(state, loaded, 0)) {
        (Some(why), _) => (SlotState::Skipped, Some(why)),
        (None, Some(why)) => (SlotState::Refused, Some(why)),
        (None, None) => {
            let replaced = Replaced::by(state, now, loaded);
            if replaced.more {
                return replaced.events;
            }
            events = replaced.events;
            let made = IdSource::new(now.time, now.seed).mandate();
            events.push(created(loaded, made, None, None));
            mandate = Some(made);
            (SlotState::Fired, None)
        }
    };
    events.push(Event::Slot {
        schedule: name.clone(),
        revision,
        civil: None,
        fold: 0,
        at: now.time,
        state: fate,
        reason,
        mandate,
        by: None,
        files: Some(files),
    });
    events
}
