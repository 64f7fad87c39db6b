//! A second opinion on which slots there are.
//!
//! Owns the account of schedules as the journal tells it: which rule held when, and the fate of every
//! slot. What the slots were it finds by walking; it shares no line with the evaluator and the calendar.
//!
//! ```text
//!  records ──▶ Slots ──▶ Reign (one revision) ──▶ Stage (one set of zone data) ──▶ fates
//!                │                                     └── walk ── expression, dates
//!                └── promise (next), pauses, crowd (running and waiting)
//! ```

mod crowd;
mod dates;
mod expression;
mod pauses;
mod promise;
mod reign;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use kairos_core::event::{Event, Loaded, Renamed};
use kairos_core::fold::At;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;

use super::law::{Broken, Wrong};
use super::tally::{Tally, Tried};
use crowd::Crowd;
use pauses::Pauses;
use promise::Promises;
use reign::{Fate, Reign, Stage, Verdict};

/// A range of slots counts as no more than this towards what was tried.
const OF_A_RANGE: u64 = 10;

/// What the journal says of all slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// By identity.
    now: BTreeMap<ScheduleName, Reign>,
    identities: BTreeMap<ScheduleName, ScheduleName>,
    past: Vec<Reign>,
    /// The newest slot of each identity that had a fate, whether or not the schedule is still there.
    newest: BTreeMap<ScheduleName, Time>,
    /// Slots that had a fate, and then another one; slots that a rule begins behind.
    broken: Vec<Broken>,
    promises: Promises,
    pauses: Pauses,
    crowd: Crowd,
    changes: Changes,
    /// How far a clock was set that is not believed yet.
    set_ms: i64,
    /// The numbers of schedules that went with the present configuration.
    left: BTreeSet<String>,
}

/// What was done to schedules.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    edits: u64,
    renames: u64,
    /// Renames that are an end and a beginning.
    breaks: u64,
    removals: u64,
    returns: u64,
    zones: u64,
    held: u64,
}

impl Slots {
    pub(super) fn apply(&mut self, at: At, event: &Event) {
        self.crowd.apply(event);
        if !matches!(event, Event::SchedulesLoaded { .. }) {
            self.left.clear();
        }
        match event {
            Event::ClockStepped { by_ms } => {
                self.changes.held += 1;
                self.set_ms += by_ms;
            }
            Event::ClockSettled { .. } => self.set_ms = 0,
            Event::SchedulesLoaded { set, gone, renamed } => {
                self.changed(at.time, set, gone, renamed);
            }
            // A person's own fire has no civil time and takes no slot's place.
            Event::Slot { schedule, civil, fold, at: due, state, reason, .. } => {
                if let Some(civil) = civil {
                    let name = Some((walk::civil_second(*civil), *fold));
                    let what = (*state, *reason);
                    self.fate(at, schedule, Fate { from: *due, to: *due, count: 1, name, what });
                }
                let identity = self.identities.get(schedule);
                if let Some(reign) = identity.and_then(|identity| self.now.get_mut(identity))
                    && *state == SlotState::Fired
                {
                    self.crowd.fired(&reign.stage().definition);
                }
            }
            Event::Slots { schedule, from, to, count, state, reason, .. } => {
                let what = (*state, *reason);
                let (from, to, count) = (*from, *to, *count);
                self.fate(at, schedule, Fate { from, to, count, name: None, what });
            }
            Event::Accounted { schedule, cursor, next, .. } => {
                let Some(identity) = self.identities.get(schedule) else { return };
                self.promises.accounted(identity, *next);
                self.pauses.accounted(identity);
                if let Some(reign) = self.now.get_mut(identity) {
                    reign.stage().cursor = *cursor;
                }
            }
            Event::SchedulePaused { schedule, .. } => {
                self.identities.get(schedule).into_iter().for_each(|of| self.pauses.paused(of));
            }
            Event::ScheduleResumed { schedule, .. } => {
                let identity = self.identities.get(schedule).into_iter();
                identity.for_each(|of| self.pauses.resumed(of, at.time));
            }
            _ => {}
        }
    }

