//! A configuration that was read whole.
//!
//! Owns what a change of configuration does to open work: new rules hold at once. What waited for
//! budget looks again, each mandate in its own frame: the fold of `rules_loaded` makes it due.

use crate::event::{Event, Loaded, Renamed};
use crate::input::Now;
use crate::rules::Rules;
use crate::schedule::definition::ScheduleName;
use crate::state::State;

pub(super) fn decide(
    state: &State,
    now: &Now,
    rules: &Rules,
    (set, gone, renamed): (&[Loaded], &[ScheduleName], &[Renamed]),
) -> Vec<Event> {
    let mut events = Vec::new();
    let believed = state.clock.is_none();
    if state.budget.day.is_none_or(|day| day < now.day && believed) {
        events.push(Event::DayBegan { day: now.day, ends: now.day_ends });
    }
    if state.rules.as_deref() != Some(rules) {
        events.push(Event::RulesLoaded(Box::new(rules.clone())));
    }
    if !set.is_empty() || !gone.is_empty() {
        let (set, gone, renamed) = (set.to_vec(), gone.to_vec(), renamed.to_vec());
        events.push(Event::SchedulesLoaded { set, gone, renamed });
    }
    events
}
