//! Days of the calendar, counted one by one.
//!
//! Owns dates as plain numbers, for the second opinion alone. Never asks a library for one.

/// A day of a month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

fn length_of_year(year: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if leap { 366 } else { 365 }
}

pub(super) fn length_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => length_of_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The date so many days after 1970-01-01.
pub(super) fn date(mut days: i64) -> Date {
    let (mut year, mut month) = (1970, 1);
    while days >= length_of_year(year) {
        days -= length_of_year(year);
        year += 1;
    }
    while days >= length_of_month(year, month) {
        days -= length_of_month(year, month);
        month += 1;
    }
    Date { year, month, day: days + 1 }
}

/// Days from 1970-01-01 to the date.
pub(super) fn days(date: Date) -> i64 {
    let years: i64 = (1970..date.year).map(length_of_year).sum();
    let months: i64 = (1..date.month).map(|month| length_of_month(date.year, month)).sum();
    years + months + date.day - 1
}

/// 0 is Sunday; 1970 began on a Thursday.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_have_their_dates_and_weekdays() {
        for (day, (year, month, of_month), on) in [
            (0, (1970, 1, 1), 4),
            (15_338, (2011, 12, 30), 5),
            (20_778, (2026, 11, 21), 6),
            (21_243, (2028, 2, 29), 2),
        ] {
            let expected = Date { year, month, day: of_month };
            assert_eq!((date(day), weekday(day), days(expected)), (expected, on, day));
        }
    }
}
