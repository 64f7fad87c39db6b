//! Waiting for the daemon's answer.
//!
//! Owns the one place where a verb, which is plain code, waits for a request. Never holds more
//! than one at a time.

use std::future::Future;

use crate::output::{Exit, Failure};

/// Runs `future` to its end.
pub(crate) fn wait<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(Exit::Bug, "runtime", &error))?
        .block_on(future)
}
