//! A cron rule as sets of civil minutes.
//!
//! Owns which minutes of a calendar match, next match and count, by looking at fields and never at
//! each minute. Never knows zones or instants; [`super::civil`] lays these minutes onto real time.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};

use super::expr::{self, CronError};

/// The civil minutes a cron expression names. Built only by parsing, so it always matches some day.
///
/// The day rule is cronie's: if the day-of-month or the day-of-week field starts with `*`, a day
/// must be in both sets; if neither does, being in one is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    /// Bit `n` stands for the value `n` in every set.
    pub(super) minutes: u64,
    pub(super) hours: u32,
    pub(super) days: u32,
    pub(super) months: u16,
    /// Sunday is 0.
    pub(super) weekdays: u8,
    /// Neither day field starts with `*`, so either may match.
    pub(super) either_day: bool,
    /// Neither the minute nor the hour field starts with `*`.
    pub(super) fixed: bool,
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Cron {
    /// Reads five fields (`minute hour day month weekday`) or a macro such as `@daily`.
    ///
    /// # Errors
    /// What is wrong, in which field and column; a day that no calendar has is an error too.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        expr::parse(text)
    }

    /// Whether the expression names fixed times of day: neither minute nor hour starts with `*`.
    ///
    /// Only these are moved or held back when a clock is set forward or back.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// The first matching minute at or after `from`; none before the calendar's end (year 9999).
    #[must_use]
    pub fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let from = whole_minute_at_or_after(from)?;
        let mut date = self.day_at_or_after(from.date())?;
        if date == from.date() {
            if let Some(time) = self.time_at_or_after(from.time()) {
                return Some(date.to_datetime(time));
            }
            date = self.day_at_or_after(date.tomorrow().ok()?)?;
        }
        self.time_at_or_after(Time::midnight()).map(|time| date.to_datetime(time))
    }

    /// How many matching minutes lie in `from..until`.
    #[must_use]
    pub fn count(&self, from: DateTime, until: DateTime) -> u64 {
        if until <= from {
            return 0;
        }
        let whole_days = self.days_between(from.date(), until.date());
        let a_day = u64::from(self.hours.count_ones()) * u64::from(self.minutes.count_ones());
        (whole_days * a_day + self.minutes_before(until)).saturating_sub(self.minutes_before(from))
    }

    /// Matching minutes of `at`'s own day that lie before it.
    fn minutes_before(&self, at: DateTime) -> u64 {
        let date = at.date();
        if self.days_in_month(date.year(), date.month()) & 1 << bit(date.day()) == 0 {
            return 0;
        }
        let hour = bit(at.hour());
        // A minute that has begun lies before `at` as soon as one nanosecond of it is gone.
        let begun = u32::from(at.time() != civil_minute(at).time());
        let minute = bit(at.minute()) + begun;
        let earlier_hours = u64::from((self.hours & ((1 << hour) - 1)).count_ones());
        let this_hour = u64::from(self.hours >> hour & 1);
        earlier_hours * u64::from(self.minutes.count_ones())
            + this_hour * u64::from((self.minutes & ((1 << minute) - 1)).count_ones())
    }

    /// Matching days in `from..until`.
    fn days_between(&self, from: Date, until: Date) -> u64 {
        let mut days = 0;
        let (mut year, mut month) = (from.year(), from.month());
        while (year, month) <= (until.year(), until.month()) {
            let mut set = self.days_in_month(year, month);
            if (year, month) == (from.year(), from.month()) {
                set &= u32::MAX << bit(from.day());
            }
            if (year, month) == (until.year(), until.month()) {
                set &= (1 << bit(until.day())) - 1;
            }
            days += u64::from(set.count_ones());
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        days
    }

    fn day_at_or_after(&self, from: Date) -> Option<Date> {
        let mut year = from.year();
        let mut months = u32::from(self.months) & u32::MAX << bit(from.month());
        let mut days = u32::MAX << bit(from.day());
        if months & 1 << bit(from.month()) == 0 {
            days = u32::MAX;
        }
        while year <= Date::MAX.year() {
            while months != 0 {
                let month = small(months.trailing_zeros());
                let set = self.days_in_month(year, month) & days;
                if set != 0 {
                    return Date::new(year, month, small(set.trailing_zeros())).ok();
                }
                months &= months - 1;
                days = u32::MAX;
            }
            year += 1;
            months = u32::from(self.months);
        }
        None
    }

    /// The matching days of one month as a set, without looking at each day: the weekdays' seven
    /// bits are turned to start at the first of the month and repeated five times.
    fn days_in_month(&self, year: i16, month: i8) -> u32 {
        /// A bit at every seventh place: multiplying by it repeats a week over a month.
        const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
        if self.months >> bit(month) & 1 == 0 {
            return 0;
        }
        let Ok(first) = Date::new(year, month, 1) else { return 0 };
        let turn = bit(first.weekday().to_sunday_zero_offset());
        let week = u64::from(self.weekdays) << 7 | u64::from(self.weekdays);
        let by_weekday = ((week >> turn & 0x7f) * WEEKS) << 1;
        let by_day = u64::from(self.days);
        let set = if self.either_day { by_day | by_weekday } else { by_day & by_weekday };
        let real = (1u64 << (bit(first.days_in_month()) + 1)) - 2;
        u32::try_from(set & real).expect("a month has at most 31 days")
    }

    fn time_at_or_after(&self, from: Time) -> Option<Time> {
        let hours = self.hours & u32::MAX << bit(from.hour());
        let hour = small((hours != 0).then(|| hours.trailing_zeros())?);
        let minutes = self.minutes & u64::MAX << bit(from.minute());
        if hour == from.hour() && minutes != 0 {
            return Some(Time::constant(hour, small(minutes.trailing_zeros()), 0, 0));
        }
        let later = if hour == from.hour() { hours & (hours - 1) } else { hours };
        let hour = small((later != 0).then(|| later.trailing_zeros())?);
        Some(Time::constant(hour, small(self.minutes.trailing_zeros()), 0, 0))
    }
}

fn civil_minute(at: DateTime) -> DateTime {
    at.date().at(at.hour(), at.minute(), 0, 0)
}

fn whole_minute_at_or_after(at: DateTime) -> Option<DateTime> {
    let minute = civil_minute(at);
    if minute == at {
        Some(at)
    } else {
        minute.checked_add(jiff::SignedDuration::from_mins(1)).ok()
    }
}

/// A calendar field as a bit's place.
fn bit(field: i8) -> u32 {
    u32::from(field.unsigned_abs())
}

/// A bit's place as a calendar field.
fn small(place: u32) -> i8 {
    i8::try_from(place).expect("a set holds at most 64 places")
}
