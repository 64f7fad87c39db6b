//! The two clocks, as the engine goes by them.
//!
//! Owns when they are read, what is known of the wall clock, and the input that tells the state. The
//! rule is [`kairos_core::clock`]'s. The engine reads before each turn and tells after it.

use kairos_core::clock::{Clock, Seen};
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
    clock: Clock,
    /// At the last look.
    last: Moment,
    /// A step that is not recorded yet.
    step_ms: Option<i64>,
}

impl Clocks {
    /// The first look of a process, whose journal is recovered.
    pub(crate) fn new(state: &State) -> Self {
        let last = Moment::now();
        let first = last.reading();
        let mut clock = Clock::new(first, state.clock().is_some());
        let step_ms = Clock::behind(state.newest(), first);
        if step_ms.is_some() {
            clock.hold(first);
        }
        Self { clock, last, step_ms }
    }

    /// Looks at both; the input for what the state does not know.
    pub(crate) fn look(&mut self, state: &State) -> Option<Input> {
        self.last = Moment::now();
        match self.clock.look(self.last.reading()) {
            Seen::Nothing => {}
            Seen::Stepped { by_ms } => {
                self.step_ms = Some(self.step_ms.unwrap_or(0).saturating_add(by_ms));
            }
            Seen::Settled => self.step_ms = None,
        }
        let held = self.clock.settles_ms().is_some();
        match self.step_ms {
            Some(by_ms) => Some(Input::ClockStepped { by_ms }),
            None => (state.clock().is_some() && !held).then_some(Input::ClockSettled),
        }
    }

    /// What a record says of the clock, if anything.
    pub(crate) fn recorded(&mut self, event: &Event) -> Option<Notice> {
        match event {
            Event::ClockStepped { by_ms } => {
                self.step_ms = None;
                let until = self.until().unwrap_or_else(|| self.last.reading().wall);
                Some(Notice::ClockStepped { by_ms: *by_ms, until })
            }
            Event::ClockSettled { by } => {
                self.clock.believe();
                Some(Notice::ClockSettled { by: by.clone() })
            }
            _ => None,
        }
    }

    /// Where both stood at the last look.
    pub(crate) const fn last(&self) -> Moment {
        self.last
    }

    /// When the wall clock is believed, by itself.
    pub(crate) fn until(&self) -> Option<Time> {
        Some(self.last.reading().wall_at(self.settles_ms()?))
    }

    /// The same by the clock that nobody sets.
    pub(crate) fn settles_ms(&self) -> Option<u64> {
        self.clock.settles_ms()
    }
}
