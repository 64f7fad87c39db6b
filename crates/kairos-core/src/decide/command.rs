//! What a person asks.
//!
//! Owns who may be told no, and why. Never trusts a request further than its types: what a door has
//! parsed is checked here against the state.

use crate::digest::{BlobRef, Digest};
use crate::effect::{Intent, Outcome as EffectOutcome, PersonSays};
use crate::erasure::ERASURES_MAX;
use crate::event::{Event, Key, Origin};
use crate::gate::proposal::{Closed, Decision};
use crate::id::{EffectId, IdSource, MandateId, ProposalId};
use crate::input::{Now, Verb};
use crate::mandate::outcome::{EndReason, Outcome};
use crate::mandate::spec::MandateSpec;
use crate::mandate::standing::Standing;
use crate::plan::{StepEnd, StepFailure};
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::state::State;

use super::draft::Draft;
use super::due::{stop, wake};
use super::{settle, slots, step};

pub(super) fn decide(
    state: &State,
    now: &Now,
    by: &Principal,
    verb: &Verb,
) -> Result<Vec<Event>, Refusal> {
    match verb {
        Verb::Create { spec, key } => create(state, now, by, spec, *key),
        Verb::Stop { mandate } => {
            let mut draft = Draft::of(state, now, open(state, *mandate)?);
            // Asked again, it also ends a mandate that waits instead of ending.
            let waits = matches!(draft.mandate.standing, Standing::Parked { .. });
            if draft.mandate.ending.is_none() || waits {
                stop(&mut draft, Outcome::Stopped, None, Some(by.clone()));
            }
            Ok(draft.done())
        }
        Verb::Decide { proposal, decision, hash, note } => {
            decide_proposal(state, now, by, (*proposal, *decision), *hash, *note)
        }
        Verb::Judge { effect, answer, note } => judge(state, now, by, *effect, *answer, *note),
        Verb::Deliver { schedule, key, body } => {
            slots::deliver(state, now, by, schedule, (*key, *body))
        }
        Verb::Fire { schedule, slot, key } => {
            slots::fire(state, now, by, (schedule, slot.as_ref()), *key)
        }
        Verb::Erase { blob, reason } => erase(state, by, *blob, *reason),
        Verb::Pause { schedule } => slots::pause(state, by, schedule),
        Verb::Resume { schedule } => slots::resume(state, by, schedule),
        Verb::ConfirmClock if state.clock.is_none() => Err(Refusal::ClockBelieved),
        Verb::ConfirmClock => Ok(vec![Event::ClockSettled { by: Some(by.clone()) }]),
    }
}

/// Asked again while it is under way, it is the same erasure.
fn erase(
    state: &State,
    by: &Principal,
    blob: Digest,
    reason: BlobRef,
) -> Result<Vec<Event>, Refusal> {
    if state.erasing.contains(&blob) {
        return Ok(Vec::new());
    }
    if let Some(need) = state.need_of(blob) {
        return Err(Refusal::StillNeeded { blob, need });
    }
    if state.erasing.len() >= ERASURES_MAX {
        return Err(Refusal::TooManyErasures);
    }
    Ok(vec![Event::BlobErased { blob, reason, by: by.clone() }])
}

/// Ends a mandate that aborted the engine, whatever it was doing.
pub(super) fn quarantine(state: &State, now: &Now, id: MandateId) -> Vec<Event> {
    let Some(mandate) = state.mandate(id) else { return Vec::new() };
    let mut draft = Draft::of(state, now, mandate);
    if let Some(open) = mandate.open.as_ref().filter(|open| !open.unsettled) {
        let (effect, outcome) = (open.effect, EffectOutcome::Lost);
        settle::settle_budget(&mut draft, open, &outcome);
        draft.emit(Event::EffectSettled { mandate: id, effect, outcome });
    }
    super::advance::finish(&mut draft, Outcome::Failed, None, Some(EndReason::Poison));
    draft.done()
}

fn open(state: &State, id: MandateId) -> Result<&crate::mandate::standing::Mandate, Refusal> {
    state.mandate(id).ok_or(Refusal::NoSuchMandate { mandate: id })
}

fn create(
    state: &State,
    now: &Now,
    by: &Principal,
    spec: &MandateSpec,
    key: Option<Key>,
) -> Result<Vec<Event>, Refusal> {
    let rules = state.rules.as_deref().ok_or(Refusal::NotConfigured)?;
    if made_before(state, key)? {
        return Ok(Vec::new());
    }
    can_ask(rules, spec)?;
    is_kept(state, spec)?;
    let mut ids = IdSource::new(now.time, now.seed);
    let origin = Origin::Command { command: ids.command(), by: by.clone(), key };
    Ok(vec![Event::MandateCreated { mandate: ids.mandate(), origin, spec: Box::new(spec.clone()) }])
}

