//! A cron rule as sets of civil seconds.
//!
//! Owns which seconds of a calendar match, next match and count, by looking at fields and never at
//! each second. Never knows zones or instants; [`super::civil`] lays these seconds onto real time.

use jiff::civil::{Date, DateTime, Time};

use super::days::{Days, Month};
use super::expr::{self, CronError};

/// The civil seconds a cron expression names. Built only by parsing, so it always matches some day.
///
/// The day rule is cronie's: if the day-of-month or the day-of-week field starts with `*`, a day
/// must be in both sets; if neither does, being in one is enough. `L`, `W` and `#` are values like
/// any other, so `0 0 L * 5` is due on the last day of the month and on every Friday, and
/// `0 0 */1 * 5L` on the last Friday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    /// Bit `n` stands for the value `n` in every set.
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: Days,
    pub(super) months: u16,
    /// Neither the minute nor the hour field starts with `*`.
    pub(super) fixed: bool,
}

impl Cron {
    /// Reads five fields (`minute hour day month weekday`), six with seconds before them, or a macro
    /// such as `@daily`.
    ///
    /// `id` names whose expression it is: `~` picks a value by it, the same at every reading, and
    /// nothing else depends on it.
    ///
    /// # Errors
    /// What is wrong, in which field and column; days that no calendar has are an error too.
    pub fn parse(text: &str, id: &str) -> Result<Self, CronError> {
        expr::parse(text, id)
    }

    /// Whether the expression names fixed times of day: neither minute nor hour starts with `*`.
    ///
    /// Only these are moved or held back when a clock is set forward or back.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Whether every hour of a matching day matches.
    pub(super) fn in_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// The first matching second at or after `from`; none before the calendar's end (year 9999).
    #[must_use]
    pub fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let from = whole_second_at_or_after(from)?;
        let mut date = self.day_at_or_after(from.date())?;
        if date == from.date() {
            if let Some(time) = self.time_at_or_after(from.time()) {
                return Some(date.to_datetime(time));
            }
            date = self.day_at_or_after(date.tomorrow().ok()?)?;
        }
        self.time_at_or_after(Time::midnight()).map(|time| date.to_datetime(time))
    }

    /// How many matching seconds lie in `from..until`.
    #[must_use]
    pub fn count(&self, from: DateTime, until: DateTime) -> u64 {
        if until <= from {
            return 0;
        }
        let days = self.days_between(from.date(), until.date());
        (days * self.in_a_day() + self.on_its_day_before(until))
            .saturating_sub(self.on_its_day_before(from))
    }

    fn in_a_day(&self) -> u64 {
        members(self.hours) * self.in_an_hour()
    }

    fn in_an_hour(&self) -> u64 {
        members(self.minutes) * members(self.seconds)
    }

    /// Matching seconds of `at`'s own day that lie before it.
    fn on_its_day_before(&self, at: DateTime) -> u64 {
        let date = at.date();
        if self.days_in(date.year(), date.month()) & 1 << bit(date.day()) == 0 {
            return 0;
        }
        let (hour, minute) = (bit(at.hour()), bit(at.minute()));
        // A second that has begun lies before `at` as soon as one nanosecond of it is gone.
        let second = bit(at.second()) + u32::from(at.subsec_nanosecond() != 0);
        let this_minute = self.minutes >> minute & 1;
        let this_hour = self.hours >> hour & 1;
        let in_this_hour = below(self.minutes, minute) * members(self.seconds)
            + this_minute * below(self.seconds, second);
        below(self.hours, hour) * self.in_an_hour() + this_hour * in_this_hour
    }

    /// Matching days in `from..until`.
    fn days_between(&self, from: Date, until: Date) -> u64 {
        let mut days = 0;
        let (mut year, mut month) = (from.year(), from.month());
        while (year, month) <= (until.year(), until.month()) {
            let mut set = self.days_in(year, month);
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
                let set = self.days_in(year, month) & days;
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

    /// The matching days of one month as a set, without looking at each day.
    fn days_in(&self, year: i16, month: i8) -> u32 {
        if self.months >> bit(month) & 1 == 0 {
            return 0;
        }
        let Ok(first) = Date::new(year, month, 1) else { return 0 };
        let begins = bit(first.weekday().to_sunday_zero_offset());
        self.days.of(Month { begins, length: bit(first.days_in_month()) })
    }

    fn time_at_or_after(&self, from: Time) -> Option<Time> {
        let (hour, minute, second) = (bit(from.hour()), bit(from.minute()), bit(from.second()));
        let first = |set: u64| small(set.trailing_zeros());
        let in_hour = |hour: u32| {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = at_or_after(self.seconds, second)
            {
                return Some(Time::constant(small(hour), small(minute), small(second), 0));
            }
            let minute = at_or_after(self.minutes, minute + 1)?;
            Some(Time::constant(small(hour), small(minute), first(self.seconds), 0))
        };
        if self.hours >> hour & 1 == 1
            && let Some(time) = in_hour(hour)
        {
            return Some(time);
        }
        let hour = at_or_after(self.hours, hour + 1)?;
        Some(Time::constant(small(hour), first(self.minutes), first(self.seconds), 0))
    }
}

fn whole_second_at_or_after(at: DateTime) -> Option<DateTime> {
    let nanoseconds = at.subsec_nanosecond();
    if nanoseconds == 0 {
        return Some(at);
    }
    let rest = jiff::SignedDuration::from_nanos(1_000_000_000 - i64::from(nanoseconds));
    at.checked_add(rest).ok()
}

fn members(set: u64) -> u64 {
    u64::from(set.count_ones())
}

/// How many members of `set` are smaller than `place`, which is below 64.
fn below(set: u64, place: u32) -> u64 {
    members(set & ((1 << place) - 1))
}

/// The smallest member of `set` that is no smaller than `place`, which is below 64.
fn at_or_after(set: u64, place: u32) -> Option<u32> {
    let rest = set & u64::MAX << place;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// A calendar field as a bit's place.
fn bit(field: i8) -> u32 {
    u32::from(field.unsigned_abs())
}

/// A bit's place as a calendar field.
fn small(place: u32) -> i8 {
    i8::try_from(place).expect("a set holds at most 64 places")
}
