//! The yearly rule at the end of zone data, such as `EST5EDT,M3.2.0,M11.1.0`.

use crate::calendar::{Date, days, length_of_month, length_of_year, new_year, weekday};

/// Offsets are east of UTC, in seconds.
pub(crate) struct Rule {
    standard: i64,
    /// Offset, begin and end of the other time, where there is one.
    summer: Option<(i64, Day, Day)>,
}

/// A day of each year, and the seconds of local time on it.
struct Day {
    on: On,
    at: i64,
}

enum On {
    /// The nth of a weekday in a month, 5 being the last.
    Weekday { month: i64, nth: i64, weekday: i64 },
    /// From 1, never counting 29 February.
    Julian(i64),
    /// From 0, counting 29 February.
    Ordinal(i64),
}

impl Rule {
    pub(crate) fn read(text: &str) -> Self {
        let mut parts = text.split(',');
        let names = parts.next().expect("a name");
        let (standard, rest) = offset(after_name(names));
        let summer = (!rest.is_empty()).then(|| {
            let rest = after_name(rest);
            let east = if rest.is_empty() { standard - 3600 } else { offset(rest).0 };
            let mut day = || Day::read(parts.next().expect("a day"));
            (-east, day(), day())
        });
        Self { standard: -standard, summer }
    }

    /// The changes of that year and the offsets after them.
    pub(crate) fn changes(&self, year: i64) -> Vec<(i64, i64)> {
        let Some((summer, begin, end)) = &self.summer else { return Vec::new() };
        let begin = (begin.seconds(year) - self.standard, *summer);
        let end = (end.seconds(year) - summer, self.standard);
        vec![begin, end]
    }
}

impl Day {
    fn read(text: &str) -> Self {
        let (day, at) = text.split_once('/').unwrap_or((text, "2"));
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let on = if let Some(numbers) = day.strip_prefix('M') {
            let numbers: Vec<i64> = numbers.split('.').map(number).collect();
            On::Weekday { month: numbers[0], nth: numbers[1], weekday: numbers[2] }
        } else if let Some(day) = day.strip_prefix('J') {
            On::Julian(number(day))
        } else {
            On::Ordinal(number(day))
        };
        Self { on, at: offset(at).0 }
    }

    /// Seconds from 1970-01-01T00:00 to it, as a clock on the wall would count them.
    fn seconds(&self, year: i64) -> i64 {
        let day = match self.on {
            On::Weekday { month, nth, weekday: wanted } => {
                let of_month = |day| days(Date { year, month, day });
                let length = length_of_month(year, month);
                let on: Vec<i64> =
                    (1..=length).map(of_month).filter(|day| weekday(*day) == wanted).collect();
                let nth = usize::try_from(nth).expect("1 to 5");
                on[nth.min(on.len()) - 1]
            }
            On::Julian(day) => {
                let leap = length_of_year(year) == 366 && day >= 60;
                new_year(year) + day - 1 + i64::from(leap)
            }
            On::Ordinal(day) => new_year(year) + day,
        };
        day * 86_400 + self.at
    }
}

/// What stands after a name, which may be in angle brackets.
fn after_name(text: &str) -> &str {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').expect("a closed bracket").1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    }
}

/// `[+-]h[:m[:s]]` as seconds, and what follows.
fn offset(text: &str) -> (i64, &str) {
    let end = text.find(|c: char| !"+-:0123456789".contains(c)).unwrap_or(text.len());
    let (text, rest) = text.split_at(end);
    let size = text.trim_start_matches(['+', '-']);
    let parts = size.split(':').zip([3600, 60, 1]);
    let seconds: i64 =
        parts.map(|(part, unit)| part.parse::<i64>().expect("a number") * unit).sum();
    (if text.starts_with('-') { -seconds } else { seconds }, rest)
}
