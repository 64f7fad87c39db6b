//! Orders to the daemon itself.
//!
//! Owns the answer to reload and shutdown. Never says that a shutdown is over: it says that it
//! has begun.

use serde::{Deserialize, Serialize};

/// The daemon follows an order: `{"enqueued": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Always true: what is refused is a [`Problem`](crate::Problem).
    pub enqueued: bool,
}
