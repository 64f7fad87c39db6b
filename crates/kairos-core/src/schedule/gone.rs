//! How far the slots of schedules that went were accounted for.
//!
//! Owns what must be known of a schedule that is no longer there: should its name come back, no slot
//! that had its fate has another, whatever the clock did meanwhile. Never grows beyond a bound, and
//! forgets towards caution. The state keeps it; a calendar asks where to begin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schedule::definition::ScheduleName;
use crate::time::Time;

/// Names whose own cursor is kept.
const NAMES_MAX: usize = 256;

/// The cursors of schedules that went.
///
/// A cursor is of no use to a clock that only goes on: slots to come lie behind it. It counts only
/// where the clock was set back below it, and how far that may be nobody knows, so none is ever too
/// old to matter. Beyond the bound the lowest ones become one instant for all names that are not
/// there: the lowest, since a clock has to be set back furthest for it to hold anything up. What it
/// then holds up are slots of a schedule that begins while the clock stands below it; these have no
/// fate, as if the schedule had begun at that instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gone {
    cursors: BTreeMap<ScheduleName, Time>,
    /// For every other name.
    floor: Time,
}

impl Gone {
    pub(crate) fn went(&mut self, name: ScheduleName, cursor: Time) {
        self.cursors.insert(name, cursor);
        while self.cursors.len() > NAMES_MAX {
            let lowest = self.cursors.iter().min_by_key(|(_, cursor)| **cursor);
            let Some((name, cursor)) = lowest.map(|(name, cursor)| (name.clone(), *cursor)) else {
                return;
            };
            self.cursors.remove(&name);
            self.floor = self.floor.max(cursor);
        }
    }

    /// Its own cursor counts from now on.
    pub(crate) fn came(&mut self, name: &ScheduleName) {
        self.cursors.remove(name);
    }

    /// Up to where slots of a schedule that is not there may have had their fate.
    pub(crate) fn cursor(&self, name: &ScheduleName) -> Time {
        self.cursors.get(name).copied().unwrap_or_default().max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> ScheduleName {
        format!("schedule-{n:04}").parse().expect("a name")
    }

    fn time(n: usize) -> Time {
        Time::EPOCH.plus_ms(n as u64)
    }

    #[test]
    fn a_name_that_comes_back_begins_where_it_went() {
        let mut gone = Gone::default();
        gone.went(name(1), time(7));
        gone.went(name(2), time(9));
        assert_eq!([1, 2, 3].map(|n| gone.cursor(&name(n))), [time(7), time(9), Time::EPOCH]);
        gone.came(&name(2));
        assert_eq!(gone.cursor(&name(2)), Time::EPOCH);
    }

    #[test]
    fn more_names_than_are_kept_hold_up_the_others_as_little_as_can_be() {
        let mut gone = Gone::default();
        let more = NAMES_MAX + 3;
        // The lowest are neither the first nor the last that went.
        (1..=more).for_each(|n| gone.went(name(n * 5 % more), time(n * 5 % more)));
        assert_eq!(gone.cursors.len(), NAMES_MAX);
        let expected = (0..more).map(|n| time(n.max(2))).collect::<Vec<_>>();
        assert_eq!((0..more).map(|n| gone.cursor(&name(n))).collect::<Vec<_>>(), expected);
        assert_eq!(gone.cursor(&name(more + 1)), time(2), "one that never was there");
    }
}
