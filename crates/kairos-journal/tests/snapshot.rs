//! What a start takes from a snapshot, and what it never does.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::faulty::Faulty;
use common::{Event, at, noted, opening, said, small, time};
use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_disk::{Fs, RealFs};
use kairos_journal::{
    Ahead, Damage, Flaw, Ledger, OpenError, Opened, Opening, Reader, Record, RefoldError, Segments,
    Tail, refold,
};
use serde::{Deserialize, Serialize};

/// Small, and different after every frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    seen: u64,
    sum: u64,
    last: Option<At>,
}

impl Fold for Tally {
    type Event = Event;
    type Effect = ();

    fn apply(&mut self, at: At, event: &Event, _: &mut Vec<()>) {
        let Event::Noted { text } = event else { return };
        let folded = text.bytes().fold(self.sum, |sum, byte| sum.rotate_left(5) ^ u64::from(byte));
        *self = Self { seen: self.seen + 1, sum: folded, last: Some(at) };
    }
}

impl Snapshot for Tally {
    const KIND: &'static str = "tally";
    const SCHEMA: u32 = 2;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

type Book<D = RealFs> = Ledger<Tally, (), D>;

fn open_as(root: &Path, opening: Opening) -> Result<(Book, Opened), OpenError> {
    let dir = RealFs.root(root).expect("the root is there");
    Ledger::open(Arc::new(RealFs), dir, Tally::default(), Arc::new(|()| {}), opening)
}

fn open(root: &Path) -> (Book, Opened) {
    open_as(root, opening(small())).expect("the journal opens")
}

fn refused(root: &Path) -> Damage {
    match open_as(root, opening(small())) {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("not refused as damaged: {other:?}"),
    }
}

/// Commits `count` more frames.
fn fill(mut book: Book, count: u64) -> Book {
    for _ in 0..count {
        let seq = book.head().next().0;
        let text = format!("{seq} {}", "t".repeat(usize::try_from(seq * 37 % 400).expect("small")));
        book.record(time(seq), vec![noted(text)]).expect("there is room");
        book = book.commit().expect("the disk works").0;
    }
    book
}

fn refold_on<D: Fs>(disk: D, dir: &D::Dir) -> Result<Option<Seq>, RefoldError> {
    let go_on = AtomicBool::new(false);
    refold(&Arc::new(disk), dir, Tally::default(), &opening(small()), &go_on)
}

fn again(root: &Path) -> Option<Seq> {
    let dir = RealFs.root(root).expect("the root is there");
    refold_on(RealFs, &dir).expect("the journal refolds")
}

fn path(root: &Path, seq: Seq) -> PathBuf {
    root.join(format!("snapshots/{:020}.tally", seq.0))
}

fn names(dir: &Path, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory is there");
    let names = entries.map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("our names are text")
    });
    let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

/// A journal with two snapshots and frames behind them: what it adds up to, and of which frames the
/// snapshots are.
fn sample(root: &Path) -> (Tally, [Seq; 2]) {
    let book = fill(open(root).0, 60);
    let older = again(root).expect("a segment is sealed");
    let book = fill(book, 80);
    let newer = again(root).expect("another is sealed");
    assert!(newer > older && newer == book.sealed());
    let book = fill(book, 5);
    (book.state().clone(), [older, newer])
}

/// Removes the segments that end with frame `last` or before.
fn remove_to(root: &Path, last: Seq) {
    let next = format!("{:020}.kj", last.0 + 1);
    let below: Vec<_> = names(root, ".kj").into_iter().filter(|name| *name < next).collect();
    assert!(!below.is_empty());
    below.iter().for_each(|name| std::fs::remove_file(root.join(name)).expect("it was there"));
}

