//! Every slot of a schedule, found by walking.
//!
//! Owns the search by brute force: real time minute by minute, and second by second inside a minute
//! that matches. It asks a zone for nothing but its offset. Never leaps, never counts without looking.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::definition::{Definition, Timing};
use kairos_core::schedule::{Dst, InFold, InGap};
use kairos_core::time::Time;

use super::dates::{Date, days};
use super::expression::Expression;

/// In minutes; an offset changes no two times within.
const QUARTER: i64 = 15;
/// In minutes, more than any clock is set back or forward.
const AROUND: i64 = 3 * 1440;

/// What a zone's clock shows when a slot is due, in seconds since 1970, and on which showing.
pub(in super::super) type Name = (i64, u8);

/// A slot in plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Time,
    pub(super) name: Name,
}

/// A change of the clock: minutes since 1970, and minutes east of UTC before and after.
#[derive(Clone, Copy)]
struct Change {
    minute: i64,
    before: i64,
    after: i64,
}

impl Change {
    /// Whether the clock shows `civil` before and after.
    fn repeats(self, civil: i64) -> bool {
        (self.minute + self.after..self.minute + self.before).contains(&civil)
    }
}

/// What matches.
enum Pattern {
    Cron(Expression),
    /// One second of a clock.
    Once(i64),
}

impl Pattern {
    /// The seconds of a civil minute that match; `day` remembers the last day that was asked about.
    fn seconds(&self, civil: i64, day: &mut Option<(i64, bool)>) -> Vec<i64> {
        match self {
            Self::Once(second) if second.div_euclid(60) == civil => vec![second % 60],
            Self::Once(_) => Vec::new(),
            Self::Cron(cron) => {
                if !cron.in_minute(civil.rem_euclid(1440)) {
                    return Vec::new();
                }
                let today = civil.div_euclid(1440);
                let (_, on) = *day.insert(
                    day.filter(|day| day.0 == today).unwrap_or((today, cron.on_day(today))),
                );
                if on { cron.seconds.clone() } else { Vec::new() }
            }
        }
    }
}

/// All slots of a schedule in (`after`, `until`], by the data of `zone`.
pub(super) fn due(
    definition: &Definition,
    anchor: Option<Time>,
    zone: &TimeZone,
    (after, until): (Time, Time),
) -> Vec<Due> {
    match &definition.timing {
        Timing::Every { period_ms } => {
            let anchor = anchor.expect("an interval has a beginning").as_ms().div_euclid(1000);
            let period = i64::try_from(period_ms / 1000).expect("at most a year");
            let ticks = (1..).map(|nth| anchor + nth * period).map(|at| slot(at, at, 0));
            let due = ticks.skip_while(|due| due.at <= after);
            due.take_while(|due| due.at <= until).collect()
        }
        Timing::Cron { cron, dst, .. } => {
            let cron = Expression::new(cron, definition.identity().as_str());
            let fixed = cron.fixed.then_some(*dst);
            walk(&Pattern::Cron(cron), fixed, zone, (after, until))
        }
        // What comes from outside has no slots.
        Timing::Trigger(_) => Vec::new(),
        Timing::At { at, dst, .. } => {
            let fold = if dst.fold == InFold::Second { InFold::Second } else { InFold::First };
            let second = Pattern::Once(civil_second(*at));
            walk(&second, Some(Dst { fold, ..*dst }), zone, (after, until))
        }
    }
}

/// Seconds since 1970 on a clock.
pub(super) fn civil_second(at: jiff::civil::DateTime) -> i64 {
    let date = Date { year: at.year().into(), month: at.month().into(), day: at.day().into() };
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    days(date) * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
}

fn slot(at: i64, civil: i64, fold: u8) -> Due {
    Due { at: Time::from_ms(at * 1000), name: (civil, fold) }
}

/// `fixed` is none for a pattern that follows elapsed time.
fn walk(pattern: &Pattern, fixed: Option<Dst>, zone: &TimeZone, span: (Time, Time)) -> Vec<Due> {
    let (after, until) = span;
    let (first, last) = (after.as_ms().div_euclid(60_000), until.as_ms().div_euclid(60_000));
    let changes = changes(zone, first, last);
    let (mut due, mut day) = (Vec::new(), None);
    let mut offset = offset(zone, first);
    for minute in first..=last {
        let change = changes.iter().find(|change| change.minute == minute);
        offset = change.map_or(offset, |change| change.after);
        let civil = minute + offset;
        let shown = changes.iter().any(|c| c.minute <= minute && c.repeats(civil));
        let again = changes.iter().any(|c| c.minute > minute && c.repeats(civil));
        let counts = match fixed.map(|dst| dst.fold) {
            None | Some(InFold::Both) => true,
            Some(InFold::First) => !shown,
            Some(InFold::Second) => !again,
        };
        let before = due.len();
        if counts {
            let seconds = pattern.seconds(civil, &mut day).into_iter();
            due.extend(seconds.map(|s| slot(minute * 60 + s, civil * 60 + s, shown.into())));
        }
        let natural = due[before..].first().is_some_and(|due| due.at.as_ms() == minute * 60_000);
        if let Some(change) = change
            && fixed.is_some_and(|dst| dst.gap == InGap::RunAfter)
            && !natural
        {
            let swallowed = minute + change.before..minute + change.after;
            let first = swallowed.into_iter().find_map(|civil| {
                let second = pattern.seconds(civil, &mut None).first().copied()?;
                Some(slot(minute * 60, civil * 60 + second, 0))
            });
            due.splice(before..before, first);
        }
    }
    due.retain(|due| after < due.at && due.at <= until);
    due
}

/// What the clock shows at an instant, in seconds since 1970.
pub(super) fn shown(zone: &TimeZone, at: Time) -> i64 {
    let minute = at.as_ms().div_euclid(60_000);
    at.as_ms().div_euclid(1000) + offset(zone, minute) * 60
}

/// The civil seconds that the clock shows at `at` for the second time, and up to where it goes on so.
pub(super) fn repeating(zone: &TimeZone, at: Time) -> Option<Range<i64>> {
    let minute = at.as_ms().div_euclid(60_000);
    let civil = minute + offset(zone, minute);
    let changes = changes(zone, minute, minute).into_iter();
    let mut again = changes.filter(|change| change.minute <= minute && change.repeats(civil));
    again.next().map(|change| civil * 60..(change.minute + change.before) * 60)
}

/// Every change of the clock from well before `first` until well after `last`.
fn changes(zone: &TimeZone, first: i64, last: i64) -> Vec<Change> {
    let begin = (first - AROUND).div_euclid(QUARTER) * QUARTER;
    let mut before = offset(zone, begin);
    let mut changes = Vec::new();
    let mut minute = begin;
    while minute <= last + AROUND {
        minute += QUARTER;
        if offset(zone, minute) != before {
            let within = minute - QUARTER + 1..=minute;
            let changed = within.into_iter().find(|minute| offset(zone, *minute) != before);
            let minute = changed.expect("it has, by the end");
            let after = offset(zone, minute);
            changes.push(Change { minute, before, after });
            before = after;
        }
    }
    changes
}

/// In minutes, at a minute since 1970.
fn offset(zone: &TimeZone, minute: i64) -> i64 {
    let at = Timestamp::from_second(minute * 60).expect("a recent instant");
    i64::from(zone.to_offset(at).seconds()).div_euclid(60)
}
