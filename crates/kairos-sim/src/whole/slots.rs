//! A second opinion on which slots there are.
//!
//! Owns the search by brute force: it walks real time minute by minute, asks a zone for nothing but
//! its offset, and shares no line with the evaluator. Then every fate in the journal must be that of
//! the next slot, none left out and none twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kairos_core::event::{Event, Loaded};
use kairos_core::fold::At;
use kairos_core::schedule::definition::{Definition, ScheduleName, Timing};
use kairos_core::schedule::{InFold, InGap};
use kairos_core::time::Time;

use super::scene::{CRONS, Civil, Matches, is_fixed, zone};

/// Offsets change at no other instants.
const QUARTER: i64 = 15;
/// More than any clock is set back or forward.
const AROUND: i64 = 24 * 60;

/// The fate of one slot, or of several in a row.
#[derive(Clone, Copy, Debug)]
struct Fate {
    from: Time,
    to: Time,
    count: u64,
}

/// A schedule while one rule held.
#[derive(Clone, Debug)]
struct Reign {
    definition: Definition,
    begin: Time,
    cursor: Time,
    /// When another rule took its place.
    end: Option<Time>,
    fates: Vec<Fate>,
}

/// What the journal says of all slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    now: BTreeMap<ScheduleName, (u32, Reign)>,
    past: Vec<Reign>,
    /// The newest slot of each name that had a fate, whether or not the schedule is still there.
    newest: BTreeMap<ScheduleName, Time>,
    /// Slots that had a fate, and then another one.
    again: Vec<String>,
    /// Schedules that came back.
    returns: u64,
    /// How far a clock was set that is not believed yet.
    set_ms: i64,
}

impl Slots {
    pub(super) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::ClockStepped { by_ms } => self.set_ms += by_ms,
            Event::ClockSettled { .. } => self.set_ms = 0,
            Event::SchedulesLoaded { set, gone, .. } => {
                // A rule that ends meanwhile ends where the clock was believed.
                let now = at.time.min(Time::from_ms(at.time.as_ms() - self.set_ms));
                gone.iter().for_each(|name| self.end(name, now));
                set.iter().for_each(|loaded| self.loaded(now, loaded));
            }
            // A person's own fire has no civil time and takes no slot's place.
            Event::Slot { schedule, civil: Some(_), at, .. } => {
                self.fate(schedule, Fate { from: *at, to: *at, count: 1 });
            }
            Event::Slots { schedule, from, to, count, .. } => {
                self.fate(schedule, Fate { from: *from, to: *to, count: *count });
            }
            Event::Accounted { schedule, cursor, .. } => {
                if let Some((_, reign)) = self.now.get_mut(schedule) {
                    reign.cursor = *cursor;
                }
            }
            _ => {}
        }
    }

    fn fate(&mut self, schedule: &ScheduleName, fate: Fate) {
        match self.newest.get(schedule).filter(|newest| fate.from <= **newest) {
            Some(newest) => {
                self.again.push(format!("{schedule}: {fate:?}, and up to {newest} all had theirs"))
            }
            None => drop(self.newest.insert(schedule.clone(), fate.to)),
        }
        if let Some((_, reign)) = self.now.get_mut(schedule) {
            reign.fates.push(fate);
        }
    }

    fn end(&mut self, name: &ScheduleName, now: Time) {
        if let Some((_, mut reign)) = self.now.remove(name) {
            reign.end = Some(now);
            self.past.push(reign);
        }
    }

    fn loaded(&mut self, now: Time, loaded: &Loaded) {
        let name = &loaded.definition.name;
        let there = self.now.contains_key(name);
        self.returns += u64::from(!there && self.newest.contains_key(name));
        if let Some((revision, reign)) = self.now.get_mut(name)
            && *revision == loaded.revision
        {
            reign.definition = loaded.definition.clone();
            return;
        }
        self.end(name, now);
        let reign = Reign {
            definition: loaded.definition.clone(),
            begin: loaded.cursor,
            cursor: loaded.cursor,
            end: None,
            fates: Vec::new(),
        };
        self.now.insert(name.clone(), (loaded.revision, reign));
    }

    /// What is wrong with the fates in the journal.
    pub(super) fn wrong(&self) -> Option<String> {
        let mut reigns = self.past.iter().chain(self.now.values().map(|(_, reign)| reign));
        reigns.find_map(Reign::wrong)
    }

    /// Slots that had their fate twice: by their name, for ever.
    pub(super) fn again(&self) -> &[String] {
        &self.again
    }

    /// How many schedules came back after they had gone.
    pub(super) fn returns(&self) -> u64 {
        self.returns
    }

    /// How many slots have a fate.
    pub(super) fn count(&self) -> u64 {
        let reigns = self.past.iter().chain(self.now.values().map(|(_, reign)| reign));
        reigns.flat_map(|reign| &reign.fates).map(|fate| fate.count).sum()
    }
}

