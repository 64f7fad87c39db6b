//! Compiled schedules.
//!
//! Owns the timetables and zone data in use, turns "due" into fates of slots, and finds what a new
//! configuration changes. The state keeps the texts these were compiled from and the cursor; zone data
//! never enters it.

use std::collections::{BTreeMap, BTreeSet};

use kairos_core::clock::STEP_MS;
use kairos_core::event::{Loaded, Renamed};
use kairos_core::input::Input;
use kairos_core::schedule::definition::{Definition, ScheduleName};
use kairos_core::schedule::{
    Accounted, Contents, NoTimetable, Timetable, Unfired, Zone, ZoneClock, account, pass,
};
use kairos_core::state::State;
use kairos_core::time::Time;

use crate::condition::Probes;
use crate::notice::Notice;
use crate::watch::Watched;

/// The zone of that name, if there is one.
pub type Zones = fn(&str) -> Option<Zone>;

/// The timetables by schedule name.
#[derive(Debug, Default)]
pub struct Calendar {
    tables: BTreeMap<ScheduleName, Timetable>,
    pub(crate) probes: Probes,
    pub(crate) watched: Watched,
}

/// A schedule that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schedule `{schedule}` has no timetable")]
pub struct Unusable {
    pub schedule: ScheduleName,
    #[source]
    pub source: NoTimetable,
}

/// What takes the place of a calendar, and what that changes.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) calendar: Calendar,
    /// Schedules whose rule ends, and whose zone has other data by now, by name.
    pub(crate) moved: BTreeMap<ScheduleName, Loaded>,
    /// The last fates under rules that end.
    pub(crate) endings: Vec<Input>,
    /// New and changed schedules.
    pub(crate) set: Vec<Loaded>,
    pub(crate) gone: Vec<ScheduleName>,
    pub(crate) renamed: Vec<Renamed>,
}

impl Calendar {
    /// Accounts for the due slots of `name` up to the first that fires; `None` when the state or the
    /// calendar lacks it, and while its condition is looked at. Slots that an ended pause swallowed
    /// come first, and by themselves.
    pub(crate) fn due(&self, state: &State, name: &ScheduleName, now: Time) -> Option<Input> {
        let loaded = state.schedule(name)?;
        let table = self.tables.get(name)?;
        let pause = state.fare(loaded.definition.identity()).and_then(|fare| fare.pause.as_ref());
        let accounted = match pause {
            None => account(table, loaded.definition.missed, loaded.cursor, now),
            Some(pause) => {
                // One that holds has no end: its slots are not due.
                let until = table.released(pause.ended?.min(now));
                pass(table, loaded.cursor, until, Unfired::Paused)
            }
        };
        let (accounted, files) = match &loaded.definition.condition {
            Some(condition) if accounted.fires() => {
                self.probes.judge(state, (loaded, condition), accounted, now)?
            }
            Some(_) | None => (accounted.through_first_fire(), None),
        };
        Some(input(loaded, table, accounted, files))
    }

    /// Whether what is due of `name` waits for a look at its condition: there is nothing to take.
    pub(crate) fn waits(&self, state: &State, name: &ScheduleName, now: Time) -> bool {
        let Some(loaded) =
            state.schedule(name).filter(|loaded| loaded.definition.condition.is_some())
        else {
            return false;
        };
        // Slots that an ended pause swallowed wait for nobody.
        let fare = state.fare(loaded.definition.identity());
        self.probes.waits(name, now) && fare.is_none_or(|fare| fare.pause.is_none())
    }

    /// This calendar with what is known of files from the one before.
    pub(crate) fn after(self, other: Self) -> Self {
        let stays = |name: &ScheduleName| self.tables.contains_key(name);
        let (probes, watched) = (other.probes.kept(stays), other.watched.kept(stays));
        Self { probes, watched, ..self }
    }

