//! A cron rule in a zone, as instants.
//!
//! Owns how civil minutes lie on real time: what a clock set forward swallows and what a clock set
//! back shows twice. Never scans: it searches the fields of the rule inside one *stretch* of
//! constant offset at a time and leaps over stretches in which nothing can match. Zone data comes
//! in with the [`Rule`]; nothing is looked up by name.
//!
//! ```text
//!  instants   ──────stretch──────┃──────stretch──────┃──────stretch──────▶
//!  civil      00:00 … 02:00      ┃ 03:00 … 03:00     ┃ 02:00 …
//!                           gap 02:00–03:00     fold 02:00–03:00
//! ```

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;
use crate::time::Time;

/// What happens to a fixed time of day that the clock skipped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum InGap {
    /// All that one gap swallowed fires once, at the first instant after it.
    #[default]
    RunAfter,
    Skip,
}

/// Which pass counts for a fixed time of day that the clock showed twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum InFold {
    #[default]
    First,
    Second,
    Both,
}

/// How fixed times of day meet a change of the clock; the default is cronie's.
///
/// Says nothing about expressions whose minute or hour starts with `*`: these follow elapsed time,
/// so a skipped minute is not there and a repeated one counts twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Dst {
    pub gap: InGap,
    pub fold: InFold,
}

/// One due moment of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What the rule matched. Inside a gap it is the first swallowed time, so it keeps the name it
    /// has on every other day.
    pub civil: DateTime,
    /// 1 on the second pass of a repeated hour, else 0.
    pub fold: u8,
    /// When it is due.
    pub at: Time,
}

/// A cron rule in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub cron: Cron,
    pub zone: TimeZone,
    pub dst: Dst,
}

/// The Gregorian calendar and a zone's yearly rule both repeat after 400 years: what has not come
/// by then never comes.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 366 * 24);

/// More than any civil reading can differ from UTC.
const WIDEST_OFFSET: SignedDuration = SignedDuration::from_hours(26);

/// More than two civil readings of one instant can differ, so a clock set back after this long
/// cannot show again what the start showed.
const WIDEST_FOLD: SignedDuration = SignedDuration::from_hours(52);

impl Rule {
    /// The first slot due strictly after `after`, or none if there is none ever.
    ///
    /// Feeding each slot's `at` back in walks all slots in order, none twice.
    #[must_use]
    pub fn next_after(&self, after: Time) -> Option<Slot> {
        let mut here = second_after(after)?;
        let horizon = here.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut stretch = Stretch::before(&self.zone, here);
        while here <= horizon {
            let civil = self.cron.at_or_after(self.opens(&stretch, here))?;
            let Some(edge) = stretch.end.filter(|edge| civil >= self.closes(&stretch, *edge))
            else {
                return stretch.slot(civil);
            };
            if self.runs_after_gap(edge, civil) {
                let shown = edge.shows();
                let natural = self.cron.at_or_after(shown) == Some(shown);
                let civil = if natural { shown } else { civil };
                return Some(Slot { civil, fold: 0, at: edge.at.into() });
            }
            let leap = Offset::UTC.to_timestamp(civil).ok()?.saturating_sub(WIDEST_OFFSET);
            let leap = leap.unwrap_or(Timestamp::MIN);
            if leap > edge.at && edge.at.duration_since(here) >= WIDEST_FOLD {
                here = leap;
                stretch = Stretch::before(&self.zone, here);
            } else {
                here = edge.at;
                stretch = stretch.following(&self.zone, edge);
            }
        }
        None
    }

    /// How many slots are due in (`after`, `until`]. Cost grows with the months between, not with
    /// the slots.
    #[must_use]
    pub fn count(&self, after: Time, until: Time) -> u64 {
        let (Some(mut here), Some(until)) = (second_after(after), second_after(until)) else {
            return 0;
        };
        let mut stretch = Stretch::before(&self.zone, here);
        let mut slots = 0;
        while here < until {
            let end = stretch.end.filter(|edge| edge.at < until);
            let cut = stretch.offset.to_datetime(until);
            let closes = stretch.end.map_or(cut, |edge| self.closes(&stretch, edge).min(cut));
            slots += self.cron.count(self.opens(&stretch, here), closes);
            let Some(edge) = end else { break };
            let swallowed = stretch.offset.to_datetime(edge.at);
            let first = self.cron.at_or_after(swallowed);
            if first.is_some_and(|civil| self.runs_after_gap(edge, civil))
                && self.cron.at_or_after(edge.shows()) != Some(edge.shows())
            {
                slots += 1;
            }
            here = edge.at;
            stretch = stretch.following(&self.zone, edge);
        }
        slots
    }

