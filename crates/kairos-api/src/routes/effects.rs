//! Effects without an outcome: look, settle.

use axum::Json;
use axum::extract::{Extension, State};
use kairos_core::digest::BlobRef;
use kairos_core::effect::PersonSays;
use kairos_core::input::Verb;
use kairos_core::kind::Kind;
use kairos_core::principal::Principal;
use kairos_views::find;
use kairos_wire as wire;

use super::{Body, Path, one, parse};
use crate::door::Door;
use crate::problem::Refusal;
use crate::show;

pub(crate) async fn list(State(door): State<Door>) -> Result<Json<wire::effect::Effects>, Refusal> {
    let views = door.read().await?;
    let text = |blob| door.text(blob);
    let all = views.effects.all().values();
    let effects = all.map(|view| show::effect(view, &text)).collect();
    Ok(Json(wire::effect::Effects { effects }))
}

pub(crate) async fn settle(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(given): Path,
    body: Body,
) -> Result<Json<wire::effect::Settled>, Refusal> {
    let said: wire::effect::Settle = parse(&body)?;
    let id = {
        let views = door.read().await?;
        one(find(views.effects.all(), &given), "effect", &given)?
    };
    let note = match said.note {
        Some(text) => Some(note(&door, text).await?),
        None => None,
    };
    let answer = match said.answer {
        wire::effect::Answer::Happened => PersonSays::Happened,
        wire::effect::Answer::DidNot => PersonSays::DidNot,
        wire::effect::Answer::Unknown => PersonSays::Unknown,
    };
    let settled = door.handle.submit(by, Verb::Judge { effect: id, answer, note }).await?;
    Ok(Json(wire::effect::Settled {
        enqueued: true,
        command_id: settled.command.to_string(),
        effect_id: id.to_string(),
        answer: said.answer,
    }))
}

/// Stores a person's words.
pub(super) async fn note(door: &Door, text: String) -> Result<BlobRef, Refusal> {
    let handle = door.handle.clone();
    let stored = tokio::task::spawn_blocking(move || handle.put(text.as_bytes())).await;
    let stored = stored.map_err(|_| Refusal::new(Kind::Bug, "panicked", "storing panicked"))?;
    stored.map_err(|error| Refusal::new(Kind::Unavailable, "no_space", error.to_string()))
}
