//! Folding an event into the state, and the effects it asks for.
//!
//! Owns the only place where state changes and where an [`Effect`] is made. Never decides, never
//! refuses: what `decide` recorded is a fact.

use std::sync::Arc;

use crate::clock::Held;
use crate::cycle::brief;
use crate::effect::{Call, Effect, Intent};
use crate::event::{Event, Loaded, Origin, Renamed};
use crate::fold::{At, Fold};
use crate::gate::proposal::Closed;
use crate::gate::scope::Scopes;
use crate::id::{EffectId, MandateId};
use crate::input::Alarm;
use crate::mandate::outcome::{Outcome, ParkReason};
use crate::mandate::standing::{Mandate, Standing};
use crate::rules::Rules;
use crate::schedule::definition::ScheduleName;
use crate::schedule::pause::Fare;
use crate::state::{KEY_KEPT_MS, Kept, State};
use crate::time::Time;

impl Fold for State {
    type Event = Event;
    type Effect = Effect;

    fn apply(&mut self, at: At, event: &Event, out: &mut Vec<Effect>) {
        if let Some(id) = event.mandate() {
            self.apply_to_mandate(at, id, event, out);
        }
        self.newest = Some(at.time);
        match event {
            Event::DaemonStarted { machine, .. } => self.machine = machine.or(self.machine),
            Event::SegmentsDeleted { first, .. } => self.kept_from = self.kept_from.max(*first),
            Event::Adopted {} | Event::Repaired { .. } => self.lost_sight(),
            Event::RulesLoaded(rules) => {
                self.scopes = scopes(rules);
                self.rules = Some(Arc::new((**rules).clone()));
                self.budget_may_fit(at.time, |_| true);
            }
            Event::SchedulesLoaded { set, gone, renamed } => {
                self.schedules_loaded(set, gone, renamed);
            }
            Event::DayBegan { day, ends } => {
                if self.budget.roll(*day) {
                    // What is at its own cap gains nothing by a new day.
                    self.budget_may_fit(at.time, |until| until.is_some());
                }
                self.day_ends = Some(*ends);
                self.index.alarm(Alarm::Day, Some(*ends));
            }
            Event::Accounted { schedule, cursor, next, zone_clock } => {
                if let Some(loaded) = self.schedules.get_mut(schedule) {
                    (loaded.cursor, loaded.next, loaded.zone_clock) = (*cursor, *next, *zone_clock);
                    self.fares(schedule, Fare::accounted);
                }
            }
            Event::Slot { schedule, files: Some(files), .. }
            | Event::FilesSeen { schedule, files } => {
                self.fares(schedule, |fare| fare.saw(*files));
            }
            Event::SchedulePaused { schedule, why } => {
                self.fares(schedule, |fare| fare.pause(at.time, why.clone()));
            }
            Event::ScheduleResumed { schedule, .. } => {
                self.fares(schedule, |fare| fare.resume(at.time));
            }
            Event::SpaceLow { shortage } => self.low = Some(*shortage),
            Event::SpaceEnough {} => self.low = None,
            Event::ClockStepped { by_ms } => self.clock = Some(Held::stepped(self.clock, *by_ms)),
            Event::ClockSettled { .. } => self.clock = None,
            Event::BudgetReserved { amounts, .. } => self.budget.hold(*amounts),
            Event::KeyForgotten { key } => {
                self.index.keys.remove(key);
                self.index.alarm(Alarm::Key(*key), None);
            }
            Event::BlobErased { blob, .. } => drop(self.erasing.insert(*blob)),
            Event::ErasureSettled { blob, .. } => drop(self.erasing.remove(blob)),
            _ => {}
        }
    }
}

