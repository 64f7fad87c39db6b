//! Events in their public form.
//!
//! Owns the way from a record to `{"seq", "at", "events": [{"type", "mandate_id"?, …}]}`. The public
//! form follows the journal's own, so that a new event needs no second table: the tag becomes `type`
//! and ids say what they are. This is the one place of this crate where a dynamic tree is right.

use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_wire::EventRecord;
use kairos_wire::event::Event as Public;
use serde_json::{Map, Value};

/// A record's public form; `None` for a frame without events.
#[must_use]
pub fn public(at: At, events: &[Event]) -> Option<EventRecord> {
    let events: Vec<Public> = events.iter().filter_map(one).collect();
    let record = EventRecord { seq: at.seq.0, at: at.time.to_string(), events };
    (!record.events.is_empty()).then_some(record)
}

fn one(event: &Event) -> Option<Public> {
    // An event is an externally tagged object with one key; anything else is no event of ours.
    let Value::Object(tagged) = serde_json::to_value(event).ok()? else { return None };
    let (kind, body) = tagged.into_iter().next()?;
    let body = if let Value::Object(fields) = body { fields } else { Map::new() };
    let mut mandate_id = None;
    let mut fields = Map::new();
    for (name, value) in body {
        match name.as_str() {
            "mandate" => mandate_id = value.as_str().map(ToOwned::to_owned),
            "proposal" | "effect" | "command" => {
                fields.insert(format!("{name}_id"), value);
            }
            _ => {
                fields.insert(name, value);
            }
        }
    }
    Some(Public { kind, mandate_id, fields })
}
