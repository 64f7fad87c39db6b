//! Both clocks of a simulated machine: time passes, it sleeps, and somebody sets the wall clock.
//!
//! Owns what must then hold: while the wall clock is not believed, nothing happens that goes by it.

use kairos_core::clock::Reading;
use kairos_core::event::Event;
use kairos_core::input::Pace;
use kairos_core::mandate::outcome::Outcome;
use kairos_core::plan::{StepEnd, StepFailure};
use kairos_core::schedule::slot::SlotReason;
use kairos_core::state::State;
use kairos_core::time::Time;

use super::law::{Findings, Wrong};
use super::life::Life;
use super::tally::Tried;

impl Life {
    pub(super) fn reading(&self) -> Reading {
        Reading { wall: self.clock, boot_ms: self.known.boot_ms }
    }

    /// Time passes, for somebody who sleeps too.
    pub(super) fn pass(&mut self, span_ms: u64) {
        self.clock = self.clock.plus_ms(span_ms);
        self.known.boot_ms += span_ms;
    }

    /// Somebody sets the wall clock.
    pub(super) fn step(&mut self, by_ms: i64) {
        self.tally.count(Tried::Steps);
        self.clock = Time::from_ms(self.clock.as_ms() + by_ms);
    }

    /// How long it is until the wall clock is believed, where it is not.
    pub(super) fn held_ms(&self) -> Option<u64> {
        let settles = self.daemon.as_ref()?.clock.settles_ms()?;
        Some(settles.saturating_sub(self.known.boot_ms))
    }

    /// Lets the wall clock stand until it is believed.
    pub(super) fn stand(&mut self) {
        if let Some(held_ms) = self.held_ms() {
            self.pass(held_ms);
            self.turn(Vec::new(), Vec::new(), Pace::Running);
        }
    }
}

/// That nothing goes by a clock that is not believed. Only what a start ends was due under a rule
/// that is gone.
pub(super) fn check(before: &State, event: &Event, findings: &Findings) {
    let goes_by_it = match event {
        Event::Slot { civil, .. } => civil.is_some(),
        Event::Slots { reason, .. } => *reason != Some(SlotReason::RuleChanged),
        Event::DayBegan { .. } | Event::KeyForgotten { .. } => true,
        Event::StepFinished { end: StepEnd::Failed(StepFailure::Expired), .. } => true,
        Event::StopAsked { outcome: Outcome::Expired, .. } => true,
        _ => false,
    };
    let held = before.clock().is_some();
    findings.check(!(held && goes_by_it), Wrong::Accepted, || {
        format!("by a clock that is held: {event:?}")
    });
}
