//! Mandates: make, look, stop.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use kairos_core::id::MandateId;
use kairos_core::input::Verb;
use kairos_core::kind::{Kind, Refused};
use kairos_core::principal::Principal;
use kairos_engine::{Accepted, BlobProblem, Subject};
use kairos_views::{StateView, Views, find};
use kairos_wire as wire;
use serde::Deserialize;

use super::{Body, Path, Query, key, one, parse};
use crate::convert::{self, SpecError};
use crate::door::Door;
use crate::problem::Refusal;
use crate::{queue, show};

/// Mandates on one page.
const PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Only mandates with a smaller id.
    before: Option<String>,
}

pub(crate) async fn list(
    State(door): State<Door>,
    Query(page): Query<Page>,
) -> Result<Json<wire::mandate::Mandates>, Refusal> {
    let views = door.read().await?;
    let before = match &page.before {
        Some(text) => Some(one(find(views.mandates.all(), text), "mandate", text)?),
        None => None,
    };
    let ids = |wanted: fn(StateView) -> bool| {
        let all = views.mandates.all().values();
        all.filter(|view| wanted(view.state)).map(|view| view.id.to_string()).collect()
    };
    let active = ids(|state| state == StateView::Running);
    let queued = ids(|state| state == StateView::Queued);
    let all = views.mandates.all().values().rev();
    let mut older = all.filter(|view| before.is_none_or(|before| view.id < before));
    let text = |blob| door.text(blob);
    let status = door.handle.status();
    let mandates = older.by_ref().take(PAGE).map(|view| {
        let mut shown = show::mandate(view, &text, &views.erasures);
        queue::explain(&mut shown, view, &views, &status);
        shown
    });
    let mandates: Vec<_> = mandates.collect();
    let next = older.next().and(mandates.last().map(|last| last.id.clone()));
    Ok(Json(wire::mandate::Mandates { active, queued, mandates, next }))
}

pub(crate) async fn show(
    State(door): State<Door>,
    Path(id): Path,
) -> Result<Json<wire::Mandate>, Refusal> {
    let unknown = {
        let views = door.read().await?;
        match one(find(views.mandates.all(), &id), "mandate", &id) {
            Ok(id) => return shown(&door, &views, id).map(Json),
            Err(refusal) => refusal,
        }
    };
    // Only a whole id can name one that the views have forgotten.
    let Ok(id) = id.parse() else { return Err(unknown) };
    let past = door.past(id).await?.ok_or(unknown)?;
    let views = door.read().await?;
    Ok(Json(show::mandate(&past, &|blob| door.text(blob), &views.erasures)))
}

/// A mandate that is known to exist.
pub(super) fn shown(door: &Door, views: &Views, id: MandateId) -> Result<wire::Mandate, Refusal> {
    let view = views.mandates.get(id);
    let view = view.ok_or_else(|| Refusal::unknown("unknown_id", format!("no mandate `{id}`")))?;
    let mut shown = show::mandate(view, &|blob| door.text(blob), &views.erasures);
    queue::explain(&mut shown, view, views, &door.handle.status());
    Ok(shown)
}

/// A mandate in the answer to a command that is durable, whether or not the views have reached it.
/// One that was made just now is in its own record; `None` when nothing tells of it in time.
pub(super) async fn told(door: &Door, made: &Accepted, id: MandateId) -> Option<wire::Mandate> {
    if let Ok(views) = door.read_after(made.seq).await {
        return shown(door, &views, id).ok();
    }
    let views = door.alone(made.seq).await?;
    shown(door, &views, id).ok()
}

pub(crate) async fn create(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<wire::mandate::Created>, Refusal> {
    let request: wire::MandateRequest = parse(&body)?;
    let key = key(&headers, &serde_json::to_vec(&request).unwrap_or_default());
    // Before anything is stored for it. With a key it may be a mandate that is there.
    match key {
        Some(_) => door.handle.room()?,
        None => door.handle.room_for_new()?,
    }
    let spec = store(&door, request).await?;
    let made = door.handle.submit(by, Verb::Create { spec: Box::new(spec), key }).await?;
    let Some(Subject::Mandate(id)) = made.subject else {
        return Err(Refusal::new(Kind::Bug, "no_mandate", "no mandate was made"));
    };
    Ok(Json(wire::mandate::Created {
        enqueued: true,
        command_id: made.command.to_string(),
        mandate_id: id.to_string(),
        seq: made.seq.0,
        mandate: told(&door, &made, id).await,
    }))
}

/// Stores the request's texts, which syncs them: not on a thread that serves others.
async fn store(
    door: &Door,
    request: wire::MandateRequest,
) -> Result<kairos_core::mandate::spec::MandateSpec, Refusal> {
    let handle = door.handle.clone();
    let stored = tokio::task::spawn_blocking(move || {
        convert::spec(&request, &mut |text| handle.put(text.as_bytes()))
    });
    let stored =
        stored.await.map_err(|_| Refusal::new(Kind::Bug, "panicked", "storing panicked"))?;
    stored.map_err(|error| match &error {
        SpecError::Store { source: BlobProblem::Disk { .. } | BlobProblem::Stored { .. } } => {
            Refusal::new(Kind::Refused(Refused::ForNow), "no_space", full(&error))
        }
        _ => Refusal::bad("bad_mandate", full(&error)),
    })
}

/// An error with its causes.
fn full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(crate) async fn stop(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(given): Path,
) -> Result<Json<wire::mandate::Stopped>, Refusal> {
    let id = {
        let views = door.read().await?;
        let id = one(find(views.mandates.all(), &given), "mandate", &given)?;
        let finished = views.mandates.get(id).map(|view| view.state);
        if let Some(StateView::Finished { outcome, .. }) = finished {
            let kind = Kind::Refused(Refused::Conflict);
            let detail = format!("mandate `{id}` is finished already: {outcome}");
            return Err(Refusal::new(kind, "finished", detail));
        }
        id
    };
    let stopped = door.handle.submit(by, Verb::Stop { mandate: id }).await?;
    Ok(Json(wire::mandate::Stopped {
        enqueued: true,
        command_id: stopped.command.to_string(),
        mandate_id: id.to_string(),
        mandate: told(&door, &stopped, id).await,
    }))
}
