//! How many run at once, and how many wait.
//!
//! Owns a count of mandates from the records alone: no more run than the rules allow, and a schedule
//! that queues has no more fires waiting than it may.

use std::collections::{BTreeMap, BTreeSet};

use kairos_core::event::{Event, Origin};
use kairos_core::id::MandateId;
use kairos_core::schedule::definition::{Concurrency, Definition, ScheduleName};

/// Who runs and who waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    at_once_max: usize,
    running: BTreeSet<MandateId>,
    /// Made by a schedule, by identity, and never begun.
    waiting: BTreeMap<MandateId, (ScheduleName, String)>,
    /// The most there were of each.
    pub(super) most: (u64, u64),
    pub(super) broken: Vec<String>,
}

impl Crowd {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::RulesLoaded(rules) => self.at_once_max = rules.max_running.into(),
            Event::MandateCreated { mandate, origin, spec } => {
                if let Origin::Schedule { name, id, .. } = origin {
                    let of = (id.as_ref().unwrap_or(name).clone(), spec.project_scope.clone());
                    self.waiting.insert(*mandate, of);
                }
            }
            Event::MandateStarted { mandate } | Event::MandateResumed { mandate } => {
                self.waiting.remove(mandate);
                self.running.insert(*mandate);
                if self.running.len() > self.at_once_max {
                    let (running, most) = (self.running.len(), self.at_once_max);
                    self.broken.push(format!("{running} run at once, and {most} may"));
                }
            }
            Event::MandateParked { mandate, .. } => drop(self.running.remove(mandate)),
            Event::MandateFinished { mandate, .. } => {
                self.waiting.remove(mandate);
                self.running.remove(mandate);
            }
            _ => {}
        }
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let (running, waiting) = (count(self.running.len()), count(self.waiting.len()));
        self.most = (self.most.0.max(running), self.most.1.max(waiting));
    }

    /// After a fire of a schedule.
    pub(super) fn fired(&mut self, definition: &Definition) {
        let (identity, scope) = (definition.identity(), &definition.spec.project_scope);
        let own = self.waiting.values().filter(|of| (&of.0, &of.1) == (identity, scope)).count();
        let bound = usize::from(definition.max_queued);
        if definition.concurrency == Concurrency::Queue && own > bound {
            self.broken.push(format!("{own} fires of {identity} wait, and {bound} may"));
        }
    }
}