impl Reign {
    fn wrong(&self) -> Option<String> {
        let until = self.end.map_or(self.cursor, |end| end.max(self.cursor));
        let due = if self.definition.enabled {
            due(&self.definition, self.begin, until)
        } else {
            Vec::new()
        };
        let mut due = due.into_iter();
        let name = &self.definition.name;
        for fate in &self.fates {
            let mut slots = due.by_ref().take(usize::try_from(fate.count).unwrap_or(usize::MAX));
            let first = slots.next();
            let last = slots.last().or(first);
            if (first, last) != (Some(fate.from), Some(fate.to)) {
                return Some(format!("{name}: {fate:?}, but due are {first:?} to {last:?}"));
            }
        }
        let left = due.next()?;
        let (begin, cursor, end) = (self.begin, self.cursor, self.end);
        Some(format!(
            "{name}: nothing says what became of the slot at {left}; {begin} {cursor} {end:?}"
        ))
    }
}

/// All slots of a schedule in (`after`, `until`].
fn due(definition: &Definition, after: Time, until: Time) -> Vec<Time> {
    let Timing::Cron { cron, zone, dst } = &definition.timing else { return Vec::new() };
    let matches = CRONS.iter().find(|(text, _)| text == cron).expect("one of ours").1;
    let fixed = is_fixed(cron);
    let zone = self::zone(zone);
    let minute_of = |time: Time| time.as_ms().div_euclid(60_000);
    let (first, last) = (minute_of(after) + 1, minute_of(until));
    let offset = |quarter: i64| {
        let at = Timestamp::from_second(quarter * QUARTER * 60).expect("a recent instant");
        i64::from(zone.to_offset(at).seconds()).div_euclid(60)
    };
    let mut due = Vec::new();
    let begin = (first - AROUND).div_euclid(QUARTER) * QUARTER;
    let mut shown = begin + offset(begin.div_euclid(QUARTER)) - 1;
    let mut now = offset(begin.div_euclid(QUARTER));
    for minute in begin..=last {
        if minute.rem_euclid(QUARTER) == 0 {
            now = offset(minute.div_euclid(QUARTER));
        }
        let civil = minute + now;
        let again = civil <= shown;
        let counts = !fixed || !again || dst.fold == InFold::Both;
        let swallowed = fixed && dst.gap == InGap::RunAfter;
        let swallowed = swallowed && (shown + 1..civil).any(|civil| is_due(matches, civil));
        if minute >= first && ((counts && is_due(matches, civil)) || swallowed) {
            due.push(Time::from_ms(minute * 60_000));
        }
        shown = shown.max(civil);
    }
    due
}

/// Of a civil minute counted since 1970-01-01T00:00, a Thursday.
fn is_due(matches: Matches, civil: i64) -> bool {
    let days = civil.div_euclid(1440);
    let (hour, minute) = (civil.rem_euclid(1440) / 60, civil.rem_euclid(60));
    let (day, weekday) = (day_of_month(days), (days + 4).rem_euclid(7));
    matches(&Civil { minute, hour, day, weekday })
}

/// Counts days from 1970-01-01 through the years.
fn day_of_month(mut days: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
    }
    days + 1
}
