//! Orders to the daemon itself.
//!
//! Owns the answer to reload and shutdown. Never says that a shutdown is over: it says that it
//! has begun.

use serde::{Deserialize, Serialize};

/// The daemon follows an order: `{"enqueued": true, "command_id": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Always true: what is refused is a [`Problem`](crate::Problem).
    pub enqueued: bool,
    /// What this order is called; orders are not in the journal, what follows from them is.
    pub command_id: String,
}
