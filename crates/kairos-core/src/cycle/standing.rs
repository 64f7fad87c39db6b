//! A cycle under way: which phase it is in, what it has learnt, and its plan.
//!
//! Owns the fold of one cycle. Never decides what comes next.
//!
//! | phase | done when | next |
//! |---|---|---|
//! | observe | its files are read | orient |
//! | orient | a valid answer stands | decide |
//! | decide | a valid answer stands | act, when it has steps; else reflect |
//! | act | no step can begin and none is held | reflect |
//! | reflect | a valid answer stands (none is asked for after an empty plan), then the checks are looked at | the cycle's end |

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cycle::answer::{Answer, Decide};
use crate::cycle::brief::StepResult;
use crate::cycle::phase::Phase;
use crate::cycle::promotion::Promotion;
use crate::digest::BlobRef;
use crate::effect::{Change, Class, Failure, Intent, Outcome, Reconciled, Reply, Seen};
use crate::event::Event;
use crate::form::is_default;
use crate::gate::judge::SoFar;
use crate::gate::proposal::{Closed, Decision, Proposal};
use crate::id::ProposalId;
use crate::plan::{Graph, Status as NodeStatus, Step, StepEnd};
use crate::shell::{Invocation, Ran};
use crate::time::Time;

/// Looks at the checks, and attempts of reflect's call before them, of one cycle.
const LOOKS_MAX: u8 = 12;

/// A cycle under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cycle {
    /// Counted from 1.
    pub number: u8,
    pub phase: Phase,
    /// What observe read; `None` before it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Arc<[Seen]>>,
    /// Files that were named and not read.
    pub left_out: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<BlobRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Settled>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reflection: Option<BlobRef>,
    /// Positions of the checks that do not hold; `None` before they were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_checks: Option<u8>,
    /// A check can never hold: its command is refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checks_refused: bool,
    /// Whether any change of this cycle stands.
    pub changed: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub call: CallStanding,
}

/// Decide's valid answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    pub answer: Arc<Decide>,
    pub text: BlobRef,
}

/// The model call of the present phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStanding {
    /// Attempts begun since the call or its park began.
    pub attempts: u8,
    /// When the next attempt may begin.
    pub delayed: Option<Time>,
    /// The answer that could not be read; the next call repairs it.
    pub invalid: Option<Invalid>,
    /// It cannot be answered.
    pub failed: bool,
}

/// An answer that could not be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalid {
    pub text: BlobRef,
    pub problem: BlobRef,
    /// It is the second one in a row.
    pub repaired: bool,
}

/// The plan of a cycle and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PlanForm")]
pub struct Plan {
    pub steps: Arc<[Step]>,
    pub graph: Graph,
    pub ends: Vec<Option<StepEnd>>,
    /// Steps a person decides on.
    pub held: Vec<Held>,
    /// Effects begun for the present step.
    pub tries: u8,
    /// What changes of this cycle add up to.
    pub so_far: SoFar,
    /// What commands changed, while it is brought to the tree; one of each step at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promotions: Vec<Promotion>,
    /// What commands told, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
}

/// What the command of a step told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub step: u8,
    pub text: BlobRef,
}

/// A plan as it is read: the graph follows from the steps and where each stands.
#[derive(Deserialize)]
struct PlanForm {
    steps: Arc<[Step]>,
    graph: Vec<NodeStatus>,
    ends: Vec<Option<StepEnd>>,
    held: Vec<Held>,
    tries: u8,
    so_far: SoFar,
    #[serde(default)]
    promotions: Vec<Promotion>,
    #[serde(default)]
    told: Vec<Told>,
}

impl TryFrom<PlanForm> for Plan {
    type Error = &'static str;

    fn try_from(form: PlanForm) -> Result<Self, Self::Error> {
        let PlanForm { steps, graph, ends, held, tries, so_far, promotions, told } = form;
        if ends.len() != steps.len() {
            return Err("a plan has as many ends as steps");
        }
        let graph = Graph::standing(steps.iter().map(Step::node).collect(), &graph)
            .ok_or("the steps of a plan are no graph")?;
        Ok(Self { steps, graph, ends, held, tries, so_far, promotions, told })
    }
}

/// A step held for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub proposal: ProposalId,
    pub expires: Time,
    pub what: Proposal,
    pub decision: Option<Decision>,
}