    /// Lets every slot pass that is due under a rule in use once `coming` is recorded; none fires.
    pub(crate) fn pass_all(&self, state: &State, coming: &[Input], now: Time) -> Vec<Input> {
        let configured = coming.iter().filter_map(|input| match input {
            Input::Configured { set, gone, .. } => Some((set, gone)),
            _ => None,
        });
        let (set, gone): (Vec<_>, Vec<_>) = configured.unzip();
        let set: BTreeMap<_, _> = set
            .into_iter()
            .flatten()
            .map(|loaded| (loaded.definition.identity(), loaded))
            .collect();
        let gone: BTreeSet<_> = gone.into_iter().flatten().collect();
        let stays = state.schedules().filter(|loaded| {
            let definition = &loaded.definition;
            !gone.contains(&definition.name) && !set.contains_key(definition.identity())
        });
        let passes = |loaded: &Loaded| {
            let table = self.tables.get(&loaded.definition.name)?;
            let accounted = pass(table, loaded.cursor, now, Unfired::Restored);
            (!accounted.fates.is_empty()).then(|| input(loaded, table, accounted, None))
        };
        let enabled = stays.chain(set.values().copied()).filter(|loaded| loaded.definition.enabled);
        enabled.filter_map(passes).collect()
    }

    /// The calendar of `definitions`, of which no two have one name or one identity, and what changes
    /// when they take the place of those in the state.
    pub(crate) fn load(
        state: &State,
        definitions: Vec<Definition>,
        zones: Zones,
        now: Time,
    ) -> Result<Loading, Unusable> {
        let mut zones = Known::new(zones);
        let there: BTreeMap<_, _> = definitions.iter().map(|d| (d.identity(), d)).collect();
        let gone = state.schedules().map(|loaded| &loaded.definition);
        let gone = gone.filter(|definition| !there.contains_key(definition.identity()));
        let gone = gone.map(|definition| definition.name.clone()).collect();
        let (moved, endings) = endings(state, &there, &mut zones, now);
        let mut loading = Loading {
            calendar: Self::default(),
            moved,
            endings,
            set: Vec::new(),
            gone,
            renamed: Vec::new(),
        };
        for definition in definitions {
            loading.add(state, definition, &mut zones, now)?;
        }
        Ok(loading)
    }
}

impl Loading {
    fn add(
        &mut self,
        state: &State,
        definition: Definition,
        zones: &mut Known,
        now: Time,
    ) -> Result<(), Unusable> {
        let identity = definition.identity();
        let before = state.identified(identity);
        let same = before.filter(|before| before.definition.same_slots(&definition));
        let anchor = same.and_then(|same| same.anchor).unwrap_or(now);
        let table = zones.table(&definition, anchor)?;
        let zone_data = table.zone().and_then(|zone| zone.digest);
        let begins = |cursor| (cursor, table.zone_clock(cursor));
        let (revision, (cursor, zone_clock)) = match (before, same) {
            (_, Some(same)) => (same.revision, carried(same, &table)),
            (Some(before), None) => {
                // Other data may have taken its cursor back.
                let cursor = self.moved.get(&before.definition.name).unwrap_or(before).cursor;
                (before.revision + 1, begins(cursor.max(now)))
            }
            (None, None) => (1, begins(state.begins(identity, now))),
        };
        let changed = before.is_none_or(|b| b.definition != definition || b.zone_data != zone_data);
        if changed {
            if let Some(from) = before.map(|before| &before.definition.name)
                && *from != definition.name
            {
                self.renamed.push(Renamed { from: from.clone(), to: definition.name.clone() });
            }
            self.set.push(Loaded {
                revision,
                cursor,
                next: next(&definition, &table, cursor),
                anchor: table.anchor(),
                zone_data,
                zone_clock,
                definition: definition.clone(),
            });
        }
        self.calendar.tables.insert(definition.name, table);
        Ok(())
    }
}

/// Zones that were asked for.
struct Known {
    zones: Zones,
    known: BTreeMap<String, Option<Zone>>,
}

impl Known {
    const fn new(zones: Zones) -> Self {
        Self { zones, known: BTreeMap::new() }
    }

    fn zone(&mut self, name: &str) -> Option<Zone> {
        if let Some(zone) = self.known.get(name) {
            return zone.clone();
        }
        let zone = (self.zones)(name);
        self.known.insert(name.to_owned(), zone.clone());
        zone
    }

