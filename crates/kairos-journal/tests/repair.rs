//! Giving up what is damaged, on purpose and with nothing thrown away.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::*;
use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_journal::{Damage, Loss, Reason, RepairError, Repaired, examine, recorded, repair};

const BY: &str = "user:ann(1000)";

/// Sixty frames over several segments; what they record.
fn journal(root: &Path) -> Memory {
    let (mut book, _) = open(root, small()).expect("a fresh journal opens");
    for n in 0..60 {
        (book, _) = turn(book, vec![vec![noted(format!("{n:04}{}", "x".repeat(200)))]]);
    }
    book.state().clone()
}

fn looked(root: &Path) -> Result<Loss, RepairError> {
    examine(&RealFs, &RealFs.root(root).expect("the root"))
}

fn mended(root: &Path, accepted: u64) -> Result<Repaired, RepairError> {
    repair(&Arc::new(RealFs), &RealFs.root(root).expect("the root"), Seq(accepted), BY)
}

/// Names and bytes of the segments that are in place, and of what was set aside.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for dir in [root.to_owned(), root.join("torn")] {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.strip_prefix(root).expect("below").display().to_string();
                files.push((name, fs::read(&path).expect("it reads")));
            }
        }
    }
    files.sort();
    files
}

fn segment(root: &Path, index: usize) -> std::path::PathBuf {
    let names = files(root).into_iter().map(|(name, _)| name);
    let name = names.filter(|name| name.ends_with(".kj")).nth(index).expect("a segment");
    root.join(name)
}

/// Spoils a byte in the body of the third frame of a segment; the frame's position.
fn spoil(path: &Path) -> u64 {
    let mut bytes = fs::read(path).expect("it reads");
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let ends: Vec<_> = ends.collect();
    bytes[ends[2] - 20] ^= 1;
    fs::write(path, &bytes).expect("it is written");
    let first: u64 = path.file_stem().expect("a name").to_string_lossy().parse().expect("digits");
    first + 2
}

#[test]
fn a_sound_journal_has_nothing_to_repair() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let head = Seq(60);
    assert!(matches!(looked(root.path()), Err(RepairError::Sound { head: h }) if h == head));
    assert!(matches!(mended(root.path(), 60), Err(RepairError::Sound { head: h }) if h == head));
}

#[test]
fn what_would_be_lost_is_shown_and_nothing_changes_without_the_right_position() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let path = segment(root.path(), 1);
    let bad = spoil(&path);
    let before = files(root.path());
    let loss = looked(root.path()).expect("it is damaged");
    let damage = Damage::Frame {
        segment: Seq(bad - 2),
        offset: match loss.damage {
            Damage::Frame { offset, .. } => offset,
            _ => 0,
        },
        seq: Seq(bad),
        reason: Reason::Body,
    };
    assert_eq!((loss.after, &loss.damage), (Seq(bad - 1), &damage));
    assert_eq!((loss.readable, loss.highest), (60 - bad, Some(Seq(60))));
    assert!(matches!(mended(root.path(), bad), Err(RepairError::OtherLoss { .. })));
    assert_eq!(files(root.path()), before);
}

#[test]
fn a_repair_keeps_every_frame_before_the_damage_and_every_byte_behind_it() {
    let root = tempfile::tempdir().expect("a directory");
    let all = journal(root.path());
    let bad = spoil(&segment(root.path(), 1));
    let loss = looked(root.path()).expect("it is damaged");
    let repaired = mended(root.path(), bad - 1).expect("it is accepted");
    let Loss { bytes, segments, .. } = loss;
    assert_eq!(repaired, Repaired { after: bad - 1, bytes, segments, by: BY.into() });
    let kept: usize = files(root.path())
        .iter()
        .filter(|(name, _)| name.starts_with("torn/0"))
        .map(|(_, bytes)| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1))
        .sum();
    assert_eq!(kept as u64, bytes);
    let (book, opened) = open(root.path(), small()).expect("it opens again");
    assert_eq!(opened.repaired, [repaired]);
    assert_eq!(book.state().0, all.0[..usize::try_from(bad - 1).expect("few")]);
    let (book, _) = turn(book, vec![vec![noted("goes on")]]);
    assert_eq!(book.head(), Seq(bad));
    drop(book);
    recorded(&RealFs, &RealFs.root(root.path()).expect("the root")).expect("the note goes");
    let (_, opened) = open(root.path(), small()).expect("it opens again");
    assert_eq!(opened.repaired, []);
}

#[test]
fn a_missing_segment_costs_what_follows_it() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let missing = segment(root.path(), 1);
    let first: u64 =
        missing.file_stem().expect("a name").to_string_lossy().parse().expect("digits");
    fs::remove_file(&missing).expect("it was there");
    let loss = looked(root.path()).expect("it is damaged");
    assert!(matches!(loss.damage, Damage::Gap { expected, .. } if expected == Seq(first)));
    assert_eq!(loss.after, Seq(first - 1));
    mended(root.path(), first - 1).expect("it is accepted");
    let (_, opened) = open(root.path(), small()).expect("it opens again");
    assert_eq!(opened.head, Seq(first - 1));
}

#[test]
fn a_repair_cut_short_is_taken_up_again() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let bad = spoil(&segment(root.path(), 1));
    let loss = looked(root.path()).expect("it is damaged");
    let note = root.path().join("torn/repaired.json");
    // As after a crash between the segments and the cut, and as that leaves the note.
    let whole: Vec<_> = files(root.path());
    mended(root.path(), bad - 1).expect("it is accepted");
    let noted = fs::read_to_string(&note).expect("it is noted");
    fs::write(&note, noted.replace("\"ended\":true", "\"ended\":false")).expect("there is room");
    let (name, bytes) = &whole[1];
    fs::write(root.path().join(name), bytes).expect("there is room");
    assert_eq!(looked(root.path()).expect("it is damaged"), loss);
    let repaired = mended(root.path(), bad - 1).expect("it is accepted");
    let Loss { bytes, segments, .. } = loss;
    assert_eq!(repaired, Repaired { after: bad - 1, bytes, segments, by: BY.into() });
    // Before it is recorded, more breaks: that is another.
    let bad = spoil(&segment(root.path(), 0));
    let second = mended(root.path(), bad - 1).expect("it is accepted");
    let (_, opened) = open(root.path(), small()).expect("it opens again");
    assert_eq!(opened.head, Seq(bad - 1));
    assert_eq!(opened.repaired, [repaired, second]);
}

#[test]
fn a_repair_that_was_begun_and_given_up_is_not_recorded() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let whole = files(root.path());
    let bad = spoil(&segment(root.path(), 1));
    mended(root.path(), bad - 1).expect("it is accepted");
    let note = root.path().join("torn/repaired.json");
    let noted = fs::read_to_string(&note).expect("it is noted");
    fs::write(&note, noted.replace("\"ended\":true", "\"ended\":false")).expect("there is room");
    // A copy takes the place of what was damaged.
    for (name, bytes) in whole {
        fs::write(root.path().join(name), bytes).expect("there is room");
    }
    let (_, opened) = open(root.path(), small()).expect("it opens again");
    assert_eq!((opened.head, opened.repaired), (Seq(60), Vec::new()));
}

#[test]
fn beside_a_daemon_nothing_is_repaired() {
    let root = tempfile::tempdir().expect("a directory");
    journal(root.path());
    let (_book, _) = open(root.path(), small()).expect("it opens");
    assert!(matches!(mended(root.path(), 60), Err(RepairError::Locked)));
}
