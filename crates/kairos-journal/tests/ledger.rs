//! What a ledger keeps, lets go and finds again.

mod common;

use std::sync::Arc;

use common::*;
use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_journal::{Ahead, Ledger, OpenError, Opened, RecordError, Segments};

#[test]
fn what_was_committed_is_there_after_reopening() {
    let root = tempfile::tempdir().unwrap();
    let (book, opened) = open(root.path(), Segments::default()).unwrap();
    let origin = NodeId::from_u128(7);
    let fresh = Opened {
        head: Seq(0),
        snapshot: None,
        passed_over: Vec::new(),
        frames: 0,
        recovered: None,
        repaired: Vec::new(),
        origin,
        epoch: 1,
    };
    assert_eq!(opened, fresh);
    let frames = vec![vec![noted("first"), asked("mail")], vec![], vec![noted("\0 \"ü\"\n")]];
    let (book, released) = turn(book, frames.clone());
    assert_eq!(released.durable, Seq(3));
    assert_eq!(read(released.records), said(1, frames));
    let live = book.state().clone();
    drop(book);

    let (book, opened) = open(root.path(), Segments::default()).unwrap();
    assert_eq!(opened, Opened { head: Seq(3), frames: 3, ..fresh });
    assert_eq!(book.state(), &live);
}

#[test]
fn a_frame_is_text_as_documented() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), small()).unwrap();
    drop(turn(book, vec![vec![noted("hello")]]));
    let file = std::fs::read(root.path().join("00000000000000000001.kj")).unwrap();
    let text = std::str::from_utf8(&file).unwrap();
    let (frame, rest) = text.split_once('\n').unwrap();
    assert!(rest.bytes().all(|byte| byte == 0));
    let body = concat!(
        r#"{"t":"2026-12-01T09:00:00.001Z","#,
        r#""seg":{"origin":"00000000000000000000000007","epoch":1,"format":1,"#,
        r#""schema":3,"bytes":4096},"ev":[{"noted":{"text":"hello"}}]}"#
    );
    let head = format!("kj1 {:08x} {:016} {:016} {}", body.len(), 1, 0, "0".repeat(64));
    let head = format!("{head} {:08x} ", crc32fast::hash(body.as_bytes()));
    let crc = crc32fast::hash(head.as_bytes());
    assert_eq!(frame, format!("{head}{crc:08x} {body}"));
}

#[test]
fn a_commit_releases_in_order_and_only_once() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    book.record(time(1), vec![asked("a"), noted("n"), asked("b")]).unwrap();
    book.hold("first");
    book.record(time(2), vec![asked("c")]).unwrap();
    book.hold("second");
    let (book, released) = book.commit().unwrap();
    let effects: Vec<_> =
        released.permits.iter().map(|permit| (permit.at().seq.0, &*permit.effect().what)).collect();
    assert_eq!(effects, [(1, "a"), (1, "b"), (2, "c")]);
    assert_eq!(released.answers, ["first", "second"]);
    let (_, released) = book.commit().unwrap();
    assert!(released.permits.is_empty() && released.answers.is_empty());
    assert_eq!((released.records, released.durable), (vec![], Seq(2)));
}

#[test]
fn an_answer_without_a_record_leaves_at_the_commit_too() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    book.hold("refused");
    let (_, released) = book.commit().unwrap();
    assert_eq!((released.answers, released.durable), (vec!["refused"], Seq(0)));
}

#[test]
fn what_was_not_committed_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), small()).unwrap();
    let (mut book, _) = turn(book, vec![vec![noted("kept")]]);
    book.record(time(2), vec![noted("dropped")]).unwrap();
    drop(book);
    let (book, opened) = open(root.path(), small()).unwrap();
    assert_eq!(opened.head, Seq(1));
    assert_eq!(book.state().0, [(at(1, 1), noted("kept"))]);
}

