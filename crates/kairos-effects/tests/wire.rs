//! Requests and answers of the two wire formats, as whole values.

use kairos_core::budget::Usage;
use kairos_core::cycle::phase::Phase;
use kairos_effects::model::prompt::Prompt;
use kairos_effects::model::{Form, Said, Stop, anthropic, openai, schema};
use serde_json::{Value, json};

fn prompt() -> Prompt {
    Prompt { phase: Phase::Reflect, system: "be brief".into(), user: "# Phase: reflect".into() }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn body(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

#[test]
fn anthropic_is_asked_with_one_forced_tool() {
    let schema = json!({
        "type": "object",
        "properties": {
            "assessment": {"type": "string", "enum": ["success", "partial", "failure", "unknown"]},
            "lessons": {"type": "array", "items": {"type": "string"}},
            "confidence": {"type": "number"},
        },
        "required": ["assessment", "lessons", "confidence"],
    });
    let expected = json!({
        "model": "m",
        "max_tokens": 64,
        "system": "be brief",
        "messages": [{"role": "user", "content": "# Phase: reflect"}],
        "tools": [{
            "name": "kairos_reflect",
            "description": "Gives the answer to this phase.",
            "input_schema": schema,
        }],
        "tool_choice": {"type": "tool", "name": "kairos_reflect"},
    });
    assert_eq!(value(&anthropic::request("m", 64, &prompt(), Form::default())), expected);

    let plain = Form { plain: true, ..Form::default() };
    let expected = json!({
        "model": "m",
        "max_tokens": 64,
        "system": "be brief",
        "messages": [{"role": "user", "content": "# Phase: reflect"}],
    });
    assert_eq!(value(&anthropic::request("m", 64, &prompt(), plain)), expected);
}

#[test]
fn openai_is_asked_with_a_response_format() {
    let messages = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "# Phase: reflect"},
    ]);
    let schema = schema::of(Phase::Reflect);
    let expected = json!({
        "model": "m",
        "max_completion_tokens": 64,
        "messages": messages,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "kairos_reflect", "schema": schema},
        },
    });
    assert_eq!(value(&openai::request("m", 64, &prompt(), Form::default())), expected);

    let plain = Form { plain: true, old_limit: true };
    let expected = json!({"model": "m", "max_tokens": 64, "messages": messages});
    assert_eq!(value(&openai::request("m", 64, &prompt(), plain)), expected);
}

#[test]
fn anthropic_answers_by_tool_or_by_text() {
    let usage = json!({
        "input_tokens": 5,
        "output_tokens": 6,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 8,
    });
    let counted = Some(Usage { input: 5, output: 6, cache_read: 7, cache_write: 8 });
    let tool = json!({
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "so"},
            {"type": "tool_use", "id": "t", "name": "kairos_reflect", "input": {"assessment": "success"}},
        ],
        "stop_reason": "tool_use",
        "usage": usage,
    });
    let text = r#"{"assessment":"success"}"#.to_owned();
    let said = Said { text, stop: Stop::Finished, usage: counted };
    assert_eq!(anthropic::answer(&body(&tool)).expect("readable"), said);

    for (reason, stop) in
        [("end_turn", Stop::Finished), ("max_tokens", Stop::Limit), ("refusal", Stop::Refused)]
    {
        let text = json!({
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "stop_reason": reason,
        });
        let said = Said { text: "ab".into(), stop, usage: None };
        assert_eq!(anthropic::answer(&body(&text)).expect("readable"), said);
    }
    assert!(anthropic::answer(b"{}").is_err());
}

#[test]
fn openai_answers_by_content_or_refuses() {
    let answer = |message: Value, reason: &str| {
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        let usage = json!({"prompt_tokens": 9, "completion_tokens": 2});
        openai::answer(&body(&json!({"choices": [choice], "usage": usage}))).expect("readable")
    };
    let usage = Some(Usage { input: 9, output: 2, cache_read: 0, cache_write: 0 });
    let said = |text: &str, stop| Said { text: text.into(), stop, usage };
    assert_eq!(answer(json!({"content": "x"}), "stop"), said("x", Stop::Finished));
    assert_eq!(answer(json!({"content": "x"}), "length"), said("x", Stop::Limit));
    assert_eq!(
        answer(json!({"content": null, "refusal": "no"}), "stop"),
        said("no", Stop::Refused)
    );
    assert_eq!(
        openai::answer(br#"{"choices":[]}"#).expect("readable"),
        Said { text: String::new(), stop: Stop::Finished, usage: None }
    );
    assert!(openai::answer(b"{}").is_err());
}
