//! Schedules: look, fire.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use kairos_core::input::Verb;
use kairos_core::kind::Kind;
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::ScheduleName;
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
    let all = views.schedules.all().values();
    let schedules = all.map(|view| show::schedule(view, &views.mandates)).collect();
    Ok(Json(wire::schedule::Schedules { schedules }))
}

pub(crate) async fn fire(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(name): Path,
    headers: HeaderMap,
) -> Result<Json<wire::schedule::Fired>, Refusal> {
    let parsed: Result<ScheduleName, _> = name.parse();
    let schedule = parsed.map_err(|error| Refusal::bad("bad_name", error.to_string()))?;
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
        seq: fired.seq.0,
        mandate_id: id.to_string(),
        mandate: super::mandates::told(&door, &fired, id).await,
    }))
}
