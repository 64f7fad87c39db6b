//! Errors as RFC 9457 problems.
//!
//! Owns the one match from a kind to status and exit code.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kairos_core::kind::{Kind, Refused};
use kairos_engine::SubmitError;
use kairos_wire::Problem;
use kairos_wire::problem::MEDIA_TYPE;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    exit: u8,
    code: &'static str,
    detail: String,
    hint: Option<String>,
    candidates: Vec<String>,
    retry_after_s: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        let (status, exit) = meaning(kind);
        let (hint, candidates, retry_after_s) = (None, Vec::new(), None);
        Self { status, exit, code, detail: detail.into(), hint, candidates, retry_after_s }
    }

    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Refused(Refused::BadInput), code, detail)
    }

    pub(crate) fn unknown(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Refused(Refused::Unknown), code, detail)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn candidates(mut self, candidates: Vec<String>) -> Self {
        self.candidates = candidates;
        self
    }

    /// The same, with what it is about in front.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.detail = format!("{what}: {}", self.detail);
        self
    }

    /// After how many seconds asking again may help.
    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

/// Status and exit code of a kind.
const fn meaning(kind: Kind) -> (StatusCode, u8) {
    match kind {
        Kind::Refused(Refused::BadInput) => (StatusCode::BAD_REQUEST, 2),
        Kind::Refused(Refused::Unknown) => (StatusCode::NOT_FOUND, 1),
        Kind::Refused(Refused::Conflict) => (StatusCode::CONFLICT, 1),
        Kind::Refused(Refused::Stale) => (StatusCode::PRECONDITION_FAILED, 1),
        Kind::Refused(Refused::ForNow) => (StatusCode::SERVICE_UNAVAILABLE, 75),
        Kind::Refused(Refused::NoModel) => (StatusCode::CONFLICT, 78),
        Kind::Denied => (StatusCode::FORBIDDEN, 77),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 69),
        Kind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, 2),
        Kind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, 70),
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        let refusal = Self::new(error.kind(), error.code(), error.to_string());
        match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            exit: self.exit,
            hint: self.hint,
            candidates: self.candidates,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let typed = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, typed, Body::from(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
