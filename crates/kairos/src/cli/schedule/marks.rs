//! Changes of the clock beside slots.
//!
//! Owns what a person is told of a slot on a day on which the clock changes, and of a slot that the
//! change took away. Never changes what is due.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kairos_core::schedule::{InGap, Slot, Timetable, Warning, When};
use kairos_core::time::Time;

/// Longer than any day, whatever its clock does.
const DAY: SignedDuration = SignedDuration::from_hours(30);

/// Changes of the clock that are looked at between two slots: more than any zone has in 40 years.
const CHANGES_MAX: usize = 100;

/// A change of the clock: what it had come to, and what it shows instead.
#[derive(Clone, Copy)]
struct Change {
    at: Timestamp,
    before: DateTime,
    after: DateTime,
}

/// What a slot's line says where the clock changes on the slot's day.
pub(super) fn of(table: &Timetable, slot: &Slot) -> Option<String> {
    let zone = &table.zone()?.table;
    let at = slot.at.timestamp();
    let shown = zone.to_datetime(at);
    let from = at.saturating_sub(DAY).ok()?;
    let that_day = |change: &Change| {
        change.before.date() == shown.date() || change.after.date() == shown.date()
    };
    let until = at.saturating_add(DAY).ok()?;
    let change = changes(zone, from, until).find(that_day)?;
    let Change { before, after, .. } = change;
    if before < after {
        let gap = format!("the clock goes forward from {} to {}", clock(before), clock(after));
        return Some(if slot.civil == shown {
            gap
        } else {
            format!("{gap}: {} runs right after the gap", clock(slot.civil))
        });
    }
    let fold = format!("the clock goes back from {} to {}", clock(before), clock(after));
    let twice = (after..before).contains(&shown);
    Some(match (twice, slot.fold) {
        (false, _) => fold,
        (true, 0) => format!("{fold}: {} the first time", clock(shown)),
        (true, _) => format!("{fold}: {} the second time", clock(shown)),
    })
}

/// Lines for what clocks set forward took away between two instants.
pub(super) fn lost(table: &Timetable, after: Time, until: Time) -> Vec<String> {
    let When::Cron(rule) = table.when() else { return Vec::new() };
    let changes = changes(&rule.zone, after.timestamp(), until.timestamp());
    let gaps = changes.filter(|change| change.before < change.after);
    let told = gaps.filter_map(|gap| {
        let just_before = gap.at.checked_sub(SignedDuration::from_secs(1)).ok()?;
        let warnings = Warning::of_next_year(rule, just_before.into());
        warnings.into_iter().find(|warning| match warning {
            Warning::InGap { from, how, .. } => {
                *from == gap.before && *how != Some(InGap::RunAfter)
            }
            _ => false,
        })
    });
    told.map(|warning| format!("    ({warning})")).collect()
}

fn changes(zone: &TimeZone, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Change> {
    let changes = zone.following(after).take_while(move |change| change.timestamp() <= until);
    changes.take(CHANGES_MAX).filter_map(|change| {
        let at = change.timestamp();
        let offset = zone.to_offset(at.checked_sub(SignedDuration::from_secs(1)).ok()?);
        let (before, after) = (offset.to_datetime(at), change.offset().to_datetime(at));
        // A new name alone changes no clock.
        (before != after).then_some(Change { at, before, after })
    })
}

fn clock(at: DateTime) -> String {
    let form = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    at.strftime(form).to_string()
}
