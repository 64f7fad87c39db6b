//! A `schedules.yml` that is not there: what schedules remember is never given up for that.

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

const FILE: &str = ".kairos/config/schedules.yml";
const SCHEDULES: &str = "schedules:
  - {name: nightly, cron: '@daily', mandate: {goal: g}}
  - {name: inbox, trigger: {path: 'inbox/**', settle: 1s}, mandate: {goal: g}}
";

fn said(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let output = home.kairos(arguments);
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

fn state(home: &Home, name: &str) -> String {
    let listed = home.json(&["schedule", "list"]);
    let all = listed["schedules"].as_array().expect("a list");
    let found = all.iter().find(|schedule| schedule["name"] == name).expect("it is known");
    found["state"].as_str().expect("a state").to_owned()
}

#[test]
fn a_missing_file_gives_up_no_pause_and_no_schedule() {
    let home = Home::new();
    home.write(FILE, SCHEDULES);
    let (here, away) = (home.root().join(FILE), home.root().join("away.yml"));
    let missing = format!("`{}` is missing, and 2 schedules are known", here.display());
    let mut daemon = home.daemon();
    home.ok(&["schedule", "pause", "nightly"]);

    std::fs::rename(&here, &away).expect("it was there");
    let (exit, err) = said(&home, &["schedule", "add", "new", "--every", "1h", "--goal", "g"]);
    assert_eq!(exit, Some(78), "{err}");
    assert!(err.contains(&missing) && err.contains("hint: put it back"), "{err}");
    kill_process(Pid::from_child(&daemon.0), Signal::HUP).expect("it is there");
    let log = home.root().join(".kairos/logs/kairos.log");
    let refused =
        || std::fs::read_to_string(&log).expect("a log").contains("2 schedules are known");
    while !refused() {
        std::thread::yield_now();
    }
    assert_eq!(state(&home, "nightly"), "paused");
    kill_process(Pid::from_child(&daemon.0), Signal::TERM).expect("it is there");
    daemon.0.wait().expect("it ends");

    let (exit, err) = said(&home, &["daemon"]);
    assert_eq!(exit, Some(78), "{err}");
    assert!(err.contains(&missing) && err.contains("`schedules: []`"), "{err}");
    let check = home.ok(&["config", "check"]);
    assert!(
        check.contains(&format!("{}: missing; its defaults count\n", here.display())),
        "{check}"
    );
    let check = home.ok(&["schedule", "check"]);
    assert!(check.ends_with("missing; its defaults count, which are no schedules\n"), "{check}");

    std::fs::rename(&away, &here).expect("it is there");
    let daemon = home.daemon();
    assert_eq!(state(&home, "nightly"), "paused");
    drop(daemon);
    home.write(FILE, "schedules: []\n");
    let _daemon = home.daemon();
    assert_eq!(home.json(&["schedule", "list"])["schedules"], serde_json::json!([]));
}

#[test]
fn a_workspace_that_never_had_schedules_needs_no_file() {
    let home = Home::new();
    std::fs::remove_file(home.root().join(FILE)).expect("it was there");
    drop(home.daemon());
    let _again = home.daemon();
    home.ok(&["schedule", "add", "new", "--every", "1h", "--goal", "g"]);
    assert_eq!(state(&home, "new"), "enabled");
}
