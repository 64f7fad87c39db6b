//! How mandates went.
//!
//! Owns every open mandate and the newest finished ones. Never keeps a plan or an answer: the
//! journal does.

use std::collections::{BTreeMap, VecDeque};

use kairos_core::budget::Amounts;
use kairos_core::cycle::phase::Phase;
use kairos_core::digest::BlobRef;
use kairos_core::effect::Change;
use kairos_core::event::{Event, Origin};
use kairos_core::fold::{At, Seq};
use kairos_core::id::{MandateId, ProposalId};
use kairos_core::mandate::outcome::{EndReason, Outcome, ParkReason};
use kairos_core::path::RelPath;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::time::Time;

use crate::prefix::{self, PrefixError};

/// Finished mandates kept.
pub const FINISHED_MAX: usize = 10_000;

/// A mandate as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mandate {
    pub id: MandateId,
    pub standing: Standing,
    pub goal: BlobRef,
    /// The schedule that made it.
    pub schedule: Option<ScheduleName>,
    /// The latest cycle, from 1; 0 before the first.
    pub cycle: u8,
    /// `None` before the first cycle and after the end.
    pub phase: Option<Phase>,
    pub created: Time,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    /// Settled amounts.
    pub spent: Amounts,
    /// Changes that stand, oldest first.
    pub edits: Vec<Edit>,
    /// Its proposals, oldest first.
    pub proposals: Vec<ProposalId>,
    /// The last record that speaks of it.
    pub seq: Seq,
}

/// Where a mandate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Waits for its turn, for the first time or again.
    Queued,
    Running,
    Parked {
        reason: ParkReason,
        until: Option<Time>,
    },
    Finished {
        outcome: Outcome,
        verified: Option<bool>,
        reason: Option<EndReason>,
    },
}

/// A change that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub path: RelPath,
    /// Where a move went.
    pub to: Option<RelPath>,
    pub pre: Option<BlobRef>,
    pub post: Option<BlobRef>,
}

impl From<&Change> for Edit {
    fn from(change: &Change) -> Self {
        Self {
            path: change.path().clone(),
            to: change.to().cloned(),
            pre: change.pre(),
            post: change.post(),
        }
    }
}

/// All open mandates and the newest finished ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mandates {
    by_id: BTreeMap<MandateId, Mandate>,
    /// In the order they finished.
    finished: VecDeque<MandateId>,
}

impl Mandates {
    #[must_use]
    pub fn get(&self, id: MandateId) -> Option<&Mandate> {
        self.by_id.get(&id)
    }

    /// The one whose id begins so.
    ///
    /// # Errors
    /// None or several do.
    pub fn find(&self, prefix: &str) -> Result<&Mandate, PrefixError<MandateId>> {
        prefix::find(&self.by_id, prefix)
    }

    /// All, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Mandate> {
        self.by_id.values().rev()
    }

    /// Those made before `id`, newest first.
    pub fn before(&self, id: MandateId) -> impl Iterator<Item = &Mandate> {
        self.by_id.range(..id).rev().map(|(_, mandate)| mandate)
    }

    /// Folds one event in; `change` is what it proves to stand. Answers a mandate that was
    /// forgotten for a newer one.
    pub(crate) fn apply(
        &mut self,
        at: At,
        event: &Event,
        change: Option<&Change>,
    ) -> Option<MandateId> {
        let id = event.mandate()?;
        if let Event::MandateCreated { origin, spec, .. } = event {
            self.by_id.insert(id, Mandate::created(id, at, origin, spec.goal));
        }
        if !matches!(event, Event::Slot { .. }) {
            self.by_id.get_mut(&id)?.apply(at, event, change);
        }
        if !matches!(event, Event::MandateFinished { .. }) {
            return None;
        }
        self.finished.push_back(id);
        if self.finished.len() <= FINISHED_MAX {
            return None;
        }
        let oldest = self.finished.pop_front()?;
        self.by_id.remove(&oldest);
        Some(oldest)
    }
}

impl Mandate {
    fn created(id: MandateId, at: At, origin: &Origin, goal: BlobRef) -> Self {
        Self {
            id,
            standing: Standing::Queued,
            goal,
            schedule: match origin {
                Origin::Schedule { name } => Some(name.clone()),
                Origin::Command { .. } => None,
            },
            cycle: 0,
            phase: None,
            created: at.time,
            started: None,
            finished: None,
            spent: Amounts::default(),
            edits: Vec::new(),
            proposals: Vec::new(),
            seq: at.seq,
        }
    }

    fn apply(&mut self, at: At, event: &Event, change: Option<&Change>) {
        self.seq = at.seq;
        self.edits.extend(change.map(Edit::from));
        match event {
            Event::MandateStarted { .. } => {
                self.started = Some(at.time);
                self.standing = Standing::Running;
            }
            Event::MandateParked { reason, until, .. } => {
                self.standing = Standing::Parked { reason: *reason, until: *until };
            }
            Event::MandateReady { .. } => self.standing = Standing::Queued,
            Event::MandateResumed { .. } => self.standing = Standing::Running,
            Event::CycleStarted { cycle, .. } => self.cycle = *cycle,
            Event::PhaseEntered { phase, .. } => self.phase = Some(*phase),
            Event::ProposalOpened { proposal, .. } => self.proposals.push(*proposal),
            Event::BudgetSettled { used, .. } => self.spent = self.spent.plus(*used),
            Event::MandateFinished { outcome, verified, reason, .. } => {
                self.finished = Some(at.time);
                self.phase = None;
                self.standing =
                    Standing::Finished { outcome: *outcome, verified: *verified, reason: *reason };
            }
            _ => {}
        }
    }
}
