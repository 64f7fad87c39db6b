//! From a mandate's public form to the rules' own.

use std::collections::BTreeMap;
use std::convert::Infallible;

use kairos_api::convert::spec;
use kairos_core::digest::BlobRef;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::mandate::spec::{Check, MandateSpec};
use kairos_core::plan::ActionKind;
use kairos_wire::MandateRequest;

/// The converted request and the texts it stored, or what was said.
fn convert(json: &str) -> Result<(MandateSpec, Vec<String>), String> {
    let request: MandateRequest = serde_json::from_str(json).expect("a request");
    let mut texts = BTreeMap::new();
    let mut put = |text: &str| -> Result<BlobRef, Infallible> {
        let blob = BlobRef::of(text.as_bytes());
        texts.insert(text.to_owned(), blob);
        Ok(blob)
    };
    let spec = spec(&request, &mut put).map_err(|error| error.to_string())?;
    Ok((spec, texts.into_keys().collect()))
}

#[test]
fn a_goal_alone_gets_the_defaults() {
    let expected = MandateSpec {
        goal: BlobRef::of(b"tidy"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 10,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    };
    assert_eq!(convert(r#"{"goal": "tidy"}"#), Ok((expected, vec!["tidy".into()])));
}

#[test]
fn every_field_reaches_the_rules() {
    let json = r#"{
        "goal": "tidy", "files": ["src/**"], "verify": [{"file": "a.md", "contains": "1.0"}],
        "max_cycles": 3, "risk_budget": "medium", "project_scope": "web",
        "allowed_actions": ["code_edit", "noop"], "allow_llm_upload": ["l1", "l2"],
        "decide_hints": "slowly", "model": "m-1", "timeout": "10m"
    }"#;
    let text = BlobRef::of(b"1.0");
    let expected = MandateSpec {
        goal: BlobRef::of(b"tidy"),
        files: vec!["src/**".into()],
        verify: vec![Check::Contains { file: "a.md".parse().expect("a path"), text }],
        max_cycles: 3,
        risk_budget: Risk::Medium,
        project_scope: "web".into(),
        allowed_actions: Some(vec![ActionKind::CodeEdit, ActionKind::Noop]),
        upload: vec![Scope::L1, Scope::L2],
        hints: Some(BlobRef::of(b"slowly")),
        model: Some("m-1".into()),
        timeout_ms: Some(600_000),
    };
    let texts = ["1.0", "slowly", "tidy"].map(String::from).to_vec();
    assert_eq!(convert(json), Ok((expected, texts)));
}

#[test]
fn a_field_that_cannot_be_used_is_named() {
    let long = format!(r#"{{"goal": "{}"}}"#, "x".repeat(64 * 1024 + 1));
    let many = format!(r#"{{"goal": "g", "files": [{}"z"]}}"#, r#""a","#.repeat(64));
    for (json, said) in [
        (r#"{"goal": " "}"#, "`goal` is empty"),
        (&*long, "`goal` has 65537 bytes, at most 65536 are allowed"),
        (&*many, "`files` has 65 entries, at most 64 are allowed"),
        (r#"{"goal": "g", "files": ["a["]}"#, "`files`: `a[` is no glob"),
        (
            r#"{"goal": "g", "allowed_actions": ["dance"]}"#,
            "`allowed_actions`: no action `dance`; there are code_edit, file_create, file_move, \
             file_delete, shell, tool_call, pdf_build, noop",
        ),
    ] {
        assert_eq!(convert(json).map(drop), Err(said.to_owned()));
    }
    let outside = convert(r#"{"goal": "g", "verify": [{"file": "../x", "contains": "y"}]}"#);
    assert!(outside.is_err_and(|said| said.starts_with("`verify` ")));
}

/// Read, it would end the daemon: each alternative takes some of the stack.
#[test]
fn a_glob_of_many_alternatives_in_each_other_is_not_read() {
    let deep = |n: usize| format!("{}b{}", "{a,".repeat(n), "}".repeat(n));
    let asked = |n| convert(&format!(r#"{{"goal": "g", "files": ["{}"]}}"#, deep(n))).map(drop);
    assert_eq!(asked(64), Ok(()));
    for n in [65, 150_000] {
        assert_eq!(asked(n), Err("`files`: a glob has more than 64 `{`".to_owned()));
    }
}
