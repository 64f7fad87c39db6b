//! Expressions as text, matched by reading the text.

use crate::calendar::{Date, days, length_of_month, weekday};

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// What an expression says of each value of a clock, and its fields for days.
pub(crate) struct Expression {
    pub(crate) has_seconds: bool,
    pub(crate) seconds: Vec<bool>,
    pub(crate) minutes: Vec<bool>,
    pub(crate) hours: Vec<bool>,
    fields: Vec<String>,
}

impl Expression {
    pub(crate) fn new(text: &str) -> Self {
        let mut fields: Vec<String> = text.split(' ').map(str::to_uppercase).collect();
        let has_seconds = fields.len() == 6;
        if !has_seconds {
            fields.insert(0, "0".to_owned());
        }
        let each = |field: &str, least: i64, greatest: i64| {
            (least..=greatest).map(|value| names(field, value, (least, greatest), &[])).collect()
        };
        let (seconds, minutes) = (each(&fields[0], 0, 59), each(&fields[1], 0, 59));
        let hours = each(&fields[2], 0, 23);
        Self { has_seconds, seconds, minutes, hours, fields }
    }

    /// Whether minute and hour are fixed times of day.
    pub(crate) fn is_fixed(&self) -> bool {
        !is_star(&self.fields[1]) && !is_star(&self.fields[2])
    }

    /// Whether it matches on that day, counted from 1970.
    pub(crate) fn on_day(&self, day: i64, date: Date) -> bool {
        let [of_month, month, of_week] = [&self.fields[3], &self.fields[4], &self.fields[5]];
        let by_day = of_month.split(',').any(|item| day_of_month(item, date));
        let by_weekday = of_week.split(',').any(|item| day_of_week(item, day, date));
        let days = if is_star(of_month) || is_star(of_week) {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        };
        days && names(month, date.month, (1, 12), &MONTHS)
    }
}

fn is_star(field: &str) -> bool {
    field.starts_with('*') || field.starts_with('?')
}

fn day_of_month(item: &str, date: Date) -> bool {
    let length = length_of_month(date.year, date.month);
    if item == "L" {
        return date.day == length;
    }
    if item == "LW" {
        return nearest_workday(length, date) == Some(date.day);
    }
    if let Some(back) = item.strip_prefix("L-") {
        return date.day == length - back.parse::<i64>().expect("a number");
    }
    if let Some(day) = item.strip_suffix('W') {
        return nearest_workday(day.parse().expect("a day"), date) == Some(date.day);
    }
    names(item, date.day, (1, 31), &[])
}

/// Looks at every Monday to Friday of the month.
fn nearest_workday(to: i64, date: Date) -> Option<i64> {
    let length = length_of_month(date.year, date.month);
    let works = |day: &i64| (1..=5).contains(&weekday(days(Date { day: *day, ..date })));
    if to > length {
        return None;
    }
    (1..=length).filter(works).min_by_key(|day| (day - to).abs())
}

fn day_of_week(item: &str, day: i64, date: Date) -> bool {
    let today = weekday(day);
    let is = |text: &str| [today, today + 7].contains(&value(text, &WEEKDAYS));
    if let Some((weekday, nth)) = item.split_once('#') {
        return is(weekday) && (date.day - 1) / 7 + 1 == nth.parse::<i64>().expect("a number");
    }
    if let Some(weekday) = item.strip_suffix('L') {
        return is(weekday) && date.day + 7 > length_of_month(date.year, date.month);
    }
    names(item, today, (0, 6), &WEEKDAYS) || (today == 0 && names(item, 7, (0, 6), &WEEKDAYS))
}

/// Whether a list names the value; a month's or weekday's words stand for their place.
fn names(list: &str, wanted: i64, (least, greatest): (i64, i64), words: &[&str]) -> bool {
    list.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: i64 = step.parse().expect("a step");
        let (from, to) = if matches!(range, "*" | "?") {
            (least, greatest)
        } else if let Some((from, to)) = range.split_once('-') {
            // A week may end with Sunday.
            let to = if to == "SUN" { 7 } else { value(to, words) };
            (value(from, words), to)
        } else {
            (value(range, words), value(range, words))
        };
        (from..=to).contains(&wanted) && (wanted - from) % step == 0
    })
}

fn value(text: &str, words: &[&str]) -> i64 {
    let place = words.iter().position(|word| *word == text);
    let first = i64::from(words.len() == 12);
    place.map_or_else(
        || text.parse().expect("a number"),
        |place| i64::try_from(place).expect("few words") + first,
    )
}
