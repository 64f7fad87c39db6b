//! The two clocks, as the engine goes by them.
//!
//! Owns when they are read, and what is told of a wall clock that was set. What follows from that is
//! [`kairos_core::clock`]'s. The engine reads before each turn and tells after it.

use kairos_core::clock::Clock;
use kairos_core::event::Event;
use kairos_core::input::Input;
use kairos_core::state::State;
use kairos_core::time::Time;

use crate::notice::Notice;
use crate::world::Moment;

/// A wall clock that was set and is not believed yet, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldClock {
    /// How far it was set, all steps together.
    pub stepped_ms: i64,
    /// When it is believed, if nobody sets it again, by the clock itself.
    pub until: Time,
}

#[derive(Debug)]
pub(crate) struct Clocks {
    pub(crate) clock: Clock,
    /// Both at the last look.
    pub(crate) last: Moment,
    /// The journal came from elsewhere or lost its end: what was missed passes, but not by a clock that
    /// is not believed. Of this process: a start after it fires what is due by then.
    passes: bool,
}

impl Clocks {
    /// The first look of a process whose journal is recovered.
    pub(crate) fn new(state: &State, passes: bool) -> Self {
        let last = Moment::now();
        Self { clock: Clock::new(last.reading(), state), last, passes }
    }

    /// Looks at both; the input for what the state does not know.
    pub(crate) fn look(&mut self, state: &State) -> Option<Input> {
        self.last = Moment::now();
        self.clock.look(self.last.reading(), state)
    }

    /// Whether what was missed is to pass in the turn that `clock` begins, for the one time it is.
    pub(crate) fn passes(&mut self, state: &State, clock: Option<&Input>) -> bool {
        let believed = match clock {
            Some(Input::ClockSettled) => true,
            Some(_) => false,
            None => state.clock().is_none(),
        };
        believed && std::mem::take(&mut self.passes)
    }

    /// What the wall clock shows, unless it is held, or this look finds that it was set: the next turn
    /// records that.
    pub(crate) fn believed(&mut self, state: &State) -> Option<Time> {
        let held = state.clock().is_some() || self.look(state).is_some();
        (!held).then(|| self.last.reading().wall)
    }

    /// Notes what a turn recorded; what is to be told of it.
    pub(crate) fn recorded(&mut self, event: &Event) -> Option<Notice> {
        self.clock.recorded(event);
        match event {
            Event::ClockStepped { by_ms } => {
                let until = self.clock.settles().unwrap_or_else(|| self.last.reading().wall);
                Some(Notice::ClockStepped { by_ms: *by_ms, until })
            }
            Event::ClockSettled { by } => Some(Notice::ClockSettled { by: by.clone() }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_clock_that_was_set_since_the_last_turn_is_not_believed_and_the_next_turn_still_learns_of_it()
     {
        let state = State::empty();
        for by_ms in [HOUR_MS, -HOUR_MS] {
            let mut clocks = Clocks::new(&state, false);
            let before = clocks.last.reading().wall;
            assert!(clocks.believed(&state).is_some_and(|now| now >= before));
            // As if it had shown another time until now.
            let mut seen = clocks.last.reading();
            seen.wall = Time::from_ms(seen.wall.as_ms() - by_ms);
            clocks.clock = Clock::new(seen, &state);
            assert_eq!(clocks.believed(&state), None);
            let told = clocks.look(&state);
            let Some(Input::ClockStepped { by_ms: told }) = told else { panic!("{told:?}") };
            assert!(told.abs_diff(by_ms) < 60_000, "{told}");
        }
    }
}
