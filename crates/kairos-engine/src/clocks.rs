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
