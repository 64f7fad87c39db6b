//! A checkpoint posted to a server.
//!
//! Owns one request. Never follows a redirect, uses no proxy, never tries again.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use super::Refused;

/// For one attempt, from connecting to the answer's head.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Posts `note`; any answer of 2xx has taken it. Its body is not read.
pub(crate) fn post(url: &Url, note: String) -> Result<(), Refused> {
    let unreachable = |said: String| Refused::Unreachable { said };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
    runtime.block_on(async {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(TIME_MAX)
            .user_agent(concat!("kairos/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // A machine without root certificates can still reach a server of its own.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| unreachable(words(error)))?;
        let request = client.post(url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let answer = request.body(note).send().await.map_err(|error| unreachable(words(error)))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(Refused::Status { status: status.as_u16() }) }
    })
}

/// The error with its causes and without the URL, in which there may be a secret.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
