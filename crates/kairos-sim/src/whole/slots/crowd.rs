//! How many run at once, and how many wait.
//!
//! Owns a count of mandates from the records alone: none of a schedule begins while as many run as the
//! rules allow, and a schedule that queues has no more fires waiting than it may. A `once` has its
//! process for itself and begins beside those that are written as running.

use std::collections::{BTreeMap, BTreeSet};

use kairos_core::event::{Event, Origin};
use kairos_core::id::MandateId;
use kairos_core::schedule::definition::{Concurrency, Definition, ScheduleName};

/// Who runs and who waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    at_once_max: usize,
    running: BTreeSet<MandateId>,
    /// Made by a schedule and not finished.
    fires: BTreeSet<MandateId>,
    /// Those that never began, by identity and scope.
    waiting: BTreeMap<MandateId, (ScheduleName, String)>,
    /// Fires that began as the last that may.
    pub(super) full: u64,
    pub(super) crowded: Vec<String>,
    pub(super) overfull: Vec<String>,
}

impl Crowd {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::RulesLoaded(rules) => self.at_once_max = rules.max_running.into(),
            Event::MandateCreated { mandate, origin: Origin::Schedule { name, id, .. }, spec } => {
                let of = (id.as_ref().unwrap_or(name).clone(), spec.project_scope.clone());
                self.fires.insert(*mandate);
                self.waiting.insert(*mandate, of);
            }
            Event::MandateStarted { mandate } | Event::MandateResumed { mandate } => {
                self.waiting.remove(mandate);
                self.running.insert(*mandate);
                let (running, most) = (self.running.len(), self.at_once_max);
                if !self.fires.contains(mandate) {
                    return;
                }
                self.full += u64::from(running == most);
                if running > most {
                    self.crowded.push(format!("{running} run at once, and {most} may"));
                }
            }
            Event::MandateParked { mandate, .. } => drop(self.running.remove(mandate)),
            Event::MandateFinished { mandate, .. } => {
                self.fires.remove(mandate);
                self.waiting.remove(mandate);
                self.running.remove(mandate);
            }
            _ => {}
        }
    }

    /// After a fire of a schedule.
    pub(super) fn fired(&mut self, definition: &Definition) {
        let (identity, scope) = (definition.identity(), &definition.spec.project_scope);
        let own = self.waiting.values().filter(|of| (&of.0, &of.1) == (identity, scope)).count();
        let bound = usize::from(definition.max_queued);
        if definition.concurrency == Concurrency::Queue && own > bound {
            self.overfull.push(format!("{own} fires of {identity} wait, and {bound} may"));
        }
    }
}
