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
    /// While it showed times for the second time: the first time it had not shown before.
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
        let shown = zone.preceding(soon).next().map(|change| {
            let change = change.timestamp();
            let before = change.checked_sub(SECOND).unwrap_or(change);
            zone.to_offset(before).to_datetime(change)
        });
        let civil = offset.to_datetime(at);
        Self { offset_s: offset.seconds(), again_until: shown.filter(|shown| civil < *shown) }
    }

    /// Where a cursor with this reading stands when its schedule goes by `table`, whose zone has other
    /// data: no slot lies behind it whose name had no fate yet, nor one before it whose name had one.
    #[must_use]
    pub fn carried(&self, cursor: Time, table: &Timetable) -> Time {
        let Some(zone) = table.zone().map(|zone| &zone.table) else { return cursor };
        let Ok(offset) = Offset::from_seconds(self.offset_s) else { return cursor };
        let civil = offset.to_datetime(cursor.timestamp());
        let carried = match self.again_until {
            None => first(civil, zone, table),
            Some(shown) => match zone.to_ambiguous_timestamp(civil).offset() {
                // Still the second pass of the same night.
                AmbiguousOffset::Fold { after, .. } if after == offset => Some(cursor),
                // Of each time it had shown once, the first name had its fate.
                _ => shown
                    .checked_sub(SignedDuration::from_millis(1))
                    .ok()
                    .and_then(|last| first(last, zone, table)),
            },
        };
        carried.unwrap_or(cursor)
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
