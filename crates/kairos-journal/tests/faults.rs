//! What a failing disk leaves: an honest answer, and every acknowledged frame.

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use common::faulty::{Call, Faulty};
use common::*;
use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_journal::{Ahead, Ledger, OpenError, RecordError, Room, Segments};

fn open_faulty(disk: &Faulty, root: &Path, segments: Segments) -> (Book<Faulty>, Losses) {
    let losses = Losses::default();
    let dir = RealFs.root(root).expect("the root is there");
    let empty = Memory::default();
    let (book, _) =
        Ledger::open(Arc::new(disk.clone()), dir, empty, losses.signal(), opening(segments))
            .expect("the disk works so far");
    (book, losses)
}

#[test]
fn a_commit_is_one_write_and_one_sync_and_an_empty_one_nothing() {
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let (book, _) = open_faulty(&disk, root.path(), small());
    disk.plan(|plan| plan.calls.clear());
    let (book, _) = turn(book, vec![vec![noted("a")], vec![noted("b")], vec![]]);
    assert_eq!(disk.calls(), [Call::Write, Call::Sync]);
    drop(turn(book, vec![]));
    assert_eq!(disk.calls(), [Call::Write, Call::Sync]);
}

#[test]
fn rotation_syncs_the_old_segment_before_the_new_one_is_in_place() {
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let (mut book, _) = open_faulty(&disk, root.path(), small());
    for _ in 0..4 {
        book.record(time(1), vec![noted("r".repeat(1000))]).unwrap();
    }
    disk.plan(|plan| plan.calls.clear());
    let _ = book.commit().unwrap();
    use Call::{Rename, Sync, SyncDir, Write};
    assert_eq!(disk.calls(), [Write, Sync, Rename, SyncDir, Write, Sync]);
}

#[test]
fn a_segment_is_filled_and_synced_before_it_has_its_name() {
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    open_faulty(&disk, root.path(), small());
    use Call::{Create, Fill, List, Open, Read, Rename, Space, Sync, SyncDir};
    let lock = [Open, Create];
    let made = [List, Open, Space, Create, Fill, Sync, Rename, SyncDir];
    let read = [Open, Sync, SyncDir, Read];
    assert_eq!(disk.calls(), [&lock[..], &made, &read].concat());
}

#[test]
fn short_writes_are_written_on() {
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let (book, _) = open_faulty(&disk, root.path(), small());
    disk.plan(|plan| plan.write_bytes_max = Some(7));
    let (book, _) = turn(book, vec![vec![noted("in pieces")], vec![asked("too")]]);
    let live = book.state().clone();
    drop(book);
    assert_eq!(open(root.path(), small()).unwrap().0.state(), &live);
}

#[test]
fn a_failed_commit_releases_nothing_and_signals_nothing() {
    for call in [Call::Write, Call::Sync] {
        let root = tempfile::tempdir().unwrap();
        let disk = Faulty::default();
        let (mut book, losses) = open_faulty(&disk, root.path(), small());
        book.record(time(1), vec![asked("mail")]).unwrap();
        book.hold("done");
        disk.plan(|plan| plan.every = Some((call, ErrorKind::Other)));
        let held = book.held();
        let poisoned = book.commit().unwrap_err();
        let doing = if call == Call::Write { "write the journal" } else { "sync the journal" };
        assert_eq!(poisoned.doing, doing);
        assert_eq!(losses.seen(), []);
        // The lock goes with the ledger, and with the last who has a share in it.
        disk.plan(|plan| plan.every = None);
        let dir = RealFs.root(root.path()).unwrap();
        assert!(matches!(open_on(disk.clone(), dir, small()), Err(OpenError::Locked)));
        drop(held);
        open_faulty(&disk, root.path(), small());
    }
}

/// Turns of 1 to 3 frames over several segments, until the disk fails. Answers how many frames were
/// acknowledged, and how many recorded.
fn scenario(disk: &Faulty, root: &Path) -> (usize, usize) {
    let dir = RealFs.root(root).expect("the root is there");
    let Ok((mut book, _)) = open_on(disk.clone(), dir, small()) else { return (0, 0) };
    let mut acknowledged = 0;
    for n in 0..8 {
        for m in 0..=n % 3 {
            match book.record(time(n), vec![noted(format!("{n}.{m} {:0700}", n))]) {
                Ok(_) => {}
                Err(RecordError::NoRoom { .. }) => return (acknowledged, acknowledged),
                Err(error) => panic!("{error}"),
            }
        }
        let recorded = book.state().0.len();
        match book.commit() {
            Ok((next, _)) => (book, acknowledged) = (next, recorded),
            Err(_) => return (acknowledged, recorded),
        }
    }
    (acknowledged, acknowledged)
}

#[test]
fn whichever_call_fails_every_acknowledged_frame_is_there_and_no_invented_one() {
    let whole = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let (all, _) = scenario(&disk, whole.path());
    assert_eq!(all, 15);
    let calls = disk.calls().len();
    for stays in [false, true] {
        for nth in 0..calls {
            let root = tempfile::tempdir().unwrap();
            let disk = Faulty::default();
            disk.plan(|plan| (plan.nth, plan.stays) = (Some(nth), stays));
            let (acknowledged, recorded) = scenario(&disk, root.path());
            let (book, opened) = open(root.path(), small()).unwrap();
            let there = usize::try_from(opened.frames).unwrap();
            assert!((acknowledged..=recorded).contains(&there), "call {nth}: {there} frames");
            let (book, _) = turn(book, vec![vec![noted("on")]]);
            drop(book);
            assert_eq!(open(root.path(), small()).unwrap().1.frames, opened.frames + 1);
        }
    }
}

