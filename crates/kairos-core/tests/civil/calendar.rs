//! Dates, counted in days from 1970-01-01, a Thursday, through years and months.

/// A day of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

pub(crate) fn length_of_year(year: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if leap { 366 } else { 365 }
}

pub(crate) fn length_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => length_of_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The date so many days after 1970-01-01; never before it.
pub(crate) fn date(mut days: i64) -> Date {
    assert!(days >= 0, "no date before 1970 is asked for");
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

/// Days from 1970-01-01 to the first of that year.
pub(crate) fn new_year(year: i64) -> i64 {
    (1970..year).map(length_of_year).sum()
}

/// Days from 1970-01-01 to the date.
pub(crate) fn days(date: Date) -> i64 {
    let months: i64 = (1..date.month).map(|month| length_of_month(date.year, month)).sum();
    new_year(date.year) + months + date.day - 1
}

/// 0 is Sunday.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

#[test]
fn known_days_have_their_dates_and_weekdays() {
    for (day, (year, month, date_day), on) in [
        (0, (1970, 1, 1), 4),
        (11_016, (2000, 2, 29), 2),
        (20_778, (2026, 11, 21), 6),
        (47_540, (2100, 2, 28), 0),
        (47_541, (2100, 3, 1), 1),
    ] {
        let expected = Date { year, month, day: date_day };
        assert_eq!((date(day), weekday(day)), (expected, on), "day {day}");
        assert_eq!(days(expected), day);
    }
}
