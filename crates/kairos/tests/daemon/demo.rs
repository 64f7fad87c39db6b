//! The demo, as somebody runs it who has just built the program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Ended, KAIROS};

fn demo(dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(KAIROS);
    command.args(["demo", "--dir"]).arg(dir).args(more).stdin(Stdio::null());
    command
}

fn verified(dir: &Path) -> Value {
    let verify = ["journal", "verify", "--json"];
    let output = Command::new(KAIROS).arg("--root").arg(dir).args(verify).output();
    let output = output.expect("it starts");
    serde_json::from_slice(&output.stdout).expect("one object")
}

/// Positions of the frames in which `kind` occurs.
fn positions(dir: &Path, kind: &str) -> Vec<u64> {
    let export = ["journal", "export", "--jsonl"];
    let output = Command::new(KAIROS).arg("--root").arg(dir).args(export).output();
    let text = String::from_utf8(output.expect("it starts").stdout).expect("text");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let has = |record: &Value| {
        let events = record["events"].as_array().expect("events");
        events.iter().any(|event| event["type"] == kind)
    };
    records.filter(has).map(|record| record["seq"].as_u64().expect("a position")).collect()
}

#[test]
fn a_demo_that_approves_ends_with_both_edits_and_a_sound_journal() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("demo");
    let output = demo(&dir, &["--once", "--approve", "--json"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let head = summary["journal_head"].as_u64().expect("a position");
    let dir = dir.canonicalize().expect("it is there");
    let expected = json!({
        "dir": dir,
        "mandates": {"achieved": 1},
        "edits_applied": 2,
        "proposals": {"approved": 1},
        "journal_head": head,
    });
    assert_eq!(summary, expected);
    let read = |path: &str| fs::read_to_string(dir.join(path)).expect("a file");
    assert!(!read("docs/install.md").contains("1.0"));
    assert!(read(".kairos/knowledge/release.md").contains("release is 2.0"));
    let verdict = verified(&dir);
    assert_eq!((&verdict["ok"], &verdict["problem"]), (&json!(true), &Value::Null));
    assert!(verdict["head"].as_u64() >= Some(head), "{verdict}");
}

#[test]
fn a_demo_without_approval_leaves_the_protected_file_alone() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("demo");
    let output = demo(&dir, &["--once"]).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let knowledge = fs::read_to_string(dir.join(".kairos/knowledge/release.md")).expect("a file");
    assert!(knowledge.contains("release is 1.0"), "{knowledge}");
    assert_eq!(positions(&dir, "proposal_opened").len(), 1);
    assert_eq!(positions(&dir, "decided"), Vec::<u64>::new());
}

#[test]
fn a_demo_told_to_end_at_its_start_leaves_no_daemon_behind() {
    for wait_ms in [20, 60, 120, 200] {
        let home = tempfile::tempdir().expect("a directory");
        let dir = home.path().join("demo");
        let child = demo(&dir, &[]).stderr(Stdio::null()).spawn().expect("it starts");
        let mut child = Ended(child);
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        kill_process(Pid::from_child(&child.0), Signal::TERM).expect("it runs");
        child.0.wait().expect("it ends");
        let pid = fs::read_to_string(dir.join(".kairos/run/daemon.pid")).unwrap_or_default();
        let alive = !pid.is_empty() && Path::new("/proc").join(pid.trim()).exists();
        assert!(!alive, "the daemon {pid} goes on, {wait_ms} ms after the demo began");
    }
}

#[test]
fn a_demo_told_to_end_takes_its_daemon_with_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = tempfile::tempdir().expect("a directory");
        let dir = home.path().join("demo");
        let mut child = demo(&dir, &[]).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut child = Ended(child);
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.contains("proposal approve")), "it waits for a person");
        let pid = fs::read_to_string(dir.join(".kairos/run/daemon.pid")).expect("a pid");
        let demo = Pid::from_child(&child.0);
        kill_process(demo, signal).expect("it runs");
        lines.for_each(drop);
        assert!(child.0.wait().expect("it ends").success());
        let there = Path::new("/proc").join(pid.trim());
        assert!(!there.exists(), "the daemon {pid} goes on after {signal:?}");
        assert_eq!(verified(&dir)["ok"], true);
    }
}
