//! Slots that are due, and mandates that schedules make.
//!
//! Owns overlap: what a fire does when an earlier mandate of its schedule is not finished, and pauses:
//! by a person, and by the mandate that is one failure too many. The calendar has accounted for every slot; here each gets its record, a fire and its mandate in one
//! frame. A fire that replaces more than one frame can stop comes after frames that only stop.

use crate::digest::BlobRef;
use crate::event::{Event, Key, Loaded, Origin};
use crate::id::{IdSource, MandateId};
use crate::input::{Named, Now};
use crate::mandate::outcome::{EndReason, Outcome};
use crate::mandate::standing::{Mandate, Standing};
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::schedule::Slot;
use crate::schedule::contents::Contents;
use crate::schedule::definition::{Concurrency, Definition, OPEN_MAX, ScheduleName};
use crate::schedule::missed::{Accounted, Fate, Unfired, Unmet};
use crate::schedule::pause::PausedBy;
use crate::schedule::slot::{SlotReason, SlotState};
use crate::schedule::zone::ZoneClock;
use crate::state::State;
use crate::time::Time;

use super::command::{can_ask, is_kept, made_before};
use super::draft::Draft;
use super::due::stop;

/// Events of stops that stand in one frame beside a fire: some 25 KB, where the largest mandate a
/// configuration may hold leaves more than 100.
const STOPS_MAX: usize = 256;

/// Records the fates of due slots of one schedule. Where a fire has more mandates to replace than
/// one frame can stop, some are stopped and nothing else: the slots stay due.
pub(super) fn decide(
    state: &State,
    now: &Now,
    (name, revision): (&ScheduleName, u32),
    (accounted, files): (&Accounted, Option<Contents>),
    (next, zone_clock): (Option<Time>, Option<ZoneClock>),
) -> Vec<Event> {
    let Some(loaded) = state.schedules.get(name).filter(|loaded| loaded.revision == revision)
    else {
        return Vec::new();
    };
    let mut ids = IdSource::new(now.time, now.seed);
    let mut events = Vec::new();
    let mut fired = 0;
    let mut replaced = Replaced::default();
    if accounted.fires() && refusal(state, loaded, 0).is_none() {
        replaced = Replaced::by(state, now, loaded);
        if replaced.more {
            return replaced.events;
        }
    }
    for fate in &accounted.fates {
        match fate {
            Fate::Passed { from, to, count, why } => events.push(Event::Slots {
                schedule: name.clone(),
                revision,
                from: *from,
                to: *to,
                count: *count,
                state: passed(*why).0,
                reason: Some(passed(*why).1),
            }),
            Fate::Fires(slot) => {
                let refused = refusal(state, loaded, fired);
                let mandate = refused.is_none().then(|| ids.mandate());
                if let Some(mandate) = mandate {
                    events.append(&mut replaced.events);
                    events.push(created(loaded, mandate, None, None));
                    fired += 1;
                }
                let files = files.filter(|_| mandate.is_some());
                let state = if mandate.is_some() { SlotState::Fired } else { SlotState::Refused };
                events.push(slot_event(loaded, slot, (state, refused, mandate), files));
            }
            Fate::Unmet(slot, why) => {
                let fate = (SlotState::Skipped, Some(unmet(*why)), None);
                events.push(slot_event(loaded, slot, fate, None));
            }
        }
    }
    let (schedule, cursor) = (name.clone(), accounted.cursor);
    events.push(Event::Accounted { schedule, cursor, next, zone_clock });
    events
}

fn passed(why: Unfired) -> (SlotState, SlotReason) {
    match why {
        Unfired::Coalesced => (SlotState::Coalesced, SlotReason::Policy),
        Unfired::Skipped => (SlotState::Skipped, SlotReason::Policy),
        Unfired::DroppedStale => (SlotState::DroppedStale, SlotReason::Policy),
        Unfired::RuleChanged => (SlotState::Skipped, SlotReason::RuleChanged),
        Unfired::Paused => (SlotState::Skipped, SlotReason::Paused),
        Unfired::Restored => (SlotState::Skipped, SlotReason::Restored),
    }
}

const fn unmet(why: Unmet) -> SlotReason {
    match why {
        Unmet::False => SlotReason::Condition,
        Unmet::Unknown => SlotReason::ConditionUnknown,
    }
}

