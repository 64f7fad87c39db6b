//! Schedules, when they are due next, and what became of their last slot.

use std::collections::BTreeMap;

use kairos_core::event::{Event, Loaded};
use kairos_core::id::MandateId;
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

/// All schedules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Schedules {
    all: BTreeMap<ScheduleName, ScheduleView>,
}

/// One schedule as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    pub loaded: Loaded,
    pub last: Option<SlotView>,
}

/// What became of a slot, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    pub state: SlotState,
    pub reason: Option<SlotReason>,
    /// The last of them.
    pub at: Time,
    pub count: u64,
    pub mandate: Option<MandateId>,
    pub by: Option<Principal>,
}

impl Schedules {
    /// By name.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<ScheduleName, ScheduleView> {
        &self.all
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::SchedulesLoaded { set, gone } => {
                for name in gone {
                    self.all.remove(name);
                }
                for loaded in set {
                    let name = loaded.definition.name.clone();
                    let last = self.all.remove(&name).and_then(|view| view.last);
                    self.all.insert(name, ScheduleView { loaded: loaded.clone(), last });
                }
            }
            Event::Slot { schedule, at, state, reason, mandate, by, .. } => {
                let (state, reason, mandate) = (*state, *reason, *mandate);
                let by = by.clone();
                self.last(schedule, SlotView { state, reason, at: *at, count: 1, mandate, by });
            }
            Event::Slots { schedule, to, count, state, reason, .. } => {
                let (state, reason, at, count) = (*state, *reason, *to, *count);
                let slots = SlotView { state, reason, at, count, mandate: None, by: None };
                self.last(schedule, slots);
            }
            Event::Accounted { schedule, cursor, next } => {
                if let Some(view) = self.all.get_mut(schedule) {
                    view.loaded.cursor = *cursor;
                    view.loaded.next = *next;
                }
            }
            _ => {}
        }
    }

    fn last(&mut self, schedule: &ScheduleName, slot: SlotView) {
        if let Some(view) = self.all.get_mut(schedule) {
            view.last = Some(slot);
        }
    }
}
