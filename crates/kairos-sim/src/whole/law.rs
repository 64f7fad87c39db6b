//! What must hold of every record, whatever happens.
//!
//! Owns a small account of who may do what, which looks on while the state folds, live and at every
//! replay alike. Never decides, and takes the state's word for nothing it can reckon itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use kairos_core::budget::{Amounts, Caps};
use kairos_core::digest::Digest;
use kairos_core::effect::{Change, Intent, Outcome, PersonSays, Reconciled};
use kairos_core::event::{Event, Origin};
use kairos_core::fold::{At, Seq};
use kairos_core::gate::proposal::{Decision, Subject};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::{Classified, Scope, Scopes};
use kairos_core::id::{EffectId, MandateId, ProposalId};
use kairos_core::plan::StepEnd;
use kairos_core::rules::Rules;
use kairos_core::schedule::slot::SlotState;
use kairos_core::state::State;

use super::clock;
use super::slots::Slots;

/// What kind of harm it is when something that must hold does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    Lost,
    Duplicated,
    /// Something happened that nothing allowed.
    Accepted,
    /// Something that had to be taken, or to come to an end, was not.
    Refused,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub wrong: Wrong,
    pub what: String,
}

/// Everything that was found not to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Mutex<Vec<Broken>>>);

impl Findings {
    pub(super) fn add(&self, wrong: Wrong, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Broken { wrong, what });
    }

    pub(super) fn check(&self, holds: bool, wrong: Wrong, what: impl FnOnce() -> String) {
        if !holds {
            self.add(wrong, what());
        }
    }

    pub(super) fn all(&self) -> Vec<Broken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn any(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// What the day and the mandate an event is about have used and hold.
pub(super) struct Spent {
    day: Amounts,
    mandate: Option<u64>,
}

impl Spent {
    pub(super) fn of(state: &State, event: &Event) -> Self {
        let spent = event.mandate().and_then(|id| state.mandate(id)).map(|mandate| mandate.spent);
        Self {
            day: state.budget().used.plus(state.budget().held),
            mandate: spent.map(|spent| spent.used.plus(spent.held).usd_micros),
        }
    }
}

/// What is known of a proposal.
struct Asked {
    change: Change,
    hash: Digest,
    decision: Option<Decision>,
    /// Changes that were made under it.
    uses: u32,
}

/// A mandate that is not finished.
#[derive(Default)]
struct Going {
    risk: Risk,
    /// The proposal that allowed its last change.
    elevation: Option<ProposalId>,
    /// Whether the present step is to change a file, and whether somebody said that it did.
    changes: bool,
    stands: bool,
}

/// An effect that was begun and has no end.
struct Open {
    mandate: MandateId,
    intent: Intent,
    reserved: Option<Amounts>,
}

/// Its own account.
pub(super) struct Law {
    findings: Findings,
    rules: Option<Rules>,
    scopes: Scopes,
    frame: Frame,
    /// The mandates that are not finished.
    mandates: BTreeMap<MandateId, Going>,
    finished: BTreeSet<MandateId>,
    effects: BTreeSet<EffectId>,
    open: BTreeMap<EffectId, Open>,
    proposals: BTreeMap<ProposalId, Asked>,
    keys: BTreeSet<Digest>,
    pub(super) slots: Slots,
}

/// What the present frame brought.
#[derive(Default)]
struct Frame {
    seq: Seq,
    created: BTreeSet<MandateId>,
    fired: BTreeSet<MandateId>,
    reserved: BTreeMap<EffectId, Amounts>,
    /// What was reserved, and what of it was used.
    booked: BTreeMap<EffectId, (Amounts, Amounts)>,
}

impl Law {
    pub(super) fn new(findings: Findings) -> Self {
        Self {
            findings,
            rules: None,
            scopes: Scopes::default(),
            frame: Frame::default(),
            mandates: BTreeMap::new(),
            finished: BTreeSet::new(),
            effects: BTreeSet::new(),
            open: BTreeMap::new(),
            proposals: BTreeMap::new(),
            keys: BTreeSet::new(),
            slots: Slots::default(),
        }
    }

    pub(super) fn before(&mut self, at: At, event: &Event, state: &State) {
        clock::check(state, event, &self.findings);
        if at.seq != self.frame.seq {
            let created = &self.frame.created;
            self.findings.check(*created == self.frame.fired, Wrong::Duplicated, || {
                format!("frame {}: fires and mandates differ", self.frame.seq)
            });
            self.frame = Frame { seq: at.seq, ..Frame::default() };
        }
        if let Some(id) = event.mandate() {
            let gone = self.finished.contains(&id);
            self.findings.check(!gone, Wrong::Duplicated, || {
                format!("frame {}: a finished mandate goes on: {event:?}", at.seq)
            });
        }
        match event {
            Event::RulesLoaded(rules) => {
                let raises = Scopes::new(rules.scopes.clone(), rules.secrets.clone());
                self.scopes = raises.expect("the rules are sound");
                self.rules = Some((**rules).clone());
            }
            Event::MandateCreated { mandate, origin, spec } => {
                self.created(*mandate, origin, spec.risk_budget);
            }
            Event::Slot { mandate, state, .. } => {
                let fired = *state == SlotState::Fired;
                self.findings.check(fired == mandate.is_some(), Wrong::Lost, || {
                    format!("a fire without a mandate, or the other way round: {event:?}")
                });
                self.frame.fired.extend(mandate);
            }
            Event::KeyForgotten { key } => drop(self.keys.remove(key)),
            Event::BudgetReserved { effect, amounts, .. } => {
                self.reserved(*effect, *amounts, event, state);
            }
            Event::BudgetSettled { effect, used, .. } => self.booked(*effect, *used),
            Event::EffectBegun { mandate, effect, intent } => {
                self.begun(*mandate, *effect, intent);
            }
            Event::EffectSettled { effect, outcome, .. } => self.settled(*effect, outcome),
            Event::EffectJudged { .. } | Event::StepBegun { .. } | Event::StepFinished { .. } => {
                self.step(event);
            }
            Event::ProposalOpened { proposal, what, .. } => {
                // The simulated model plans no command.
                let Subject::Change(change) = what.subject.clone() else { return };
                let hash = what.hash;
                let asked = Asked { change, hash, decision: None, uses: 0 };
                self.proposals.insert(*proposal, asked);
            }
            Event::Decided { proposal, decision, hash, .. } => {
                self.decided(*proposal, *decision, *hash);
            }
            Event::MandateFinished { mandate, .. } => {
                self.mandates.remove(mandate);
                self.finished.insert(*mandate);
                self.open.retain(|_, open| open.mandate != *mandate);
            }
            _ => {}
        }
    }

    fn created(&mut self, mandate: MandateId, origin: &Origin, risk: Risk) {
        let going = Going { risk, ..Going::default() };
        let new = self.mandates.insert(mandate, going).is_none();
        self.findings.check(new, Wrong::Duplicated, || format!("mandate {mandate} made twice"));
        let key = match origin {
            Origin::Schedule { key, .. } => {
                self.frame.created.insert(mandate);
                key
            }
            Origin::Command { key, .. } => key,
        };
        if let Some(key) = key {
            let new = self.keys.insert(key.key);
            self.findings.check(new, Wrong::Duplicated, || {
                format!("mandate {mandate} was made under a key that another has")
            });
        }
    }

    fn reserved(&mut self, effect: EffectId, amounts: Amounts, event: &Event, state: &State) {
        let spent = Spent::of(state, event);
        let Some(rules) = &self.rules else { return };
        let day = spent.day.plus(amounts);
        let own = spent.mandate.unwrap_or(0).saturating_add(amounts.usd_micros);
        // What costs nothing fits a mandate that a lowered cap left above it.
        let own_fits = amounts.usd_micros == 0 || own <= rules.mandate_usd_micros_max;
        let fits = above(&rules.day, day).is_none() && own_fits;
        self.findings.check(fits, Wrong::Accepted, || {
            format!("{effect} reserves {amounts:?} above a cap: {day:?}, {own}")
        });
        self.frame.reserved.insert(effect, amounts);
    }

    fn booked(&mut self, effect: EffectId, used: Amounts) {
        let reserved = self.open.get(&effect).and_then(|open| open.reserved);
        let within = reserved.is_some_and(|reserved| used.minus(reserved) == Amounts::default());
        self.findings
            .check(within, Wrong::Accepted, || format!("{effect} used {used:?} of {reserved:?}"));
        if let Some(open) = self.open.get_mut(&effect) {
            open.reserved = None;
        }
        self.frame.booked.insert(effect, (reserved.unwrap_or_default(), used));
    }

    fn begun(&mut self, mandate: MandateId, effect: EffectId, intent: &Intent) {
        let new = self.effects.insert(effect);
        let alone = self.open.values().all(|open| open.mandate != mandate);
        self.findings.check(new && alone, Wrong::Duplicated, || {
            format!("{effect} was begun before, or beside another of its mandate")
        });
        let reserved = self.frame.reserved.get(&effect).copied();
        if let Intent::Ask { .. } = intent {
            self.findings.check(reserved.is_some(), Wrong::Accepted, || {
                format!("{effect} asks a model and has reserved nothing")
            });
        }
        if let Intent::Change { change, elevation, .. } = intent {
            self.gate(mandate, effect, change, *elevation);
            let going = self.mandates.entry(mandate).or_default();
            (going.elevation, going.changes, going.stands) = (*elevation, true, false);
        }
        self.open.insert(effect, Open { mandate, intent: intent.clone(), reserved });
    }

    /// Whether a change may be begun.
    fn gate(
        &self,
        mandate: MandateId,
        effect: EffectId,
        change: &Change,
        elevation: Option<ProposalId>,
    ) {
        let mut scope = Scope::L2;
        for path in [Some(change.path()), change.to()].into_iter().flatten() {
            match self.scopes.classify(path) {
                Classified::Refused { .. } => {
                    return self.findings.add(
                        Wrong::Accepted,
                        format!("{effect} is to change `{path}`, which nobody may"),
                    );
                }
                Classified::Scoped { scope: here, .. } => scope = scope.max(here),
            }
        }
        let risk = match change {
            Change::Delete { .. } | Change::Move { .. } => Risk::Medium,
            Change::Edit { .. } | Change::Create { .. } => Risk::Low,
        };
        let budget = self.mandates.get(&mandate).map_or(Risk::Low, |going| going.risk);
        if scope == Scope::L2 && risk <= budget {
            return;
        }
        let asked = elevation.and_then(|proposal| self.proposals.get(&proposal));
        let allowed = asked.is_some_and(|asked| {
            asked.decision == Some(Decision::Approve)
                && asked.change == *change
                && asked.hash == change.hash()
                && asked.uses == 0
        });
        self.findings.check(allowed, Wrong::Accepted, || {
            format!("{effect} is to change `{}` without a decision", change.path())
        });
    }

    fn settled(&mut self, effect: EffectId, outcome: &Outcome) {
        let Some(open) = self.open.remove(&effect) else {
            return self.findings.add(Wrong::Duplicated, format!("{effect} settled twice"));
        };
        let booked = self.frame.booked.get(&effect).copied();
        let asks = matches!(open.intent, Intent::Ask { .. });
        self.findings.check(asks == booked.is_some(), Wrong::Lost, || {
            format!("{effect} settled, and its reservation was not")
        });
        // Whoever does not say what a call cost has spent all that was held for it.
        let known = match outcome {
            Outcome::Asked(attempt) => attempt.usage.is_some(),
            _ => false,
        };
        let whole = known || booked.is_none_or(|(reserved, used)| reserved == used);
        self.findings.check(whole, Wrong::Lost, || {
            format!("{effect} ended as {outcome:?}, and cost {booked:?}")
        });
        let stands =
            matches!(outcome, Outcome::Changed { .. } | Outcome::Reconciled(Reconciled::Done));
        if stands && let Intent::Change { .. } | Intent::Reconcile { .. } = open.intent {
            let going = self.mandates.entry(open.mandate).or_default();
            going.stands = true;
            let elevation = going.elevation;
            if let Some(asked) = elevation.and_then(|proposal| self.proposals.get_mut(&proposal)) {
                asked.uses += 1;
            }
        }
    }

    /// Whether a step that succeeded did what it was to do.
    fn step(&mut self, event: &Event) {
        let Some(mandate) = event.mandate() else { return };
        let going = self.mandates.entry(mandate).or_default();
        match event {
            Event::EffectJudged { effect, answer, .. } => {
                let was_open = self.open.remove(effect).is_some();
                self.findings.check(was_open, Wrong::Accepted, || format!("judged: {effect}"));
                going.stands |= *answer == PersonSays::Happened;
            }
            Event::StepBegun { .. } => (going.changes, going.stands) = (false, false),
            Event::StepFinished { end: StepEnd::Succeeded, .. } => {
                let holds = !going.changes || going.stands;
                self.findings.check(holds, Wrong::Lost, || {
                    format!("a step of {mandate} succeeded, and nobody said that its change stands")
                });
            }
            _ => {}
        }
    }

    fn decided(&mut self, proposal: ProposalId, decision: Decision, hash: Digest) {
        let asked = self.proposals.get_mut(&proposal);
        let fits = asked.as_ref().is_some_and(|asked| {
            asked.decision.is_none() && asked.hash == hash && asked.change.hash() == hash
        });
        self.findings.check(fits, Wrong::Accepted, || {
            format!("proposal {proposal} was decided twice, or over something else")
        });
        if let Some(asked) = asked {
            asked.decision = Some(decision);
        }
    }

    pub(super) fn after(&mut self, event: &Event, state: &State, before: &Spent) {
        let held = self.open.values().filter_map(|open| open.reserved);
        let begun = |effect: &EffectId| self.effects.contains(effect);
        let fresh = self.frame.reserved.iter().filter(|(effect, _)| !begun(effect));
        let held = held.chain(fresh.map(|(_, amounts)| *amounts));
        let held = held.fold(Amounts::default(), Amounts::plus);
        self.findings.check(state.budget().held == held, Wrong::Lost, || {
            format!("{:?} held, and {held:?} reserved, after {event:?}", state.budget().held)
        });
        let now = Spent::of(state, event);
        let Some(rules) = &self.rules else { return };
        let grown = |cap: Option<u64>, of: fn(Amounts) -> u64| {
            cap.is_some_and(|cap| of(now.day) > cap.max(of(before.day)))
        };
        let day = grown(rules.day.calls, |amounts| amounts.calls)
            || grown(rules.day.tokens, |amounts| amounts.tokens)
            || grown(rules.day.usd_micros, |amounts| amounts.usd_micros);
        let own = now.mandate.unwrap_or(0);
        let own = own > rules.mandate_usd_micros_max.max(before.mandate.unwrap_or(0));
        self.findings.check(!day && !own, Wrong::Accepted, || {
            format!("more than a cap is used and held after {event:?}: {:?}", now.day)
        });
        if let Event::MandateFinished { mandate, .. } = event {
            self.findings.check(state.mandate(*mandate).is_none(), Wrong::Refused, || {
                format!("finished mandate {mandate} is still there")
            });
        }
    }
}

/// The cap that `amounts` lie above.
fn above(caps: &Caps, amounts: Amounts) -> Option<u64> {
    let pairs = [
        (caps.calls, amounts.calls),
        (caps.tokens, amounts.tokens),
        (caps.usd_micros, amounts.usd_micros),
    ];
    pairs.into_iter().find_map(|(cap, amount)| cap.filter(|cap| amount > *cap))
}
