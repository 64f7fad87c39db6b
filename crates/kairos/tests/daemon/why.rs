//! Why a mandate failed, or does not start: told wherever a person looks.

use serde_json::json;

use crate::home::{Ended, Home, Model};

/// Answers by goal; what it says nothing about has no answer.
const PLAYBOOK: &str = "answers:
  - {goal: slow, phase: orient, delay: 60s, answer: {summary: s, priorities: [], risk_level: low}}
  - {goal: mute, phase: reflect, answer: {assessment: success, lessons: [], confidence: 0.9}}
  - goal: absent
    phase: decide
    answer:
      status: done
      reason: r
      steps:
        - {id: a, action: code_edit, path: a.md, old_string: nowhere, new_string: two, intent: i}
  - goal: protected
    phase: decide
    answer:
      status: done
      reason: r
      steps:
        - {id: b, action: code_edit, path: .kairos/knowledge/b.md, old_string: one, new_string: two, intent: i}
  - {goal: a, phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
  - {goal: protected, phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
  - {phase: reflect, answer: {assessment: failure, lessons: [], confidence: 0.9}}
";

fn home(more: &str) -> Home {
    let home = Home::new();
    home.write("playbook.yml", PLAYBOOK);
    home.write("a.md", "one\n");
    home.write(".kairos/knowledge/b.md", "one\n");
    let model = "model: {provider: playbook, file: playbook.yml}\n";
    home.write(".kairos/config/daemon.yml", &format!("{model}{more}"));
    home
}

/// Stdout and stderr of a verb that ends with `exit`.
fn told(home: &Home, arguments: &[&str], exit: i32) -> (String, String) {
    let output = home.kairos(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {output:?}");
    (text(output.stdout), text(output.stderr))
}

/// The id of the newest mandate.
fn newest(home: &Home) -> String {
    home.json(&["mandate", "list"])["mandates"][0]["id"].as_str().expect("an id").to_owned()
}

/// Asserts that every place where a person looks at an ended mandate says `why` it ended so.
fn told_everywhere(home: &Home, goal: &str, ended: &str, why: &str) {
    let because = format!("finished: {ended}\n  because: {why}\n");
    let followed = told(home, &["mandate", "create", "--goal", goal, "--follow"], 1);
    let (what, words) = why.split_once(": ").expect("what and why");
    let in_lines = |text: &str| text.lines().any(|l| l.contains(what) && l.contains(words));
    assert!(in_lines(&followed.0), "{}", followed.0);
    assert!(followed.1.contains(&because), "{}", followed.1);
    let waited = told(home, &["mandate", "create", "--goal", goal, "--wait"], 1);
    assert!(waited.1.contains(&because), "{}", waited.1);
    looked_at(home, ended, why);
}

fn looked_at(home: &Home, ended: &str, why: &str) {
    let id = newest(home);
    let shown = home.ok(&["mandate", "show", &id]);
    assert!(shown.contains(&format!("state     {ended}\nfailed    {why}\n")), "{shown}");
    let (what, words) = why.split_once(": ").expect("what and why");
    let logs = home.ok(&["mandate", "logs", &id]);
    assert!(logs.lines().any(|l| l.contains(what) && l.contains(words)), "{logs}");
}

#[test]
fn a_provider_that_says_no_is_quoted_wherever_its_mandate_is_shown() {
    let ended = "failed: two cycles in a row failed [cycles_failed]";
    let why = "orient: the provider refused the key (401): Incorrect API key provided [status]";
    for provider in ["openai", "anthropic"] {
        let faults: Vec<String> = (1..=8).map(|n| format!("{n}=401")).collect();
        let options: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
        let model = Model::start(&options);
        let home = Home::new();
        home.configure(provider, &model.base_url(provider), "");
        let (out, said) = told(&home, &["once", "--goal", "g"], 1);
        assert!(said.contains(&format!("finished: {ended}\n  because: {why}\n")), "{said}");
        let id = newest(&home);
        assert_eq!(out, format!("{id} failed\n"));
        looked_at(&home, ended, why);
        let _daemon = home.daemon();
        told_everywhere(&home, "g", ended, why);
        let failures = home.json(&["mandate", "show", &newest(&home)])["failures"].clone();
        let words = "the provider refused the key (401): Incorrect API key provided";
        assert_eq!(failures, json!([{"what": "orient", "why": words, "code": "status"}]));
    }
}

#[test]
fn a_playbook_without_an_answer_names_its_file_and_the_phase() {
    let home = home("");
    let _daemon = home.daemon();
    let ended = "failed: two cycles in a row failed [cycles_failed]";
    let why =
        "orient: not found (404): no answer in playbook.yml for phase orient cycle 2 [status]";
    told_everywhere(&home, "mute", ended, why);
}

#[test]
fn a_loop_names_the_step_that_failed_before_it() {
    let home = home("");
    let _daemon = home.daemon();
    let why = "step 1: edit a.md: the text to replace is not there [old_text_missing]";
    let ended = "looped: the same plan came again";
    for verb in ["--wait", "--follow"] {
        let (_, said) = told(&home, &["mandate", "create", "--goal", "absent", verb], 1);
        assert!(said.contains(&format!("finished: {ended}\n  because: {why}\n")), "{said}");
    }
    let shown = home.ok(&["mandate", "show", &newest(&home)]);
    assert!(shown.contains(&format!("state     {ended}\nfailed    {why}\n")), "{shown}");
}

#[test]
fn a_mandate_whose_edit_was_rejected_says_so() {
    let home = home("");
    let _daemon = home.daemon();
    told(&home, &["mandate", "create", "--goal", "protected", "--wait"], 75);
    let proposal = home.json(&["proposal", "list"])["proposals"][0].clone();
    let word = |name: &str| proposal[name].as_str().expect("text").to_owned();
    home.ok(&["proposal", "reject", &word("id"), "--yes", "--hash", &word("hash")]);
    crate::home::follow(&home, |event| event["type"] == "mandate_finished");
    let shown = home.ok(&["mandate", "show", &word("mandate_id")]);
    let why = "step 1: edit .kairos/knowledge/b.md: you rejected it [rejected]";
    let expected = format!("state     looped: the same plan came again\nfailed    {why}\n");
    assert!(shown.contains(&expected), "{shown}");
}

#[test]
fn a_mandate_shows_what_was_asked_of_it() {
    let home = home("");
    let asked = ["--files", "a.md", "--files", "docs/**", "--verify-contains", "a.md=two"];
    let scope = ["--project-scope", "docs", "--max-cycles", "1"];
    told(&home, &[&["once", "--goal", "absent"], &asked[..], &scope].concat(), 1);
    let shown = home.ok(&["mandate", "show", &newest(&home)]);
    for line in [
        "cycle     1 of 1\n",
        "files     a.md\n",
        "files     docs/**\n",
        "verify    `a.md` contains `two`\n",
        "scope     docs\n",
        "seen      1 file by the model\n",
        "state     exhausted: its cycles are used up\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

/// A daemon that works on a mandate of the scope `s` for a long time.
fn busy(home: &Home) -> Ended {
    let daemon = home.daemon();
    home.ok(&["mandate", "create", "--goal", "slow", "--project-scope", "s"]);
    crate::home::follow(home, |event| event["type"] == "effect_begun");
    daemon
}

#[test]
fn a_mandate_at_an_exhausted_days_budget_is_said_to_wait_for_the_next_day() {
    let home = home("budget: {calls_per_day: 1}\n");
    let _daemon = home.daemon();
    told(&home, &["mandate", "create", "--goal", "absent", "--wait"], 75);
    for verb in ["--wait", "--follow"] {
        let (out, said) = told(&home, &["mandate", "create", "--goal", "late", verb], 75);
        let id = newest(&home);
        assert_eq!(out, "");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], format!("mandate {id}"));
        let waits = format!("{id} queued: waits for the day's budget, which begins anew at ");
        assert!(lines[1].starts_with(&waits) && lines[1].ends_with(" [budget]"), "{said}");
        assert!(lines[2].starts_with("hint: `kairos budget --root '"), "{said}");
    }
    let (_, said) = told(&home, &["mandate", "create", "--goal", "late"], 0);
    assert!(said.contains("queued: waits for the day's budget"), "{said}");
    assert!(home.ok(&["mandate", "list"]).contains("queued: waits for the day's budget"));
    let status = home.ok(&["status"]);
    assert!(status.contains("3 queued (the day's budget is used up [budget])"), "{status}");
}

#[test]
fn a_mandate_whose_scope_is_taken_says_so_while_it_waits() {
    let home = home("");
    let _daemon = busy(&home);
    let ask = ["mandate", "create", "--goal", "absent", "--project-scope", "s"];
    let (_, said) = told(&home, &ask, 0);
    let waits = "queued: another mandate of its project scope runs [scope]";
    assert!(said.contains(waits), "{said}");
    let (list, status) = (home.ok(&["mandate", "list"]), home.ok(&["status"]));
    assert!(list.contains(waits), "{list}");
    assert!(status.contains("1 queued (their project scopes are taken [scope])"), "{status}");
}

#[test]
fn a_mandate_beyond_those_that_may_run_says_so_while_it_waits() {
    let home = home("max_running: 1\n");
    let _daemon = busy(&home);
    let (_, said) = told(&home, &["mandate", "create", "--goal", "absent"], 0);
    let waits = "queued: as many mandates run as may [max_running]";
    assert!(said.contains(waits), "{said}");
    let status = home.ok(&["status"]);
    assert!(status.contains("1 queued (as many run as may [max_running])"), "{status}");
}
