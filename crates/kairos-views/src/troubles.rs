//! What went wrong in a mandate lately.
//!
//! Owns the failures of the latest cycle in which something failed: they are why a mandate failed,
//! looped or used its cycles up. What was mended in the same cycle is forgotten.

use std::collections::BTreeMap;

use kairos_core::cycle::answer::Answer;
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::digest::BlobRef;
use kairos_core::effect::{Attempt, Failure, Intent, Outcome as EffectOutcome, Reply};
use kairos_core::event::Event;
use kairos_core::mandate::outcome::Outcome;
use kairos_core::plan::{Action, StepEnd, StepFailure};
use serde::{Deserialize, Serialize};

use crate::effects::Effects;

/// Failures that are kept; of more the first are.
pub const TROUBLES_MAX: usize = 8;

/// The latest failures of one mandate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    /// The cycle under way.
    cycle: u8,
    /// The cycle of those in `list`.
    of: u8,
    list: Vec<Trouble>,
    /// The steps of the latest plan.
    plan: Vec<Action>,
    /// What its commands told, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<u8, BlobRef>,
}

/// One thing that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A call brought no answer; `said` is what came instead.
    Call { phase: Phase, failure: CallFailure, said: Option<BlobRef> },
    /// The answer was not of the form asked for.
    Answer { phase: Phase, problem: BlobRef },
    /// The call could not be made or its answer not kept.
    Performer { phase: Phase, failure: Failure },
    /// A step failed; counted from 0.
    Step {
        step: u8,
        action: Option<Action>,
        failure: StepFailure,
        /// What its command told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<BlobRef>,
    },
    /// Checks do not hold; the report says which.
    Checks { report: Option<BlobRef> },
}

impl Trouble {
    /// The phase whose call it is about.
    const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Call { phase, .. }
            | Self::Answer { phase, .. }
            | Self::Performer { phase, .. } => Some(*phase),
            Self::Step { .. } | Self::Checks { .. } => None,
        }
    }
}

impl Troubles {
    /// In the order in which they came.
    #[must_use]
    pub fn list(&self) -> &[Trouble] {
        &self.list
    }

    pub(crate) fn apply(&mut self, event: &Event, effects: &Effects) {
        match event {
            Event::CycleStarted { cycle, .. } => {
                self.cycle = *cycle;
                self.told.clear();
            }
            // Whatever failed before, this cycle went well.
            Event::CycleFinished { failed: false, .. } if self.of != self.cycle => {
                self.list.clear();
            }
            Event::StepFinished { step, end: StepEnd::Failed(failure), .. } => {
                let action = self.plan.get(usize::from(*step)).cloned();
                let (step, failure, told) = (*step, *failure, self.told.remove(step));
                self.push(Trouble::Step { step, action, failure, told });
            }
            Event::EffectSettled { effect, outcome, .. } => {
                let intent = effects.get(*effect).map(|view| &view.intent);
                match intent {
                    Some(Intent::Ask { phase, .. }) => self.asked(*phase, outcome),
                    Some(Intent::Verify) => self.verified(outcome),
                    Some(Intent::Prepare { step } | Intent::Execute { step, .. }) => {
                        self.told(*step, outcome);
                    }
                    _ => {}
                }
            }
            Event::MandateFinished { outcome, .. } => {
                let well = matches!(outcome, Outcome::Achieved | Outcome::Unchanged);
                let list = if well { Vec::new() } else { std::mem::take(&mut self.list) };
                *self = Self { list, ..Self::default() };
            }
            _ => {}
        }
    }

    fn asked(&mut self, phase: Phase, outcome: &EffectOutcome) {
        let trouble = match outcome {
            EffectOutcome::Asked(Attempt { reply, said, .. }) => match reply {
                Reply::Answered { answer, .. } => {
                    if let Answer::Decide(decide) = answer {
                        self.plan = decide.steps.iter().map(|step| step.action.clone()).collect();
                    }
                    return self.list.retain(|trouble| trouble.phase() != Some(phase));
                }
                Reply::Invalid { problem, .. } => Trouble::Answer { phase, problem: *problem },
                Reply::Failed(failure) => Trouble::Call { phase, failure: *failure, said: *said },
                Reply::Cancelled => return,
            },
            EffectOutcome::Failed(failure) => Trouble::Performer { phase, failure: *failure },
            _ => return,
        };
        self.list.retain(|trouble| trouble.phase() != Some(phase));
        self.push(trouble);
    }

    fn told(&mut self, step: u8, outcome: &EffectOutcome) {
        match outcome {
            EffectOutcome::Executed(ran) => drop(self.told.insert(step, ran.told)),
            EffectOutcome::NotExecuted { told, .. } => drop(self.told.insert(step, *told)),
            _ => {}
        }
    }

    fn verified(&mut self, outcome: &EffectOutcome) {
        match outcome {
            EffectOutcome::Verified { failed, report } if !failed.is_empty() => {
                self.push(Trouble::Checks { report: *report });
            }
            EffectOutcome::NotExecuted { told, .. } => {
                self.push(Trouble::Checks { report: Some(*told) });
            }
            _ => {}
        }
    }

    fn push(&mut self, trouble: Trouble) {
        if self.of != self.cycle {
            self.list.clear();
            self.of = self.cycle;
        }
        if self.list.len() < TROUBLES_MAX {
            self.list.push(trouble);
        }
    }
}
