//! A second opinion on slots: walks real time minute by minute, asks a zone only for its offset at
//! an instant, and does its own calendar arithmetic. Shares no line with the evaluator.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Dst, InFold, InGap};

/// Linear congruential numbers: the same sequence for a seed on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}

/// One field as text and as what that text was made from.
struct Field {
    text: String,
    values: Vec<u64>,
    star: bool,
}

impl Field {
    fn random(numbers: &mut Numbers, least: u64, greatest: u64) -> Self {
        let all = || least..=greatest;
        match numbers.below(5) {
            0 => Self { text: "*".into(), values: all().collect(), star: true },
            1 => {
                let step = 1 + numbers.below(greatest + 3);
                let values = all().filter(|v| (v - least).is_multiple_of(step)).collect();
                Self { text: format!("*/{step}"), values, star: true }
            }
            2 => {
                let from = least + numbers.below(greatest - least + 1);
                let to = from + numbers.below(greatest - from + 1);
                let step = 1 + numbers.below(4);
                let values = (from..=to).filter(|v| (v - from).is_multiple_of(step)).collect();
                Self { text: format!("{from}-{to}/{step}"), values, star: false }
            }
            _ => {
                let mut values: Vec<u64> = (0..=numbers.below(3))
                    .map(|_| least + numbers.below(greatest - least + 1))
                    .collect();
                let text = values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
                values.sort_unstable();
                Self { text, values, star: false }
            }
        }
    }

    fn has(&self, value: i64) -> bool {
        u64::try_from(value).is_ok_and(|value| self.values.contains(&value))
    }
}

/// A random expression the oracle can judge because it never has to read it.
pub(crate) struct Expression {
    fields: [Field; 5],
}

impl Expression {
    pub(crate) fn random(numbers: &mut Numbers) -> Self {
        let mut fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
            .map(|(least, greatest)| Field::random(numbers, least, greatest));
        // Mostly leave the days alone, so that the nights under test are hit.
        for (place, greatest, least) in [(2, 31, 1), (3, 12, 1), (4, 6, 0)] {
            if numbers.below(4) > 0 {
                let values = (least..=greatest).collect();
                fields[place] = Field { text: "*".into(), values, star: true };
            }
        }
        // And mostly look at the hours in which clocks change.
        if numbers.below(2) == 0 {
            let hour = numbers.pick(&[0, 1, 2, 3]);
            fields[1] = Field { text: format!("{hour}"), values: vec![hour], star: false };
        }
        Self { fields }
    }

    pub(crate) fn text(&self) -> String {
        self.fields.each_ref().map(|field| field.text.clone()).join(" ")
    }

    fn fixed(&self) -> bool {
        !self.fields[0].star && !self.fields[1].star
    }

    fn matches(&self, read: &Reading) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let (by_day, by_weekday) = (day.has(read.day), weekday.has(read.weekday));
        let day_matches =
            if day.star || weekday.star { by_day && by_weekday } else { by_day || by_weekday };
        minute.has(read.minute) && hour.has(read.hour) && month.has(read.month) && day_matches
    }
}

/// What a calendar and a clock on the wall read.
struct Reading {
    minute: i64,
    hour: i64,
    day: i64,
    month: i64,
    weekday: i64,
}

impl Reading {
    /// Of a civil minute counted since 1970-01-01T00:00, a Thursday.
    fn of(civil: i64) -> Self {
        let days = civil.div_euclid(1440);
        let (month, day) = month_and_day(days);
        let (hour, minute) = (civil.rem_euclid(1440) / 60, civil.rem_euclid(60));
        Self { minute, hour, day, month, weekday: (days + 4).rem_euclid(7) }
    }
}

/// Counts days from 1970-01-01 through the years.
fn month_and_day(mut days: i64) -> (i64, i64) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += if leap(year) { 366 } else { 365 };
    }
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (month, days + 1)
}

/// One real minute and the civil minute a wall clock shows in it, both counted since 1970.
struct Minute {
    real: i64,
    civil: i64,
    reading: Reading,
    /// What the clock jumped over just before.
    swallowed: Vec<Reading>,
}

/// Some days of real time.
pub(crate) struct Night {
    minutes: Vec<Minute>,
    /// First and last real minute in which each civil minute is shown.
    shown: BTreeMap<i64, (i64, i64)>,
}

impl Night {
    /// From three days before `seconds` to three days after.
    pub(crate) fn around(zone: &TimeZone, seconds: i64) -> Self {
        let middle = seconds.div_euclid(60);
        let civil = |minute: i64| {
            let at = Timestamp::from_second(minute * 60).expect("a recent instant");
            minute + i64::from(zone.to_offset(at).seconds()).div_euclid(60)
        };
        let minutes: Vec<_> = (middle - 3 * 1440..=middle + 3 * 1440)
            .map(|real| Minute {
                real,
                civil: civil(real),
                reading: Reading::of(civil(real)),
                swallowed: (civil(real - 1) + 1..civil(real)).map(Reading::of).collect(),
            })
            .collect();
        let mut shown = BTreeMap::new();
        for minute in &minutes {
            shown.entry(minute.civil).or_insert((minute.real, minute.real)).1 = minute.real;
        }
        Self { minutes, shown }
    }

    /// The real seconds at which `expression` is due, leaving out a day and a half at either end,
    /// whose doubles may lie outside.
    pub(crate) fn due(&self, expression: &Expression, dst: Dst) -> Vec<i64> {
        let fixed = expression.fixed();
        let (from, until) = self.judged();
        let is_due = |minute: &&Minute| {
            let (first, last) = self.shown[&minute.civil];
            let counts = !fixed
                || match dst.fold {
                    InFold::First => minute.real == first,
                    InFold::Second => minute.real == last,
                    InFold::Both => true,
                };
            let run_after = fixed && dst.gap == InGap::RunAfter;
            (counts && expression.matches(&minute.reading))
                || (run_after && minute.swallowed.iter().any(|read| expression.matches(read)))
        };
        let due = self.minutes.iter().filter(is_due).map(|minute| minute.real * 60);
        due.filter(|&at| at > from && at <= until).collect()
    }

    /// The judged part, as seconds: exclusive, inclusive.
    pub(crate) fn judged(&self) -> (i64, i64) {
        let (first, last) = (self.minutes[0].real, self.minutes[self.minutes.len() - 1].real);
        ((first + 36 * 60) * 60, (last - 36 * 60) * 60)
    }
}
