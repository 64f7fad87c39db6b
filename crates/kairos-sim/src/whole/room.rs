//! A disk that runs short of room, and has enough again.
//!
//! Owns what then holds: nothing new begins, and the rest goes on. Nothing of the simulated disk
//! itself is full; calls that fail for that are faults.

use kairos_core::event::Event;
use kairos_core::input::{Input, Pace};
use kairos_core::schedule::slot::SlotState;
use kairos_core::space::Shortage;
use kairos_core::state::State;

use super::law::{Findings, Wrong};
use super::life::Life;

impl Life {
    /// Runs short of room, or has enough again.
    pub(super) fn room(&mut self, how: u16) {
        let low = match how % 2 {
            0 => Shortage::Free { free_bytes: how.into(), keep_free_bytes: 1 << 20 },
            _ => Shortage::Used { used_bytes: 1 << 20, cap_bytes: how.into() },
        };
        self.known.low = if self.known.low.is_some() { None } else { Some(low) };
        self.turn(Vec::new(), Vec::new(), Pace::Running);
    }
}

/// The pace of a turn, and the input that records what holds back new work, where the state does not
/// know it.
pub(super) fn pace(asked: Pace, low: Option<Shortage>, state: &State) -> (Pace, Option<Input>) {
    let word = |low: Option<Shortage>| low.map(|low| low.word());
    let recorded = (word(state.low()) != word(low)).then_some(Input::Space { low });
    match (asked, low) {
        (Pace::Running, Some(low)) => (Pace::Low(low), recorded),
        (asked, _) => (asked, recorded),
    }
}

/// That nothing new begins without room.
pub(super) fn check(pace: Pace, event: &Event, findings: &Findings) {
    let begins = matches!(
        event,
        Event::MandateCreated { .. }
            | Event::MandateStarted { .. }
            | Event::Slot { state: SlotState::Fired, .. }
    );
    let held_back = !(begins && matches!(pace, Pace::Low(_)));
    findings.check(held_back, Wrong::Accepted, || format!("without room: {event:?}"));
}
