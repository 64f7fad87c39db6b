//! A process that is there for one mandate: `once`, between the lives of daemons.
//!
//! Owns its beginning, its end and what it must leave alone: every slot, and every other mandate.
//! Never opens a door, so nobody can ask it for more.

use kairos_core::event::Event;
use kairos_core::id::MandateId;
use kairos_core::input::{Pace, Verb};
use kairos_core::mandate::standing::Standing;
use kairos_core::schedule::slot::SlotState;
use kairos_engine::{Admit, Shown};

use super::law::{Findings, Wrong};
use super::life::Life;
use super::script::Act;
use super::tally::Tried;

impl Life {
    /// The daemon stops, and somebody asks for one mandate without it.
    pub(super) fn once(&mut self, goal: u16, patience: u16) {
        self.stop(patience);
        if self.findings.any() {
            return;
        }
        drop(self.try_start(Admit::Only(None)));
        if let Some(daemon) = &self.daemon {
            self.tally.count(Tried::Onces);
            let verb = super::people::verb(Act::Create { goal, key: 1 }, self.book.state(), daemon);
            let verbs: Vec<Verb> = verb.into_iter().collect();
            self.turn(Vec::new(), verbs, Pace::Running);
        }
        if self.fs.is_stopped() || self.findings.any() {
            return;
        }
        match &self.daemon {
            // Nothing was asked for that it would do.
            Some(daemon) if daemon.admit == Admit::Only(None) => self.stop(0),
            Some(_) => return,
            None => self.kill(),
        }
        self.start(None);
    }

    /// Whether its mandate is over, or waits for somebody who will not come.
    fn is_done(&self) -> bool {
        let Some(Admit::Only(Some(only))) = self.daemon.as_ref().map(|daemon| daemon.admit) else {
            return false;
        };
        let standing = self.state().mandate(only).map(|mandate| mandate.standing);
        matches!(standing, None | Some(Standing::Parked { .. }))
    }

    /// Ends a `once` that is done, and starts the daemon.
    pub(super) fn after_once(&mut self) {
        if self.is_done() {
            self.stop(2);
            if !self.findings.any() && self.daemon.is_none() {
                self.start(None);
            }
        }
    }
}

/// What such a process may not record.
pub(super) fn check(admit: Admit, event: &Event, quarantined: &[MandateId], findings: &Findings) {
    let Admit::Only(only) = admit else { return };
    let created = matches!(event, Event::MandateCreated { .. });
    let fired = matches!(event, Event::Slot { state: SlotState::Fired, .. });
    let others = |id| only != Some(id) && !created && !quarantined.contains(&id);
    let wrong = fired || event.mandate().is_some_and(others);
    findings.check(!wrong, Wrong::Accepted, || format!("`once` for {only:?} recorded {event:?}"));
}

/// What it admits from now on: the mandate that was asked for.
pub(super) fn admits(admit: Admit, records: &[Shown]) -> Admit {
    let created = records.iter().flat_map(|record| &record.events).find_map(|event| match event {
        Event::MandateCreated { mandate, .. } => Some(*mandate),
        _ => None,
    });
    match (admit, created) {
        (Admit::Only(None), Some(mandate)) => Admit::Only(Some(mandate)),
        _ => admit,
    }
}