fn slot_event(
    loaded: &Loaded,
    slot: &Slot,
    (state, reason, mandate): (SlotState, Option<SlotReason>, Option<MandateId>),
    files: Option<Contents>,
) -> Event {
    Event::Slot {
        schedule: loaded.definition.name.clone(),
        revision: loaded.revision,
        civil: Some(slot.civil),
        fold: slot.fold,
        at: slot.at,
        state,
        reason,
        mandate,
        by: None,
        files,
    }
}

/// A person fires a schedule: now, or one of its slots again. The record is theirs: the cursor stays.
/// Where nothing is created, there was more to replace than one frame can stop: to be asked again.
pub(super) fn fire(
    state: &State,
    now: &Now,
    by: &Principal,
    (name, slot): (&ScheduleName, Option<&Named>),
    key: Option<Key>,
) -> Result<Vec<Event>, Refusal> {
    if made_before(state, key)? {
        return Ok(Vec::new());
    }
    let loaded = state
        .schedules
        .get(name)
        .ok_or_else(|| Refusal::NoSuchSchedule { schedule: name.clone() })?;
    if slot.is_some_and(|named| named.revision != loaded.revision) {
        return Err(Refusal::OtherRule { schedule: name.clone() });
    }
    let rules = state.rules.as_deref().ok_or(Refusal::NotConfigured)?;
    can_ask(rules, &loaded.definition.spec)?;
    is_kept(state, &loaded.definition.spec)?;
    fire_now(state, now, by, (loaded, slot.map(|named| &named.slot)), (key, None))
}

/// Somebody delivers to a schedule's webhook. As with a person's fire, the cursor stays; unlike it, a
/// schedule that is paused or off swallows it, and says so.
pub(super) fn deliver(
    state: &State,
    now: &Now,
    by: &Principal,
    name: &ScheduleName,
    (key, body): (Key, Option<BlobRef>),
) -> Result<Vec<Event>, Refusal> {
    if made_before(state, Some(key))? {
        return Ok(Vec::new());
    }
    let loaded = state.schedule(name).filter(|loaded| loaded.definition.timing.is_webhook());
    let loaded = loaded.ok_or_else(|| Refusal::NoSuchSchedule { schedule: name.clone() })?;
    let Definition { enabled, spec, .. } = &loaded.definition;
    if !enabled || paused(state, name)? {
        let skipped = (SlotState::Skipped, Some(SlotReason::Paused), None);
        return Ok(vec![asked(loaded, None, now.time, skipped, by)]);
    }
    let rules = state.rules.as_deref().ok_or(Refusal::NotConfigured)?;
    can_ask(rules, spec)?;
    is_kept(state, spec)?;
    if let Some(blob) = body.map(|body| body.digest).filter(|blob| state.erasing.contains(blob)) {
        return Err(Refusal::BeingErased { blob });
    }
    fire_now(state, now, by, (loaded, None), (Some(key), body))
}

/// A slot that somebody asked for, and its mandate.
fn fire_now(
    state: &State,
    now: &Now,
    by: &Principal,
    (loaded, slot): (&Loaded, Option<&Slot>),
    (key, body): (Option<Key>, Option<BlobRef>),
) -> Result<Vec<Event>, Refusal> {
    if refusal(state, loaded, 0).is_some() {
        return Err(Refusal::Overlap { schedule: loaded.definition.name.clone() });
    }
    let Replaced { mut events, more } = Replaced::by(state, now, loaded);
    if more {
        return Ok(events);
    }
    let mandate = IdSource::new(now.time, now.seed).mandate();
    events.push(created(loaded, mandate, key, body));
    let fired = (SlotState::Fired, None, Some(mandate));
    events.push(asked(loaded, slot, now.time, fired, by));
    Ok(events)
}

/// The fate of a slot that somebody asked for, now or by its name.
fn asked(
    loaded: &Loaded,
    slot: Option<&Slot>,
    now: Time,
    (state, reason, mandate): (SlotState, Option<SlotReason>, Option<MandateId>),
    by: &Principal,
) -> Event {
    Event::Slot {
        schedule: loaded.definition.name.clone(),
        revision: loaded.revision,
        civil: slot.map(|slot| slot.civil),
        fold: slot.map_or(0, |slot| slot.fold),
        at: slot.map_or(now, |slot| slot.at),
        state,
        reason,
        mandate,
        by: Some(by.clone()),
        files: None,
    }
}

pub(super) fn created(
    loaded: &Loaded,
    mandate: MandateId,
    key: Option<Key>,
    body: Option<BlobRef>,
) -> Event {
    let Definition { name, id, spec, .. } = &loaded.definition;
    Event::MandateCreated {
        mandate,
        origin: Origin::Schedule { name: name.clone(), id: id.clone(), key, body },
        spec: Box::new(spec.clone()),
    }
}

