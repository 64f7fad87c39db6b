//! A change of the clock and the days around it, walked minute by minute or second by second.

use kairos_core::schedule::{Dst, InFold, InGap};

use crate::calendar::{Date, date};
use crate::expression::Expression;
use crate::invent::Aim;
use crate::tzif::Zone;

const DAY: i64 = 86_400;

/// What is looked at on either side, so that everything a judged moment is compared with is there:
/// no clock of these years was changed by more than a day.
const AROUND: i64 = 2 * DAY + DAY / 2;

/// A slot in plain numbers: seconds since 1970, what the clock shows then counted the same way, and
/// which showing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: i64,
    pub(crate) civil: i64,
    pub(crate) fold: u8,
}

/// A day on either side of a change of the clock.
pub(crate) struct Night {
    /// Exclusive and inclusive ends of what is judged.
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) aim: Aim,
    /// The first day any clock shows here, and the dates from it on.
    first_day: i64,
    dates: Vec<(i64, Date)>,
    minutes: Walk,
    seconds: Option<Walk>,
}

/// Every moment a unit apart, and when each reading of the clock is shown.
struct Walk {
    unit: i64,
    begin: i64,
    /// The reading at each moment, in seconds since 1970.
    shows: Vec<i64>,
    least: i64,
    /// First and last moment that shows a reading; `u32::MAX` where none does.
    shown: Vec<(u32, u32)>,
}

impl Walk {
    fn new(zone: &Zone, change: i64, unit: i64) -> Self {
        let begin = change - AROUND;
        let shows: Vec<i64> =
            (begin..=change + AROUND).step_by(size(unit)).map(|at| at + zone.offset(at)).collect();
        let least = *shows.iter().min().expect("not empty");
        let greatest = *shows.iter().max().expect("not empty");
        let mut shown = vec![(u32::MAX, u32::MAX); size((greatest - least) / unit) + 1];
        for (moment, civil) in (0..).zip(&shows) {
            let (first, last) = &mut shown[size((civil - least) / unit)];
            *first = moment.min(*first);
            *last = moment;
        }
        Self { unit, begin, shows, least, shown }
    }

    fn shown(&self, civil: i64) -> (u32, u32) {
        self.shown[size((civil - self.least) / self.unit)]
    }
}

impl Night {
    /// `seconds` says whether expressions with seconds will be asked about.
    pub(crate) fn around(zone: &Zone, change: i64, seconds: bool) -> Self {
        let odd = |(at, offset): &&(i64, i64)| at % 60 != 0 || offset % 60 != 0;
        let near = |(at, _): &&(i64, i64)| (at - change).abs() <= AROUND;
        let found = zone.changes.iter().filter(near).find(odd);
        assert_eq!(found, None, "a minute is too coarse here");
        let (before, after) = (change + zone.offset(change - 1), change + zone.offset(change));
        let minutes = Walk::new(zone, change, 60);
        let first_day = minutes.least / DAY;
        let last_day = minutes.shows.iter().max().expect("not empty") / DAY;
        let dates: Vec<_> = (first_day..=last_day).map(|day| (day, date(day))).collect();
        let (day, on) = dates[size(before / DAY - first_day)];
        Self {
            from: change - DAY,
            until: change + DAY,
            aim: Aim { hours: (before % DAY / 3600, after % DAY / 3600), day, date: on },
            first_day,
            dates,
            minutes,
            seconds: seconds.then(|| Walk::new(zone, change, 1)),
        }
    }

    /// What `expression` matches, for [`Matched::due`].
    pub(crate) fn matched(&self, expression: &Expression) -> Matched<'_> {
        let on: Vec<bool> =
            self.dates.iter().map(|(day, date)| expression.on_day(*day, *date)).collect();
        let matches = |civil: i64| {
            let second = civil % DAY;
            on[size(civil / DAY - self.first_day)]
                && expression.hours[size(second / 3600)]
                && expression.minutes[size(second / 60 % 60)]
                && expression.seconds[size(second % 60)]
        };
        let walk = match &self.seconds {
            Some(walk) if expression.has_seconds => walk,
            _ => &self.minutes,
        };
        let mut matched = Matched { walk, fixed: expression.is_fixed(), moments: Vec::new() };
        let first = size((self.from - walk.begin) / walk.unit) + 1;
        let last = size((self.until - walk.begin) / walk.unit);
        for moment in first..=last {
            let (civil, before) = (walk.shows[moment], walk.shows[moment - 1]);
            let skipped =
                (before + walk.unit..civil).step_by(size(walk.unit)).find(|civil| matches(*civil));
            let shown = matches(civil).then_some(civil);
            if skipped.is_some() || shown.is_some() {
                let moment = u32::try_from(moment).expect("a few days");
                matched.moments.push(Moment { moment, shown, skipped });
            }
        }
        matched
    }
}

/// The moments at which an expression matches what is shown, or something just skipped.
pub(crate) struct Matched<'a> {
    walk: &'a Walk,
    fixed: bool,
    moments: Vec<Moment>,
}

struct Moment {
    moment: u32,
    shown: Option<i64>,
    /// The first of those skipped.
    skipped: Option<i64>,
}

impl Matched<'_> {
    pub(crate) fn due(&self, dst: Dst) -> Vec<Due> {
        let slot = |Moment { moment, shown, skipped }: &Moment| {
            let at = self.walk.begin + i64::from(*moment) * self.walk.unit;
            let shown = shown.and_then(|civil| {
                let (first, last) = self.walk.shown(civil);
                let counts = !self.fixed
                    || match dst.fold {
                        InFold::First => *moment == first,
                        InFold::Second => *moment == last,
                        InFold::Both => true,
                    };
                counts.then_some(Due { at, civil, fold: u8::from(*moment != first) })
            });
            let made_up = || {
                let wanted = self.fixed && dst.gap == InGap::RunAfter;
                skipped.filter(|_| wanted).map(|civil| Due { at, civil, fold: 0 })
            };
            shown.or_else(made_up)
        };
        self.moments.iter().filter_map(slot).collect()
    }
}

fn size(number: i64) -> usize {
    usize::try_from(number).expect("no negative size")
}
