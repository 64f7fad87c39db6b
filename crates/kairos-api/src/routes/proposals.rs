//! Proposals: look, decide.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use kairos_core::digest::Digest;
use kairos_core::gate::proposal::Decision;
use kairos_core::id::ProposalId;
use kairos_core::input::Verb;
use kairos_core::kind::{Kind, Refused};
use kairos_core::principal::Principal;
use kairos_views::{ProposalState, Views, find};
use kairos_wire as wire;

use super::{Body, Path, one, parse_or_default};
use crate::door::Door;
use crate::problem::Refusal;
use crate::show;

pub(crate) async fn list(
    State(door): State<Door>,
) -> Result<Json<wire::proposal::Proposals>, Refusal> {
    let views = door.read().await?;
    let text = |blob| door.text(blob);
    let waiting = |state| state == ProposalState::Waiting;
    let all = views.proposals.all().values().filter(|view| waiting(view.state));
    let proposals: Vec<_> = all.map(|view| show::proposal(view, &text, &views.erasures)).collect();
    Ok(Json(wire::proposal::Proposals { count: proposals.len(), proposals }))
}

pub(crate) async fn show(
    State(door): State<Door>,
    Path(id): Path,
) -> Result<Json<wire::Proposal>, Refusal> {
    let views = door.read().await?;
    let id = one(find(views.proposals.all(), &id), "proposal", &id)?;
    shown(&door, &views, id).map(Json)
}

fn shown(door: &Door, views: &Views, id: ProposalId) -> Result<wire::Proposal, Refusal> {
    let view = views.proposals.get(id);
    let view = view.ok_or_else(|| Refusal::unknown("unknown_id", format!("no proposal `{id}`")))?;
    Ok(show::proposal(view, &|blob| door.text(blob), &views.erasures))
}

pub(crate) async fn approve(
    door: State<Door>,
    by: Extension<Principal>,
    id: Path,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<wire::proposal::Decided>, Refusal> {
    decide(door.0, by.0, &id.0, &headers, body, Decision::Approve).await
}

pub(crate) async fn reject(
    door: State<Door>,
    by: Extension<Principal>,
    id: Path,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<wire::proposal::Decided>, Refusal> {
    decide(door.0, by.0, &id.0, &headers, body, Decision::Reject).await
}

async fn decide(
    door: Door,
    by: Principal,
    given: &str,
    headers: &HeaderMap,
    body: Body,
    decision: Decision,
) -> Result<Json<wire::proposal::Decided>, Refusal> {
    let said: wire::proposal::Decision = parse_or_default(&body)?;
    let id = {
        let views = door.read().await?;
        let id = one(find(views.proposals.all(), given), "proposal", given)?;
        if let Some(ProposalState::Closed(how)) = views.proposals.get(id).map(|view| view.state) {
            let kind = Kind::Refused(Refused::Conflict);
            let detail = format!("proposal `{id}` is {} already", how.word());
            let hint = format!("kairos proposal show {id}");
            return Err(Refusal::new(kind, "already_decided", detail).hint(hint));
        }
        id
    };
    let hash = hash(headers, &said)?;
    // A reviewer named in the body is a comment: recorded is who was authenticated.
    let note = [said.reviewer.map(|name| format!("as {name}")), said.reason];
    let note: Vec<String> = note.into_iter().flatten().collect();
    let note = if note.is_empty() { None } else { Some(note.join(": ")) };
    let note = match note {
        Some(text) => Some(super::effects::note(&door, text).await?),
        None => None,
    };
    let verb = Verb::Decide { proposal: id, decision, hash, note };
    let decided = door.handle.submit(by, verb).await?;
    // It is recorded, whether or not the views have reached it.
    let views = door.read_after(decided.seq).await.ok();
    Ok(Json(wire::proposal::Decided {
        enqueued: true,
        command_id: decided.command.to_string(),
        proposal_id: id.to_string(),
        decision: match decision {
            Decision::Approve => wire::proposal::Verdict::Approve,
            Decision::Reject => wire::proposal::Verdict::Reject,
        },
        proposal: views.and_then(|views| shown(&door, &views, id).ok()),
    }))
}

/// The hash the decision speaks of, from `If-Match` or the body; old clients send neither.
fn hash(headers: &HeaderMap, said: &wire::proposal::Decision) -> Result<Option<Digest>, Refusal> {
    let matched = headers.get(header::IF_MATCH).map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.trim().trim_matches('"').to_owned()
    });
    let Some(text) = matched.or_else(|| said.proposal_hash.clone()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::bad("bad_hash", format!("`{text}` is no hash")))
}