#[test]
fn a_start_reads_only_what_is_behind_the_newest_snapshot() {
    let root = tempfile::tempdir().unwrap();
    let (state, [_, newer]) = sample(root.path());
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot), (&state, Some(newer)));
    assert_eq!((opened.frames, opened.head), (book.head().0 - newer.0, Seq(145)));
    assert!(opened.passed_over.is_empty() && book.mark_lags());
    let all: Vec<_> = (1..=145).collect();
    let dir = RealFs.root(root.path()).unwrap();
    let mut reader = Reader::new(Arc::new(RealFs), dir, Seq(1), Tail::Live);
    let read = || reader.next_record::<Event>().unwrap().map(|Record { at, .. }| at.seq.0);
    assert_eq!(std::iter::from_fn(read).collect::<Vec<_>>(), all);
    drop(book);
    remove_to(root.path(), newer);
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot), (&state, Some(newer)));
}

#[test]
fn a_start_from_a_snapshot_goes_on_as_one_from_the_beginning() {
    let root = tempfile::tempdir().unwrap();
    let (_, [_, newer]) = sample(root.path());
    let twin = tempfile::tempdir().unwrap();
    for name in names(root.path(), ".kj") {
        std::fs::copy(root.path().join(&name), twin.path().join(&name)).unwrap();
    }
    let [from_snapshot, from_start] = [root.path(), twin.path()].map(|root| {
        let (mut book, opened) = open(root);
        book.record(time(900), Vec::new()).unwrap();
        let book = fill(book.commit().unwrap().0, 100);
        let state = book.state().clone();
        drop(book);
        let files = names(root, ".kj").into_iter();
        let files = files.map(|name| std::fs::read(root.join(name)).unwrap());
        (opened.snapshot, state, files.collect::<Vec<_>>())
    });
    assert_eq!((from_snapshot.0, from_start.0), (Some(newer), None));
    assert!((from_snapshot.1, from_snapshot.2) == (from_start.1, from_start.2));
}

#[test]
fn two_snapshots_are_kept_and_none_is_made_twice() {
    let root = tempfile::tempdir().unwrap();
    let (book, _) = open(root.path());
    assert_eq!(again(root.path()), None, "nothing is sealed");
    let mut made = Vec::new();
    let mut book = Some(book);
    while made.len() < 4 {
        book = book.map(|book| fill(book, 20));
        made.extend(again(root.path()));
        assert_eq!(again(root.path()), None, "there is nothing new");
    }
    let kept = &made[made.len() - 2..];
    let expected: Vec<_> = kept.iter().map(|seq| format!("{:020}.tally", seq.0)).collect();
    assert_eq!(names(&root.path().join("snapshots"), ""), expected);
}

#[test]
fn a_snapshot_is_text_as_documented() {
    let root = tempfile::tempdir().unwrap();
    let (_, [_, newer]) = sample(root.path());
    let text = std::fs::read_to_string(path(root.path(), newer)).unwrap();
    let (head, body) = text.split_once('\n').unwrap();
    let body = body.strip_suffix('\n').unwrap();
    let state: Tally = serde_json::from_str(body).unwrap();
    assert_eq!(state.last, Some(at(newer.0, newer.0)));
    let next = root.path().join(format!("{:020}.kj", newer.0 + 1));
    let next = std::fs::read(next).unwrap();
    let (link, seq) = (std::str::from_utf8(&next[47..111]).unwrap(), newer.0);
    let (origin, durable, bytes) = ("00000000000000000000000007", seq - 1, body.len());
    let said = format!("kjs1 tally {origin} 1 2 {seq:016} {durable:016} {seq:016} {link} {bytes} ");
    let mut summed = said.clone().into_bytes();
    summed.extend_from_slice(body.as_bytes());
    let sum: String = kairos_disk::digest(&summed).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(head, said + &sum);
}

