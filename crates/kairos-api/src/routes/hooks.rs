//! Deliveries to webhooks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::event::Key;
use kairos_core::input::Verb;
use kairos_core::kind::{Kind, Refused};
use kairos_core::principal::Principal;
use kairos_core::schedule::definition::ScheduleName;
use kairos_engine::Subject;
use kairos_wire as wire;

use super::{Body, Path, mandates};
use crate::door::Door;
use crate::hooks::{Proof, WINDOW_S};
use crate::problem::Refusal;

/// Bytes of what is delivered.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Headers that sign the body, the first that is there.
const SIGNATURES: [&str; 2] = ["x-kairos-signature", "x-hub-signature-256"];
/// Headers that name a delivery, the first that says something.
const DELIVERIES: [&str; 3] = ["x-kairos-delivery", "x-github-delivery", "idempotency-key"];
/// Bytes of a delivery's name.
const DELIVERY_BYTES_MAX: usize = 256;

pub(crate) async fn deliver(
    State(door): State<Door>,
    Path(name): Path,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<wire::schedule::Delivered>), Refusal> {
    let signature = SIGNATURES.iter().find_map(|name| headers.get(*name));
    let signature = signature.map(HeaderValue::as_bytes);
    // The HMAC says who it is: nothing else of the request is believed before.
    let identity = match door.hooks.prove(&name, signature, &body.0) {
        Proof::Holds { identity } => identity,
        Proof::Wrong => return Err(wrong()),
        Proof::TooMany => {
            return Err(too_many());
        }
        Proof::NoSuchHook => return Err(Refusal::unknown("no_such_hook", "no such hook")),
    };
    let deliveries = DELIVERIES.iter().filter_map(|name| headers.get(*name));
    let delivery = deliveries.map(HeaderValue::as_bytes).find(|id| !id.is_empty());
    let delivery = delivery.ok_or_else(no_delivery)?;
    if delivery.len() > DELIVERY_BYTES_MAX {
        let detail = format!("a delivery's name has at most {DELIVERY_BYTES_MAX} bytes");
        return Err(Refusal::bad("bad_delivery", detail));
    }
    let unnamed = |_| Refusal::unknown("no_such_hook", "no such hook");
    let schedule: ScheduleName = name.parse().map_err(unnamed)?;
    let by: Principal = format!("hook:{schedule}")
        .parse()
        .map_err(|_| Refusal::bad("bad_name", "the schedule's name is too long for a hook"))?;
    door.handle.room()?;
    let key = key(&identity, delivery, &body.0);
    let body = store(&door, &body).await?;
    let verb = Verb::Deliver { schedule, key, body };
    let about = format!("delivery `{}`", String::from_utf8_lossy(delivery).escape_debug());
    let taken = door.handle.submit(by, verb).await;
    let taken = taken.map_err(|error| Refusal::from(error).about(&about))?;
    let made = match taken.subject {
        Some(Subject::Mandate(id)) => Some(id),
        _ => None,
    };
    let mandate = match made {
        Some(id) => mandates::told(&door, &taken, id).await,
        None => None,
    };
    let delivered = wire::schedule::Delivered {
        enqueued: made.is_some(),
        command_id: taken.command.to_string(),
        schedule: name,
        state: if made.is_some() { "fired" } else { "skipped" }.to_owned(),
        reason: made.is_none().then(|| "paused".to_owned()),
        repeated: made.is_some() && !taken.recorded,
        mandate_id: made.map(|id| id.to_string()),
        mandate,
        seq: taken.seq.0,
    };
    let status = if made.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(delivered)))
}

/// What makes a delivery at most one mandate. No request of a person has such a key: a header has no
/// line breaks.
fn key(identity: &ScheduleName, delivery: &[u8], body: &[u8]) -> Key {
    let named = [b"hook\n", identity.as_str().as_bytes(), b"\n", delivery].concat();
    Key { key: Digest::of(&named), request: Digest::of(body) }
}

async fn store(door: &Door, Body(body): &Body) -> Result<Option<BlobRef>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let (handle, body) = (door.handle.clone(), body.clone());
    let stored = tokio::task::spawn_blocking(move || handle.put(&body)).await;
    let stored = stored.map_err(|_| Refusal::new(Kind::Bug, "panicked", "storing panicked"))?;
    let full = |error| {
        let detail = format!("the delivery cannot be stored: {error}");
        Refusal::new(Kind::Refused(Refused::ForNow), "no_space", detail)
    };
    stored.map(Some).map_err(full)
}

fn wrong() -> Refusal {
    let detail = "no signature of the body with this hook's secret";
    Refusal::new(Kind::Denied, "bad_signature", detail)
        .hint("`X-Kairos-Signature: sha256=` and the HMAC-SHA-256 of the raw body, in hexadecimal")
}

fn too_many() -> Refusal {
    let kind = Kind::Refused(Refused::ForNow);
    Refusal::new(kind, "too_many", "too many wrong signatures")
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .retry_after(WINDOW_S)
        .hint(format!("one that is signed is taken all the same; else wait {WINDOW_S} seconds"))
}

fn no_delivery() -> Refusal {
    let detail = "nothing names the delivery, so a repeat could not be told";
    Refusal::bad("no_delivery", detail).hint(
        "a header `X-Kairos-Delivery` (also `X-GitHub-Delivery`, `Idempotency-Key`), \
         another value for each delivery and the same one when it is repeated",
    )
}
