//! Steps that execute a command, behind real walls. Needs make and user namespaces.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Ended, Home, count, follow};

/// Owner of workspaces where the tests run as root: a command never runs as root.
const OWNER: u32 = 4242;

/// Gives a workspace to somebody with all that is in it.
fn give(home: &Home) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let mut open = vec![home.root().to_owned()];
    while let Some(path) = open.pop() {
        chown(&path, Some(OWNER), Some(OWNER)).expect("its owner");
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
    }
}

/// A workspace whose Makefile has one recipe, and a model that plans these steps and is then done.
fn home(recipe: &str, steps: &Value) -> Home {
    let home = Home::new();
    home.write(".kairos/config/daemon.yml", "model: {provider: playbook, file: play.yml}\n");
    let decide = json!({"status": "done", "reason": "r", "steps": steps});
    let answers = json!({"answers": [
        {"phase": "orient", "answer": {"summary": "s", "priorities": [], "risk_level": "low"}},
        {"phase": "decide", "answer": decide},
        {"phase": "reflect", "answer": {"assessment": "success", "lessons": [], "confidence": 1}},
    ]});
    home.write("play.yml", &answers.to_string());
    home.write("Makefile", &format!("test:\n\t{recipe}\n"));
    home.write("a.txt", "old\n");
    home.write("b.txt", "gone\n");
    give(&home);
    home
}

fn make() -> Value {
    json!([{"id": "t", "action": "shell", "argv": ["make", "--silent", "test"], "intent": "i"}])
}

const MEDIUM: [&str; 4] = ["--goal", "x", "--risk-budget", "medium"];

fn once(home: &Home, more: &[&str]) -> Value {
    let output = home.kairos(&[&["once", "--json"], &MEDIUM[..], more].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The first failure of a mandate: its code and, for `why`, its words.
fn failed(mandate: &Value) -> (String, String) {
    let failure = &mandate["failures"][0];
    let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("why"))
}

#[test]
fn what_a_command_changed_is_taken_over_file_by_file() {
    let recipe = "echo new > a.txt; rm b.txt; mkdir -p deep/er; echo x > deep/er/c.txt; \
                  printf '#!/bin/sh\\n' > run.sh; chmod 755 run.sh; \
                  mkfifo pipe; ln -s /etc/passwd link";
    let home = home(recipe, &make());
    let mandate = once(&home, &["--verify", "make --silent --dry-run test"]);
    assert_eq!(
        json!([mandate["outcome"], mandate["verified"]]),
        json!(["achieved", true]),
        "{mandate:#}"
    );
    assert_eq!((home.read("a.txt"), home.read("deep/er/c.txt")), ("new\n".into(), "x\n".into()));
    assert!(!home.root().join("b.txt").exists());
    assert!(home.root().join("link").symlink_metadata().is_err(), "a link was taken over");
    let mode = fs::metadata(home.root().join("run.sh")).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o755);
    // Also where root is the daemon, what is new belongs to whose workspace it is.
    let owner = |path: &str| fs::metadata(home.root().join(path)).expect("it is there").uid();
    let owners = ["run.sh", "deep", "deep/er", "deep/er/c.txt"].map(owner);
    assert_eq!(owners, [owner(""); 4]);
    let edits = mandate["edits"].as_array().expect("edits").len();
    assert_eq!(edits, 4, "{mandate:#}");
    let events = home.events();
    let ran = events.iter().find_map(|event| event["outcome"].get("executed"));
    let ran = ran.expect("it was executed");
    assert_eq!(ran["end"], json!({"code": 0}));
    // Anybody can prove later which walls stood.
    let report = ran["report"]["sha256"].as_str().expect("a report");
    let report = home.read(&blob(home.root(), report));
    let report: Value = serde_json::from_str(&report).expect("a report is JSON");
    let wall = report["enforcement"]["seccomp"].as_str().expect("a wall");
    assert!(wall.starts_with("enforced"), "{report:#}");
    assert_eq!(report["left_out"].as_array().map(Vec::len), Some(2), "{report:#}");
    home.ok(&["journal", "verify"]);
}

/// Where a stored text lies, relative to the workspace.
fn blob(root: &Path, sha256: &str) -> String {
    let mut open = vec![root.join(".kairos/blobs")];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if sha256.ends_with(&name) {
                return path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            }
        }
    }
    panic!("no blob `{sha256}`");
}

