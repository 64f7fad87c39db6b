//! Which days of a month a rule names.
//!
//! Owns the two day fields of an expression and how they meet. A month is all it is told: on which
//! weekday it begins and how many days it has. Never knows years, zones or times of day.

/// The day-of-month and day-of-week fields as sets.
///
/// Both fields are values, whatever words they are written in: `L` is a day of the month as 31 is,
/// and `5L` a day of the week as 5 is. So the day rule, which is cronie's, holds for them unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Days {
    /// Bit `n` is day `n`.
    pub(super) of_month: u32,
    /// Bit `n` is the day `n` days before the last.
    pub(super) before_last: u32,
    /// Bit `n` is the Monday to Friday nearest to day `n`; bit 0 the one nearest to the last day.
    pub(super) near: u32,
    /// Bit `7k + w` is the weekday `w` (Sunday is 0) of the `k`th seven days of the month, so a
    /// plain weekday is five bits and `w#k` one of them.
    pub(super) weekdays: u64,
    /// Bit `w` is the last weekday `w` of the month.
    pub(super) last_weekdays: u8,
    /// Neither day field starts with `*`, so either may match. Else both must.
    pub(super) either: bool,
}

/// The day of the week on which a month begins, Sunday being 0, and how many days it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) begins: u32,
    pub(super) length: u32,
}

/// A bit at every seventh place: multiplying by it repeats a week over a month.
const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
const WEEK: u64 = 0x7f;
const FIVE_WEEKS: u64 = (1 << 35) - 1;

impl Days {
    /// The bits of a weekday in every week of a month.
    pub(super) const fn every_week(weekdays: u64) -> u64 {
        (weekdays & WEEK) * WEEKS
    }

    /// The days of `month` that match, bit `n` for day `n`.
    pub(super) fn of(&self, month: Month) -> u32 {
        let (by_day, by_weekday) = (self.by_day(month), self.by_weekday(month));
        let set = if self.either { by_day | by_weekday } else { by_day & by_weekday };
        u32::try_from(set & month.days()).expect("a month has at most 31 days")
    }

    fn by_day(&self, month: Month) -> u64 {
        let last = 1 << month.length;
        let mut set = u64::from(self.of_month);
        if self.before_last != 0 {
            // Read backwards from the last day on; what runs past the first falls off.
            set |= u64::from(self.before_last).reverse_bits() >> (63 - month.length);
        }
        if self.near != 0 {
            let near = u64::from(self.near);
            set |= month.nearest_workdays(near & !1 | if near & 1 == 1 { last } else { 0 });
        }
        set
    }

    fn by_weekday(&self, month: Month) -> u64 {
        let mut set = if self.weekdays == FIVE_WEEKS {
            FIVE_WEEKS << 1
        } else {
            month.turned(self.weekdays) << 1
        };
        if self.last_weekdays != 0 {
            let first = month.length - 6;
            let begins = (month.begins + month.length - 7) % 7;
            let last_seven = Month { begins, length: 7 };
            set |= (last_seven.turned(u64::from(self.last_weekdays)) & WEEK) << first;
        }
        set
    }

    /// Whether any month of `months` (bit `n` for month `n`) has a matching day in any year.
    pub(super) fn ever_match(&self, months: u16) -> bool {
        let lengths = |month: u32| match month {
            2 => 28..=29,
            4 | 6 | 9 | 11 => 30..=30,
            _ => 31..=31,
        };
        // In 400 years every month begins on every weekday, February at both of its lengths.
        (1..=12).filter(|month| months >> month & 1 == 1).any(|month| {
            lengths(month).any(|length| (0..7).any(|begins| self.of(Month { begins, length }) != 0))
        })
    }
}

impl Month {
    fn days(self) -> u64 {
        (1 << (self.length + 1)) - 2
    }

    /// Weeks that begin on Sunday, as weeks that begin on the month's first day.
    fn turned(self, weeks: u64) -> u64 {
        let low = (WEEK >> self.begins) * WEEKS;
        (weeks >> self.begins & low) | (weeks << (7 - self.begins) & FIVE_WEEKS & !low)
    }

    /// The Monday to Friday nearest to each day of `days`, never in another month.
    fn nearest_workdays(self, days: u64) -> u64 {
        let days = days & self.days();
        let on = |weekday: u64| days & self.turned(weekday * WEEKS) << 1;
        let (saturdays, sundays) = (on(1 << 6), on(1));
        let mut set = (days & !saturdays & !sundays) | saturdays >> 1 | sundays << 1;
        if saturdays & 1 << 1 != 0 {
            set |= 1 << 3;
        }
        if sundays & 1 << self.length != 0 {
            set |= 1 << (self.length - 2);
        }
        set
    }
}
