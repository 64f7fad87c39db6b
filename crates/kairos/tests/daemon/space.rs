//! A disk short of room: what a daemon then does, and what it says.

use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use kairos_core::space::Shortage;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::home::{Home, KAIROS, count, follow};
use crate::lifecycle::{lines, logged, signal, stop};

/// More than any disk has.
const ALL: u64 = 1 << 50;

/// What waits for a person edits a file that only a decision may change.
const PLAYBOOK: &str = "answers:
  - goal: protected
    phase: decide
    answer:
      status: done
      reason: r
      steps:
        - {id: b, action: code_edit, path: .kairos/knowledge/b.md, old_string: one, new_string: two, intent: i}
  - {phase: decide, answer: {status: done, reason: r, steps: []}}
  - {phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
  - {phase: reflect, answer: {assessment: success, lessons: [], confidence: 0.9}}
";

const MINUTELY: &str = "schedules:
  - {name: minutely, cron: \"* * * * *\", missed_policy: catch_up_once, mandate: {goal: noop}}
";

fn home() -> Home {
    let home = Home::new();
    home.write("playbook.yml", PLAYBOOK);
    home.write(".kairos/knowledge/b.md", "one\n");
    home
}

fn configure(home: &Home, retention: &str) {
    let model = "model: {provider: playbook, file: playbook.yml}\n";
    home.write(".kairos/config/daemon.yml", &format!("{model}retention: {{{retention}}}\n"));
}

/// The event of a type that came last.
fn last(home: &Home, kind: &str) -> Option<Value> {
    home.events().into_iter().rfind(|event| event["type"] == kind)
}

#[test]
fn below_the_room_set_aside_nothing_new_begins_until_there_is_enough() {
    let home = home();
    configure(&home, "keep_free: 0");
    let mut daemon = home.daemon();
    let args = ["mandate", "create", "--goal", "protected", "--wait"];
    assert_eq!(home.kairos(&args).status.code(), Some(75), "it waits for a person");
    let opened = last(&home, "proposal_opened").expect("one");
    let proposal = opened["proposal_id"].as_str().expect("an id");

    home.write(".kairos/config/schedules.yml", MINUTELY);
    configure(&home, &format!("keep_free: {ALL}"));
    let low = logged(&home, "daemon_space_low", || signal(&daemon, Signal::HUP));
    assert_eq!(low["details"]["limit"], "free", "{low}");
    let refused = home.kairos(&["mandate", "create", "--goal", "noop"]);
    let said = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(refused.status.code(), Some(75), "{said}");
    let wanted = ["short of room: ", "`retention.keep_free` sets 1024 TiB aside", "make room"];
    assert!(wanted.iter().all(|words| said.contains(words)), "{said}");
    let fired = home.kairos(&["schedule", "fire", "minutely"]);
    assert_eq!(fired.status.code(), Some(75), "{fired:?}");
    let space = home.json(&["status"])["space"].clone();
    assert_eq!((&space["low"], &space["keep_free_bytes"]), (&json!("free"), &json!(ALL)));
    assert!(home.ok(&["status"]).contains("nothing new begins"), "{}", home.ok(&["status"]));

    // A person decides, and what was begun is finished.
    let hash = home.json(&["proposal", "show", proposal])["hash"].clone();
    let hash = hash.as_str().expect("a hash");
    home.ok(&["proposal", "approve", proposal, "--yes", "--hash", hash]);
    follow(&home, |event| event["type"] == "mandate_finished");
    assert_eq!(home.read(".kairos/knowledge/b.md"), "two\n");

    // The clock is what is waited for here: a slot is due at each full minute.
    let next = home.json(&["schedule", "list"])["schedules"][0]["next"].clone();
    let next: Timestamp = next.as_str().expect("a time").parse().expect("a time");
    let left = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
    std::thread::sleep(left + Duration::from_millis(50));
    assert_eq!(home.json(&["status"])["space"]["low"], "free");
    assert_eq!(count(&home.events(), "slot"), 0);

    configure(&home, "keep_free: 0");
    logged(&home, "daemon_space_enough", || signal(&daemon, Signal::HUP));
    follow(&home, |event| event["type"] == "slot" && event["state"] == "fired");
    home.ok(&["mandate", "create", "--goal", "noop", "--wait"]);
    assert_eq!(home.json(&["status"])["space"]["low"], Value::Null);
    let told = last(&home, "space_low").expect("recorded");
    let told: Shortage = serde_json::from_value(told["shortage"].clone()).expect("a shortage");
    assert!(matches!(told, Shortage::Free { keep_free_bytes: ALL, .. }), "{told:?}");
    assert_eq!(count(&home.events(), "space_enough"), 1);
    stop(&mut daemon);
}

#[test]
fn more_than_the_cap_is_found_at_the_start_and_told_with_the_figures() {
    let home = home();
    configure(&home, "keep_free: 0, bytes: 32MiB");
    home.write(".kairos/blobs/half", &"x".repeat(33 << 20));
    let mut daemon = home.daemon();
    let low = lines(&home, "daemon_space_low").pop().expect("told before it is ready");
    let message = low["details"]["message"].as_str().expect("a message").to_owned();
    assert!(message.starts_with("journal and blobs take "), "{message}");
    assert!(message.ends_with(", and `retention.bytes` allows 32 MiB"), "{message}");
    let refused = home.kairos(&["mandate", "create", "--goal", "noop"]);
    assert_eq!(refused.status.code(), Some(75), "{refused:?}");
    assert_eq!(home.json(&["status"])["space"]["low"], "used");

    // What makes room is noticed at the next look, without being told.
    std::fs::remove_file(home.root().join(".kairos/blobs/half")).expect("it goes");
    logged(&home, "daemon_space_enough", || {});
    home.ok(&["mandate", "create", "--goal", "noop", "--wait"]);
    stop(&mut daemon);
}

/// Runs a script in a user and mount namespace of its own; `None` where there are none.
fn unshared(script: &str, place: &std::path::Path) -> Option<Output> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", script]);
    command.arg(place).arg(KAIROS).output().ok()
}

#[test]
fn a_full_disk_costs_what_needs_it_and_not_the_daemon() {
    let dir = tempfile::tempdir().expect("a directory");
    let tried = unshared("mount -t tmpfs none \"$0\"", dir.path());
    if tried.is_none_or(|tried| !tried.status.success()) {
        eprintln!("SKIPPED: no user and mount namespaces here, or no tmpfs in them");
        return;
    }
    let output = unshared(include_str!("full_disk.sh"), dir.path()).expect("as before");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (records, told): (Vec<_>, Vec<_>) =
        said.lines().partition(|line| line.starts_with("{\"seq\""));
    let told: Vec<_> = told.into_iter().filter(|line| !line.starts_with("hint: ")).collect();
    let low = "0 B are free on the disk, and `retention.keep_free` sets 1 MiB aside";
    let expected = [
        "kairos daemon ready, pid ",
        &format!("warning: short of room: {low} [free]"),
        &format!("error: short of room: {low}"),
        "more: exit 75",
        "it lives",
        "room again: ",
        "later: exit 0",
        "ended 0",
        "{\"ok\":true,",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    let alike = |(told, expected): (&&str, &&str)| told.starts_with(expected);
    assert!(told.iter().zip(&expected).all(alike), "{told:#?}");

    // The answer for which there was no room is lost with its cycle; the next question waits.
    let events = records.iter().flat_map(|line| {
        let record: Value = serde_json::from_str(line).expect("a record");
        record["events"].as_array().expect("events").clone()
    });
    let step = |event: Value| match event["type"].as_str()? {
        "space_low" | "space_enough" | "call_delayed" => event["type"].as_str().map(String::from),
        "effect_settled" if event["outcome"]["failed"].is_string() => {
            Some(format!("failed {}", event["outcome"]["failed"]))
        }
        "mandate_finished" => Some(format!("finished {}", event["outcome"])),
        _ => None,
    };
    let unchanged = "finished \"unchanged\"";
    let steps: Vec<_> = events.filter_map(step).collect();
    let full = ["space_low", "failed \"no_space\"", "call_delayed"];
    let expected: Vec<_> = full.into_iter().chain(["space_enough", unchanged, unchanged]).collect();
    assert_eq!(steps, expected);
}
