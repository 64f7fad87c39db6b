//! An open mandate: what the state keeps of it, and how events change it.
//!
//! Owns the fold of one mandate. Never decides: `decide` reads this and yields events, and the same
//! fold then runs on the decision's own copy and on the state, so both see the same mandate.
//!
//! | standing | event | becomes |
//! |---|---|---|
//! | – | `mandate_created` | queued |
//! | queued | `mandate_started` | running |
//! | running | `mandate_parked` | parked |
//! | parked | `mandate_ready` | ready: queues for its scope again |
//! | ready | `mandate_resumed` | running |
//! | any | `mandate_finished` | gone from the state |

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::{Amounts, Price};
use crate::cycle::standing::Cycle;
use crate::digest::{BlobRef, Digest};
use crate::effect::{Intent, Outcome as EffectOutcome, PersonSays, Reconciled};
use crate::event::{Event, Origin};
use crate::form::is_default;
use crate::id::{EffectId, MandateId, ProposalId};
use crate::mandate::outcome::{EndReason, Outcome, ParkReason};
use crate::mandate::spec::MandateSpec;
use crate::time::Time;

/// Where an open mandate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Queued,
    Running,
    Parked {
        reason: ParkReason,
        /// When waiting ends by itself.
        until: Option<Time>,
    },
    /// What it waited for came; it queues for its scope again.
    Ready,
}

/// An effect that was begun and has no outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub effect: EffectId,
    pub intent: Intent,
    pub begun: Time,
    /// Nobody can prove that it happened; a person settles it.
    pub unsettled: bool,
}

/// How a mandate that was asked to end will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub outcome: Outcome,
    pub reason: Option<EndReason>,
}

/// An open mandate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mandate {
    pub id: MandateId,
    pub spec: Arc<MandateSpec>,
    pub origin: Arc<Origin>,
    pub standing: Standing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub past: Past,
    #[serde(default, skip_serializing_if = "is_default")]
    pub spent: Spent,
}

/// Commands of a cycle whose words the next one hears.
const TOLD_KEPT: usize = 4;

/// What earlier cycles leave to later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Cycles that ended.
    pub cycles: u8,
    pub failed_in_row: u8,
    /// Whether any change stands.
    pub changed: bool,
    /// Fingerprints of the last two plans, newest first.
    pub plans: [Option<Digest>; 2],
    /// Which checks failed after the last claim.
    pub failed_checks: Option<BlobRef>,
    /// Reflect's answer of the last cycle.
    pub lessons: Option<BlobRef>,
    /// What the last commands of the last cycle told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told: [Option<BlobRef>; TOLD_KEPT],
    /// Times it was parked for the provider since the last answer.
    pub provider_parks: u8,
}

/// What a mandate used and holds of its own budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub used: Amounts,
    pub held: Amounts,
    /// What the open call is booked at, whatever a reload says meanwhile.
    pub price: Price,
}

impl Mandate {
    pub(crate) fn created(id: MandateId, origin: Origin, spec: MandateSpec) -> Self {
        Self {
            id,
            spec: Arc::new(spec),
            origin: Arc::new(origin),
            standing: Standing::Queued,
            started: None,
            ending: None,
            cycle: None,
            open: None,
            past: Past::default(),
            spent: Spent::default(),
        }
    }

