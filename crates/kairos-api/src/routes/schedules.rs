//! Schedules: look, fire, pause, resume.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use kairos_core::input::Verb;
use kairos_core::kind::{Kind, Refused};
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::{ParseScheduleNameError, ScheduleName};
use kairos_engine::Subject;
use kairos_wire as wire;

use super::{Path, key};
use crate::door::Door;
use crate::problem::Refusal;
use crate::show;

pub(crate) async fn list(
    State(door): State<Door>,
) -> Result<Json<wire::schedule::Schedules>, Refusal> {
    let views = door.read().await?;
    let now = kairos_engine::time();
    let all = views.schedules.all().values();
    let schedules = all.map(|view| show::schedule(view, &views.mandates, now)).collect();
    Ok(Json(wire::schedule::Schedules { schedules }))
}

pub(crate) async fn fire(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(name): Path,
    headers: HeaderMap,
) -> Result<Json<wire::schedule::Fired>, Refusal> {
    let schedule = parsed(&name)?;
    // No body of a mandate's request begins like this: one key cannot stand for both.
    let key = key(&headers, format!("fire {schedule}").as_bytes());
    let fired = door.handle.submit(by, Verb::Fire { schedule, key }).await?;
    let Some(Subject::Mandate(id)) = fired.subject else {
        return Err(Refusal::new(Kind::Bug, "no_mandate", "no mandate was made"));
    };
    Ok(Json(wire::schedule::Fired {
        enqueued: true,
        command_id: fired.command.to_string(),
        schedule: name,
        mandate_id: id.to_string(),
        mandate: super::mandates::told(&door, &fired, id).await,
    }))
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