/// Whether a mandate was made under this key: the same request is answered with the same mandate.
pub(super) fn made_before(state: &State, key: Option<Key>) -> Result<bool, Refusal> {
    let Some(key) = key else { return Ok(false) };
    let Some(kept) = state.index.keys.get(&key.key) else { return Ok(false) };
    let mandate = kept.mandate;
    if kept.request == key.request { Ok(true) } else { Err(Refusal::KeyReused { mandate }) }
}

/// Whether no text of the mandate is on its way out.
pub(super) fn is_kept(state: &State, spec: &MandateSpec) -> Result<(), Refusal> {
    state.erases(spec).map_or(Ok(()), |blob| Err(Refusal::BeingErased { blob }))
}

/// Whether the mandate's model can be asked under these rules.
pub(super) fn can_ask(rules: &Rules, spec: &MandateSpec) -> Result<(), Refusal> {
    let model = rules.model.as_ref().ok_or(Refusal::NoModel)?;
    let name = spec.model.as_deref().unwrap_or(&model.name);
    match model.price_of(name) {
        Some(_) => Ok(()),
        None => Err(Refusal::Unpriced { model: name.to_owned() }),
    }
}

fn decide_proposal(
    state: &State,
    now: &Now,
    by: &Principal,
    (proposal, decision): (ProposalId, Decision),
    hash: Option<Digest>,
    note: Option<BlobRef>,
) -> Result<Vec<Event>, Refusal> {
    let Some(mandate) = state.proposal(proposal) else {
        return Err(match state.mandates().find_map(|m| m.held(proposal)) {
            Some(_) => Refusal::AlreadyDecided { proposal, closed: Closed::Approved },
            None => Refusal::NoSuchProposal { proposal },
        });
    };
    let held = mandate.held(proposal).ok_or(Refusal::NoSuchProposal { proposal })?;
    let (actual, step) = (held.what.hash, held.what.step);
    if let Some(given) = hash.filter(|given| *given != actual) {
        return Err(Refusal::OtherHash { proposal, given, actual });
    }
    if held.expires <= now.time && state.clock.is_none() {
        return Err(Refusal::AlreadyDecided { proposal, closed: Closed::Expired });
    }
    let mut draft = Draft::of(state, now, mandate);
    let mandate = draft.id();
    let by = by.clone();
    draft.emit(Event::Decided { mandate, proposal, decision, hash: actual, by, note });
    if decision == Decision::Reject {
        draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Rejected });
        step::fail(&mut draft, step, StepFailure::Rejected);
    }
    wake(&mut draft);
    Ok(draft.done())
}

/// A person says whether an unsettled effect happened.
fn judge(
    state: &State,
    now: &Now,
    by: &Principal,
    effect: EffectId,
    answer: PersonSays,
    note: Option<BlobRef>,
) -> Result<Vec<Event>, Refusal> {
    let mandate = state.effect(effect).ok_or(Refusal::NoSuchEffect { effect })?;
    let open = mandate.open.as_ref().ok_or(Refusal::NoSuchEffect { effect })?;
    if !open.unsettled {
        return Err(Refusal::NotUnsettled { effect });
    }
    let intent = open.intent.clone();
    let mut draft = Draft::of(state, now, mandate);
    let mandate = draft.id();
    draft.emit(Event::EffectJudged { mandate, effect, answer, by: by.clone(), note });
    match (answer, intent) {
        (
            PersonSays::Happened,
            Intent::Change { step, change, temp, .. } | Intent::Reconcile { step, change, temp },
        ) => settle::done(&mut draft, step, &change, temp),
        // Prepared and gated anew: what allowed it has been used.
        (PersonSays::DidNot, intent) => {
            let used = intent.step().and_then(|step| settle::approved(&draft, step));
            if let Some(proposal) = used {
                draft.emit(Event::ProposalClosed { mandate, proposal, how: Closed::Stale });
            }
        }
        (PersonSays::Happened, intent) => {
            if let Some(step) = intent.step() {
                if let Some(proposal) = settle::approved(&draft, step) {
                    let how = Closed::Approved;
                    draft.emit(Event::ProposalClosed { mandate, proposal, how });
                }
                step::end(&mut draft, step, StepEnd::Succeeded);
            }
        }
        (PersonSays::Unknown, intent) => {
            if let Some(step) = intent.step() {
                step::fail(&mut draft, step, StepFailure::Unknown);
            }
        }
    }
    draft.emit(Event::MandateReady { mandate });
    Ok(draft.done())
}