impl Cycle {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            number,
            phase: Phase::Observe,
            seen: None,
            left_out: 0,
            orientation: None,
            decision: None,
            plan: None,
            reflection: None,
            failed_checks: None,
            checks_refused: false,
            changed: false,
            call: CallStanding::default(),
        }
    }

    /// When the first undecided proposal expires.
    #[must_use]
    pub fn proposal_expires(&self) -> Option<Time> {
        let held = &self.plan.as_ref()?.held;
        held.iter().filter(|held| held.decision.is_none()).map(|held| held.expires).min()
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::PhaseEntered { phase, .. } => {
                self.phase = *phase;
                self.call = CallStanding::default();
            }
            Event::PlanAccepted { .. } => self.plan = self.decision.as_ref().and_then(Plan::of),
            Event::CallDelayed { until, .. } => self.call.delayed = Some(*until),
            _ => {
                if let Some(plan) = &mut self.plan {
                    plan.apply(event);
                }
            }
        }
    }

    pub(crate) fn begun(&mut self, intent: &Intent) {
        match intent {
            Intent::Ask { .. } => {
                self.call.attempts = self.call.attempts.saturating_add(1);
                self.call.delayed = None;
            }
            Intent::Prepare { .. }
            | Intent::Change { .. }
            | Intent::Reconcile { .. }
            | Intent::Clear { .. }
            | Intent::Execute { .. }
            | Intent::Diff { .. } => {
                if let Some(plan) = &mut self.plan {
                    plan.tries = plan.tries.saturating_add(1);
                }
            }
            // Counted behind those of reflect's call: a look that never comes to an end is none.
            Intent::Verify => self.call.attempts = self.call.attempts.saturating_add(1),
            Intent::Observe => {}
        }
    }

    pub(crate) fn settled(&mut self, intent: &Intent, outcome: &Outcome) {
        match (intent, outcome) {
            (Intent::Observe, Outcome::Observed { files, left_out }) => {
                self.left_out = *left_out;
                self.seen = Some(files.as_slice().into());
            }
            // A workspace that cannot be read is an empty one to the model; the record says why.
            (Intent::Observe, Outcome::Failed(_)) => self.seen = Some([].into()),
            (Intent::Ask { .. }, Outcome::Asked(attempt)) => self.answered(&attempt.reply),
            (
                Intent::Ask { .. },
                Outcome::Failed(
                    Failure::Blob | Failure::Disk | Failure::NoSpace | Failure::Oversize,
                ),
            ) => self.call.failed = true,
            (Intent::Verify, Outcome::Verified { failed, .. }) => {
                self.failed_checks = Some(u8::try_from(failed.len()).unwrap_or(u8::MAX));
            }
            (Intent::Verify, Outcome::NotExecuted { .. }) => {
                self.failed_checks = Some(u8::MAX);
                self.checks_refused = true;
            }
            (Intent::Verify, Outcome::Failed(_)) => self.failed_checks = Some(u8::MAX),
            (Intent::Verify, _) if self.call.attempts >= LOOKS_MAX => {
                self.failed_checks = Some(u8::MAX);
            }
            (Intent::Change { change, .. }, Outcome::Changed { .. })
            | (
                Intent::Change { change, .. } | Intent::Reconcile { change, .. },
                Outcome::Reconciled(Reconciled::Done),
            ) => {
                self.changed = true;
                if let Some(plan) = &mut self.plan {
                    plan.stands(intent.step(), change);
                }
            }
            // A person says that it happened.
            (Intent::Execute { .. }, Outcome::Reconciled(Reconciled::Done)) => self.changed = true,
            (Intent::Execute { step, invocation, .. }, Outcome::Executed(ran)) => {
                self.changed |= invocation.class() == Class::Opaque && ran.end.is_well();
                if let Some(plan) = &mut self.plan {
                    plan.executed(*step, invocation, ran);
                }
            }
            (
                Intent::Prepare { step } | Intent::Execute { step, .. },
                Outcome::NotExecuted { told, .. },
            ) => {
                if let Some(plan) = &mut self.plan {
                    plan.told.push(Told { step: *step, text: *told });
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, reply: &Reply) {
        match reply {
            Reply::Answered { answer, text } => match answer {
                Answer::Orient { .. } => self.orientation = Some(*text),
                Answer::Decide(decide) => {
                    self.decision = Some(Settled { answer: Arc::new(decide.clone()), text: *text });
                }
                Answer::Reflect { .. } => self.reflection = Some(*text),
            },
            Reply::Invalid { text, problem } => {
                let repaired = self.call.invalid.is_some();
                self.call = CallStanding {
                    invalid: Some(Invalid { text: *text, problem: *problem, repaired }),
                    failed: repaired,
                    ..CallStanding::default()
                };
            }
            Reply::Failed(failure) if !failure.may_pass() => self.call.failed = true,
            Reply::Failed(_) | Reply::Cancelled => {}
        }
    }
}

impl Plan {
    /// What became of each step.
    #[must_use]
    pub fn results(&self) -> Vec<StepResult> {
        let ends = self.steps.iter().zip(&self.ends);
        ends.map(|(step, end)| StepResult {
            name: step.name.clone(),
            action: step.action.kind(),
            path: step.action.path().cloned(),
            end: *end,
        })
        .collect()
    }

    fn of(decision: &Settled) -> Option<Self> {
        let steps: Arc<[Step]> = decision.answer.steps.as_slice().into();
        let graph = Graph::new(steps.iter().map(Step::node).collect()).ok()?;
        Some(Self {
            ends: vec![None; steps.len()],
            graph,
            steps,
            held: Vec::new(),
            tries: 0,
            so_far: SoFar::default(),
            promotions: Vec::new(),
            told: Vec::new(),
        })
    }

    /// What the command of a step changed, while it is brought to the tree.
    #[must_use]
    pub fn promotion(&self, step: u8) -> Option<&Promotion> {
        self.promotions.iter().find(|promotion| promotion.step == step)
    }

    /// One more change of this cycle stands.
    fn stands(&mut self, step: Option<u8>, change: &Change) {
        self.so_far.files = self.so_far.files.saturating_add(1);
        let bytes = change.post().map_or(0, |post| post.bytes);
        self.so_far.bytes = self.so_far.bytes.saturating_add(bytes);
        let of_step = |promotion: &&mut Promotion| Some(promotion.step) == step;
        if let Some(promotion) = self.promotions.iter_mut().find(of_step) {
            promotion.stands(change);
            self.tries = 0;
        }
    }

    fn executed(&mut self, step: u8, invocation: &Invocation, ran: &Ran) {
        self.tries = 0;
        self.told.push(Told { step, text: ran.told });
        if ran.end.is_well() && ran.spoilt.is_none() && !ran.changes.is_empty() {
            self.promotions.push(Promotion::new(step, invocation.risk, &ran.changes));
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::StepBegun { step, .. } => {
                self.tries = 0;
                self.mark(*step, NodeStatus::Running);
            }
            Event::StepFinished { step, end, .. } => {
                self.tries = 0;
                self.held.retain(|held| held.what.step != *step);
                self.promotions.retain(|promotion| promotion.step != *step);
                if let Some(place) = self.ends.get_mut(usize::from(*step)) {
                    *place = Some(*end);
                }
                let status = match end {
                    StepEnd::Succeeded => NodeStatus::Completed,
                    StepEnd::Failed(_) => NodeStatus::Failed,
                    StepEnd::Skipped => NodeStatus::Cancelled,
                };
                self.mark(*step, status);
            }
            Event::ProposalOpened { proposal, expires, what, .. } => {
                self.tries = 0;
                self.held.push(Held {
                    proposal: *proposal,
                    expires: *expires,
                    what: (**what).clone(),
                    decision: None,
                });
            }
            Event::Decided { proposal, decision, .. } => {
                if let Some(held) = self.held.iter_mut().find(|held| held.proposal == *proposal) {
                    held.decision = Some(*decision);
                }
            }
            Event::ProposalClosed {
                proposal,
                how: Closed::Stale | Closed::Expired | Closed::Approved,
                ..
            } => {
                self.held.retain(|held| held.proposal != *proposal);
            }
            _ => {}
        }
    }

    fn mark(&mut self, step: u8, status: NodeStatus) {
        if let Some(step) = self.steps.get(usize::from(step)) {
            // The graph refuses a status that cannot follow; then the step keeps the one it has.
            self.graph.mark(&step.name, status).ok();
        }
    }
}