#[test]
fn a_failing_command_leaves_the_workspace_as_it_was() {
    let recipe = "echo new > a.txt; rm b.txt; echo x > c.txt; echo told; exit 3";
    let home = home(recipe, &make());
    let mandate = once(&home, &["--max-cycles", "1"]);
    assert_eq!(mandate["outcome"], "exhausted", "{mandate:#}");
    assert_eq!(failed(&mandate), ("code".into(), "the command exited with 2".into()));
    assert_eq!((home.read("a.txt"), home.read("b.txt")), ("old\n".into(), "gone\n".into()));
    assert!(!home.root().join("c.txt").exists());
    // A person reads what it printed.
    let id = mandate["id"].as_str().expect("an id");
    let shown = home.ok(&["mandate", "show", id]);
    assert!(shown.contains("told"), "{shown}");
}

#[test]
fn a_check_whose_command_is_refused_ends_the_mandate_at_once() {
    let home = home("true", &json!([]));
    let mandate = once(&home, &["--verify", "git push"]);
    let ended = json!([mandate["outcome"], mandate["reason"], mandate["cycle"]]);
    assert_eq!(ended, json!(["failed", "checks_refused", 1]), "{mandate:#}");
    let (code, why) = failed(&mandate);
    assert_eq!(code, "checks_failed");
    assert!(why.contains("git push"), "{why}");
}

#[test]
fn a_check_that_is_a_command_keeps_a_mandate_from_being_achieved() {
    let home = home(
        "grep -q new a.txt",
        &json!([
            {"id": "e", "action": "code_edit", "path": "a.txt", "old_string": "old",
             "new_string": "new", "intent": "i"},
        ]),
    );
    let verify = ["--verify", "make --silent test", "--max-cycles", "1"];
    let mandate = once(&home, &verify);
    let ended = json!([mandate["outcome"], mandate["verified"]]);
    assert_eq!(ended, json!(["achieved", true]), "{mandate:#}");
    home.write("a.txt", "old\n");
    home.write("Makefile", "test:\n\techo so it is; false\n");
    let mandate = once(&home, &verify);
    assert_eq!(mandate["outcome"], "exhausted", "{mandate:#}");
    let (_, why) = failed(&mandate);
    assert!(why.contains("so it is"), "{why}");
}

#[test]
fn a_refused_command_says_why_and_is_executed_nowhere() {
    let steps = json!([{"id": "t", "action": "shell", "argv": ["sh", "-c", "id"], "intent": "i"}]);
    let home = home("true", &steps);
    let mandate = once(&home, &[]);
    assert_eq!(mandate["outcome"], "refused", "{mandate:#}");
    assert_eq!(failed(&mandate).0, "name");
    assert_eq!(count(&home.events(), "proposal_opened"), 0);
}

/// A mandate made at a daemon.
fn create(home: &Home, more: &[&str]) -> String {
    let made = home.json(&[&["mandate", "create"], &MEDIUM[..], more].concat());
    made["id"].as_str().expect("an id").to_owned()
}

fn finished(home: &Home) -> Value {
    let mut end = Value::Null;
    follow(home, |event| {
        end.clone_from(&event["outcome"]);
        event["type"] == "mandate_finished"
    });
    end
}

fn is_executing(event: &Value) -> bool {
    event["type"] == "effect_begun" && event["intent"].get("execute").is_some()
}

#[test]
fn a_command_of_no_catalogue_is_executed_once_somebody_has_read_it() {
    let steps = json!([{"id": "t", "action": "shell", "argv": ["factor", "42"], "intent": "i"}]);
    let home = home("true", &steps);
    let _daemon = home.daemon();
    create(&home, &[]);
    follow(&home, |event| event["type"] == "mandate_parked");
    let list = home.json(&["proposal", "list"]);
    let proposal = &list["proposals"][0];
    let shown = json!([proposal["action"], proposal["command"], proposal["reason"]]);
    assert_eq!(shown, json!(["shell", "factor 42", "unlisted"]));
    let text = proposal["diff"].as_str().expect("what a person reads");
    assert!(text.contains("program: /usr/bin/factor sha256 "), "{text}");
    let (id, hash) = (proposal["id"].as_str(), proposal["hash"].as_str());
    let (id, hash) = (id.expect("an id"), hash.expect("a hash"));
    home.ok(&["proposal", "approve", id, "--yes", "--hash", hash]);
    assert_eq!(finished(&home), "unchanged");
    let events = home.events();
    let ran = events.iter().find_map(|event| event["outcome"].get("executed"));
    let out = ran.and_then(|ran| ran["stdout"]["sha256"].as_str()).expect("it printed");
    assert_eq!(home.read(&blob(home.root(), out)), "42: 2 3 7\n");
    assert_eq!(events.iter().filter(|event| is_executing(event)).count(), 1);
}

