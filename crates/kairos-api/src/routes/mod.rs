//! The routes, one file a noun, and what they share: reading a body and finding an id.

pub(crate) mod admin;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod mandates;
pub(crate) mod proposals;
pub(crate) mod schedules;
pub(crate) mod status;

use axum::body::Bytes;
use axum::http::StatusCode;
use kairos_core::kind::{Kind, Refused};
use kairos_views::Found;
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

/// What an extractor gives for a body: the bytes, or that there are too many.
pub(crate) type Body = Result<Bytes, axum::extract::rejection::BytesRejection>;

fn bytes(body: Body) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| {
        let detail = format!("the body was not read: {}", rejection.body_text());
        let refusal = Refusal::bad("bad_body", detail);
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => refusal.with_status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => refusal,
        }
    })
}

/// The body as JSON; where it may be left out, an empty one is the default.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad("bad_body", format!("the body cannot be used: {error}")))
}

fn parse_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) { Ok(T::default()) } else { parse(body) }
}

/// The one id a text begins.
fn one<I: ToString>(found: Found<I>, noun: &str, given: &str) -> Result<I, Refusal> {
    let hint = format!("kairos {noun} list");
    match found {
        Found::One(id) => Ok(id),
        Found::None => {
            Err(Refusal::unknown("unknown_id", format!("no {noun} `{given}`")).hint(hint))
        }
        Found::Many(ids) => {
            let kind = Kind::Refused(Refused::Conflict);
            let detail = format!("`{given}` begins the id of more than one {noun}");
            let ids = ids.iter().map(ToString::to_string).collect();
            Err(Refusal::new(kind, "ambiguous_id", detail).hint(hint).candidates(ids))
        }
    }
}
