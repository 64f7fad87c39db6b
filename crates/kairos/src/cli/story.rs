//! Events in words.
//!
//! Owns one line of text for each kind of event. A kind of a later version shows by its name:
//! nothing is left out.

use kairos_core::space::Shortage;
use kairos_wire::event::Event;
use serde_json::Value;

use crate::output::table::one_line;
use crate::output::when;

/// `HH:MM:SS phase text`
pub(crate) fn line(at: &str, event: &Event) -> String {
    let (what, text) = words(event);
    let line = format!("{} {what:<8} {text}", when::clock(at));
    one_line(line.trim_end())
}

/// What part of the flow an event belongs to, and what happened.
pub(super) fn words(event: &Event) -> (String, String) {
    let show = |name| field(event, name);
    let (what, text) = match event.kind.as_str() {
        "mandate_created" => ("mandate", "created".to_owned()),
        "mandate_started" => ("mandate", "started".to_owned()),
        "mandate_ready" => ("mandate", "no longer has to wait".to_owned()),
        "mandate_resumed" => ("mandate", "goes on".to_owned()),
        "mandate_parked" => ("mandate", format!("waits [{}]", show("reason"))),
        "stop_asked" => ("mandate", "asked to stop".to_owned()),
        "mandate_finished" => ("mandate", finished(event)),
        "cycle_started" => ("cycle", format!("{} begins", show("cycle"))),
        "phase_entered" => return (show("phase"), "begins".to_owned()),
        "plan_accepted" => ("decide", format!("plan of {}", counted(event, "steps", "step"))),
        "step_begun" => ("act", format!("step {} begins", show("step"))),
        "step_finished" => ("act", format!("step {}: {}", show("step"), show("end"))),
        "call_delayed" => ("model", format!("tried again at {}", when::short(&show("until")))),
        "effect_unsettled" => {
            ("effect", format!("{} is unsettled [{}]", show("effect_id"), show("doubt")))
        }
        "proposal_opened" => ("proposal", format!("{} waits for you", show("proposal_id"))),
        "proposal_closed" => ("proposal", format!("{} {}", show("proposal_id"), show("how"))),
        "decided" => {
            ("proposal", format!("{}: {} by {}", show("proposal_id"), show("decision"), show("by")))
        }
        "blob_erased" => ("text", format!("{} is erased by {}", show("blob"), show("by"))),
        "erasure_settled" if show("end") == "gone" => ("text", format!("{} is gone", show("blob"))),
        "erasure_settled" => ("text", format!("{} stays: it is needed again", show("blob"))),
        "space_low" => ("space", low(event)),
        "space_enough" => ("space", "there is room again, all goes on".to_owned()),
        "clock_stepped" => ("clock", stepped(event)),
        "clock_settled" if show("by").is_empty() => ("clock", "has stood, all goes on".to_owned()),
        "clock_settled" => ("clock", format!("is right, says {}", show("by"))),
        "segments_deleted" => ("journal", deleted(event)),
        "schedule_paused" => {
            ("schedule", format!("{} is paused [{}]", show("schedule"), show("why")))
        }
        "schedule_resumed" => {
            ("schedule", format!("{} goes on, says {}", show("schedule"), show("by")))
        }
        "slot" => ("schedule", format!("{}: {}", show("schedule"), slot(event))),
        kind => return ("·".to_owned(), kind.replace('_', " ")),
    };
    (what.to_owned(), text)
}

fn finished(event: &Event) -> String {
    let verified = match event.fields.get("verified").and_then(Value::as_bool) {
        Some(true) => " (verified)",
        Some(false) => " (checks failed)",
        None if field(event, "outcome") == "achieved" => " (unverified)",
        None => "",
    };
    format!("{}{verified}", field(event, "outcome"))
}

fn stepped(event: &Event) -> String {
    let by_ms = event.fields.get("by_ms").and_then(Value::as_i64).unwrap_or_default();
    format!("was set {}; slots and whatever expires wait", when::step(by_ms))
}

fn low(event: &Event) -> String {
    let shortage = event.fields.get("shortage").cloned().unwrap_or_default();
    let what = match serde_json::from_value::<Shortage>(shortage) {
        Ok(shortage) => format!("{shortage} [{}]", shortage.word()),
        // Of a later version.
        Err(_) => format!("[{}]", field(event, "shortage")),
    };
    format!("short of room: {what}; nothing new begins")
}

fn deleted(event: &Event) -> String {
    let why = match field(event, "over").as_str() {
        "days" => "older than is kept",
        "bytes" => "more than is kept",
        _ => "over a limit",
    };
    let (segments, first) = (counted(event, "segments", "segment"), field(event, "first"));
    format!("{segments} deleted, {why} [{}]; begins with {first}", field(event, "over"))
}

fn slot(event: &Event) -> String {
    let reason = field(event, "reason");
    if reason.is_empty() {
        field(event, "state")
    } else {
        format!("{} [{reason}]", field(event, "state"))
    }
}

pub(super) fn counted(event: &Event, name: &str, noun: &str) -> String {
    match field(event, name).as_str() {
        "1" => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// A field as text; ids may stand under their long name. A tagged value shows its tag.
pub(super) fn field(event: &Event, name: &str) -> String {
    let long = || event.fields.get(&format!("{name}_id"));
    match event.fields.get(name).or_else(long) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(tagged)) if tagged.len() == 1 => {
            let inner = tagged.iter().next().map(|(tag, inner)| match inner {
                Value::String(text) => format!("{tag} ({text})"),
                _ => tag.clone(),
            });
            inner.unwrap_or_default()
        }
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn events_read_as_sentences() {
        let shown = [
            r#"{"type":"phase_entered","mandate_id":"M","phase":"orient"}"#,
            r#"{"type":"plan_accepted","mandate_id":"M","steps":1}"#,
            r#"{"type":"step_finished","mandate_id":"M","step":0,"end":{"failed":"not_allowed"}}"#,
            r#"{"type":"mandate_finished","mandate_id":"M","outcome":"achieved"}"#,
            r#"{"type":"proposal_opened","mandate_id":"M","proposal_id":"P"}"#,
            r#"{"type":"segments_deleted","first":42,"segments":2,"bytes":9,"over":"days"}"#,
            r#"{"type":"moon_rose","bright":true}"#,
        ]
        .map(|json| words(&event(json)));
        let expected = [
            ("orient", "begins"),
            ("decide", "plan of 1 step"),
            ("act", "step 0: failed (not_allowed)"),
            ("mandate", "achieved (unverified)"),
            ("proposal", "P waits for you"),
            ("journal", "2 segments deleted, older than is kept [days]; begins with 42"),
            ("·", "moon rose"),
        ];
        assert_eq!(shown, expected.map(|(what, text)| (what.to_owned(), text.to_owned())));
    }
}
