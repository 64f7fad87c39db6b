//! Mandates and what became of them.
//!
//! Owns the newest finished ones, by default 10,000, and all open ones; an older one is a
//! [`Past`](crate::Past) that is read from the journal.

use std::collections::{BTreeMap, VecDeque};

use kairos_core::budget::Amounts;
use kairos_core::cycle::answer::{Answer, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::digest::BlobRef;
use kairos_core::effect::{Change, Outcome as EffectOutcome, PersonSays, Reconciled, Reply};
use kairos_core::event::{Event, Origin};
use kairos_core::fold::{At, Seq};
use kairos_core::id::{MandateId, ProposalId};
use kairos_core::mandate::outcome::{EndReason, Outcome, ParkReason};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

use crate::effects::{EffectView, Effects};
use crate::troubles::Troubles;

/// Finished mandates that are kept by default.
const FINISHED_MAX: usize = 10_000;

/// All mandates that are shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mandates {
    all: BTreeMap<MandateId, MandateView>,
    finished: VecDeque<MandateId>,
    #[serde(skip, default = "by_default")]
    finished_max: usize,
}

const fn by_default() -> usize {
    FINISHED_MAX
}

impl Default for Mandates {
    fn default() -> Self {
        Self::keeping(FINISHED_MAX)
    }
}

// tidy: table
/// One mandate as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateView {
    pub id: MandateId,
    pub state: StateView,
    pub verified: Option<bool>,
    /// What was asked for.
    pub spec: Box<MandateSpec>,
    pub schedule: Option<String>,
    pub cycle: u8,
    pub phase: Option<Phase>,
    pub created: Time,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    /// The answer in which the model said that it is blocked, if that is the latest decision.
    pub blocked: Option<BlobRef>,
    /// What the latest observe brought.
    pub observed: Option<ObservedView>,
    pub spent: Amounts,
    pub edits: Vec<EditView>,
    pub proposals: Vec<ProposalId>,
    /// What failed lately.
    pub troubles: Troubles,
    /// The last record that speaks of it.
    pub seq: Seq,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateView {
    Queued,
    Running,
    Parked { reason: ParkReason, until: Option<Time> },
    Finished { outcome: Outcome, reason: Option<EndReason> },
}

/// Files that were read, and files that were named and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedView {
    pub files: u32,
    pub left_out: u32,
}

/// A change that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditView {
    pub path: String,
    pub to: Option<String>,
    pub pre: Option<BlobRef>,
    pub post: Option<BlobRef>,
}

impl EditView {
    fn of(change: &Change) -> Self {
        Self {
            path: change.path().to_string(),
            to: change.to().map(ToString::to_string),
            pre: change.pre(),
            post: change.post(),
        }
    }
}

impl Mandates {
    pub(crate) const fn keeping(finished_max: usize) -> Self {
        Self { all: BTreeMap::new(), finished: VecDeque::new(), finished_max }
    }

    #[must_use]
    pub fn get(&self, id: MandateId) -> Option<&MandateView> {
        self.all.get(&id)
    }

    /// By id, oldest first.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<MandateId, MandateView> {
        &self.all
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event, effects: &Effects) {
        let Some(id) = event.mandate() else { return };
        if let Event::MandateCreated { origin, spec, .. } = event {
            let schedule = match origin {
                Origin::Schedule { name, .. } => Some(name.to_string()),
                Origin::Command { .. } => None,
            };
            self.all.insert(id, MandateView::created(id, at, spec.clone(), schedule));
        }
        let Some(mandate) = self.all.get_mut(&id) else { return };
        mandate.apply(at, event, effects);
        if let Event::MandateFinished { .. } = event {
            self.finished.push_back(id);
            self.forget();
        }
    }

    /// How many of the finished are kept.
    #[must_use]
    pub const fn finished_max(&self) -> usize {
        self.finished_max
    }

    /// Keeps `finished_max` of the finished from now on.
    pub(crate) fn keep(&mut self, finished_max: usize) {
        self.finished_max = finished_max;
        self.forget();
    }

    /// Forgets the finished of which every record stands before `first`: their texts may go.
    pub(crate) fn forget_before(&mut self, first: Seq) {
        let all = &mut self.all;
        self.finished.retain(|id| {
            let keep = all.get(id).is_some_and(|mandate| mandate.seq >= first);
            if !keep {
                all.remove(id);
            }
            keep
        });
    }

    fn forget(&mut self) {
        let beyond = self.finished.len().saturating_sub(self.finished_max);
        for oldest in self.finished.drain(..beyond) {
            self.all.remove(&oldest);
        }
    }
}

impl MandateView {
    fn created(id: MandateId, at: At, spec: Box<MandateSpec>, schedule: Option<String>) -> Self {
        Self {
            id,
            state: StateView::Queued,
            verified: None,
            spec,
            schedule,
            cycle: 0,
            phase: None,
            created: at.time,
            started: None,
            finished: None,
            blocked: None,
            observed: None,
            spent: Amounts::default(),
            edits: Vec::new(),
            proposals: Vec::new(),
            troubles: Troubles::default(),
            seq: at.seq,
        }
    }

    fn apply(&mut self, at: At, event: &Event, effects: &Effects) {
        self.seq = at.seq;
        self.troubles.apply(event, effects);
        match event {
            Event::MandateStarted { .. } => {
                self.state = StateView::Running;
                self.started = Some(at.time);
            }
            Event::MandateResumed { .. } => self.state = StateView::Running,
            Event::MandateReady { .. } => self.state = StateView::Queued,
            Event::MandateParked { reason, until, .. } => {
                self.state = StateView::Parked { reason: *reason, until: *until };
            }
            Event::MandateFinished { outcome, verified, reason, .. } => {
                self.state = StateView::Finished { outcome: *outcome, reason: *reason };
                self.verified = *verified;
                self.finished = Some(at.time);
            }
            Event::CycleStarted { cycle, .. } => self.cycle = *cycle,
            Event::PhaseEntered { phase, .. } => self.phase = Some(*phase),
            Event::BudgetSettled { used, .. } => self.spent = self.spent.plus(*used),
            Event::ProposalOpened { proposal, .. } => self.proposals.push(*proposal),
            Event::EffectSettled {
                outcome: EffectOutcome::Observed { files, left_out }, ..
            } => {
                let files = u32::try_from(files.len()).unwrap_or(u32::MAX);
                self.observed = Some(ObservedView { files, left_out: *left_out });
            }
            Event::EffectSettled { outcome: EffectOutcome::Asked(attempt), .. } => {
                if let Reply::Answered { answer: Answer::Decide(decide), text } = &attempt.reply {
                    self.blocked = (decide.status == Status::Blocked).then_some(*text);
                }
            }
            // A change stands once it is proved, or a person says so.
            Event::EffectSettled {
                effect,
                outcome: EffectOutcome::Changed { .. } | EffectOutcome::Reconciled(Reconciled::Done),
                ..
            }
            | Event::EffectJudged { effect, answer: PersonSays::Happened, .. } => {
                let change = effects.get(*effect).and_then(EffectView::change);
                self.edits.extend(change.map(EditView::of));
            }
            _ => {}
        }
    }
}
