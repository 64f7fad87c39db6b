//! Stored texts: erase.

use axum::Json;
use axum::extract::{Extension, State};
use kairos_core::digest::Digest;
use kairos_core::input::Verb;
use kairos_core::kind::Kind;
use kairos_core::principal::Principal;
use kairos_views::{ErasureView, Found};
use kairos_wire as wire;

use super::{Body, Path, effects, one, parse};
use crate::door::Door;
use crate::problem::Refusal;
use crate::show;

/// Digits that a shortened digest has at least.
const DIGITS_MIN: usize = 8;
/// Texts that are listed where a shortened digest could be several.
const LISTED_MAX: usize = 5;

pub(crate) async fn erase(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    Path(given): Path,
    body: Body,
) -> Result<Json<wire::blob::Erased>, Refusal> {
    let said: wire::blob::Erase = parse(&body)?;
    if said.reason.trim().is_empty() {
        return Err(Refusal::bad("no_reason", "an erasure needs a reason"));
    }
    let (blob, stored) = find(&door, &given).await?;
    let before = door.read().await?.erasures.get(blob).cloned();
    if let (Some(view), false) = (before, stored) {
        let shown = shown(&door, &view);
        return Ok(Json(answer(blob, None, Some(shown))));
    }
    let reason = effects::note(&door, said.reason).await?;
    let erased = door.handle.submit(by, Verb::Erase { blob, reason }).await?;
    let view = door.erasure(blob, erased.seq).await;
    let shown = view.map(|view| shown(&door, &view));
    Ok(Json(answer(blob, Some(erased.command.to_string()), shown)))
}

fn answer(
    blob: Digest,
    command_id: Option<String>,
    erasure: Option<wire::blob::Erasure>,
) -> wire::blob::Erased {
    wire::blob::Erased {
        enqueued: command_id.is_some(),
        command_id,
        blob_id: blob.to_string(),
        state: erasure.as_ref().map_or(wire::blob::State::Erasing, |erasure| erasure.state),
        erasure,
    }
}

fn shown(door: &Door, view: &ErasureView) -> wire::blob::Erasure {
    show::erasure(view, &|blob| door.text(blob))
}

/// The text that `given` names or begins, and whether it is there. One that was erased is known.
async fn find(door: &Door, given: &str) -> Result<(Digest, bool), Refusal> {
    let digits = given.strip_prefix("sha256:").unwrap_or(given).to_ascii_lowercase();
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex || !(DIGITS_MIN..=64).contains(&digits.len()) {
        let detail = format!("`{given}` is not a digest, nor {DIGITS_MIN} digits or more of one");
        return Err(Refusal::bad("bad_digest", detail));
    }
    let (handle, begin) = (door.handle.clone(), digits.clone());
    let listed = tokio::task::spawn_blocking(move || handle.find(&begin, LISTED_MAX)).await;
    let listed = listed.map_err(|_| Refusal::new(Kind::Bug, "panicked", "looking panicked"))?;
    let stored = listed.map_err(|error| {
        Refusal::new(
            Kind::Unavailable,
            "unreadable",
            format!("the texts cannot be listed: {error}"),
        )
    })?;
    let mut found = stored.clone();
    {
        let views = door.read().await?;
        let erased = views.erasures.all().keys().filter(|blob| !stored.contains(blob));
        found.extend(erased.filter(|blob| blob.to_string().starts_with(&digits)));
    }
    let found = match found.as_slice() {
        [] => Found::None,
        [one] => Found::One(*one),
        _ => Found::Many(found.into_iter().take(LISTED_MAX).collect()),
    };
    match one(found, "stored text", given) {
        Ok(blob) => Ok((blob, stored.contains(&blob))),
        Err(refusal) => Err(refusal.hint("`kairos events --json` names them, as `sha256`")),
    }
}
