//! Files that hold secrets, and everything that leads to them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::home::Home;

const SECRET: &str = "correct-horse-battery-staple";

/// Lets `once` try to change `path` with every file in view; what the act's step ended with.
fn tried(home: &Home, path: &str) -> String {
    let edit = format!(
        r#"{{id: a, action: code_edit, path: {path}, old_string: horse, new_string: mule, intent: i}}"#
    );
    home.write(
        "play.yml",
        &format!(
            "answers:\n  \
             - {{phase: orient, answer: {{summary: s, priorities: [], risk_level: low}}}}\n  \
             - {{phase: decide, answer: {{status: done, reason: r, steps: [{edit}]}}}}\n  \
             - {{phase: reflect, answer: {{assessment: failure, lessons: [], confidence: 0.1}}}}\n"
        ),
    );
    home.kairos(&[
        "once",
        "--goal",
        &format!("change {path}"),
        "--files",
        "**",
        "--max-cycles",
        "1",
    ]);
    let events = home.events();
    let ends = events.iter().filter(|event| event["type"] == "step_finished");
    ends.map(|event| event["end"].to_string()).next_back().expect("the step ended")
}

fn home(secret: &str) -> Home {
    let home = Home::new();
    home.write(".kairos/config/daemon.yml", "model: {provider: playbook, file: play.yml}\n");
    home.write(
        ".kairos/config/secrets.yml",
        &format!("secrets:\n  - {{name: k, source: file, file_path: {secret}}}\n"),
    );
    home.write("real/token.txt", SECRET);
    symlink("real", home.root().join("creds")).expect("linked");
    home
}

fn assert_kept(home: &Home) {
    assert_eq!(home.read("real/token.txt"), SECRET);
    for place in ["blobs", "journal"] {
        for entry in fs::read_dir(home.root().join(".kairos").join(place)).expect("listed") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("read");
            let leaks = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!leaks, "{}", path.display());
        }
    }
}

#[test]
fn a_secret_named_through_a_link_is_neither_changed_nor_shown_nor_kept() {
    let home = home("creds/token.txt");
    assert_eq!(tried(&home, "real/token.txt"), r#"{"failed":{"file":"protected"}}"#);
    assert_kept(&home);
}

#[test]
fn a_secret_under_another_spelling_of_the_root_is_neither_changed_nor_shown_nor_kept() {
    let other = tempfile::tempdir().expect("a directory");
    let link = other.path().join("workspace");
    let home = home(&format!("{}/real/token.txt", link.display()));
    symlink(home.root(), &link).expect("linked");
    assert_eq!(tried(&home, "real/token.txt"), r#"{"failed":{"file":"protected"}}"#);
    assert_kept(&home);
}