    fn fate(&mut self, at: At, schedule: &ScheduleName, fate: Fate) {
        let Some(identity) = self.identities.get(schedule).cloned() else {
            let what = format!("{schedule} is not there: {fate:?}");
            return self.broken.push(Broken { wrong: Wrong::Accepted, what });
        };
        match self.newest.get(&identity).filter(|newest| fate.from <= **newest) {
            Some(newest) => {
                let what = format!("{identity}: {fate:?}, and up to {newest} all had theirs");
                self.broken.push(Broken { wrong: Wrong::Duplicated, what });
            }
            None => drop(self.newest.insert(identity.clone(), fate.to)),
        }
        let Some(reign) = self.now.get_mut(&identity) else { return };
        let jitter_ms = reign.stage().definition.jitter_ms;
        self.pauses.fate(&identity, &fate, jitter_ms);
        self.promises.fate(&identity, &fate, (jitter_ms, at.time));
        reign.stage().fates.push(fate);
    }

    fn changed(&mut self, time: Time, set: &[Loaded], gone: &[ScheduleName], renamed: &[Renamed]) {
        // A rule that ends meanwhile ends where the clock was believed.
        let now = time.min(Time::from_ms(time.as_ms() - self.set_ms));
        // A schedule keeps the number in its name when it is renamed.
        let number = |name: &ScheduleName| name.as_str().rsplit('-').next().map(str::to_owned);
        self.left.extend(gone.iter().filter_map(number));
        let came = set.iter().filter_map(|loaded| number(&loaded.definition.name));
        self.changes.breaks += came.map(|came| u64::from(self.left.remove(&came))).sum::<u64>();
        for name in gone {
            self.changes.removals += 1;
            let Some(identity) = self.identities.remove(name) else { continue };
            self.end(&identity, now);
            self.pauses.gone(&identity);
            self.promises.gone(&identity);
        }
        for Renamed { from, .. } in renamed {
            self.changes.renames += 1;
            self.identities.remove(from);
        }
        set.iter().for_each(|loaded| self.loaded((time, now), loaded));
    }

    fn end(&mut self, identity: &ScheduleName, now: Time) {
        if let Some(mut reign) = self.now.remove(identity) {
            reign.end = Some(now);
            self.past.push(reign);
        }
    }

    fn loaded(&mut self, (time, now): (Time, Time), loaded: &Loaded) {
        let Loaded { definition, revision, cursor, next, anchor, zone_data, .. } = loaded;
        let identity = definition.identity().clone();
        self.identities.insert(definition.name.clone(), identity.clone());
        self.promises.loaded(&identity, *next);
        let newest = self.newest.get(&identity).copied();
        let stage = Stage {
            definition: definition.clone(),
            anchor: *anchor,
            zone_data: *zone_data,
            begin: *cursor,
            cursor: *cursor,
            fates: Vec::new(),
        };
        if let Some(reign) = self.now.get_mut(&identity).filter(|of| of.revision == *revision) {
            let last = reign.stage();
            if last.zone_data == stage.zone_data {
                last.definition = stage.definition;
            } else {
                self.changes.zones += 1;
                // Other instants go with the names that had their fate.
                newest.map(|newest| self.newest.insert(identity, newest.min(*cursor)));
                reign.stages.push(stage);
            }
            return;
        }
        match self.now.contains_key(&identity) {
            true => self.changes.edits += 1,
            false => self.changes.returns += u64::from(newest.is_some()),
        }
        let before = self.now.get(&identity).or_else(|| self.before(&identity));
        let reached = before.and_then(|before| before.stages.last()).map(|last| last.cursor);
        if *cursor > reached.map_or(time, |reached| time.max(reached)) {
            let what = format!("{identity}: a rule begins at {cursor}, at {time}");
            self.broken.push(Broken { wrong: Wrong::Lost, what });
        }
        self.end(&identity, now);
        let reign = Reign { revision: *revision, stages: vec![stage], end: None };
        self.now.insert(identity, reign);
    }

