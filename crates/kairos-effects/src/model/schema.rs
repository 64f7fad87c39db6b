//! The JSON schemas of the three answers.
//!
//! Owns their names and shapes as providers are given them. Never the judge of an answer: `answer`
//! is, and it accepts more.

use kairos_core::cycle::phase::Phase;
use kairos_core::plan::ActionKind;
use serde_json::{Value, json};

/// The schema's name; `None` for a phase that asks no model.
#[must_use]
pub const fn name(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Orient => Some("kairos_orient"),
        Phase::Decide => Some("kairos_decide"),
        Phase::Reflect => Some("kairos_reflect"),
        Phase::Observe | Phase::Act => None,
    }
}

/// The schema of an answer to `phase`; anything at all for a phase that asks no model.
#[must_use]
pub fn of(phase: Phase) -> Value {
    match phase {
        Phase::Orient => object(
            json!({
                "summary": {"type": "string"},
                "priorities": {"type": "array", "items": {"type": "string"}},
                "risk_level": {"type": "string", "enum": ["low", "medium", "high"]},
            }),
            &["summary", "priorities", "risk_level"],
        ),
        Phase::Decide => object(
            json!({
                "status": {"type": "string", "enum": ["continue", "done", "blocked"]},
                "reason": {"type": "string"},
                "steps": {"type": "array", "items": step()},
            }),
            &["status", "reason", "steps"],
        ),
        Phase::Reflect => object(
            json!({
                "assessment": {
                    "type": "string",
                    "enum": ["success", "partial", "failure", "unknown"],
                },
                "lessons": {"type": "array", "items": {"type": "string"}},
                "confidence": {"type": "number"},
            }),
            &["assessment", "lessons", "confidence"],
        ),
        Phase::Observe | Phase::Act => json!({}),
    }
}

fn step() -> Value {
    let actions = ActionKind::ALL.map(ActionKind::word);
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    object(
        json!({
            "id": text,
            "action": {"type": "string", "enum": actions},
            "intent": text,
            "path": text,
            "old_string": text,
            "new_string": text,
            "replace_all": {"type": "boolean"},
            "content": text,
            "to": text,
            "argv": texts,
            "cwd": text,
            "tool": text,
            "arguments": {"type": "object"},
            "depends_on": texts,
            "failure_policy": {"type": "string", "enum": ["halt", "skip_dependents", "continue"]},
        }),
        &["id", "action", "intent"],
    )
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}
