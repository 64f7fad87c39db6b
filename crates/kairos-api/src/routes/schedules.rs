//! Schedules: look, fire, pause, resume.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use kairos_core::digest::Digest;
use kairos_core::event::Key;
use kairos_core::input::{Named, Verb};
use kairos_core::kind::{Kind, Refused};
use kairos_core::principal::Principal;
use kairos_core::refusal as core;
use kairos_core::schedule::definition::{ParseScheduleNameError, ScheduleName, Timing};
use kairos_core::schedule::named::NoSlot;
use kairos_core::schedule::{Timetable, Trigger};
use kairos_engine::{Subject, SubmitError};
use kairos_wire as wire;

use super::{Body, Path, key, parse_or_default};
use crate::door::Door;
use crate::problem::Refusal;
use crate::show;

pub(crate) async fn list(
    State(door): State<Door>,
) -> Result<Json<wire::schedule::Schedules>, Refusal> {
    let views = door.read().await?;
    let (all, now) = (views.schedules.all().values(), kairos_engine::time());
    let schedules = all.map(|view| show::schedule(view, &views.mandates, now)).collect();
    Ok(Json(wire::schedule::Schedules { schedules }))
}

pub(crate) async fn fire(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(name): Path,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<wire::schedule::Fired>, Refusal> {
    let schedule = parsed(&name)?;
    let wire::schedule::Fire { slot } = parse_or_default(&body)?;
    // No body of a mandate's request begins like this: one key cannot stand for both.
    let mut asked = format!("fire {schedule}");
    let slot = match slot {
        None => None,
        Some(text) => {
            let (named, identity) = named(&door, &schedule, &text).await?;
            asked = format!("{asked} {} {}", named.slot.civil, named.slot.fold);
            // No header has a line break: no key that somebody chose is this one.
            let own = format!("manual\n{identity} {} {}", named.slot.civil, named.slot.fold);
            Some((named, own))
        }
    };
    // A slot is fired again once, whoever asks.
    let own = slot.as_ref().map(|(_, own)| Key {
        key: Digest::of(own.as_bytes()),
        request: Digest::of(asked.as_bytes()),
    });
    let key = key(&headers, asked.as_bytes()).or(own);
    let slot = slot.map(|(named, _)| named);
    let fired = door.handle.submit(by, Verb::Fire { schedule, slot, key }).await?;
    let Some(Subject::Mandate(id)) = fired.subject else {
        return Err(Refusal::new(Kind::Bug, "no_mandate", "no mandate was made"));
    };
    Ok(Json(wire::schedule::Fired {
        enqueued: true,
        command_id: fired.command.to_string(),
        schedule: name,
        seq: fired.seq.0,
        repeated: !fired.recorded,
        mandate_id: id.to_string(),
        mandate: super::mandates::told(&door, &fired, id).await,
    }))
}

/// The slot of that name, and what its schedule is over time.
async fn named(
    door: &Door,
    schedule: &ScheduleName,
    text: &str,
) -> Result<(Named, ScheduleName), Refusal> {
    let loaded = {
        let views = door.read().await?;
        let view = views.schedules.all().get(schedule);
        view.map(|view| view.loaded.clone()).ok_or_else(|| no_schedule(schedule))?
    };
    let definition = &loaded.definition;
    if let Timing::Trigger(trigger) = &definition.timing {
        return Err(timeless(schedule, trigger));
    }
    let anchor = loaded.anchor.unwrap_or_default();
    let table = Timetable::of(definition, anchor, &mut |name| door.zone(name));
    let table = table.map_err(|error| {
        Refusal::new(Kind::Refused(Refused::Conflict), "no_timetable", error.to_string())
    })?;
    let slot = table.named(text).map_err(|error| no_slot(&error))?;
    if slot.at > kairos_engine::time() {
        let detail = format!("the slot `{text}` is still to come");
        let refusal = Refusal::new(Kind::Refused(Refused::Conflict), "not_due_yet", detail);
        return Err(
            refusal.hint("without `--slot` the schedule fires now, and that slot in its time")
        );
    }
    Ok((Named { revision: loaded.revision, slot }, definition.identity().clone()))
}

fn no_schedule(schedule: &ScheduleName) -> Refusal {
    Refusal::from(SubmitError::from(core::Refusal::NoSuchSchedule { schedule: schedule.clone() }))
}

/// A trigger's slots have no times.
fn timeless(schedule: &ScheduleName, trigger: &Trigger) -> Refusal {
    let slots = match trigger {
        Trigger::Webhook {} => "its slots are deliveries",
        Trigger::Path { .. } => "its slots are changes of files",
    };
    let detail = format!("`{schedule}` has no slots by time: {slots}");
    Refusal::bad("no_slots_by_time", detail).hint("without `--slot` it fires now")
}

/// What a text means instead of a slot.
fn no_slot(error: &NoSlot) -> Refusal {
    let detail = error.to_string();
    match error {
        NoSlot::Unreadable { .. } => Refusal::bad("bad_time", detail)
            .hint("such as `2026-12-01T09:00` by the schedule's clock, or `2026-12-01T08:00:00Z`"),
        NoSlot::Twice { first, second, .. } => {
            let both = [first, second].map(ToString::to_string);
            let kind = Kind::Refused(Refused::Conflict);
            Refusal::new(kind, "ambiguous_slot", detail).candidates(both.to_vec())
        }
        NoSlot::None { before, after, .. } => {
            let beside = [before, after].into_iter().flatten();
            let beside = beside.map(|slot| format!("{} ({})", slot.civil, slot.at));
            Refusal::unknown("no_such_slot", detail).candidates(beside.collect())
        }
    }
}

pub(crate) async fn pause(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(name): Path,
) -> Result<Json<wire::Schedule>, Refusal> {
    let schedule = parsed(&name)?;
    changed(&door, by, Verb::Pause { schedule: schedule.clone() }, &schedule).await
}

pub(crate) async fn resume(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(name): Path,
) -> Result<Json<wire::Schedule>, Refusal> {
    let schedule = parsed(&name)?;
    changed(&door, by, Verb::Resume { schedule: schedule.clone() }, &schedule).await
}

/// Asks, and answers with the schedule as it stands then.
async fn changed(
    door: &Door,
    by: Principal,
    verb: Verb,
    schedule: &ScheduleName,
) -> Result<Json<wire::Schedule>, Refusal> {
    let accepted = door.handle.submit(by, verb).await?;
    let views = door.read_after(accepted.seq).await?;
    let view = views.schedules.all().get(schedule);
    let view = view.ok_or_else(|| {
        // It was taken away between the answer and this look.
        Refusal::new(Kind::Refused(Refused::Unknown), "no_such_schedule", "the schedule went")
    })?;
    Ok(Json(show::schedule(view, &views.mandates, kairos_engine::time())))
}

fn parsed(name: &str) -> Result<ScheduleName, Refusal> {
    name.parse()
        .map_err(|error: ParseScheduleNameError| Refusal::bad("bad_name", error.to_string()))
}