    /// When something becomes due for it without anybody acting.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        let waits = match self.standing {
            // Its proposals have their own times; `until` is what people are shown.
            Standing::Parked { reason: ParkReason::Approval, .. } => None,
            Standing::Parked { until, .. } => until,
            Standing::Running => self.delayed(),
            Standing::Queued | Standing::Ready => None,
        };
        let proposals = self.cycle.iter().filter_map(|cycle| cycle.proposal_expires()).min();
        let limit = self.time_limit();
        [waits, proposals, limit].into_iter().flatten().min()
    }

    /// When it tries a call again that failed.
    #[must_use]
    pub fn delayed(&self) -> Option<Time> {
        self.cycle.as_ref().and_then(|cycle| cycle.call.delayed)
    }

    /// When its time is up. None while it is ending, which waits for its open effect only, and
    /// while a person owes an answer, which no clock may take away.
    #[must_use]
    pub fn time_limit(&self) -> Option<Time> {
        let asks = self.open.as_ref().is_some_and(|open| open.unsettled);
        if self.ending.is_some() || asks {
            return None;
        }
        Some(self.started?.plus_ms(self.spec.timeout_ms?))
    }

    /// The step and change of a proposal that waits or is approved and not yet executed.
    #[must_use]
    pub fn held(&self, proposal: ProposalId) -> Option<&crate::cycle::standing::Held> {
        self.cycle.as_ref()?.plan.as_ref()?.held.iter().find(|held| held.proposal == proposal)
    }

    pub(crate) fn apply(&mut self, at: Time, event: &Event) {
        match event {
            Event::MandateStarted { .. } => {
                self.started = Some(at);
                self.standing = Standing::Running;
            }
            Event::MandateParked { reason, until, .. } => {
                self.standing = Standing::Parked { reason: *reason, until: *until };
                if *reason == ParkReason::Provider {
                    self.past.provider_parks = self.past.provider_parks.saturating_add(1);
                }
            }
            Event::MandateReady { .. } => self.standing = Standing::Ready,
            Event::MandateResumed { .. } => {
                self.standing = Standing::Running;
                if let Some(cycle) = &mut self.cycle {
                    cycle.call.attempts = 0;
                    cycle.call.delayed = None;
                }
            }
            Event::StopAsked { outcome, reason, .. } => {
                self.ending = Some(Ending { outcome: *outcome, reason: *reason });
            }
            Event::CycleStarted { cycle, .. } => self.cycle = Some(Cycle::new(*cycle)),
            Event::CycleFinished { failed, .. } => self.cycle_finished(*failed),
            Event::EffectBegun { effect, intent, .. } => {
                self.open = Some(Open {
                    effect: *effect,
                    intent: intent.clone(),
                    begun: at,
                    unsettled: false,
                });
                if let Some(cycle) = &mut self.cycle {
                    cycle.begun(intent);
                }
            }
            Event::EffectSettled { outcome, .. } => self.settled(outcome),
            Event::EffectUnsettled { .. } => {
                if let Some(open) = &mut self.open {
                    open.unsettled = true;
                }
            }
            Event::EffectJudged { answer, .. } => self.judged(*answer),
            Event::BudgetReserved { amounts, price, .. } => {
                self.spent.price = *price;
                self.spent.held = self.spent.held.plus(*amounts);
            }
            Event::BudgetSettled { used, .. } => {
                // One effect is open at a time, so what is held is what it reserved.
                self.spent.held = Amounts::default();
                self.spent.used = self.spent.used.plus(*used);
            }
            _ => {
                if let Some(cycle) = &mut self.cycle {
                    cycle.apply(event);
                }
            }
        }
        if let Event::PlanAccepted { fingerprint, .. } = event {
            self.past.plans = [Some(*fingerprint), self.past.plans[0]];
        }
        if let Event::StepFinished { .. } = event {
            self.past.changed |= self.cycle.as_ref().is_some_and(|cycle| cycle.changed);
        }
    }

    fn judged(&mut self, answer: PersonSays) {
        let open = self.open.take();
        if let (PersonSays::Happened, Some(open), Some(cycle)) = (answer, open, &mut self.cycle) {
            cycle.settled(&open.intent, &EffectOutcome::Reconciled(Reconciled::Done));
        }
    }

    fn settled(&mut self, outcome: &EffectOutcome) {
        let Some(open) = self.open.take() else { return };
        let Some(cycle) = &mut self.cycle else { return };
        cycle.settled(&open.intent, outcome);
        match outcome {
            EffectOutcome::Asked(attempt) if attempt.reply.is_answer() => {
                self.past.provider_parks = 0;
            }
            EffectOutcome::Verified { report, .. } => self.past.failed_checks = *report,
            _ => {}
        }
    }

    fn cycle_finished(&mut self, failed: bool) {
        if let Some(cycle) = self.cycle.take() {
            self.past.lessons = cycle.reflection.or(self.past.lessons);
            let told = cycle.plan.iter().flat_map(|plan| plan.told.iter().rev());
            self.past.told = [None; TOLD_KEPT];
            for (kept, told) in self.past.told.iter_mut().zip(told) {
                *kept = Some(told.text);
            }
        }
        self.past.cycles = self.past.cycles.saturating_add(1);
        self.past.failed_in_row = if failed { self.past.failed_in_row + 1 } else { 0 };
    }
}