    /// The last rule of a schedule that went.
    fn before(&self, identity: &ScheduleName) -> Option<&Reign> {
        let of = |reign: &&Reign| {
            reign.stages.last().is_some_and(|last| last.definition.identity() == identity)
        };
        self.past.iter().rev().find(of)
    }

    fn reigns(&self) -> impl Iterator<Item = &Reign> {
        self.past.iter().chain(self.now.values())
    }

    /// Compares all of it, and counts.
    pub(super) fn judge(&self, tally: &mut Tally) -> Vec<Broken> {
        let mut verdict = Verdict::default();
        self.reigns().for_each(|reign| reign.judge(&mut verdict));
        let next = self.promises.broken.iter();
        let crowd = self.crowd.crowded.iter().chain(&self.crowd.overfull);
        let lists = next.chain(&self.pauses.broken).chain(crowd);
        let accepted = |what: &String| Broken { wrong: Wrong::Accepted, what: what.clone() };
        tally.add_to(Tried::Disagreements, count(&self.promises.broken));
        let lost = self.broken.iter().filter(|broken| broken.wrong == Wrong::Lost).count();
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        tally.add_to(Tried::Silent, verdict.silent + lost);
        tally.add_to(Tried::Duplicates, verdict.duplicates + count(&self.broken) - lost);
        tally.add_to(Tried::Expected, verdict.expected);
        self.count(tally);
        self.broken.iter().cloned().chain(verdict.broken).chain(lists.map(accepted)).collect()
    }

    fn count(&self, tally: &mut Tally) {
        for fate in self.reigns().flat_map(Reign::fates) {
            tally.add_to(Tried::Slots, fate.count);
            tally.add_to(counted(fate.what), fate.count);
            let (kind, most) = match fate.name {
                Some(_) => (Tried::Singles, 1),
                None => (Tried::Ranged, fate.count.min(OF_A_RANGE)),
            };
            tally.add_to(kind, most);
        }
        let Changes { edits, renames, breaks, removals, returns, zones, held } = self.changes;
        tally.add_to(Tried::Edits, edits);
        tally.add_to(Tried::Renames, renames);
        tally.add_to(Tried::Breaks, breaks);
        tally.add_to(Tried::Removals, removals);
        tally.add_to(Tried::Returns, returns);
        tally.add_to(Tried::ZoneChanges, zones);
        tally.add_to(Tried::Held, held);
        tally.add_to(Tried::Promises, self.promises.kept);
        tally.add_to(Tried::Full, self.crowd.full);
        tally.add_to(Tried::Crowded, count(&self.crowd.crowded));
        tally.add_to(Tried::Overfull, count(&self.crowd.overfull));
        tally.add_to(Tried::Pauses, self.pauses.begun);
        tally.add_to(Tried::Resumes, self.pauses.ended);
    }
}

fn count(of: &[impl Sized]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}

/// Where a fate is counted.
const fn counted(what: (SlotState, Option<SlotReason>)) -> Tried {
    match what {
        (SlotState::Fired, _) => Tried::Fired,
        (SlotState::Coalesced, _) => Tried::Coalesced,
        (SlotState::DroppedStale, _) => Tried::Stale,
        (_, Some(SlotReason::RuleChanged)) => Tried::RuleChanged,
        (_, Some(SlotReason::Restored)) => Tried::Restored,
        (_, Some(SlotReason::Paused)) => Tried::Paused,
        (_, Some(SlotReason::Overlap)) => Tried::Overlap,
        (_, Some(SlotReason::NoModel)) => Tried::NoModel,
        (_, Some(SlotReason::Unpriced)) => Tried::Unpriced,
        (_, Some(SlotReason::Condition | SlotReason::ConditionUnknown | SlotReason::NoFiles)) => {
            Tried::Condition
        }
        (_, Some(SlotReason::Policy) | None) => Tried::Skipped,
    }
}
