//! Schedules: when they are due next, what became of their last slot, and how they fare.

use std::collections::BTreeMap;

use kairos_core::event::{Event, Loaded, Renamed};
use kairos_core::fold::At;
use kairos_core::id::MandateId;
use kairos_core::mandate::outcome::Outcome;
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::pause::Fare;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

/// All schedules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Schedules {
    all: BTreeMap<ScheduleName, ScheduleView>,
    /// The names of schedules whose identity is another text.
    #[serde(default)]
    names: BTreeMap<ScheduleName, ScheduleName>,
    /// Open mandates, with the identity of the schedule they come from.
    #[serde(default)]
    open: BTreeMap<MandateId, ScheduleName>,
}

/// One schedule as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    pub loaded: Loaded,
    pub last: Option<SlotView>,
    /// Its streak of failures, and its pause.
    #[serde(default)]
    pub fare: Fare,
    /// What its last finished mandate came to.
    #[serde(default)]
    pub outcome: Option<Outcome>,
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

impl ScheduleView {
    fn of(loaded: Loaded) -> Self {
        Self { loaded, last: None, fare: Fare::default(), outcome: None }
    }

    /// When the next slot is let go; none while it is paused.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.loaded.next.filter(|_| self.fare.paused().is_none())
    }

    /// Up to when no slot can fire, because a clock ahead of `now` had been there.
    #[must_use]
    pub fn held_until(&self, now: Time) -> Option<Time> {
        Some(self.loaded.cursor).filter(|cursor| self.loaded.definition.enabled && *cursor > now)
    }
}

impl Schedules {
    /// By name.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<ScheduleName, ScheduleView> {
        &self.all
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::SchedulesLoaded { set, gone, renamed } => self.loaded(set, gone, renamed),
            Event::Slot { schedule, at, state, reason, mandate, by, .. } => {
                let (state, reason, mandate) = (*state, *reason, *mandate);
                let by = by.clone();
                let slot = SlotView { state, reason, at: *at, count: 1, mandate, by };
                self.change(schedule, |view| view.last = Some(slot));
            }
            Event::Slots { schedule, to, count, state, reason, .. } => {
                let (state, reason, at, count) = (*state, *reason, *to, *count);
                let slots = SlotView { state, reason, at, count, mandate: None, by: None };
                self.change(schedule, |view| view.last = Some(slots));
            }
            Event::Accounted { schedule, cursor, next, zone_clock } => {
                self.change(schedule, |view| {
                    let loaded = &mut view.loaded;
                    (loaded.cursor, loaded.next, loaded.zone_clock) = (*cursor, *next, *zone_clock);
                    view.fare.accounted();
                })
            }
            Event::SchedulePaused { schedule, why } => {
                self.change(schedule, |view| view.fare.pause(at.time, why.clone()));
            }
            Event::ScheduleResumed { schedule, .. } => {
                self.change(schedule, |view| view.fare.resume(at.time));
            }
            Event::MandateCreated { mandate, origin, .. } => {
                if let Some(identity) = origin.schedule() {
                    self.open.insert(*mandate, identity.clone());
                }
            }
            Event::MandateFinished { mandate, outcome, .. } => self.finished(*mandate, *outcome),
            _ => {}
        }
    }

    fn loaded(&mut self, set: &[Loaded], gone: &[ScheduleName], renamed: &[Renamed]) {
        for name in gone {
            self.take(name);
        }
        let mut moved = BTreeMap::new();
        for Renamed { from, to } in renamed {
            moved.extend(self.take(from).map(|view| (to, view)));
        }
        for loaded in set {
            let name = &loaded.definition.name;
            let before = moved.remove(name).or_else(|| self.take(name));
            if let Some(id) = &loaded.definition.id {
                self.names.insert(id.clone(), name.clone());
            }
            let view = match before {
                Some(view) => ScheduleView { loaded: loaded.clone(), ..view },
                None => ScheduleView::of(loaded.clone()),
            };
            self.all.insert(name.clone(), view);
        }
    }

    fn take(&mut self, name: &ScheduleName) -> Option<ScheduleView> {
        let view = self.all.remove(name)?;
        self.names.remove(view.loaded.definition.identity());
        Some(view)
    }

    fn finished(&mut self, mandate: MandateId, outcome: Outcome) {
        let Some(identity) = self.open.remove(&mandate) else { return };
        let name = self.names.get(&identity).unwrap_or(&identity).clone();
        self.change(&name, |view| {
            if *view.loaded.definition.identity() == identity {
                view.fare.failures = view.fare.failures_after(outcome);
                view.outcome = Some(outcome);
            }
        });
    }

    fn change(&mut self, schedule: &ScheduleName, change: impl FnOnce(&mut ScheduleView)) {
        if let Some(view) = self.all.get_mut(schedule) {
            change(view);
        }
    }
}