impl State {
    fn apply_to_mandate(&mut self, at: At, id: MandateId, event: &Event, out: &mut Vec<Effect>) {
        if let Event::MandateCreated { origin, spec, .. } = event {
            self.created(at, Box::new(Mandate::created(id, origin.clone(), (**spec).clone())));
        }
        let Some(mandate) = self.mandates.get_mut(&id) else { return };
        if let Event::BudgetSettled { used, .. } = event {
            self.budget.settle(mandate.spent.held, *used);
        }
        let (stood, due) = (mandate.standing, mandate.due());
        mandate.apply(at.time, event);
        match event {
            Event::EffectBegun { effect, intent, .. } => {
                self.index.effects.insert(*effect, id);
                let call = call(mandate, intent, &self.scopes, self.rules.as_deref());
                out.extend(call.map(|call| Effect::new(*effect, id, call)));
            }
            Event::EffectSettled { effect, .. } | Event::EffectJudged { effect, .. } => {
                self.index.effects.remove(effect);
            }
            Event::StopAsked { .. } => {
                if let Some(effect) = stoppable(mandate) {
                    // Its own id is one that no effect has: what counts is the other's outcome.
                    let none = EffectId::from_u128(!effect.as_u128());
                    out.push(Effect::new(none, id, Call::Cancel { effect }));
                }
            }
            Event::ProposalOpened { proposal, .. } => {
                self.index.proposals.insert(*proposal, id);
            }
            Event::Decided { proposal, .. } => {
                self.index.proposals.remove(proposal);
            }
            Event::ProposalClosed { proposal, how, .. } => {
                if matches!(how, Closed::Expired | Closed::Stale) {
                    self.index.proposals.remove(proposal);
                }
            }
            Event::MandateFinished { outcome, .. } => return self.finished(id, *outcome),
            _ => {}
        }
        // Most events leave it where it stands and move no alarm.
        if mandate.standing != stood {
            self.index.file(at.seq.0, mandate);
        }
        let due_now = mandate.due();
        if due_now != due {
            self.index.alarm(Alarm::Mandate(id), due_now);
        }
    }

    /// Makes mandates due that are parked for budget and of whose wait `which` holds.
    fn budget_may_fit(&mut self, now: Time, which: fn(Option<Time>) -> bool) {
        for (id, mandate) in &mut self.mandates {
            if let Standing::Parked { reason: ParkReason::Budget, until } = &mut mandate.standing
                && which(*until)
            {
                *until = Some(now);
                self.index.alarm(Alarm::Mandate(*id), mandate.due());
            }
        }
    }

    fn created(&mut self, at: At, mandate: Box<Mandate>) {
        self.index.file(at.seq.0, &mandate);
        if let Some(identity) = mandate.origin.schedule() {
            self.index.fires.insert((identity.clone(), mandate.id));
        }
        let (Origin::Schedule { key, .. } | Origin::Command { key, .. }) = &*mandate.origin;
        if let Some(key) = key {
            let kept = Kept { request: key.request, mandate: mandate.id };
            self.index.keys.insert(key.key, kept);
            self.index.alarm(Alarm::Key(key.key), Some(at.time.plus_ms(KEY_KEPT_MS)));
        }
        self.mandates.insert(mandate.id, mandate);
    }

    fn finished(&mut self, id: MandateId, outcome: Outcome) {
        let Some(mandate) = self.mandates.remove(&id) else { return };
        self.index.unqueue(id);
        self.index.running.remove(&id);
        self.index.alarm(Alarm::Mandate(id), None);
        if let Some(open) = &mandate.open {
            self.index.effects.remove(&open.effect);
        }
        self.index.proposals.retain(|_, of| *of != id);
        let Some(identity) = mandate.origin.schedule() else { return };
        self.index.fires.remove(&(identity.clone(), id));
        if let Some(loaded) = self.identified(identity) {
            let name = loaded.definition.name.clone();
            self.fares(&name, |fare| fare.failures = fare.failures_after(outcome));
        }
    }

    fn schedules_loaded(&mut self, set: &[Loaded], gone: &[ScheduleName], renamed: &[Renamed]) {
        for name in gone {
            if let Some(loaded) = self.leaves(name) {
                let identity = loaded.definition.identity();
                self.gone.went(identity.clone(), loaded.cursor);
                self.fares.remove(identity);
            }
        }
        for Renamed { from, .. } in renamed {
            self.leaves(from);
        }
        for loaded in set {
            let name = loaded.definition.name.clone();
            self.leaves(&name);
            self.gone.came(loaded.definition.identity());
            if let Some(id) = &loaded.definition.id {
                self.index.names.insert(id.clone(), name.clone());
            }
            self.schedules.insert(name.clone(), loaded.clone());
            self.schedule_alarm(&name);
        }
    }

