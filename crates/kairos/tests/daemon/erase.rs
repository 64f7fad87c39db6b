//! Texts that a person wants gone, from the real program to the real disk.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use kairos_core::digest::Digest;

use crate::home::{Ended, Home, KAIROS, Model, count, follow};

const GOAL: &str = "change 1.0 to 2.0 in docs/a.md";

fn blob(home: &Home, text: &str) -> PathBuf {
    home.root().join(".kairos/blobs").join(Digest::of(text.as_bytes()).to_string())
}

fn code(home: &Home, arguments: &[&str]) -> (i32, String) {
    let output = home.kairos(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it ended by itself"), said)
}

/// A workspace whose one mandate is done, and the mandate's id.
fn done(home: &Home, model: &Model) -> String {
    home.configure("openai", &model.base_url("openai"), "");
    home.write("docs/a.md", "The release is 1.0.\n");
    let daemon = home.daemon();
    let created = home.json(&["mandate", "create", "--goal", GOAL]);
    follow(home, |event| event["type"] == "mandate_finished");
    drop(daemon);
    created["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_erased_goal_is_gone_from_disk_and_everybody_says_so() {
    let (model, home) = (Model::start(&[]), Home::new());
    let id = done(&home, &model);
    let goal = Digest::of(GOAL.as_bytes()).to_string();
    let erase = ["journal", "erase", &goal[..12], "--reason", "a key stood in it"];
    let (exit, said) = code(&home, &erase);
    assert_eq!(exit, 69, "{said}");
    assert!(said.contains("kairos daemon"), "{said}");
    let daemon = home.daemon();
    assert_eq!(home.ok(&erase), format!("erased    {goal}\n"));
    assert!(!blob(&home, GOAL).exists());
    assert_eq!(home.ok(&erase), format!("erased    {goal}\n"));
    assert_eq!(code(&home, &["journal", "erase", &"0".repeat(64), "--reason", "x"]).0, 1);

    let told = |home: &Home| {
        let shown = home.ok(&["mandate", "show", &id]);
        assert!(shown.contains("goal      (erased)\n"), "{shown}");
        assert!(shown.contains(&format!("erased    {goal} at ")), "{shown}");
        assert!(shown.contains(": a key stood in it\n"), "{shown}");
        assert!(home.ok(&["mandate", "list"]).contains("(erased)"));
        home.ok(&["mandate", "logs", &id]);
        assert_eq!(count(&home.events(), "blob_erased"), 1);
        assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    };
    told(&home);
    let log = home.read(".kairos/logs/kairos.log");
    assert!(log.contains("\"blob_erased\""), "{log}");
    // The same from the files, and by a daemon that has it from them.
    drop(daemon);
    told(&home);
    let _daemon = home.daemon();
    told(&home);
}

#[test]
fn what_a_proposal_needs_is_refused_by_its_mandate() {
    let (model, home) = (Model::start(&[]), Home::new());
    home.configure("openai", &model.base_url("openai"), "");
    home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
    home.write(
        "mandate.yml",
        "goal: change 1.0 to 2.0 in .kairos/knowledge/release.md\nallow_llm_upload: [l1]\n",
    );
    let _daemon = home.daemon();
    let file = home.root().join("mandate.yml").display().to_string();
    let id = home.json(&["mandate", "create", "--file", &file])["id"].clone();
    follow(&home, |event| event["type"] == "mandate_parked");
    let after = Digest::of(b"The release is 2.0.\n").to_string();
    let (exit, said) = code(&home, &["journal", "erase", &after, "--reason", "x"]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains(id.as_str().expect("an id")), "{said}");
    assert!(blob(&home, "The release is 2.0.\n").exists());
}

#[test]
fn a_daemon_killed_between_the_record_and_the_removal_erases_at_its_next_start() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("`strace` is missing, so nothing was killed at its system calls");
        return;
    }
    let (model, home) = (Model::start(&[]), Home::new());
    done(&home, &model);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o", "/dev/null", "-P"]);
    strace.arg(home.root().join(".kairos/blobs"));
    strace.args(["-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=SIGKILL"]);
    strace.arg(KAIROS).arg("--root").arg(home.root()).arg("daemon");
    strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut daemon = crate::home::ready({
        strace.stdin(Stdio::null()).stdout(Stdio::null());
        strace
    });
    let goal = Digest::of(GOAL.as_bytes()).to_string();
    // Nobody was told that it is gone.
    let (exit, said) = code(&home, &["journal", "erase", &goal, "--reason", "a key stood in it"]);
    assert_eq!(exit, 69, "{said}");
    daemon.0.wait().expect("our child");
    assert!(blob(&home, GOAL).exists(), "it was killed before the call");
    let events = home.events();
    assert_eq!((count(&events, "blob_erased"), count(&events, "erasure_settled")), (1, 0));

    let _daemon: Ended = home.daemon();
    follow(&home, |event| event["type"] == "erasure_settled");
    assert!(!blob(&home, GOAL).exists());
    let events = home.events();
    let settled = events.iter().find(|event| event["type"] == "erasure_settled");
    assert_eq!(settled.expect("it was followed")["end"], "gone");
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}