#[test]
fn a_file_that_a_person_saves_meanwhile_stays_theirs() {
    let recipe = "sleep 1.0317; echo the command > a.txt; echo more > c.txt";
    let home = home(recipe, &make());
    let _daemon = home.daemon();
    create(&home, &["--max-cycles", "1"]);
    follow(&home, is_executing);
    while !lives("1.0317") {
        std::thread::yield_now();
    }
    home.write("a.txt", "the person\n");
    assert_eq!(finished(&home), "exhausted");
    assert_eq!(home.read("a.txt"), "the person\n");
    assert!(!home.root().join("c.txt").exists(), "the rest of it was taken over");
}

/// Whether a process has this argument.
fn lives(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("processes");
    processes
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

/// Until no process has this argument; the kernel takes a moment to end a tree.
fn gone(argument: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while lives(argument) {
        assert!(Instant::now() < until, "a process of the command lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_stop_ends_the_whole_tree_of_a_command() {
    let home = home("setsid sleep 3111 & sleep 3112", &make());
    let _daemon = home.daemon();
    let id = create(&home, &[]);
    follow(&home, is_executing);
    while !lives("3112") {
        std::thread::yield_now();
    }
    home.ok(&["mandate", "stop", &id]);
    assert_eq!(finished(&home), "stopped");
    gone("3111");
    gone("3112");
}

fn signal(daemon: &Ended, signal: Signal) {
    let pid = Pid::from_child(&daemon.0);
    kill_process(pid, signal).expect("it is there");
}

#[test]
fn a_killed_daemon_leaves_no_process_and_repeats_what_left_nothing() {
    let home = home("test -e .kairos/second || sleep 3121; echo new > a.txt", &make());
    let mut daemon = home.daemon();
    create(&home, &[]);
    follow(&home, is_executing);
    while !lives("3121") {
        std::thread::yield_now();
    }
    signal(&daemon, Signal::KILL);
    daemon.0.wait().expect("it ends");
    gone("3121");
    home.write(".kairos/second", "");
    let _daemon = home.daemon();
    assert_eq!(finished(&home), "achieved");
    assert_eq!(home.read("a.txt"), "new\n");
    let events = home.events();
    assert_eq!(events.iter().filter(|event| is_executing(event)).count(), 2);
}

#[test]
fn a_drain_gives_a_command_its_grace_and_then_ends_it() {
    let home = home("sleep 3131; echo new > a.txt", &make());
    let model = "model: {provider: playbook, file: play.yml}\ngraceful_timeout: 1\n";
    home.write(".kairos/config/daemon.yml", model);
    let mut daemon = home.daemon();
    create(&home, &[]);
    follow(&home, is_executing);
    while !lives("3131") {
        std::thread::yield_now();
    }
    let began = Instant::now();
    signal(&daemon, Signal::TERM);
    assert!(daemon.0.wait().expect("it ends").success());
    let took = began.elapsed();
    assert!((1..5).contains(&took.as_secs()), "{took:?}");
    gone("3131");
    let log = home.read(".kairos/logs/kairos.log");
    assert!(log.contains("daemon_graceful_timeout_exceeded"), "{log}");
    assert_eq!(home.read("a.txt"), "old\n");
}

#[test]
fn a_condition_that_is_a_command_holds_when_it_exits_with_0() {
    let home = home("test -e ready", &json!([]));
    home.write(
        ".kairos/config/schedules.yml",
        "schedules:\n- name: tick\n  every: 1s\n  condition: {command: make --silent test}\n  \
         mandate: {goal: look, max_cycles: 1}\n",
    );
    let _daemon = home.daemon();
    follow(&home, |event| event["type"] == "slot" && event["reason"] == "condition");
    home.write("ready", "");
    follow(&home, |event| event["type"] == "slot" && event["state"] == "fired");
}
