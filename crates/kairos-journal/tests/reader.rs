//! Reading without the lock.

mod common;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use common::*;
use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_journal::{Ahead, ReadError, Reader, Record, Segments, Tail, raw_frame, verify};

fn reader(root: &Path, from: u64, tail: Tail) -> Reader<RealFs> {
    Reader::new(Arc::new(RealFs), RealFs.root(root).expect("the root is there"), Seq(from), tail)
}

fn rest(reader: &mut Reader<RealFs>) -> Vec<Record<Event>> {
    std::iter::from_fn(|| reader.next_record().expect("the journal holds")).collect()
}

fn frames(count: usize) -> Vec<Vec<Event>> {
    (0..count).map(|n| vec![noted(format!("{n} {}", "t".repeat(n * 37 % 900)))]).collect()
}

#[test]
fn a_reader_begins_anywhere_and_goes_over_segments() {
    let root = tempfile::tempdir().unwrap();
    let frames = frames(60);
    let (mut book, _) = open(root.path(), small()).unwrap();
    let mut all = Vec::new();
    for frame in &frames {
        let released;
        (book, released) = turn(book, vec![frame.clone()]);
        all.extend(released.records);
    }
    assert_eq!(read(all.clone()), said(1, frames));
    for from in 0..=61u64 {
        let skipped = usize::try_from(from.max(1)).unwrap() - 1;
        assert_eq!(rest(&mut reader(root.path(), from, Tail::Live)), all[skipped..], "from {from}");
    }
    assert_eq!(rest(&mut reader(root.path(), 200, Tail::Live)), []);
}

#[test]
fn a_raw_frame_is_what_stands_on_disk() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let file = std::fs::read(root.path().join("00000000000000000001.kj")).unwrap();
    let text: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let raw = |seq| {
        let dir = RealFs.root(root.path()).unwrap();
        raw_frame(Arc::new(RealFs), dir, Seq(seq), Tail::Still).unwrap()
    };
    for seq in 1..=6 {
        assert_eq!(raw(seq).unwrap(), text[usize::try_from(seq).unwrap() - 1]);
    }
    assert_eq!(raw(7), None);
}

#[test]
fn an_empty_place_has_no_records_and_verifies() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(rest(&mut reader(root.path(), 0, Tail::Still)), []);
    drop(open(root.path(), small()).unwrap());
    assert_eq!(rest(&mut reader(root.path(), 0, Tail::Still)), []);
    let dir = RealFs.root(root.path()).unwrap();
    let verdict = verify(&RealFs, &dir, Tail::Still, NonZero::<usize>::MIN).unwrap();
    assert_eq!((verdict.ok, verdict.frames, verdict.head), (true, 0, Seq(0)));
}

#[test]
fn a_reader_that_is_at_the_end_goes_on_when_there_is_more() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    let mut reader = reader(root.path(), 1, Tail::Live);
    for frame in frames(40) {
        assert_eq!(rest(&mut reader), []);
        let next = book.head().next().0;
        (book, _) = turn(book, vec![frame.clone()]);
        assert_eq!(read(rest(&mut reader)), said(next, vec![frame]));
    }
}

#[test]
fn readers_beside_a_busy_writer_see_every_frame_once_and_no_damage() {
    const FRAMES: u64 = 3000;
    let root = tempfile::tempdir().unwrap();
    let segments = Segments::new(4096, 1 << 16, Ahead::Thread);
    let (mut book, _) = open(root.path(), segments).unwrap();
    std::thread::scope(|scope| {
        let follow = scope.spawn(|| {
            let mut reader = reader(root.path(), 1, Tail::Live);
            let mut seen = 0;
            while seen < FRAMES {
                for record in rest(&mut reader) {
                    seen += 1;
                    assert_eq!(record.at.seq, Seq(seen));
                }
                std::thread::yield_now();
            }
        });
        let judge = scope.spawn(|| {
            let dir = RealFs.root(root.path()).unwrap();
            let mut head = Seq(0);
            while head < Seq(FRAMES) {
                let verdict = verify(&RealFs, &dir, Tail::Live, NonZero::<usize>::MIN).unwrap();
                assert!(verdict.ok && verdict.problem.is_none(), "{verdict:?}");
                assert!(verdict.head >= head);
                head = verdict.head;
            }
        });
        for n in 0..FRAMES / 10 {
            let text = "b".repeat(usize::try_from(n * 13 % 700).unwrap());
            (book, _) = turn(book, vec![vec![noted(text)]; 10]);
        }
        follow.join().unwrap();
        judge.join().unwrap();
    });
}

#[test]
fn a_frame_in_the_making_is_the_end_beside_a_writer_and_judged_without_one() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let path = root.path().join("00000000000000000001.kj");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 20..=end].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(rest(&mut reader(root.path(), 1, Tail::Live)).len(), 5);
    let mut still = reader(root.path(), 6, Tail::Still);
    let error = still.next_record::<Event>().unwrap_err();
    assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    let dir = RealFs.root(root.path()).unwrap();
    let cores = NonZero::<usize>::MIN;
    let live = verify(&RealFs, &dir, Tail::Live, cores).unwrap();
    assert_eq!((live.ok, live.problem, live.head), (true, None, Seq(5)));
    assert!(!verify(&RealFs, &dir, Tail::Still, cores).unwrap().ok);
}

#[test]
fn verify_says_the_same_on_many_cores() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), Segments::new(8 << 20, 8 << 20, Ahead::OnDemand)).unwrap();
    let (book, _) = turn(book, vec![vec![noted("m")]]);
    // Text that is a head: a core that begins at it must not be believed.
    let frame = raw_frame(Arc::new(RealFs), RealFs.root(root.path()).unwrap(), Seq(1), Tail::Live);
    let head = String::from_utf8(frame.unwrap().unwrap()[..130].to_vec()).unwrap();
    let (book, _) = turn(book, vec![vec![noted(head.repeat(4))]; 4_999]);
    drop(book);
    let path = root.path().join("00000000000000000001.kj");
    let whole = std::fs::read(&path).unwrap();
    let dir = RealFs.root(root.path()).unwrap();
    let on = |cores| verify(&RealFs, &dir, Tail::Still, NonZero::new(cores).unwrap()).unwrap();
    assert_eq!((on(1).ok, on(1).frames), (true, 5_000));
    assert_eq!(on(1), on(3));
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for part in [1, 4, 8] {
        let mut flipped = whole.clone();
        flipped[used * part / 10] ^= 4;
        flipped[used * (part + 9) / 20] ^= 4;
        std::fs::write(&path, &flipped).unwrap();
        assert!(!on(1).ok);
        assert_eq!(on(1), on(3));
    }
}