#[test]
fn no_flipped_byte_of_a_snapshot_is_believed() {
    let root = tempfile::tempdir().unwrap();
    let (state, [older, newer]) = sample(root.path());
    let newer = path(root.path(), newer);
    let whole = std::fs::read(&newer).unwrap();
    for at in 0..whole.len() {
        for bits in [1 << (at % 8), 0x20, 0xff] {
            let mut flipped = whole.clone();
            flipped[at] ^= bits;
            std::fs::write(&newer, &flipped).unwrap();
            let (book, opened) = open(root.path());
            assert_eq!((book.state(), opened.snapshot), (&state, Some(older)), "byte {at}");
            assert_eq!(opened.passed_over.len(), 1, "byte {at}, {bits:x}");
        }
    }
}

#[test]
fn a_snapshot_cut_or_grown_is_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let (state, [older, newer]) = sample(root.path());
    let newer = path(root.path(), newer);
    let whole = std::fs::read(&newer).unwrap();
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let grown = [b"\n", b"\0", b" "].map(|more| [&whole[..], more].concat());
    for bytes in cut.chain(grown) {
        std::fs::write(&newer, &bytes).unwrap();
        let (book, opened) = open(root.path());
        assert_eq!((book.state(), opened.snapshot), (&state, Some(older)), "{}", bytes.len());
    }
}

#[test]
fn snapshots_under_each_others_names_are_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let (state, [older, newer]) = sample(root.path());
    let [a, b] = [older, newer].map(|seq| path(root.path(), seq));
    let (one, other) = (std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    std::fs::write(&a, &other).unwrap();
    std::fs::write(&b, &one).unwrap();
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot, opened.frames), (&state, None, 145));
    let flaws: Vec<_> = opened.passed_over.into_iter().map(|over| over.flaw).collect();
    let named = |seq: Seq| Flaw::Name { name: format!("{:020}.tally", seq.0) };
    assert_eq!(flaws, [named(older), named(newer)]);
    drop(book);
    // And under the name of another kind.
    std::fs::rename(&b, root.path().join("snapshots/00000000000000000001.memory")).unwrap();
    assert_eq!(open(root.path()).1.passed_over.len(), 1);
}

#[test]
fn the_snapshot_of_another_journal_is_not_believed() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, [_, newer]) = sample(root.path());
    let theirs = Opening { origin: NodeId::from_u128(8), ..opening(small()) };
    let (book, _) = open_as(other.path(), theirs).unwrap();
    drop(fill(book, 140));
    assert_eq!(again(other.path()), Some(newer));
    let foreign = std::fs::read(path(other.path(), newer)).unwrap();
    std::fs::write(path(root.path(), newer), foreign).unwrap();
    let (book, opened) = open(root.path());
    assert_eq!(book.state(), &state);
    let (found, expected) = (NodeId::from_u128(8), NodeId::from_u128(7));
    assert_eq!(opened.passed_over[0].flaw, Flaw::Origin { found, expected });
}

#[test]
fn the_snapshot_of_another_history_is_not_believed() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, [_, newer]) = sample(root.path());
    let (mut book, _) = open(other.path());
    book.record(time(1), vec![noted(format!("1 {}", "u".repeat(37)))]).unwrap();
    drop(fill(book.commit().unwrap().0, 139));
    assert_eq!(again(other.path()), Some(newer));
    let foreign = std::fs::read(path(other.path(), newer)).unwrap();
    std::fs::write(path(root.path(), newer), foreign).unwrap();
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), &opened.passed_over[0].flaw), (&state, &Flaw::Link));
}

#[test]
fn a_journal_older_than_its_snapshot_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (_, [older, newer]) = sample(root.path());
    let last = root.path().join(format!("{:020}.kj", newer.0 + 1));
    let frames = std::fs::read(&last).unwrap();
    let name = |seq: Seq| format!("snapshots/{:020}.tally", seq.0);
    let is_older = Damage::Older { snapshot: name(newer) };
    std::fs::write(&last, vec![0; frames.len()]).unwrap();
    assert_eq!(refused(root.path()), is_older);
    std::fs::remove_file(&last).unwrap();
    let before = names(root.path(), "");
    assert_eq!(refused(root.path()), is_older);
    remove_to(root.path(), older);
    assert_eq!(refused(root.path()), is_older);
    assert_eq!(
        refused(root.path()).to_string(),
        format!(
            "`{}` was made when the frame behind it was on disk, and it is not: the journal was \
             restored or copied from an earlier time",
            name(newer)
        )
    );
    remove_to(root.path(), newer);
    assert_eq!(refused(root.path()), is_older);
    assert!(names(root.path(), ".kj").is_empty() && before.len() > 3);
}

