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

#[test]
fn a_glob_that_matches_nothing_is_told() {
    let home = home("");
    let ask =
        ["once", "--goal", "absent", "--max-cycles", "1", "--files", "*.md", "--files", "x/*"];
    let (_, said) = told(&home, &ask, 1);
    let warning = "the model may see 1 file; warning: `x/*` matches no file [no_match]\n";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn a_mandate_that_is_asked_to_stop_says_that_it_ends_later() {
    let home = home("");
    let _daemon = busy(&home);
    let id = newest(&home);
    let (_, said) = told(&home, &["mandate", "stop", &id], 0);
    // The call it waits for may have been cancelled already.
    let ended = home.json(&["mandate", "show", &id])["outcome"] == "stopped";
    let asked = format!("{id} is asked to stop; it ends when its open effect has ended\n");
    assert!(said == asked || ended, "{said}");
}

#[test]
fn a_once_beside_a_daemon_says_what_to_type() {
    let home = home("");
    let _daemon = home.daemon();
    let ask = [
        "once",
        "--goal",
        "it's late",
        "--files",
        "a b.md",
        "--verify-contains",
        "a.md=two",
        "--max-cycles",
        "3",
        "--risk-budget",
        "medium",
        "--allow-upload",
        "l1",
        "--timeout",
        "10m",
    ];
    let (_, said) = told(&home, &ask, 1);
    let root = home.root().display();
    let line = format!(
        "hint: let it do this: `kairos mandate create --root '{root}' --goal 'it'\\''s late' \
         --files 'a b.md' --verify-contains 'a.md=two' --max-cycles 3 --risk-budget medium \
         --allow-upload l1 --timeout 600 --wait`\n"
    );
    assert!(said.ends_with(&line), "{said}");
}

#[test]
fn files_outside_of_the_workspace_are_refused_at_the_door() {
    let home = home("");
    let words = |glob: &str| {
        format!("error: `files`: `{glob}` leads out of the workspace; globs are relative to it\n")
    };
    for glob in ["../x", "/etc/passwd", "docs/../../x"] {
        let (_, said) = told(&home, &["once", "--goal", "g", "--files", glob], 2);
        assert_eq!(said, words(glob));
    }
    let _daemon = home.daemon();
    let (_, said) = told(&home, &["mandate", "create", "--goal", "g", "--files", "../x"], 2);
    assert_eq!(said, words("../x"));
    let ask = ["mandate", "create", "--goal", "g", "--verify-contains", "../x=y"];
    let (_, said) = told(&home, &ask, 2);
    let why = "`verify` names a file that cannot be looked at: `../x` leads out of the workspace";
    assert_eq!(said, format!("error: {why}\n"));
}

#[test]
fn a_once_that_cannot_ask_a_model_writes_nothing() {
    let home = Home::new();
    let (_, said) = told(&home, &["once", "--goal", "g"], 78);
    assert!(said.starts_with("error: no model is configured, and this mandate needs one\n"));
    assert_eq!(home.json(&["journal", "verify"])["frames"], 0);
}

#[test]
fn a_damaged_journal_is_told_once_and_as_corrupt() {
    let home = home("");
    told(&home, &["once", "--goal", "absent"], 1);
    let segment = home.root().join(".kairos/journal/00000000000000000001.kj");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let place = bytes.windows(4).position(|w| w == b"\"ev\"").expect("a body");
    bytes[place + 1] = b'X';
    std::fs::write(&segment, bytes).expect("written");
    for ask in [&["mandate", "list", "--json"][..], &["daemon", "--json"]] {
        let (_, said) = told(&home, ask, 2);
        let error: serde_json::Value = serde_json::from_str(&said).expect("an error in JSON");
        assert_eq!((&error["status"], &error["code"]), (&json!(500), &json!("corrupt")), "{said}");
        assert_eq!(said.matches("checksum does not hold").count(), 1, "{said}");
    }
}

#[test]
fn lists_with_nothing_in_them_say_so_beside_the_data() {
    let home = home("");
    let _daemon = home.daemon();
    for (ask, says) in [
        (["mandate", "list"], "no mandate here yet\n"),
        (["proposal", "list"], "nothing waits for you\n"),
        (["effect", "list"], "every effect has its outcome\n"),
        (["schedule", "list"], "no schedule here; `.kairos/config/schedules.yml` has them\n"),
    ] {
        assert_eq!(told(&home, &ask, 0), (String::new(), says.to_owned()), "{ask:?}");
    }
}

#[test]
fn a_schedules_times_are_shown_in_its_own_zone_with_the_offset() {
    let home = home("");
    let entry = "{name: n, cron: '0 9 1 7 *', timezone: Asia/Tokyo, mandate: {goal: g}}";
    home.write(".kairos/config/schedules.yml", &format!("schedules:\n  - {entry}\n"));
    let _daemon = home.daemon();
    let listed = home.ok(&["schedule", "list"]);
    assert!(listed.contains("-07-01 09:00:00 +09:00  "), "{listed}");
    assert!(listed.trim_end().ends_with("-07-01 00:00:00 +00:00"), "{listed}");
    let (_, said) = told(&home, &["schedule", "next", "nope", "--json"], 1);
    let error: serde_json::Value = serde_json::from_str(&said).expect("an error in JSON");
    assert_eq!(json!([error["status"], error["code"]]), json!([404, "unknown_schedule"]));
    told(&home, &["schedule", "next", "n", "--timezone", "UTC"], 2);
}

#[test]
fn a_workspace_of_another_user_is_named_with_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    if !rustix::process::getuid().is_root() {
        // Nobody else can be played.
        return;
    }
    let home = home("");
    let open = std::fs::Permissions::from_mode(0o755);
    for dir in ["", ".kairos"] {
        std::fs::set_permissions(home.root().join(dir), open.clone()).expect("it is ours");
    }
    // The program may lie where nobody else can reach it.
    let program = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(program.path(), open.clone()).expect("it is ours");
    let kairos = program.path().join("kairos");
    std::fs::copy(crate::home::KAIROS, &kairos).expect("copied");
    let _daemon = home.daemon();
    let socket = home.root().join(".kairos/run/kairos.sock");
    for ask in [["mandate", "list"], ["mandate", "logs"], ["budget", "--json"]] {
        let mut command = std::process::Command::new(&kairos);
        command.arg("--root").arg(home.root()).args(ask).uid(65_534).current_dir("/");
        if ask[1] == "logs" {
            command.arg("01J");
        }
        let output = command.output().expect("kairos starts");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(77), "{said}");
        let message =
            format!("`{}` may not be opened; it belongs to user:root(0)", socket.display());
        assert!(said.contains(&message), "{said}");
    }
}
