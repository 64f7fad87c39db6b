//! Mandate requests as people and programs write them.

use std::time::Duration;

use kairos_wire::mandate::{MandateRequest, RiskBudget, UploadScope, Verify};
use serde_json::{Value, json};

fn read(value: Value) -> Result<MandateRequest, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn every_field_is_read_and_written_back() {
    let text = json!({
        "goal": "tidy the docs",
        "files": ["docs/**/*.md"],
        "verify": [{"file": "docs/a.md", "contains": "1.1"}],
        "max_cycles": 5,
        "checkpoint_every": 2,
        "risk_budget": "medium",
        "project_scope": "docs",
        "allowed_actions": ["code_edit"],
        "observe_policies": ["git_status", {"tool": "search", "args": {"q": "a"}}],
        "post_commit": {"shell": [["git", "status"]]},
        "allow_llm_upload": ["l1", "l2"],
        "decide_hints": {"style": "short"},
        "model": "small",
        "timeout": 600,
    });
    let request = read(text.clone()).unwrap();
    let expected = MandateRequest {
        goal: "tidy the docs".into(),
        files: vec!["docs/**/*.md".into()],
        verify: vec![Verify::Contains { file: "docs/a.md".into(), contains: "1.1".into() }],
        max_cycles: Some(5),
        checkpoint_every: Some(2),
        allow_high_risk: None,
        risk_budget: Some(RiskBudget::Medium),
        project_scope: Some("docs".into()),
        allowed_actions: Some(vec!["code_edit".into()]),
        observe_policies: Some(json!(["git_status", {"tool": "search", "args": {"q": "a"}}])),
        post_commit: Some(json!({"shell": [["git", "status"]]})),
        allow_llm_upload: Some(vec![UploadScope::L1, UploadScope::L2]),
        decide_hints: Some(json!({"style": "short"})),
        model: Some("small".into()),
        timeout: Some(Duration::from_secs(600)),
    };
    assert_eq!(request, expected);
    assert_eq!(serde_json::to_value(&request).unwrap(), text);
    assert_eq!(request.hints_text().unwrap(), r#"{"style":"short"}"#);
    assert_eq!(request.not_acted_on(), ["checkpoint_every", "observe_policies", "post_commit"]);
}

#[test]
fn looser_spellings_mean_the_same() {
    let loose = json!({
        "goal": "g", "files": "a.md", "verify": {"file": "a.md", "contains": "x"},
        "max_cycles": "5", "allowed_actions": [], "allow_llm_upload": "l2",
        "timeout": "10m", "model": null, "decide_hints": "be short",
    });
    let expected = MandateRequest {
        goal: "g".into(),
        files: vec!["a.md".into()],
        verify: vec![Verify::Contains { file: "a.md".into(), contains: "x".into() }],
        max_cycles: Some(5),
        allowed_actions: Some(vec![]),
        allow_llm_upload: Some(vec![UploadScope::L2]),
        timeout: Some(Duration::from_secs(600)),
        decide_hints: Some(json!("be short")),
        ..MandateRequest::default()
    };
    assert_eq!(read(loose).unwrap(), expected);
    assert_eq!(expected.hints_text().unwrap(), "be short");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let cases = [
        (
            json!({"verify": ["cargo test; true"]}),
            "`;` in `cargo test; true` is for a shell, and there is none; \
             write the command as a list: [cargo, test]",
        ),
        (json!({"verify": [{"command": []}]}), "the command is empty"),
        (
            json!({"verify": [{"run": ["cargo", "test"]}]}),
            "unknown field `run`, expected one of `file`, `contains`, `command`",
        ),
        (json!({"verify": [{"file": "a"}]}), "missing field `contains`"),
        (
            json!({"verify": [{"file": "a", "has": "b"}]}),
            "unknown field `has`, expected one of `file`, `contains`, `command`",
        ),
        (json!({"max_cycles": 0}), "`0` is out of range: 1 to 50 cycles"),
        (json!({"max_cycles": 51}), "`51` is out of range: 1 to 50 cycles"),
        (json!({"max_cycles": -1}), "`-1` is negative"),
        (json!({"max_cycles": "x"}), r#"invalid value: string "x", expected a whole number"#),
        (json!({"checkpoint_every": 0}), "`0` is out of range: at least 1 cycle"),
        (
            json!({"risk_budget": "none"}),
            "unknown variant `none`, expected one of `low`, `medium`, `high`",
        ),
        (
            json!({"timeout": "soon"}),
            "`soon` is not a duration: \
             a number of seconds, or text such as `15s`, `10m`, `8h`, `2d`",
        ),
        (
            json!({"timeout": -1}),
            "`-1` is not a duration: \
             a number of seconds, or text such as `15s`, `10m`, `8h`, `2d`",
        ),
    ];
    for (value, message) in cases {
        assert_eq!(read(value.clone()).unwrap_err(), message, "{value}");
    }
    let unknown = read(json!({"gaol": "x"})).unwrap_err();
    assert!(unknown.starts_with("unknown field `gaol`, expected one of `goal`"), "{unknown}");
}