#[test]
fn damage_behind_a_snapshot_is_told_as_damage() {
    let root = tempfile::tempdir().unwrap();
    let (_, [_, newer]) = sample(root.path());
    let last = root.path().join(format!("{:020}.kj", newer.0 + 1));
    let mut bytes = std::fs::read(&last).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let damage = refused(root.path());
    assert!(matches!(damage, Damage::Frame { seq, .. } if seq == newer.next()), "{damage}");
}

#[test]
fn with_its_segments_gone_a_snapshot_is_the_truth() {
    let root = tempfile::tempdir().unwrap();
    let (state, [older, newer]) = sample(root.path());
    remove_to(root.path(), older);
    let mut bytes = std::fs::read(path(root.path(), newer)).unwrap();
    let in_body = bytes.len() - 5;
    bytes[in_body] ^= 1;
    std::fs::write(path(root.path(), newer), &bytes).unwrap();
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot), (&state, Some(older)));
    drop(book);
    std::fs::write(path(root.path(), older), "").unwrap();
    let first = Seq(older.0 + 1);
    let snapshot = format!("snapshots/{:020}.tally", newer.0);
    assert_eq!(refused(root.path()), Damage::Unfounded { first, snapshot, flaw: Flaw::Sum });
    let words = refused(root.path()).to_string();
    assert!(words.contains("are gone") && words.ends_with("its checksum does not hold"), "{words}");
}

#[test]
fn the_snapshot_of_a_newer_program_is_passed_over_and_refused_when_it_is_all_there_is() {
    let root = tempfile::tempdir().unwrap();
    let (state, [older, newer]) = sample(root.path());
    for seq in [older, newer] {
        let text = std::fs::read_to_string(path(root.path(), seq)).unwrap();
        let (head, body) = text.split_once('\n').unwrap();
        let said = head[..head.len() - 64].replace(" 1 2 ", " 1 3 ");
        let body = body.strip_suffix('\n').unwrap();
        let summed = [said.as_bytes(), body.as_bytes()].concat();
        let sum = kairos_disk::digest(&summed).map(|b| format!("{b:02x}")).concat();
        std::fs::write(path(root.path(), seq), format!("{said}{sum}\n{body}\n")).unwrap();
    }
    let flaw = Flaw::Schema { found: 3, known: 2 };
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot), (&state, None));
    assert!(opened.passed_over.iter().all(|over| over.flaw == flaw));
    drop(book);
    remove_to(root.path(), older);
    let words = refused(root.path()).to_string();
    assert!(words.ends_with("its form has version 3; this kairos knows up to 2"), "{words}");
}

#[test]
fn a_snapshot_begun_and_not_finished_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let (state, [_, newer]) = sample(root.path());
    let left = root.path().join("snapshots/tally.tmp");
    std::fs::write(&left, "kjs1 tally").unwrap();
    let (book, opened) = open(root.path());
    assert_eq!((book.state(), opened.snapshot), (&state, Some(newer)));
    assert!(!left.exists());
}

/// Copies the files of a journal, all that it has.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("snapshots")).expect("a directory");
    for dir in ["", "snapshots"] {
        for name in names(&from.join(dir), "").into_iter().filter(|name| name.contains('.')) {
            let place = |root: &Path| root.join(dir).join(&name);
            std::fs::copy(place(from), place(to)).expect("a copy");
        }
    }
}

