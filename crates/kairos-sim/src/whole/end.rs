//! The end of every world: nothing fails any more, and all work comes to an end.
//!
//! Owns the questions that have an answer only then: whether it goes quiet, whether everything ends,
//! how little is left, and whether every slot has its fate.

use kairos_core::effect::PersonSays;
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Seq};
use kairos_core::input::{Pace, Verb};
use kairos_core::state::State;

use kairos_engine::Admit;

use super::law::Wrong;
use super::life::Life;
use super::people::unsettled;
use super::scene::GENEROUS;
use super::shelf::Shelf;
use crate::Plan;

/// Turns that follow each other at one instant.
const TURNS_MAX: usize = 600;
/// Waits until all work has ended.
const WAITS_MAX: usize = 4_000;
/// What may be left of a state besides its configuration, as text.
const LEFT_BYTES_MAX: usize = 600;
/// Longer than any key is kept, or any day is.
const LATER_MS: u64 = 50 * 3_600_000;

impl Life {
    /// Lets all work come to its end, and asks what is left.
    pub(super) fn end(&mut self) {
        self.fs.plan(Plan::default());
        self.known.low = None;
        if self.daemon.as_ref().is_none_or(|daemon| daemon.admit != Admit::All) {
            self.start_again();
        }
        self.quiet();
        self.reload(GENEROUS);
        self.finish_all();
        if self.findings.any() {
            return;
        }
        self.pass(LATER_MS);
        self.quiet();
        self.small();
        self.slots();
        self.verify();
        let left = Shelf::left_beside(&self.fs);
        let litter = self.shelf.litter || left.is_empty();
        self.findings.check(litter, Wrong::Lost, || format!("left beside files: {left:?}"));
        self.start_again();
    }

    fn start_again(&mut self) {
        self.daemon = None;
        self.fs = self.fs.kill();
        self.start(None);
        self.look();
    }

    /// Works until nothing is under way and nothing new is recorded.
    fn quiet(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.daemon.is_none() {
                // A mandate has brought the engine down.
                self.start(None);
            }
            if self.findings.any() || self.daemon.is_none() {
                return;
            }
            let before = self.book.events();
            self.work(usize::MAX);
            self.look();
            let idle = self.daemon.as_ref().is_some_and(|daemon| daemon.under_way.is_empty());
            if idle && self.book.events() == before {
                let due = self.state().due_after(None, self.clock, true);
                return self.findings.check(due.is_none(), Wrong::Refused, || {
                    format!("due, and no turn takes it: {due:?}")
                });
            }
        }
        self.findings.add(Wrong::Refused, format!("no end of turns at {}", self.clock));
    }

    /// Waits for whatever is waited for; a person answers every question about effects.
    fn finish_all(&mut self) {
        for wait in 0..WAITS_MAX {
            self.quiet();
            if self.findings.any() || self.state().mandates().next().is_none() {
                return;
            }
            let says = [PersonSays::Happened, PersonSays::DidNot, PersonSays::Unknown][wait % 3];
            let judge = |effect| Verb::Judge { effect, answer: says, note: None };
            let questions: Vec<Verb> = unsettled(self.state()).into_iter().map(judge).collect();
            let asked = !questions.is_empty();
            if asked {
                self.turn(Vec::new(), questions, Pace::Running);
            } else if let Some(due) = self.state().next_due() {
                self.pass(due.ms_since(self.clock));
            } else {
                break;
            }
        }
        let left: Vec<_> = self.state().mandates().map(|mandate| mandate.standing).collect();
        self.findings.add(Wrong::Refused, format!("these never end: {left:?}"));
    }

    /// The state holds its configuration, and next to nothing of all that happened but the names of
    /// schedules that went, of which there is a bound.
    fn small(&mut self) {
        let state = self.state();
        let mut empty = State::empty();
        let at = At { seq: Seq(1), time: self.clock };
        if let Some(rules) = state.rules() {
            empty.apply(at, &Event::RulesLoaded(Box::new((*rules).clone())), &mut Vec::new());
        }
        let (left, least) = (text(state).len(), text(&empty).len());
        self.findings.check(left <= least + LEFT_BYTES_MAX, Wrong::Lost, || {
            format!("{left} bytes of state are left, {least} without work: {state:?}")
        });
    }

    fn slots(&mut self) {
        let slots = self.known.watch.seen().law.slots.clone();
        for broken in slots.judge(&mut self.tally) {
            self.findings.add(broken.wrong, broken.what);
        }
    }
}

/// A state as text, but for the schedules that went.
fn text(state: &State) -> String {
    let text = format!("{state:?}");
    let cut = text.split_once(", gone: Gone {").and_then(|(before, gone)| {
        let (_, after) = gone.split_once(", floor: ")?;
        Some(format!("{before}{after}"))
    });
    cut.unwrap_or(text)
}