#[test]
fn recovery_that_fails_at_any_call_is_made_up_for_by_the_next() {
    let torn = |root: &Path| {
        let live = sample(root, small());
        let path = root.join("00000000000000000001.kj");
        let mut bytes = std::fs::read(&path).expect("the segment reads");
        let text = bytes.windows(4).position(|text| text == b"yyyy").expect("the fourth frame");
        let sector = text.next_multiple_of(512);
        bytes[sector..].fill(0);
        std::fs::write(&path, bytes).expect("the segment is torn");
        live.0
    };
    let reopen = |disk: &Faulty, root: &Path| {
        let dir = RealFs.root(root).expect("the root is there");
        open_on(disk.clone(), dir, small())
    };
    let root = tempfile::tempdir().unwrap();
    let live = torn(root.path());
    let disk = Faulty::default();
    let (book, opened) = reopen(&disk, root.path()).unwrap();
    let kept = book.state().0.clone();
    // Three events of the two turns that were acknowledged, one of the one that was not.
    assert_eq!(kept, live[..4]);
    let recovered = opened.recovered.unwrap();
    assert_eq!(recovered.after, Seq(4));
    let saved = std::fs::read(root.path().join(recovered.saved_as)).unwrap();
    for nth in 0..disk.calls().len() {
        let root = tempfile::tempdir().unwrap();
        torn(root.path());
        let disk = Faulty::default();
        disk.plan(|plan| plan.nth = Some(nth));
        let _ = reopen(&disk, root.path());
        let (book, _) = open(root.path(), small()).unwrap();
        assert_eq!(book.state().0, kept, "call {nth}");
        let mut kept = std::fs::read_dir(root.path().join("torn")).unwrap();
        let found = kept.any(|file| std::fs::read(file.unwrap().path()).unwrap() == saved);
        assert!(found, "call {nth}");
    }
}

#[test]
fn what_no_mark_covers_is_written_and_synced_again_before_it_is_used() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path(), small());
    let disk = Faulty::default();
    open_faulty(&disk, root.path(), small());
    use Call::{List, Open, Read, Sync, SyncDir, Write};
    // The lock, then sync before reading, then the three last frames in one write.
    assert_eq!(disk.calls(), [Open, List, Open, Sync, SyncDir, Read, Write, Sync]);
}

#[test]
fn without_room_for_the_next_segment_work_goes_on_until_this_one_is_full() {
    let faults = [(Call::Fill, ErrorKind::FileTooLarge), (Call::Create, ErrorKind::StorageFull)];
    for (ahead, fault) in
        [Ahead::Thread, Ahead::OnDemand].into_iter().flat_map(|a| faults.map(|f| (a, f)))
    {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path(), Segments::new(8192, 8192, Ahead::OnDemand)).unwrap());
        let disk = Faulty::default();
        disk.plan(|plan| plan.every = Some(fault));
        let segments = Segments::new(8192, 8192, ahead);
        // The lock's file and the first segment are there: what is created is the next segment.
        let (mut book, _) = open_faulty(&disk, root.path(), segments);
        let mut frames = 0;
        let refused = loop {
            match book.record(time(0), vec![noted("f".repeat(1000))]) {
                Ok(_) => frames += 1,
                Err(refused) => break refused,
            }
            (book, _) = book.commit().unwrap();
        };
        let RecordError::NoRoom { source } = refused else { panic!("{refused}") };
        assert_eq!((frames, source.kind()), (6, fault.1));
        let Room::Tight { source, .. } = book.room(time(0)) else { panic!("not tight") };
        assert_eq!(source.kind(), fault.1);
        assert!(!root.path().join("next.tmp").exists(), "what was filled is given back");

        disk.plan(|plan| plan.every = None);
        assert!(matches!(book.room(time(20_000)), Room::Open));
        book.record(time(20_000), vec![noted("room again")]).unwrap();
        let (book, released) = book.commit().unwrap();
        assert_eq!(released.durable, Seq(7));
        drop(book);
        assert_eq!(open(root.path(), segments).unwrap().1.head, Seq(7));
    }
}

#[test]
fn a_failed_attempt_at_the_next_segment_is_repeated_ahead_after_a_while() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path(), Segments::new(8192, 8192, Ahead::OnDemand)).unwrap());
    let disk = Faulty::default();
    disk.plan(|plan| plan.every = Some((Call::Create, ErrorKind::StorageFull)));
    // Frames take 4 KiB at most, so half of this segment is room enough not to wait.
    let segments = Segments::new(4096, 8192, Ahead::Thread);
    let (mut book, _) = open_faulty(&disk, root.path(), segments);
    while !matches!(book.room(time(0)), Room::Tight { bytes: 8192, .. }) {
        std::thread::yield_now();
    }
    disk.plan(|plan| plan.every = None);
    assert!(matches!(book.room(time(9_999)), Room::Tight { .. }), "too early");
    while !matches!(book.room(time(10_000)), Room::Open) {
        std::thread::yield_now();
    }
}

#[test]
fn a_first_segment_without_room_is_a_clear_refusal() {
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    disk.plan(|plan| plan.every = Some((Call::Fill, ErrorKind::FileTooLarge)));
    let dir = RealFs.root(root.path()).unwrap();
    let Err(OpenError::Io { doing, source }) = open_on(disk, dir, small()) else {
        panic!("opened without room")
    };
    assert_eq!((doing, source.kind()), ("make the first segment", ErrorKind::FileTooLarge));
    open(root.path(), small()).unwrap();
}
