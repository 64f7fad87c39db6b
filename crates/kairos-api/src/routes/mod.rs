//! The routes, one file a noun, and what they share: reading a body and finding an id.

pub(crate) mod admin;
pub(crate) mod blobs;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod hooks;
pub(crate) mod mandates;
pub(crate) mod proposals;
pub(crate) mod schedules;
pub(crate) mod status;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use kairos_core::digest::Digest;
use kairos_core::event::Key;
use kairos_core::kind::{Kind, Refused};
use kairos_views::Found;
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

/// Time a request's body has to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The most bytes that a route takes as a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// A request's body, whole and within its limits.
pub(crate) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let limit = request.extensions().get::<BodyLimit>().copied();
        let read = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state)).await;
        let Ok(read) = read else {
            let refusal = Refusal::bad("slow_body", "the body did not arrive in time");
            return Err(refusal.with_status(StatusCode::REQUEST_TIMEOUT));
        };
        read.map(Self).map_err(|rejection| {
            let why = rejection.body_text();
            match (rejection.status(), limit) {
                (StatusCode::PAYLOAD_TOO_LARGE, Some(BodyLimit(most))) => {
                    let detail = format!("the body has more than {most} bytes");
                    let refusal = Refusal::bad("bad_body", detail)
                        .hint(format!("up to {most} bytes are taken; send less, or where it lies"));
                    refusal.with_status(StatusCode::PAYLOAD_TOO_LARGE)
                }
                (status, _) => {
                    let refusal = Refusal::bad("bad_body", format!("the body was not read: {why}"));
                    match status {
                        StatusCode::PAYLOAD_TOO_LARGE => refusal.with_status(status),
                        _ => refusal,
                    }
                }
            }
        })
    }
}

/// A query, refused in the form of every other refusal.
pub(crate) struct Query<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(query) = query.map_err(|rejection: QueryRejection| {
            Refusal::bad(
                "bad_query",
                format!("the query cannot be used: {}", rejection.body_text()),
            )
        })?;
        Ok(Self(query))
    }
}

/// The variable part of a path, refused in the form of every other refusal.
pub(crate) struct Path(String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(path) = path.map_err(|rejection: PathRejection| {
            Refusal::bad("bad_path", format!("the path cannot be used: {}", rejection.body_text()))
        })?;
        Ok(Self(path))
    }
}

/// The body as a JSON object. An array is refused first: it would be taken for the fields in order.
fn parse<T: DeserializeOwned>(Body(body): &Body) -> Result<T, Refusal> {
    let bad = |why: &dyn std::fmt::Display| {
        Refusal::bad("bad_body", format!("the body cannot be used: {why}"))
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(bad(&"a list where an object belongs"));
    }
    serde_json::from_slice(body).map_err(|error| bad(&error))
}

/// The same where the body may be left out.
fn parse_or_default<T: DeserializeOwned + Default>(body: &Body) -> Result<T, Refusal> {
    if body.0.trim_ascii().is_empty() { Ok(T::default()) } else { parse(body) }
}

/// The idempotency key that came with a request, of which `asked` is what counts.
fn key(headers: &HeaderMap, asked: &[u8]) -> Option<Key> {
    let key = headers.get("idempotency-key")?;
    Some(Key { key: Digest::of(key.as_bytes()), request: Digest::of(asked) })
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
