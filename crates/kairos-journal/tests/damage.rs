//! What a damaged journal is told from, byte by byte.

mod common;

use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::*;
use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_journal::{Damage, OpenError, Problem, Reason, Tail, Verdict, verify};

const SECTOR: usize = 512;
const FIRST: &str = "00000000000000000001.kj";

fn check(root: &Path) -> Verdict {
    let dir = RealFs.root(root).expect("the root is there");
    verify(&RealFs, &dir, Tail::Still, NonZero::<usize>::MIN).expect("the disk reads")
}

fn refusal(root: &Path) -> Damage {
    match open(root, small()) {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("not refused as damaged: {other:?}"),
    }
}

/// Where each frame of a segment begins, and the end of the last.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    starts.extend(ends.map(|(at, _)| at + 1));
    starts
}

fn segments(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("the root is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kj| kj == "kj")).collect();
    paths.sort();
    paths
}

/// Flips every bit of the bytes `which` picks, given where the last frame ends; `open` is asked now
/// and then.
fn flip(which: fn(end: usize, at: usize) -> bool) {
    let root = tempfile::tempdir().expect("a directory");
    sample(root.path(), small());
    let path = root.path().join(FIRST);
    let whole = std::fs::read(&path).expect("the segment reads");
    let file = std::fs::File::options().write(true).open(&path).expect("the segment opens");
    let end = *frames(&whole).last().expect("there are frames");
    let sound = check(root.path());
    assert_eq!((sound.ok, sound.frames, sound.problem), (true, 6, None));
    for at in (0..whole.len()).filter(|at| which(end, *at)) {
        for bit in 0..8 {
            let flipped = whole[at] ^ 1 << bit;
            file.write_all_at(&[flipped], at as u64).expect("the flip is written");
            let verdict = check(root.path());
            assert!(!verdict.ok, "byte {at}, bit {bit}: {verdict:?}");
            if (at * 8 + bit) % 211 == 0 {
                refusal(root.path());
                let left = std::fs::read(&path).expect("the segment reads");
                assert_eq!(left[at], flipped, "a refusal changes nothing");
            }
        }
        file.write_all_at(&whole[at..=at], at as u64).expect("the byte is written back");
    }
    assert!(check(root.path()).ok);
}

#[test]
fn every_flipped_bit_of_a_frame_is_refused() {
    flip(|end, at| at < end);
}

#[test]
fn a_flipped_bit_behind_the_last_frame_is_refused() {
    flip(|end, at| at >= end && (at % SECTOR <= 4 || at % SECTOR >= 508 || at % 7 == 0));
}

#[test]
fn every_truncation_is_refused() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let path = root.path().join(FIRST);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(!check(root.path()).ok, "cut to {length}");
        if length % 61 == 0 {
            refusal(root.path());
        }
    }
}

/// DESIGN's rule, said the other way round: the cut is torn when some whole piece of the frame (of
/// its head, when that is cut) inside one sector lies behind it.
fn is_torn(start: usize, end: usize, cut: usize) -> bool {
    let judged = if cut < start + 129 { start + 129 } else { end };
    (cut..judged).any(|at| at % SECTOR == 0)
}

#[test]
fn a_last_frame_cut_short_is_torn_or_refused_and_never_half_taken() {
    for pad in [0, 10, 90, 170, 260, 340, 430] {
        let root = tempfile::tempdir().unwrap();
        let (book, _) = open(root.path(), small()).unwrap();
        let (book, _) = turn(book, vec![vec![noted("p".repeat(pad))]]);
        let acknowledged = book.state().clone();
        drop(turn(book, vec![vec![noted("q".repeat(900))]]));
        let path = root.path().join(FIRST);
        let whole = std::fs::read(&path).unwrap();
        let [start, end] = frames(&whole)[1..] else { panic!("two frames") };
        for cut in start + 1..end {
            let mut torn = whole.clone();
            torn[cut..].fill(0);
            std::fs::write(&path, &torn).unwrap();
            let verdict = check(root.path());
            let left = (cut - start) as u64;
            if !is_torn(start, end, cut) {
                assert!(!verdict.ok, "pad {pad}, cut {cut}: {verdict:?}");
                continue;
            }
            let problem = Some(Problem::Torn { bytes: left });
            assert_eq!(verdict, Verdict { ok: true, deleted: 0, frames: 1, head: Seq(1), problem });
            if cut % 23 != 0 {
                continue;
            }
            let (book, opened) = open(root.path(), small()).unwrap();
            let recovered = opened.recovered.unwrap();
            assert_eq!((recovered.bytes, recovered.after), (left, Seq(1)));
            assert_eq!(
                std::fs::read(root.path().join(recovered.saved_as)).unwrap(),
                torn[start..cut]
            );
            assert_eq!(book.state(), &acknowledged);
            let (book, _) = turn(book, vec![vec![noted("again")]]);
            drop(book);
            let (_, opened) = open(root.path(), small()).unwrap();
            assert_eq!((opened.head, opened.recovered), (Seq(2), None));
            std::fs::remove_dir_all(root.path().join("torn")).unwrap();
        }
    }
}

