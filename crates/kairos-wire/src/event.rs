//! Records as everybody may read them.
//!
//! Owns the public form of a record, which `GET /v1/events`, `events --json` and the JSON Lines
//! export share. Fields of an event beyond its type and mandate are left dynamic: a client that
//! shows them needs no list of all events there will ever be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The position; also the `id` of the server-sent event.
    pub seq: u64,
    /// RFC 3339, UTC, three decimals.
    pub at: String,
    /// Never empty.
    pub events: Vec<Event>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate_id: Option<String>,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}
