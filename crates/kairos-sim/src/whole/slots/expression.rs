//! A second reading of cron expressions.
//!
//! Owns a match by the text of each field, as `docs/internals/civil-time.md` has it, for the texts that
//! simulated schedules have: all of them are sound. Shares no line with the product's own reading, and
//! picks what `~` stands for by the rule that is written down there.

use std::fmt::Write as _;

use kairos_core::digest::Digest;

use super::dates::{Date, date, days, length_of_month, weekday};

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The fields as a hash of `~` has them, with the ends of each.
const FIELDS: [(&str, i64, i64); 6] = [
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
];

/// What an expression says of each value of a clock, and its fields for days.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) seconds: Vec<i64>,
    minutes: [bool; 60],
    hours: [bool; 24],
    days: [String; 3],
    pub(super) fixed: bool,
}

impl Expression {
    /// `identity` is what `~` goes by.
    pub(super) fn new(text: &str, identity: &str) -> Self {
        let text = match text.to_ascii_lowercase().as_str() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            _ => text,
        };
        let mut fields: Vec<String> = text.split_whitespace().map(str::to_uppercase).collect();
        if fields.len() == 5 {
            fields.insert(0, "0".to_owned());
        }
        for (field, place) in fields.iter_mut().zip(FIELDS) {
            *field = picked(field, place, identity);
        }
        let fixed = !is_star(&fields[1]) && !is_star(&fields[2]);
        let mut minutes = [false; 60];
        let mut hours = [false; 24];
        (0..60).zip(&mut minutes).for_each(|(minute, is)| *is = names(&fields[1], minute, 1, &[]));
        (0..24).zip(&mut hours).for_each(|(hour, is)| *is = names(&fields[2], hour, 2, &[]));
        let seconds = (0..60).filter(|second| names(&fields[0], *second, 0, &[])).collect();
        let [_, _, _, day, month, weekday] = fields.try_into().expect("six fields");
        Self { seconds, minutes, hours, days: [day, month, weekday], fixed }
    }

    /// Whether one of the seconds of a minute may match: counted from midnight.
    pub(super) fn in_minute(&self, minute: i64) -> bool {
        let place = |of: i64| usize::try_from(of).expect("of a day");
        self.hours[place(minute / 60)] && self.minutes[place(minute % 60)]
    }

    /// Whether it matches on that day, counted from 1970.
    pub(super) fn on_day(&self, day: i64) -> bool {
        let date = date(day);
        let [of_month, month, of_week] = &self.days;
        let by_day = of_month.split(',').any(|item| day_of_month(item, date));
        let by_weekday = of_week.split(',').any(|item| day_of_week(item, day, date));
        let days = if is_star(of_month) || is_star(of_week) {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        };
        days && names(month, date.month, 4, &MONTHS)
    }
}

/// A field in which each `~` has become the value it stands for.
fn picked(field: &str, (name, least, greatest): (&str, i64, i64), identity: &str) -> String {
    let mut text = String::new();
    for (place, item) in field.split(',').enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let Some((low, high)) = item.split_once('~') else {
            write!(text, "{comma}{item}").expect("a text takes it");
            continue;
        };
        let all_months = low.is_empty() && high.is_empty() && name == "day of month";
        let end = |text: &str, else_: i64| text.parse().unwrap_or(else_);
        let (low, high) = (end(low, least), end(high, if all_months { 28 } else { greatest }));
        let digest = Digest::of(format!("{name} {place} {identity}").as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        let values = u64::try_from(high - low + 1).expect("low to high");
        let nth = i64::try_from(u64::from_be_bytes(first) % values).expect("few values");
        write!(text, "{comma}{}", low + nth).expect("a text takes it");
    }
    text
}

fn is_star(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

fn day_of_month(item: &str, date: Date) -> bool {
    let length = length_of_month(date.year, date.month);
    if let Some(back) = item.strip_prefix("L-") {
        return date.day == length - number(back);
    }
    match (item, item.strip_suffix('W')) {
        ("L", _) => date.day == length,
        ("LW", _) => nearest_workday(length, date) == Some(date.day),
        (_, Some(day)) => nearest_workday(number(day), date) == Some(date.day),
        _ => names(item, date.day, 3, &[]),
    }
}

/// Looks at every Monday to Friday of the month.
fn nearest_workday(to: i64, date: Date) -> Option<i64> {
    let length = length_of_month(date.year, date.month);
    let works = |day: &i64| (1..=5).contains(&weekday(days(Date { day: *day, ..date })));
    let near = (1..=length).filter(works).min_by_key(|day| (day - to).abs());
    near.filter(|_| to <= length)
}

fn day_of_week(item: &str, day: i64, date: Date) -> bool {
    let today = weekday(day);
    let is = |text: &str| value(text, &WEEKDAYS) % 7 == today;
    if let Some((weekday, nth)) = item.split_once('#') {
        return is(weekday) && (date.day - 1) / 7 + 1 == number(nth);
    }
    if let Some(weekday) = item.strip_suffix('L') {
        return is(weekday) && date.day + 7 > length_of_month(date.year, date.month);
    }
    names(item, today, 5, &WEEKDAYS) || (today == 0 && names(item, 7, 5, &WEEKDAYS))
}

/// Whether a list names the value; a month's or weekday's words stand for their place.
fn names(list: &str, wanted: i64, field: usize, words: &[&str]) -> bool {
    let (_, least, greatest) = FIELDS[field];
    list.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            _ if is_star(range) => (least, greatest),
            // A week may end with Sunday.
            Some((from, to)) => {
                (value(from, words), if to == "SUN" { 7 } else { value(to, words) })
            }
            None => (value(range, words), value(range, words)),
        };
        (from..=to).contains(&wanted) && (wanted - from) % number(step) == 0
    })
}

fn value(text: &str, words: &[&str]) -> i64 {
    let place = words.iter().position(|word| *word == text);
    let first = i64::from(words.len() == 12);
    place.map_or_else(|| number(text), |place| i64::try_from(place).expect("few words") + first)
}

fn number(text: &str) -> i64 {
    text.parse().expect("the texts are sound")
}
