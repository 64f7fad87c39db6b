//! A damaged journal, and the way on that a person chooses.

use std::fs;

use serde_json::Value;

use crate::home::Home;

/// Spoils a byte of the frame at `seq`.
fn spoil(home: &Home, seq: usize) {
    let file = home.root().join(".kairos/journal/00000000000000000001.kj");
    let mut bytes = fs::read(&file).expect("a segment");
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let end = ends.collect::<Vec<_>>()[seq - 1];
    bytes[end - 10] ^= 1;
    fs::write(&file, bytes).expect("written");
}

fn types(home: &Home) -> Vec<String> {
    let text = home.ok(&["journal", "export", "--jsonl"]);
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let events = records.flat_map(|record| record["events"].as_array().expect("events").clone());
    events.map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn a_damaged_journal_is_refused_and_goes_on_once_its_loss_is_accepted() {
    let home = Home::new();
    let mut daemon = home.daemon();
    crate::lifecycle::stop(&mut daemon);
    let mut daemon = home.daemon();
    crate::lifecycle::stop(&mut daemon);
    let head = home.json(&["journal", "verify"])["head"].as_u64().expect("a position");
    assert!(head > 2, "{head}");
    spoil(&home, 2);
    let refused = home.kairos(&["daemon"]);
    let said = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(refused.status.code(), Some(2), "{said}");
    let command = "kairos journal repair --accept-loss-after 1";
    assert!(said.contains("frame 2") && said.contains(command), "{said}");
    let shown = home.kairos(&["journal", "repair"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.contains("would stay: frames 1 to 1"), "{shown}");
    assert_eq!(
        home.kairos(&["journal", "repair", "--accept-loss-after", "2"]).status.code(),
        Some(2)
    );
    home.ok(&["journal", "repair", "--accept-loss-after", "1"]);
    let mut daemon = home.daemon();
    crate::lifecycle::stop(&mut daemon);
    let types = types(&home);
    assert_eq!(types.iter().filter(|kind| *kind == "repaired").count(), 1, "{types:?}");
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    let kept = fs::read_dir(home.root().join(".kairos/journal/torn")).expect("it is there");
    assert_eq!(kept.count(), 1, "the bytes, and no note any more");
}