    /// Takes a schedule out, to go or to come back otherwise.
    fn leaves(&mut self, name: &ScheduleName) -> Option<Loaded> {
        let loaded = self.schedules.remove(name)?;
        self.index.names.remove(loaded.definition.identity());
        self.index.alarm(Alarm::Schedule(name.clone()), None);
        Some(loaded)
    }

    /// Changes how a schedule fares.
    fn fares(&mut self, name: &ScheduleName, change: impl FnOnce(&mut Fare)) {
        let Some(loaded) = self.schedules.get(name) else { return };
        let identity = loaded.definition.identity();
        let mut fare = self.fares.remove(identity).unwrap_or_default();
        change(&mut fare);
        if fare != Fare::default() {
            self.fares.insert(identity.clone(), fare);
        }
        self.schedule_alarm(name);
    }

    /// Whether files changed since they were seen is not known any more.
    fn lost_sight(&mut self) {
        let all = self.schedules.values().map(|loaded| &loaded.definition);
        let watching = all.filter(|definition| definition.watches().is_some());
        let names: Vec<_> = watching.map(|definition| definition.name.clone()).collect();
        names.iter().for_each(|name| self.fares(name, |fare| fare.restored = true));
    }

    /// A schedule that is paused is never due.
    fn schedule_alarm(&mut self, name: &ScheduleName) {
        let Some(loaded) = self.schedules.get(name) else { return };
        let paused = self.fare(loaded.definition.identity()).is_some_and(|f| f.paused().is_some());
        let next = loaded.next.filter(|_| !paused);
        self.index.alarm(Alarm::Schedule(name.clone()), next);
    }
}

/// The scopes of the rules in force. A door checks them before they are recorded; what no glob can
/// be made of raises nothing.
pub(crate) fn scopes(rules: &Rules) -> Arc<Scopes> {
    Arc::new(Scopes::new(rules.scopes.clone(), rules.secrets.clone()).unwrap_or_default())
}

/// The model call, the command or the checks under way.
fn stoppable(mandate: &Mandate) -> Option<EffectId> {
    let open = mandate.open.as_ref()?;
    let is = matches!(open.intent, Intent::Ask { .. } | Intent::Execute { .. } | Intent::Verify);
    is.then_some(open.effect)
}

/// Rebuilds from the state what a performer needs to know of an intent. `None` only for a step of
/// no plan, which no decision yields.
fn call(
    mandate: &Mandate,
    intent: &Intent,
    scopes: &Arc<Scopes>,
    rules: Option<&Rules>,
) -> Option<Call> {
    let spec = &mandate.spec;
    Some(match intent {
        Intent::Observe => Call::Observe {
            goal: spec.goal,
            globs: spec.files.clone(),
            upload: spec.upload.clone(),
            scopes: Arc::clone(scopes),
        },
        Intent::Ask { phase, .. } => {
            let model = rules?.model.as_ref()?;
            Call::Ask {
                model: spec.model.as_ref().unwrap_or(&model.name).clone(),
                output_tokens_max: model.output_tokens_max,
                brief: brief::of(mandate, *phase),
            }
        }
        Intent::Prepare { step } => {
            let cycle = mandate.cycle.as_ref()?;
            let step = cycle.plan.as_ref()?.steps.get(usize::from(*step))?;
            Call::Prepare {
                action: step.action.clone(),
                answer: cycle.decision.as_ref()?.text,
                step: step.name.clone(),
            }
        }
        Intent::Change { change, temp, .. } => Call::Change { change: change.clone(), temp: *temp },
        Intent::Reconcile { change, temp, .. } => {
            Call::Reconcile { change: change.clone(), temp: *temp }
        }
        Intent::Clear { change, temp, .. } => Call::Clear { change: change.clone(), temp: *temp },
        Intent::Verify => Call::Verify { checks: spec.verify.clone() },
        Intent::Execute { step, invocation, .. } => {
            let cycle = mandate.cycle.as_ref()?;
            let step = cycle.plan.as_ref()?.steps.get(usize::from(*step))?;
            Call::Execute {
                invocation: *invocation,
                answer: cycle.decision.as_ref()?.text,
                step: step.name.clone(),
            }
        }
        Intent::Diff { change, .. } => Call::Diff { change: change.clone() },
    })
}