#[test]
fn whatever_call_fails_one_of_the_snapshots_holds() {
    let whole = tempfile::tempdir().unwrap();
    let (_, [_, newer]) = sample(whole.path());
    let book = fill(open(whole.path()).0, 60);
    let (state, sealed) = (book.state().clone(), book.sealed());
    drop(book);
    assert!(sealed > newer);
    // A process that ends there is a disk that fails from there on.
    for stays in [false, true] {
        for nth in 0.. {
            let root = tempfile::tempdir().unwrap();
            copy(whole.path(), root.path());
            let disk = Faulty::default();
            disk.plan(|plan| (plan.nth, plan.stays) = (Some(nth), stays));
            let made = refold_on(disk.clone(), &RealFs.root(root.path()).unwrap());
            let (book, opened) = open(root.path());
            assert_eq!(book.state(), &state, "call {nth}");
            let used = opened.snapshot.expect("one of them holds");
            assert!(used == newer || used == sealed, "call {nth}: {used}");
            drop(book);
            let left = names(&root.path().join("snapshots"), "");
            assert!((2..=3).contains(&left.len()), "call {nth}: {left:?}");
            if disk.calls().len() <= nth {
                assert!(made.is_ok() && nth > 20, "{nth} calls");
                break;
            }
            again(root.path());
            assert_eq!(open(root.path()).1.snapshot, Some(sealed), "call {nth}");
        }
    }
}

#[test]
fn told_to_stop_it_makes_nothing() {
    let root = tempfile::tempdir().unwrap();
    drop(fill(open(root.path()).0, 60));
    let dir = RealFs.root(root.path()).unwrap();
    let stop = AtomicBool::new(true);
    let made = refold(&Arc::new(RealFs), &dir, Tally::default(), &opening(small()), &stop);
    assert_eq!(made.unwrap(), None);
    assert!(!root.path().join("snapshots").exists());
    stop.store(false, Ordering::Relaxed);
    assert!(again(root.path()).is_some());
}

#[test]
fn damage_in_a_sealed_segment_makes_no_snapshot() {
    let root = tempfile::tempdir().unwrap();
    drop(fill(open(root.path()).0, 60));
    let first = root.path().join("00000000000000000001.kj");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let dir = RealFs.root(root.path()).unwrap();
    let error = refold_on(RealFs, &dir).unwrap_err();
    assert!(matches!(error, RefoldError::Read(_)), "{error}");
    assert!(!root.path().join("snapshots").exists());
}

#[test]
fn snapshots_made_beside_a_busy_writer_are_what_a_start_would_fold() {
    const FRAMES: u64 = 2000;
    let root = tempfile::tempdir().unwrap();
    let segments = Segments::new(4096, 1 << 15, Ahead::Thread);
    let (mut book, _) = open_as(root.path(), opening(segments)).unwrap();
    let done = AtomicBool::new(false);
    let (made, state) = std::thread::scope(|scope| {
        let refolds = scope.spawn(|| {
            let mut made = 0;
            while !done.load(Ordering::Relaxed) {
                made += usize::from(again(root.path()).is_some());
                std::thread::yield_now();
            }
            made
        });
        for _ in 0..FRAMES / 10 {
            let frames = vec![vec![noted("b".repeat(50))]; 10];
            for (at, events) in said(book.head().next().0, frames) {
                book.record(at.time, events).unwrap();
            }
            book = book.commit().unwrap().0;
        }
        done.store(true, Ordering::Relaxed);
        (refolds.join().unwrap(), book.state().clone())
    });
    assert!(made > 2, "{made} snapshots");
    again(root.path());
    let (from_snapshot, opened) = open(root.path());
    assert_eq!((from_snapshot.state(), opened.snapshot.is_some()), (&state, true));
    drop(from_snapshot);
    std::fs::remove_dir_all(root.path().join("snapshots")).unwrap();
    let (from_start, opened) = open(root.path());
    assert_eq!((from_start.state(), opened.frames), (&state, FRAMES));
}