#[test]
fn a_permit_is_settled_or_lost() {
    let root = tempfile::tempdir().unwrap();
    let losses = Losses::default();
    let dir = RealFs.root(root.path()).unwrap();
    let empty = Memory::default();
    let (mut book, _) =
        Ledger::<_, (), _>::open(Arc::new(RealFs), dir, empty, losses.signal(), opening(small()))
            .unwrap();
    book.record(time(1), vec![asked("done"), asked("gone")]).unwrap();
    let (_book, released) = book.commit().unwrap();
    let [done, gone] = <[_; 2]>::try_from(released.permits).unwrap();
    let settled = done.settle(42);
    assert_eq!((settled.at(), settled.outcome()), (at(1, 1), &42));
    assert_eq!(settled.into_parts(), (Effect { what: "done".into() }, 42));
    assert_eq!(losses.seen(), []);
    drop(gone);
    assert_eq!(losses.seen(), [Effect { what: "gone".into() }]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), small()).unwrap();
    assert!(matches!(open(root.path(), small()), Err(OpenError::Locked)));
    drop(book);
    open(root.path(), small()).unwrap();
}

#[test]
fn an_oversize_frame_is_refused_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    book.record(time(1), vec![noted("before")]).unwrap();
    let refused = book.record(time(2), vec![noted("x".repeat(4000))]).unwrap_err();
    assert!(matches!(refused, RecordError::Oversize { bytes: 4021, bytes_max: 3072 }), "{refused}");
    book.record(time(2), vec![noted("after")]).unwrap();
    let (book, released) = book.commit().unwrap();
    assert_eq!(released.durable, Seq(2));
    let live = book.state().clone();
    drop(book);
    assert_eq!(open(root.path(), small()).unwrap().0.state(), &live);
}

#[test]
fn an_instant_beyond_the_calendar_is_the_same_live_and_replayed() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    for ms in [i64::MIN, -1, 0, 253_402_207_199_999, i64::MAX] {
        book.record(Time::from_ms(ms), vec![noted(ms.to_string())]).unwrap();
    }
    let (book, _) = book.commit().unwrap();
    let live = book.state().clone();
    drop(book);
    assert_eq!(open(root.path(), small()).unwrap().0.state(), &live);
}

#[test]
fn an_empty_frame_moves_the_mark() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path(), small()).unwrap();
    assert!(!book.mark_lags());
    let (book, _) = turn(book, vec![vec![noted("one")]]);
    assert!(book.mark_lags());
    let (book, _) = turn(book, vec![vec![]]);
    assert!(!book.mark_lags());
    drop(book);
    assert!(!open(root.path(), small()).unwrap().0.mark_lags());
}

#[test]
fn a_journal_goes_on_over_many_segments() {
    for ahead in [Ahead::Thread, Ahead::OnDemand] {
        let root = tempfile::tempdir().unwrap();
        let segments = Segments::new(4096, 16384, ahead);
        let (mut book, _) = open(root.path(), segments).unwrap();
        for _ in 0..120 {
            let frame = vec![noted("z".repeat(300))];
            (book, _) = turn(book, vec![frame.clone(), frame]);
        }
        let live = book.state().clone();
        drop(book);
        let (book, opened) = open(root.path(), segments).unwrap();
        assert_eq!((opened.head, opened.frames), (Seq(240), 240));
        assert_eq!(book.state(), &live);
        let names = std::fs::read_dir(root.path()).unwrap();
        let mut lengths: Vec<_> = names
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str().unwrap().ends_with(".kj"))
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().len()))
            .collect();
        lengths.sort();
        let lengths: Vec<_> = lengths.into_iter().map(|(_, length)| length).collect();
        assert_eq!(lengths, [4096, 8192, 16384, 16384, 16384, 16384, 16384, 16384, 16384]);
    }
}

#[test]
fn a_turn_grows_over_one_segment_and_is_full_at_the_next() {
    let root = tempfile::tempdir().unwrap();
    let (mut book, _) = open(root.path(), small()).unwrap();
    let mut seqs = 0;
    let refused = loop {
        match book.record(time(1), vec![noted("w".repeat(1000))]) {
            Ok(_) => seqs += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, RecordError::TurnFull));
    assert_eq!(seqs, 3 + 6);
    let (mut book, released) = book.commit().unwrap();
    assert_eq!(released.durable, Seq(9));
    book.record(time(1), vec![noted("w".repeat(1000))]).unwrap();
    let (book, _) = book.commit().unwrap();
    let live = book.state().clone();
    drop(book);
    assert_eq!(open(root.path(), small()).unwrap().0.state(), &live);
}