#[test]
fn a_turn_of_which_any_sectors_arrived_is_recovered_and_nothing_acknowledged_is_lost() {
    for pad in [5, 200, 395] {
        let root = tempfile::tempdir().unwrap();
        let (book, _) = open(root.path(), small()).unwrap();
        let (book, _) = turn(book, vec![vec![noted("p".repeat(pad))]]);
        let acknowledged = book.state().0.len();
        let path = root.path().join(FIRST);
        let before = std::fs::read(&path).unwrap();
        let lengths = [350, 10, 700, 90];
        let unsure = lengths.map(|length| vec![noted("u".repeat(length))]);
        let (book, _) = turn(book, unsure.to_vec());
        let all = book.state().clone();
        drop(book);
        let after = std::fs::read(&path).unwrap();
        let changed: Vec<_> = (0..after.len() / SECTOR)
            .map(|sector| sector * SECTOR..(sector + 1) * SECTOR)
            .filter(|sector| before[sector.clone()] != after[sector.clone()])
            .collect();
        assert!(changed.len() >= 4);
        for arrived in 0..1 << changed.len() {
            let mut crashed = before.clone();
            for (i, sector) in changed.iter().enumerate() {
                if arrived >> i & 1 == 1 {
                    crashed[sector.clone()].copy_from_slice(&after[sector.clone()]);
                }
            }
            std::fs::write(&path, &crashed).unwrap();
            let (book, opened) = open(root.path(), small()).unwrap();
            let kept = book.state().0.len();
            assert!(kept >= acknowledged);
            assert_eq!(book.state().0, all.0[..kept]);
            let (book, _) = turn(book, vec![vec![noted("new")]]);
            drop(book);
            let (book, again) = open(root.path(), small()).unwrap();
            assert_eq!((again.head, again.recovered), (opened.head.next(), None));
            assert_eq!(book.state().0.len(), kept + 1);
        }
    }
}

#[test]
fn a_hole_in_what_was_acknowledged_is_refused() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let path = root.path().join(FIRST);
    let whole = std::fs::read(&path).unwrap();
    let start = frames(&whole)[2];
    let hole = start.next_multiple_of(SECTOR);
    let mut holed = whole.clone();
    holed[hole..hole + SECTOR].fill(0);
    std::fs::write(&path, &holed).unwrap();
    let reason = Reason::Acknowledged { later: Seq(4) };
    let damage = Damage::Frame { segment: Seq(1), offset: start as u64, seq: Seq(3), reason };
    assert_eq!(damage.hint(), Some("kairos journal repair"));
    assert_eq!(refusal(root.path()), damage);
    let verdict = check(root.path());
    assert_eq!((verdict.frames, verdict.head), (2, Seq(2)));
    assert_eq!(verdict.problem, Some(Problem::Damaged(damage)));
}

#[test]
fn moved_copied_and_missing_frames_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), small()).unwrap();
    let texts = ["aaaa", "bbbb", "cccc", "dddd", "eeee"];
    let (book, _) = turn(book, texts[..4].iter().map(|text| vec![noted(*text)]).collect());
    drop(turn(book, vec![vec![noted(texts[4])]]));
    let path = root.path().join(FIRST);
    let whole = std::fs::read(&path).unwrap();
    let starts = frames(&whole);
    let frame = |i: usize| &whole[starts[i]..starts[i + 1]];
    let orders: [&[usize]; 9] = [
        &[0, 2, 1, 3, 4],
        &[0, 1, 3, 2, 4],
        &[0, 1, 1, 2, 3, 4],
        &[0, 1, 2, 3, 4, 4],
        &[0, 0, 1, 2, 3, 4],
        &[0, 2, 3, 4],
        &[0, 1, 2, 4],
        &[1, 2, 3, 4],
        &[0, 4, 2, 3, 1],
    ];
    for order in orders {
        let mut edited: Vec<u8> = order.iter().flat_map(|i| frame(*i)).copied().collect();
        edited.resize(whole.len(), 0);
        std::fs::write(&path, &edited).unwrap();
        assert!(!check(root.path()).ok, "{order:?}");
        refusal(root.path());
    }
}

/// 40 frames in several segments.
fn long(root: &Path) -> Vec<PathBuf> {
    let (mut book, _) = open(root, small()).expect("a fresh journal opens");
    for n in 0..40 {
        (book, _) = turn(book, vec![vec![noted(format!("{n:0600}"))]]);
    }
    drop(book);
    segments(root)
}

