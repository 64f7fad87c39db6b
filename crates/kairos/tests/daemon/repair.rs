//! A damaged journal, and the way on that a person chooses.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

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
    assert!(said.contains("frame 2") && said.contains("kairos journal repair"), "{said}");
    assert!(!said.contains("--accept-loss-after"), "it is shown first: {said}");
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

/// Every file of the journal with its bytes, but the lock.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut dirs) = (BTreeMap::new(), vec![home.root().join(".kairos/journal")]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("it is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if !path.ends_with("lock") {
                files.insert(path.clone(), fs::read(&path).expect("it reads"));
            }
        }
    }
    files
}

/// A workspace whose journal had frames and a checkpoint, and has no segment any more.
fn without_segments() -> Home {
    let home = Home::new();
    crate::lifecycle::stop(&mut home.daemon());
    home.ok(&["journal", "checkpoint"]);
    let mut daemon = home.daemon();
    crate::lifecycle::stop(&mut daemon);
    for path in files(&home).into_keys() {
        let gone = path.extension().is_some_and(|ext| ext == "kj" || ext == "tmp");
        gone.then(|| fs::remove_file(&path).expect("removed"));
    }
    home
}

/// Exit code, and all that was said.
fn end(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let output = home.kairos(arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("text"))
}

#[test]
fn a_start_verify_and_repair_say_the_same_of_segments_that_are_gone() {
    let home = without_segments();
    let kept = fs::read_dir(home.root().join(".kairos/checkpoints")).expect("it is there");
    assert!(kept.count() > 0, "a checkpoint is kept");
    fs::remove_file(home.root().join(".kairos/run/heartbeat.json")).expect("removed");
    let before = files(&home);
    for (arguments, code) in [
        (&["journal", "verify"][..], 1),
        (&["journal", "repair"], 2),
        (&["journal", "repair", "--accept-loss-after", "0"], 2),
        (&["daemon"], 2),
        (&["daemon", "--adopt"], 2),
        (&["journal", "verify"], 1),
    ] {
        let (ended, said) = end(&home, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(said.contains("is of a journal that had frames"), "{arguments:?}: {said}");
        assert!(said.contains("put `.kairos/journal` back"), "{arguments:?}: {said}");
        assert_eq!(files(&home), before, "{arguments:?} changes nothing");
    }
}

#[test]
fn a_start_that_the_heartbeat_refuses_leaves_no_journal_behind() {
    let home = without_segments();
    fs::remove_dir_all(home.root().join(".kairos/checkpoints")).expect("removed");
    let before = files(&home);
    let (ended, said) = end(&home, &["daemon"]);
    assert_eq!((ended, said.contains("a heartbeat saw")), (Some(2), true), "{said}");
    assert_eq!(files(&home), before);
    let daemon = home.command(&["daemon", "--adopt"]);
    crate::lifecycle::stop(&mut crate::home::ready(daemon));
}

#[test]
fn a_file_that_does_not_belong_in_the_journal_is_to_be_moved_away() {
    let home = Home::new();
    crate::lifecycle::stop(&mut home.daemon());
    let (_, sound) = end(&home, &["journal", "verify"]);
    home.write(".kairos/journal/foo", "");
    let (code, said) = end(&home, &["journal", "verify"]);
    assert_eq!(
        (code, said.lines().next()),
        (Some(1), Some(&*sound.trim().replace("sound", "damaged")))
    );
    for arguments in [&["journal", "verify"][..], &["journal", "repair"], &["daemon"]] {
        let (_, said) = end(&home, arguments);
        assert!(said.contains("`foo` does not belong in a journal"), "{arguments:?}: {said}");
        assert!(said.contains("move `.kairos/journal/foo` away"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_segment_that_only_lost_zeros_is_told_how_it_gets_them_back() {
    let home = Home::new();
    let mut daemon = home.daemon();
    crate::lifecycle::stop(&mut daemon);
    let sound = home.json(&["journal", "verify"]);
    let file = home.root().join(".kairos/journal/00000000000000000001.kj");
    let open = fs::OpenOptions::new().write(true).open(&file).expect("a segment");
    let length = open.metadata().expect("it is there").len();
    open.set_len(length / 2 + 1).expect("cut");
    let shown = home.kairos(&["journal", "repair"]);
    assert_eq!(shown.status.code(), Some(1));
    let hint = String::from_utf8(shown.stderr).expect("text");
    assert!(hint.contains("truncate -s LENGTH .kairos/journal/00000000000000000001.kj"), "{hint}");
    let text = fs::read(&file).expect("a segment");
    let named = format!("\"bytes\":{length}}}");
    let line = text.split(|byte| *byte == b'\n').next().expect("a first line");
    assert!(String::from_utf8_lossy(line).contains(&named), "the first line says the length");
    open.set_len(length).expect("given back");
    assert_eq!(home.json(&["journal", "verify"]), sound);
}