    /// The newest `most` slots due in (`after`, `until`], oldest first.
    #[must_use]
    pub fn newest(&self, after: Time, until: Time, most: usize) -> Vec<Slot> {
        let wanted = u64::try_from(most).unwrap_or(u64::MAX);
        let mut cursor = after;
        if self.count(after, until) > wanted {
            // Half the span that still holds the cut, until it is one second, which is where slots
            // lie: the cut is the earliest instant with no more than `wanted` slots behind it.
            let second = |time: Time| time.as_ms().div_euclid(1000);
            let (mut more, mut cut) = (second(after), second(until));
            let at = |second: i64| Time::from_ms(second.saturating_mul(1000));
            while cut.saturating_sub(more) > 1 {
                let middle = more.midpoint(cut);
                if self.count(at(middle), until) <= wanted {
                    cut = middle;
                } else {
                    more = middle;
                }
            }
            cursor = at(cut);
        }
        let next = || {
            let slot = self.next_after(cursor).filter(|slot| slot.at <= until)?;
            cursor = slot.at;
            Some(slot)
        };
        std::iter::from_fn(next).take(most).collect()
    }

    /// The first civil reading of `stretch` from `here` on that may match.
    fn opens(&self, stretch: &Stretch, here: Timestamp) -> DateTime {
        let civil = stretch.offset.to_datetime(here);
        if self.cron.is_fixed() && self.dst.fold == InFold::First {
            civil.max(stretch.repeats_until)
        } else {
            civil
        }
    }

    /// The civil reading from which on nothing in `stretch` may match.
    fn closes(&self, stretch: &Stretch, edge: Edge) -> DateTime {
        let civil = stretch.offset.to_datetime(edge.at);
        if self.cron.is_fixed() && self.dst.fold == InFold::Second {
            civil.min(edge.shows())
        } else {
            civil
        }
    }

    /// Whether `civil`, which the stretch before `edge` does not reach, lies in the gap there.
    fn runs_after_gap(&self, edge: Edge, civil: DateTime) -> bool {
        self.cron.is_fixed() && self.dst.gap == InGap::RunAfter && civil < edge.shows()
    }
}

/// A change of offset: from `at` on, civil time is `at` + `offset`.
#[derive(Clone, Copy, Debug)]
struct Edge {
    at: Timestamp,
    offset: Offset,
}

impl Edge {
    fn after(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        let next = zone.following(at).next()?;
        Some(Self { at: next.timestamp(), offset: next.offset() })
    }

    /// The first civil reading after the change.
    fn shows(self) -> DateTime {
        self.offset.to_datetime(self.at)
    }
}

/// Time between two changes of offset.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    offset: Offset,
    /// Where civil time had got to when the stretch began: readings below it come a second time.
    repeats_until: DateTime,
    end: Option<Edge>,
}

impl Stretch {
    /// The stretch that holds the second before `at`, so that a gap which ends right at `at` lies
    /// ahead with all it swallowed.
    fn before(zone: &TimeZone, at: Timestamp) -> Self {
        const SECOND: SignedDuration = SignedDuration::from_secs(1);
        let inside = at.checked_sub(SECOND).unwrap_or(at);
        let begin = zone.preceding(at).next();
        let repeats_until = begin
            .and_then(|begin| begin.timestamp().checked_sub(SECOND).ok())
            .and_then(|before| zone.to_offset(before).to_datetime(before).checked_add(SECOND).ok());
        Self {
            offset: zone.to_offset(inside),
            repeats_until: repeats_until.unwrap_or(DateTime::MIN),
            end: Edge::after(zone, inside),
        }
    }

    fn following(self, zone: &TimeZone, edge: Edge) -> Self {
        Self {
            offset: edge.offset,
            repeats_until: self.offset.to_datetime(edge.at),
            end: Edge::after(zone, edge.at),
        }
    }

    fn slot(&self, civil: DateTime) -> Option<Slot> {
        let at = self.offset.to_timestamp(civil).ok()?.into();
        Some(Slot { civil, fold: u8::from(civil < self.repeats_until), at })
    }
}

/// The first whole second after `time`: slots lie on whole seconds.
fn second_after(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(time.as_ms().div_euclid(1000).checked_add(1)?).ok()
}