#[test]
fn segments_that_are_missing_moved_or_not_ours_are_refused() {
    let firsts = |root: &Path| -> Vec<Seq> {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok().map(Seq);
        segments(root).iter().map(|path| number(path).unwrap()).collect()
    };
    type Edit = fn(&[PathBuf]);
    let edits: [(&str, Edit); 8] = [
        ("first gone", |paths| std::fs::remove_file(&paths[0]).unwrap()),
        ("middle gone", |paths| std::fs::remove_file(&paths[1]).unwrap()),
        ("renamed", |paths| {
            std::fs::rename(&paths[2], paths[2].with_file_name("00000000000000000099.kj")).unwrap();
        }),
        ("contents exchanged", |paths| {
            let (a, b) = (std::fs::read(&paths[1]).unwrap(), std::fs::read(&paths[2]).unwrap());
            std::fs::write(&paths[1], b).unwrap();
            std::fs::write(&paths[2], a).unwrap();
        }),
        ("sealed one stale", |paths| {
            let mut stale = std::fs::read(&paths[1]).unwrap();
            let last = frames(&stale).into_iter().rev().nth(1).unwrap();
            stale[last..].fill(0);
            std::fs::write(&paths[1], stale).unwrap();
        }),
        ("sealed one blank", |paths| {
            let length = std::fs::read(&paths[1]).unwrap().len();
            std::fs::write(&paths[1], vec![0; length]).unwrap();
        }),
        ("sealed one torn", |paths| {
            let mut torn = std::fs::read(&paths[1]).unwrap();
            let end = *frames(&torn).last().unwrap();
            torn[end.next_multiple_of(SECTOR) - SECTOR..].fill(0);
            std::fs::write(&paths[1], torn).unwrap();
        }),
        ("one too many", |paths| {
            std::fs::copy(&paths[0], paths[0].with_file_name("00000000000000000777.kj")).unwrap();
        }),
    ];
    for (what, edit) in edits {
        let root = tempfile::tempdir().unwrap();
        let paths = long(root.path());
        assert!(firsts(root.path()).len() >= 4);
        assert!(check(root.path()).ok);
        edit(&paths);
        assert!(!check(root.path()).ok, "{what}");
        refusal(root.path());
    }
}

#[test]
fn what_does_not_belong_in_a_journal_is_refused_by_name() {
    let names = ["notes.txt", "1.kj", "00000000000000000001.kj.bak", "0000000000000000001x.kj"];
    for name in names {
        let root = tempfile::tempdir().unwrap();
        sample(root.path(), small());
        std::fs::write(root.path().join(name), "").unwrap();
        assert_eq!(refusal(root.path()), Damage::Stranger { name: name.into() });
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(FIRST)).unwrap();
    assert!(open(root.path(), small()).is_err());
}

#[test]
fn a_journal_of_another_node_format_or_schema_is_refused() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let old = kairos_journal::Opening { schema: 2, ..opening(small()) };
    let dir = RealFs.root(root.path()).unwrap();
    let opened: Result<(Book, _), _> = kairos_journal::Ledger::open(
        std::sync::Arc::new(RealFs),
        dir,
        Memory::default(),
        Losses::default().signal(),
        old,
    );
    let Err(OpenError::Damaged(damage)) = opened else { panic!("refused") };
    assert_eq!(damage, Damage::Schema { segment: Seq(1), found: 3, known: 2 });
}

#[test]
fn a_fold_that_panics_is_told_with_its_frame() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Touchy;
    impl kairos_core::fold::Snapshot for Touchy {
        const KIND: &'static str = "touchy";
        const SCHEMA: u32 = 1;
        type Form = Self;

        fn form(&self) -> &Self {
            self
        }

        fn restore(&mut self, form: Self) {
            *self = form;
        }
    }
    impl kairos_core::fold::Fold for Touchy {
        type Event = Event;
        type Effect = ();
        fn apply(&mut self, at: kairos_core::fold::At, _: &Event, _: &mut Vec<()>) {
            assert!(at.seq < Seq(4), "frame {} is too much", at.seq);
        }
    }
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let dir = RealFs.root(root.path()).unwrap();
    let lost: kairos_journal::Lost<Touchy> = std::sync::Arc::new(|()| {});
    let opened = kairos_journal::Ledger::<_, (), _>::open(
        std::sync::Arc::new(RealFs),
        dir,
        Touchy,
        lost,
        opening(small()),
    );
    let Err(OpenError::Panicked { seq, message }) = opened else { panic!("refused") };
    assert_eq!((seq, &*message), (Seq(4), "frame 4 is too much"));
}