    fn table(&mut self, definition: &Definition, anchor: Time) -> Result<Timetable, Unusable> {
        let table = Timetable::of(definition, anchor, &mut |name| self.zone(name));
        table.map_err(|source| Unusable { schedule: definition.name.clone(), source })
    }
}

/// The last fates under the rules that end when the schedules `there` take the place of those in the
/// state: slots that came due and were never looked at, as after a time without a daemon or in a
/// pause. Of a zone that nobody knows any more, nobody can say which these were. Where its data are
/// others by now, that is recorded first, so that each fate goes by the data its schedule has.
fn endings(
    state: &State,
    there: &BTreeMap<&ScheduleName, &Definition>,
    zones: &mut Known,
    now: Time,
) -> (BTreeMap<ScheduleName, Loaded>, Vec<Input>) {
    let stays = |loaded: &Loaded| {
        let definition = there.get(loaded.definition.identity());
        definition.is_some_and(|definition| definition.same_slots(&loaded.definition))
    };
    let (mut moved, mut inputs) = (BTreeMap::new(), Vec::new());
    for loaded in state.schedules().filter(|loaded| !stays(loaded)) {
        let definition = &loaded.definition;
        let Ok(table) = zones.table(definition, loaded.anchor.unwrap_or(now)) else { continue };
        let (cursor, zone_clock) = carried(loaded, &table);
        let zone_data = table.zone().and_then(|zone| zone.digest);
        if loaded.zone_data != zone_data {
            let next = next(definition, &table, cursor);
            let loaded = Loaded { cursor, zone_clock, zone_data, next, ..loaded.clone() };
            moved.insert(definition.name.clone(), loaded);
        }
        if !definition.enabled {
            continue;
        }
        let paused = state.fare(definition.identity()).is_some_and(|fare| fare.paused().is_some());
        let why = if paused { Unfired::Paused } else { Unfired::RuleChanged };
        let accounted = pass(&table, cursor, now, why);
        if !accounted.fates.is_empty() {
            inputs.push(Input::Slots {
                schedule: definition.name.clone(),
                revision: loaded.revision,
                zone_clock: table.zone_clock(accounted.cursor),
                accounted,
                next: None,
                files: None,
            });
        }
    }
    (moved, inputs)
}

/// Where a schedule's cursor stands by the zone data of `table`, and how the clock stands there.
fn carried(loaded: &Loaded, table: &Timetable) -> (Time, Option<ZoneClock>) {
    let data = table.zone().and_then(|zone| zone.digest);
    let Some(before) = loaded.zone_clock else {
        return (loaded.cursor, table.zone_clock(loaded.cursor));
    };
    if loaded.zone_data == data {
        return (loaded.cursor, Some(before));
    }
    let cursor = before.carried(loaded.cursor, table);
    let clock = table.zone_clock(cursor);
    (cursor, clock.map(|clock| clock.after(cursor, &before, loaded.cursor)))
}

/// When the next slot is let go; never for a schedule that is off.
fn next(definition: &Definition, table: &Timetable, cursor: Time) -> Option<Time> {
    definition.enabled.then(|| table.next_release(cursor))?
}

fn input(
    loaded: &Loaded,
    table: &Timetable,
    accounted: Accounted,
    files: Option<Contents>,
) -> Input {
    let definition = &loaded.definition;
    Input::Slots {
        schedule: definition.name.clone(),
        revision: loaded.revision,
        next: next(definition, table, accounted.cursor),
        zone_clock: table.zone_clock(accounted.cursor),
        accounted,
        files,
    }
}

/// Which schedules have no slot for a while, because the clock had been further than `now` already.
pub(crate) fn ahead(state: &State, now: Time) -> Option<Notice> {
    let is_ahead =
        |loaded: &&Loaded| loaded.definition.enabled && loaded.cursor.ms_since(now) > STEP_MS;
    let ahead = || state.schedules().filter(is_ahead);
    let last = ahead().max_by_key(|loaded| loaded.cursor)?;
    let (schedule, until) = (last.definition.name.clone(), last.cursor);
    Some(Notice::SchedulesAhead { count: ahead().count(), schedule, until })
}