/// A person pauses a schedule. One that is paused already stays as it is.
pub(super) fn pause(
    state: &State,
    by: &Principal,
    name: &ScheduleName,
) -> Result<Vec<Event>, Refusal> {
    let paused = paused(state, name)?;
    let (schedule, why) = (name.clone(), PausedBy::Person(by.clone()));
    Ok(if paused { Vec::new() } else { vec![Event::SchedulePaused { schedule, why }] })
}

/// A person lets a schedule go on.
pub(super) fn resume(
    state: &State,
    by: &Principal,
    name: &ScheduleName,
) -> Result<Vec<Event>, Refusal> {
    let paused = paused(state, name)?;
    let (schedule, by) = (name.clone(), by.clone());
    Ok(if paused { vec![Event::ScheduleResumed { schedule, by }] } else { Vec::new() })
}

fn paused(state: &State, name: &ScheduleName) -> Result<bool, Refusal> {
    let loaded = state.schedule(name);
    let loaded = loaded.ok_or_else(|| Refusal::NoSuchSchedule { schedule: name.clone() })?;
    let fare = state.fare(loaded.definition.identity());
    Ok(fare.is_some_and(|fare| fare.paused().is_some()))
}

/// The pause that a mandate which ends so brings to its schedule.
pub(super) fn pause_after(state: &State, mandate: &Mandate, outcome: Outcome) -> Option<Event> {
    let loaded = state.identified(mandate.origin.schedule()?)?;
    let Definition { name, pause_after, .. } = &loaded.definition;
    let fare = state.fare(loaded.definition.identity()).cloned().unwrap_or_default();
    let failures = fare.failures_after(outcome);
    let enough = *pause_after > 0 && failures > fare.failures && failures >= *pause_after;
    (enough && fare.paused().is_none()).then(|| Event::SchedulePaused {
        schedule: name.clone(),
        why: PausedBy::Failures(failures),
    })
}

/// Why a slot may not fire now; `fired` says how many others of this decision did.
pub(super) fn refusal(state: &State, loaded: &Loaded, fired: usize) -> Option<SlotReason> {
    let definition = &loaded.definition;
    let rules = state.rules.as_deref()?;
    match can_ask(rules, &definition.spec) {
        Err(Refusal::Unpriced { .. }) => return Some(SlotReason::Unpriced),
        Err(_) => return Some(SlotReason::NoModel),
        Ok(()) => {}
    }
    let open = || earlier(state, definition);
    let overlaps = match definition.concurrency {
        Concurrency::Queue => {
            let most = usize::from(definition.max_queued);
            let queued = open().filter(|mandate| mandate.standing == Standing::Queued);
            fired + queued.take(most).count() >= most
        }
        Concurrency::Reject => fired > 0 || open().next().is_some(),
        Concurrency::Allow => false,
        Concurrency::Replace => return (fired > 0).then_some(SlotReason::Overlap),
    };
    let crowded = || fired + open().take(OPEN_MAX).count() >= OPEN_MAX;
    (overlaps || crowded()).then_some(SlotReason::Overlap)
}

/// Open mandates that a fire of this schedule meets: its own, in the scope it has now.
fn earlier<'a>(state: &'a State, definition: &'a Definition) -> impl Iterator<Item = &'a Mandate> {
    let fires = state.fires(definition.identity());
    fires.filter(|mandate| mandate.spec.project_scope == definition.spec.project_scope)
}

/// The stops of the earlier mandates of a schedule that replaces them.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) events: Vec<Event>,
    /// Whether some are left for another frame.
    pub(super) more: bool,
}

impl Replaced {
    pub(super) fn by(state: &State, now: &Now, loaded: &Loaded) -> Self {
        let mut replaced = Self::default();
        if loaded.definition.concurrency != Concurrency::Replace {
            return replaced;
        }
        let going = |mandate: &&Mandate| mandate.ending.is_none();
        for mandate in earlier(state, &loaded.definition).filter(going) {
            if replaced.events.len() >= STOPS_MAX {
                replaced.more = true;
                break;
            }
            let mut draft = Draft::of(state, now, mandate);
            stop(&mut draft, Outcome::Stopped, Some(EndReason::Replaced), None);
            replaced.events.extend(draft.done());
        }
        replaced
    }
}
