//! The door for answers: what is taken, and the sentences for what is not.

use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::edit::Occurrences;
use kairos_core::gate::risk::Risk;
use kairos_core::plan::{Action, FailurePolicy, Step};
use kairos_effects::model::answer::{PLAN_BYTES_MAX, StepTexts, read, step_texts};

fn problem(phase: Phase, text: &str) -> String {
    read(phase, text).expect_err("not an answer").to_string()
}

fn decide(text: &str) -> Decide {
    match read(Phase::Decide, text) {
        Ok(Answer::Decide(decide)) => decide,
        other => panic!("{other:?}"),
    }
}

#[test]
fn orient_and_reflect_are_read_with_prose_and_fences_around() {
    let orient = "Here:\n```json\n{\"summary\":\"s\",\"priorities\":[],\"risk_level\":\"high\"}\n```\nDone {ok}.";
    assert_eq!(read(Phase::Orient, orient), Ok(Answer::Orient { risk: Risk::High }));
    let reflect = r#"{"assessment":"partial","lessons":["x"],"confidence":0.5}"#;
    let assessment = Assessment::Partial;
    assert_eq!(read(Phase::Reflect, reflect), Ok(Answer::Reflect { assessment }));
}

#[test]
fn a_plan_is_read_with_everything_a_step_has() {
    let text = r#"{"status":"continue","reason":"r","steps":[
        {"id":"a","action":"code_edit","path":"./x//y.md","old_string":"1","new_string":"2","replace_all":true,"intent":"i"},
        {"id":"b","action":"file_create","path":"n","content":"```json\n{}\n```","depends_on":["a"],"failure_policy":"continue"},
        {"id":"c","action":"shell","argv":["ls"],"depends_on":["b"]}]}"#;
    let decide = decide(text);
    let step = |name: &str, action, depends_on: &[&str], policy| Step {
        name: name.parse().expect("a name"),
        action,
        depends_on: depends_on.iter().map(|name| name.parse().expect("a name")).collect(),
        policy,
    };
    let path = |text: &str| text.parse().expect("a path");
    assert_eq!(decide.status, Status::Continue);
    assert_eq!(
        decide.steps,
        [
            step("a", Action::CodeEdit { path: path("x/y.md") }, &[], FailurePolicy::Halt),
            step("b", Action::FileCreate { path: path("n") }, &["a"], FailurePolicy::Continue),
            step("c", Action::Shell, &["b"], FailurePolicy::Halt),
        ]
    );
    let texts = |name: &str| step_texts(text, &name.parse().expect("a name")).expect("in the plan");
    let (old, new) = ("1".to_owned(), "2".to_owned());
    assert_eq!(texts("a"), StepTexts::Edit { old, new, which: Occurrences::All });
    // Fence markers inside a string are text to be written.
    assert_eq!(texts("b"), StepTexts::Create { content: "```json\n{}\n```".to_owned() });
    assert_eq!(texts("c"), StepTexts::Command { argv: vec!["ls".into()], cwd: None });
    let missing = step_texts(text, &"z".parse().expect("a name")).expect_err("not in the plan");
    assert_eq!(missing.to_string(), "the plan has no step `z`");
}

