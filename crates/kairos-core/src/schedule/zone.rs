//! A zone's data, and what a cursor means once they are others.
//!
//! Owns the civil reading that goes with a cursor. A slot is named by the civil time it has, so which
//! slots had their fate is a matter of civil time too: when a government moves its clocks and new data
//! say so, an instant alone would let some slots fire twice and others never. Never looks data up.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::timetable::Timetable;
use crate::digest::Digest;
use crate::time::Time;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MS: SignedDuration = SignedDuration::from_millis(1);
/// Longer than any clock is set back.
const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// Data of a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub table: TimeZone,
    /// Of the bytes they were read from; none for data that never change, as those of UTC.
    pub digest: Option<Digest>,
}

impl From<TimeZone> for Zone {
    fn from(table: TimeZone) -> Self {
        Self { table, digest: None }
    }
}

/// How a zone's clock stood at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneClock {
    /// East of UTC.
    pub offset_s: i32,
    /// For a while after it was set back, and where other data take it back: the first time it had not
    /// shown before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_until: Option<DateTime>,
}

impl ZoneClock {
    /// How `zone`'s clock stands at `at`.
    #[must_use]
    pub fn of(zone: &TimeZone, at: Time) -> Self {
        let at = at.timestamp();
        let offset = zone.to_offset(at);
        // A change at this very instant has taken place.
        let soon = at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at);
        let change = zone.preceding(soon).next().map(|change| change.timestamp());
        let again_until =
            change.filter(|change| at.duration_since(*change) < RECENT).and_then(|change| {
                let before = change.checked_sub(SECOND).unwrap_or(change);
                let shown = zone.to_offset(before).to_datetime(change);
                (offset.to_datetime(change) < shown).then_some(shown)
            });
        Self { offset_s: offset.seconds(), again_until }
    }

    /// Where a cursor with this reading stands when its schedule goes by `table`, whose zone has other
    /// data: no slot lies behind it whose name had no fate yet, nor one before it whose name had one.
    /// Within times that the old clock shows again, and the new one others, that cannot be had both:
    /// then some are left out, and none has two fates.
    #[must_use]
    pub fn carried(&self, cursor: Time, table: &Timetable) -> Time {
        let Some(zone) = table.zone().map(|zone| &zone.table) else { return cursor };
        let Ok(offset) = Offset::from_seconds(self.offset_s) else { return cursor };
        let civil = offset.to_datetime(cursor.timestamp());
        let carried = match self.again_until {
            None => first(civil, zone, table),
            // Each time up to there was shown twice.
            Some(shown) if civil >= shown => {
                again(civil, earlier(shown), zone).or_else(|| first(civil, zone, table))
            }
            // Still the second pass of the same night, and what is shown again was all shown before.
            Some(shown) if Self::of(zone, cursor).shows_again(offset, shown) => Some(cursor),
            // Of each time it had shown once, the first name had its fate.
            Some(shown) => {
                let last = earlier(shown);
                again(last, civil, zone).or_else(|| first(last, zone, table))
            }
        };
        carried.unwrap_or(cursor)
    }

    /// Whether it shows, at that offset, times again up to `until` at least.
    fn shows_again(&self, offset: Offset, until: DateTime) -> bool {
        self.offset_s == offset.seconds() && self.again_until.is_some_and(|again| again >= until)
    }

    /// This reading at `to`, where a cursor was carried that another clock showed as `before` at `from`:
    /// should that clock's data come back, no name that it had shown is given another fate.
    #[must_use]
    pub fn after(self, to: Time, before: &Self, from: Time) -> Self {
        let shown = before.civil(from).filter(|shown| self.civil(to).is_some_and(|to| to < *shown));
        let shown = shown.and_then(|last| last.checked_add(MS).ok());
        Self { again_until: self.again_until.max(before.again_until).max(shown), ..self }
    }

    fn civil(&self, at: Time) -> Option<DateTime> {
        Some(Offset::from_seconds(self.offset_s).ok()?.to_datetime(at.timestamp()))
    }
}

/// The instant at which `zone`'s clock first shows `civil`. Where it skips it, that is the instant
/// of the change, but for a slot there that stands for later times.
fn first(civil: DateTime, zone: &TimeZone, table: &Timetable) -> Option<Time> {
    let instant = |offset: Offset| offset.to_timestamp(civil).ok();
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => instant(offset).map(Time::from),
        AmbiguousOffset::Fold { before, .. } => instant(before).map(Time::from),
        AmbiguousOffset::Gap { after, .. } => {
            let change: Time = zone.following(instant(after)?).next()?.timestamp().into();
            let before = Time::from_ms(change.as_ms().saturating_sub(1));
            let slot = table.next_after(before).filter(|slot| slot.at == change);
            Some(if slot.is_some_and(|slot| slot.civil <= civil) { change } else { before })
        }
    }
}

/// The instant at which `zone`'s clock shows `civil` again, where it was set back to a time that the old
/// one had shown twice: `twice` is the last of these.
fn again(civil: DateTime, twice: DateTime, zone: &TimeZone) -> Option<Time> {
    let AmbiguousOffset::Fold { after, .. } = zone.to_ambiguous_timestamp(civil).offset() else {
        return None;
    };
    let second = after.to_timestamp(civil).ok()?;
    let soon = second.checked_add(SignedDuration::from_nanos(1)).unwrap_or(second);
    let change = zone.preceding(soon).next()?.timestamp();
    (after.to_datetime(change) <= twice).then(|| second.into())
}

/// The instant of a clock just before, at the resolution of time.
fn earlier(civil: DateTime) -> DateTime {
    civil.saturating_sub(MS)
}
