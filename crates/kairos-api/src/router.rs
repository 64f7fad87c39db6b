//! The table of routes.

use axum::Extension;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};

use crate::door::Door;
use crate::problem::Refusal;
use crate::routes::{
    BodyLimit, admin, blobs, effects, events, hooks, mandates, proposals, schedules, status,
};

/// Bytes of a request's body.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// All routes over one door.
pub fn router(door: Door) -> Router {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/budget", get(status::budget))
        .route("/v1/events", get(events::events))
        .route("/v1/mandates", get(mandates::list).post(mandates::create))
        .route("/v1/mandates/{id}", get(mandates::show))
        .route("/v1/mandates/{id}/stop", post(mandates::stop))
        .route("/v1/proposals", get(proposals::list))
        .route("/v1/proposals/{id}", get(proposals::show))
        .route("/v1/proposals/{id}/approve", post(proposals::approve))
        .route("/v1/proposals/{id}/reject", post(proposals::reject))
        .route("/v1/effects", get(effects::list))
        .route("/v1/effects/{id}/settle", post(effects::settle))
        .route("/v1/schedules", get(schedules::list))
        .route("/v1/schedules/{name}/fire", post(schedules::fire))
        .route("/v1/schedules/{name}/pause", post(schedules::pause))
        .route("/v1/schedules/{name}/resume", post(schedules::resume))
        .route("/v1/hooks/{name}", post(hooks::deliver).layer(taking(hooks::BODY_BYTES_MAX)))
        .route("/v1/blobs/{id}/erase", post(blobs::erase))
        .route("/v1/admin/clock/confirm", post(admin::confirm_clock))
        .route("/v1/admin/reload", post(admin::reload))
        .route("/v1/admin/shutdown", post(admin::shutdown))
        // KairosChain took a closing slash on these.
        .route("/v1/status/", get(status::status))
        .route("/v1/mandates/", get(mandates::list).post(mandates::create))
        .route("/v1/mandates/{id}/stop/", post(mandates::stop))
        .method_not_allowed_fallback(not_allowed)
        .fallback(nowhere)
        .layer(taking(BODY_BYTES_MAX))
        .with_state(door)
}

/// Bodies of up to so many bytes, and no silence about the limit.
const fn taking(bytes: usize) -> (DefaultBodyLimit, Extension<BodyLimit>) {
    (DefaultBodyLimit::max(bytes), Extension(BodyLimit(bytes)))
}

async fn nowhere(uri: Uri) -> Refusal {
    Refusal::unknown("no_such_route", format!("no route `{}`", uri.path()))
}

async fn not_allowed(method: Method, uri: Uri) -> Refusal {
    let detail = format!("`{}` does not take {method}", uri.path());
    Refusal::bad("method_not_allowed", detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
