//! Schedules in force and what became of their slots.
//!
//! Owns the newest slots of each. Never works out a slot: the next one is recorded.

use std::collections::{BTreeMap, VecDeque};

use kairos_core::event::{Event, Loaded};
use kairos_core::id::MandateId;
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::{Definition, ScheduleName};
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;

/// Slots kept of one schedule; a range counts as one.
pub const HISTORY_MAX: usize = 100;

/// A schedule as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub definition: Definition,
    pub next: Option<Time>,
    /// Oldest first, at most [`HISTORY_MAX`].
    pub slots: VecDeque<Slot>,
}

/// What became of a slot, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub state: SlotState,
    pub reason: Option<SlotReason>,
    /// When the first was due.
    pub from: Time,
    /// When the last was due.
    pub to: Time,
    pub count: u64,
    pub mandate: Option<MandateId>,
    /// Who fired it by hand.
    pub by: Option<Principal>,
}

/// The schedules in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedules {
    by_name: BTreeMap<ScheduleName, Schedule>,
}

impl Schedules {
    #[must_use]
    pub fn get(&self, name: &ScheduleName) -> Option<&Schedule> {
        self.by_name.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Schedule> {
        self.by_name.values()
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::SchedulesLoaded { set, gone } => {
                for name in gone {
                    self.by_name.remove(name);
                }
                for loaded in set {
                    self.load(loaded);
                }
            }
            Event::Slot { schedule, at, state, reason, mandate, by, .. } => {
                self.push(
                    schedule,
                    Slot {
                        state: *state,
                        reason: *reason,
                        from: *at,
                        to: *at,
                        count: 1,
                        mandate: *mandate,
                        by: by.clone(),
                    },
                );
            }
            Event::Slots { schedule, from, to, count, state, reason, .. } => {
                self.push(
                    schedule,
                    Slot {
                        state: *state,
                        reason: *reason,
                        from: *from,
                        to: *to,
                        count: *count,
                        mandate: None,
                        by: None,
                    },
                );
            }
            Event::Accounted { schedule, next, .. } => {
                if let Some(schedule) = self.by_name.get_mut(schedule) {
                    schedule.next = *next;
                }
            }
            _ => {}
        }
    }

    fn load(&mut self, loaded: &Loaded) {
        let name = loaded.definition.name.clone();
        let slots = self.by_name.remove(&name).map(|before| before.slots).unwrap_or_default();
        let definition = loaded.definition.clone();
        self.by_name.insert(name, Schedule { definition, next: loaded.next, slots });
    }

    fn push(&mut self, name: &ScheduleName, slot: Slot) {
        let Some(schedule) = self.by_name.get_mut(name) else { return };
        if schedule.slots.len() == HISTORY_MAX {
            schedule.slots.pop_front();
        }
        schedule.slots.push_back(slot);
    }
}