#[test]
fn the_single_form_is_one_step_and_noop_is_done() {
    let edit =
        r#"{"action":"code_edit","target":"a","old_string":"1","new_string":"2","intent":"i"}"#;
    let single = decide(edit);
    let path = "a".parse().expect("a path");
    assert_eq!(single.status, Status::Continue);
    assert_eq!(single.steps[0].action, Action::CodeEdit { path });
    let name = single.steps[0].name.clone();
    assert!(matches!(step_texts(edit, &name), Ok(StepTexts::Edit { .. })));

    let noop = decide(r#"{"action":"noop","reason":"nothing"}"#);
    assert_eq!((noop.status, noop.steps), (Status::Done, Vec::new()));
}

#[test]
fn plans_that_mean_the_same_have_one_fingerprint() {
    let plan = |id: &str, intent: &str, new: &str| {
        let step = format!(
            r#"{{"id":"{id}","action":"code_edit","path":"a","old_string":"1","new_string":"{new}","intent":"{intent}"}}"#
        );
        decide(&format!(r#"{{"status":"done","reason":"{intent}","steps":[{step}]}}"#)).fingerprint
    };
    assert_eq!(plan("a", "why", "2"), plan("b", "another why", "2"));
    assert_ne!(plan("a", "why", "2"), plan("a", "why", "3"));
}

#[test]
fn a_plan_in_another_order_is_the_same_plan_and_one_with_other_dependencies_is_not() {
    let step = |id: &str, path: &str, behind: &str| {
        format!(r#"{{"id":"{id}","action":"file_delete","path":"{path}","depends_on":[{behind}]}}"#)
    };
    let plan = |steps: [String; 2]| {
        decide(&format!(r#"{{"status":"continue","steps":[{}]}}"#, steps.join(","))).fingerprint
    };
    let first = plan([step("a", "x", ""), step("b", "y", r#""a""#)]);
    assert_eq!(first, plan([step("q", "y", r#""p""#), step("p", "x", "")]));
    assert_ne!(first, plan([step("a", "x", ""), step("b", "y", "")]));
    assert_ne!(first, plan([step("a", "x", r#""b""#), step("b", "y", "")]));
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let step = |fields: &str| format!(r#"{{"status":"done","reason":"","steps":[{{{fields}}}]}}"#);
    let decide = |fields: &str| problem(Phase::Decide, &step(fields));
    for (found, expected) in [
        (problem(Phase::Orient, "no idea"), "the answer holds no JSON object"),
        (problem(Phase::Orient, "[1]"), "the answer holds no JSON object"),
        (problem(Phase::Orient, "{} {}"), "the answer holds 2 JSON objects, expected one"),
        (problem(Phase::Orient, "{}"), "`risk_level` is missing"),
        (
            problem(Phase::Orient, r#"{"risk_level":"huge"}"#),
            "`risk_level` is `huge`, expected one of `low`, `medium`, `high`",
        ),
        (
            problem(Phase::Reflect, r#"{"assessment":"success","confidence":7}"#),
            "`confidence` is 7, expected a number from 0 to 1",
        ),
        (
            problem(Phase::Decide, r#"{"status":"blocked","steps":[{"id":"a","action":"noop"}]}"#),
            "`status` is `blocked`, but there are steps",
        ),
        (decide(r#""action":"noop""#), "step `number 1`: `id` is missing"),
        (
            decide(r#""id":"a","action":"dance""#),
            "step `a`: `action` is `dance`, which is no action",
        ),
        (
            decide(r#""id":"s1","action":"file_delete","path":"../x""#),
            "step `s1`: `path`: `../x` leads out of the workspace",
        ),
        (
            decide(r#""id":"s1","action":"file_create","path":"x","content":1"#),
            "step `s1`: `content` is a number, expected a string",
        ),
        (
            decide(
                r#""id":"s1","action":"code_edit","path":"x","old_string":"a","new_string":"a""#,
            ),
            "step `s1`: `old_string` and `new_string` are the same",
        ),
        (
            decide(r#""id":"s1","action":"noop","depends_on":["s2"]"#),
            "step `s1` depends on `s2`, which is not in the plan",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn hostile_texts_are_read_in_bounded_time() {
    let size = 1 << 20;
    for text in [
        "{".repeat(size),
        "[".repeat(size),
        "{\"a\":".repeat(size / 5),
        "{\"".repeat(size / 2),
        "[1,".repeat(size / 3),
    ] {
        assert!(read(Phase::Decide, &text).is_err());
    }
    assert!(read(Phase::Decide, &"x".repeat(size + 1)).is_err());
}

#[test]
fn a_path_with_a_control_character_is_refused_however_it_is_written() {
    for path in ["a\u{7f}b", "a\\\\x7fb", "a\\\\x1bb", "a\\u0007b", "a\u{85}b"] {
        for field in ["path", "to"] {
            let other = if field == "path" { "to" } else { "path" };
            let found = problem(
                Phase::Decide,
                &format!(
                    r#"{{"status":"done","steps":[{{"id":"m","action":"file_move","{field}":"{path}","{other}":"x"}}]}}"#
                ),
            );
            let begins = format!("step `m`: `{field}`: `a\\x");
            assert!(found.starts_with(&begins), "{found}");
            let ends = "has a control character, which no path in a plan may have";
            assert!(found.ends_with(ends), "{found}");
        }
    }
}

#[test]
fn a_dependency_that_is_named_again_counts_once() {
    let names = format!(r#""b"{}"#, r#","a","b""#.repeat(60_000));
    let decide = decide(&format!(
        r#"{{"status":"done","steps":[{{"id":"a","action":"noop"}},{{"id":"b","action":"noop"}},
            {{"id":"c","action":"noop","depends_on":[{names}]}}]}}"#
    ));
    let expected: Vec<kairos_core::plan::StepName> =
        ["b", "a"].map(|name| name.parse().expect("a name")).to_vec();
    assert_eq!(decide.steps[2].depends_on, expected);
}

/// A plan whose steps take much room in a record, each as far as a step alone may.
fn wide(path: &str, dependencies: usize) -> String {
    let name = |n: usize| format!("{n:0>64}");
    let steps: Vec<String> = (0..64)
        .map(|n| {
            let behind: Vec<String> =
                (0..n.min(dependencies)).map(|other| format!(r#""{}""#, name(other))).collect();
            format!(
                r#"{{"id":"{}","action":"file_move","path":"{path}","to":"{path}","depends_on":[{}]}}"#,
                name(n),
                behind.join(",")
            )
        })
        .collect();
    format!(r#"{{"status":"done","steps":[{}]}}"#, steps.join(","))
}

#[test]
fn a_plan_too_large_for_a_record_is_refused_in_words_for_the_model() {
    let long = "p".repeat(1900);
    let found = problem(Phase::Decide, &wide(&long, 0));
    assert!(found.starts_with("the plan takes 2"), "{found}");
    assert!(found.ends_with(
        "bytes without the texts to write, more than 131072; plan fewer steps, the rest in the next cycle"
    ), "{found}");
    assert!(read(Phase::Decide, &wide("src/main.rs", 8)).is_ok());
}

#[test]
fn no_answer_makes_an_event_larger_than_its_bound() {
    let long = "q".repeat(4096);
    // Each byte of these takes several in the text of an event.
    let escaped = "\\\\\\\\".repeat(2000);
    let no_text = "\\\\xff".repeat(800);
    let controls = "\u{7f}".repeat(1900);
    let quotes = "\\\"".repeat(4000);
    for path in [&long, &escaped, &no_text, &controls, &quotes] {
        for dependencies in [0, 63] {
            for steps in [1, 7, 64] {
                let whole = wide(path, dependencies);
                let cut = whole.match_indices(r#"{"id""#).nth(steps).map(|(at, _)| at - 1);
                let text = cut.map_or(whole.clone(), |cut| format!("{}]}}", &whole[..cut]));
                let Ok(answer) = read(Phase::Decide, &text) else { continue };
                let encoded = serde_json::to_string(&answer).expect("an answer has a text").len();
                // The few bytes around the steps: status and fingerprint.
                assert!(encoded <= PLAN_BYTES_MAX + 256, "{encoded}");
            }
        }
    }
}
