//! What a start makes of a file where a snapshot should be.
//!
//! Owns the journal it stands in: a run of the daemon, with two snapshots of the state and of the
//! views, and frames behind them. The first byte of an input says what the others are.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use kairos_core::digest::Digest;
use kairos_core::event::Event;
use kairos_core::fold::{Seq, Snapshot};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::Fs;
use kairos_journal::{Ledger, OpenError, Opened, newest_snapshot, refold};
use kairos_sim::{Item, Rules, SimFs};
use kairos_views::Views;
use serde::Deserialize;

use super::{Nothing, opening};

const RECORDS: &str =
    include_str!("../../crates/kairos-sim/tests/fixtures/format-1/daemon/records.jsonl");

#[derive(Deserialize)]
struct Record {
    ev: Vec<Event>,
    t: Time,
}

/// A journal, and what a start makes of it.
struct Book {
    /// From its first frame on.
    whole: SimFs,
    /// Without the segments and the snapshot before the newest snapshot.
    pruned: SimFs,
    older: Seq,
    /// The newest snapshot, its name and its bytes.
    newer: Seq,
    name: PathBuf,
    written: Vec<u8>,
    /// The fold over everything.
    folded: Vec<u8>,
}

/// The rest of an input as a snapshot's file, as changes of the real one, or as the body of one
/// that holds.
pub fn snapshot(bytes: &[u8]) {
    static STATE: OnceLock<Book> = OnceLock::new();
    static VIEWS: OnceLock<Book> = OnceLock::new();
    let Some((which, bytes)) = bytes.split_first() else { return };
    let (state, views) = (|| STATE.get_or_init(book::<State>), || VIEWS.get_or_init(book::<Views>));
    match which {
        b'0' => file::<State>(state(), bytes),
        b'1' => file::<Views>(views(), bytes),
        b'2' => file::<State>(state(), &changed(&state().written, bytes)),
        b'3' => file::<Views>(views(), &changed(&views().written, bytes)),
        b'4' => body::<State>(state(), bytes),
        b'5' => body::<Views>(views(), bytes),
        _ => {}
    }
}

/// A journal of several segments.
pub(super) fn journal() -> SimFs {
    book::<State>().whole
}

fn book<F>() -> Book
where
    F: Snapshot<Event = Event> + Default,
{
    let whole = SimFs::new(Rules::default());
    let lines: Vec<&str> = RECORDS.lines().collect();
    let mut made = Vec::new();
    for part in lines.chunks(lines.len().div_ceil(3)) {
        let lost = Arc::new(|()| {});
        let (mut book, _) = Ledger::<_, (), _>::open(
            Arc::new(whole.clone()),
            whole.root(),
            Nothing,
            lost,
            opening(),
        )
        .expect("it is sound");
        for line in part {
            let Record { ev, t } = serde_json::from_str(line).expect("a record");
            book.record(t, ev).expect("there is room");
            book = book.commit().expect("nothing fails").0;
        }
        drop(book);
        let (disk, stop) = (Arc::new(whole.clone()), AtomicBool::new(false));
        let seq = refold(&disk, &whole.root(), F::default(), &opening(), &stop);
        made.push(seq.expect("it is sound").expect("a segment is sealed"));
    }
    let [.., older, newer] = made[..] else { panic!("there are three parts") };
    let file = |seq: Seq| PathBuf::from(format!("snapshots/{:020}.{}", seq.0, F::KIND));
    let pruned = whole.settled();
    let root = pruned.root();
    for name in pruned.list(&root).expect("nothing fails") {
        let first = name.to_str().and_then(|name| name.strip_suffix(".kj")?.parse::<u64>().ok());
        if first.is_some_and(|first| first <= newer.0) {
            pruned.unlink(&root, &name).expect("it is there");
        }
    }
    let there = pruned.open_dir(&root, Path::new("snapshots")).expect("it is there");
    let name = file(older);
    pruned.unlink(&there, name.file_name().expect("a name")).expect("it is there");
    let name = file(newer);
    let Item::File { bytes: written, .. } = whole.listing()[&name].clone() else {
        panic!("a snapshot is a file")
    };
    let (folded, opened) = open::<F>(&whole).expect("it is sound");
    assert_eq!(opened.snapshot, Some(newer));
    Book { whole, pruned, older, newer, name, written, folded }
}

fn open<F>(fs: &SimFs) -> Result<(Vec<u8>, Opened), OpenError>
where
    F: Snapshot<Event = Event> + Default,
{
    let lost = Arc::new(|_| {});
    Ledger::<F, (), _>::open(Arc::new(fs.clone()), fs.root(), F::default(), lost, opening())
        .map(|(book, opened)| (text(book.state()), opened))
}

fn text<F: Snapshot>(fold: &F) -> Vec<u8> {
    serde_json::to_vec(fold.form()).expect("it can be written")
}

/// Some bytes of `file` made others: three bytes say where, and how.
fn changed(file: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % file.len();
        file[at] ^= change[2];
    }
    file
}

/// Only a file that was written is believed, by this version or another one; with anything else the
/// fold is the same, or there is none.
fn file<F>(book: &Book, bytes: &[u8])
where
    F: Snapshot<Event = Event> + Default,
{
    let (real, whole) = (bytes == book.written, is_summed(bytes));
    let fs = book.whole.settled();
    fs.put(&book.name, bytes, 0o600).expect("nothing fails");
    let (folded, opened) = open::<F>(&fs).expect("an older one is there");
    let believed = opened.snapshot == Some(book.newer);
    assert!(if believed { whole } else { !real }, "{opened:?}");
    assert!(believed || opened.snapshot == Some(book.older), "{opened:?}");
    assert_eq!(opened.passed_over.len(), usize::from(!believed), "{:?}", opened.passed_over);
    assert!(folded == book.folded);
    let fs = book.pruned.settled();
    fs.put(&book.name, bytes, 0o600).expect("nothing fails");
    match open::<F>(&fs) {
        Ok((folded, opened)) => assert!(believed && folded == book.folded, "{opened:?}"),
        Err(OpenError::Damaged(_)) => assert!(!believed),
        Err(error) => panic!("{error}"),
    }
}

/// Whether the sum in a snapshot's head is that of what it is over.
fn is_summed(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return false };
    let Some(head) = bytes[..end].iter().rposition(|byte| *byte == b' ') else { return false };
    let body = bytes[end + 1..].strip_suffix(b"\n").unwrap_or_default();
    let sum = Digest::of(&[&bytes[..=head], body].concat());
    sum.to_string().as_bytes() == &bytes[head + 1..end]
}

/// What can be read of a body that nobody wrote is written to what reads the same.
fn body<F>(book: &Book, bytes: &[u8])
where
    F: Snapshot<Event = Event> + Default,
{
    let end = book.written.iter().position(|byte| *byte == b'\n').expect("a head");
    let head = std::str::from_utf8(&book.written[..end]).expect("a head is text");
    let words: Vec<&str> = head.split(' ').collect();
    let head = format!("{} {} ", words[..words.len() - 2].join(" "), bytes.len());
    let sum = Digest::of(&[head.as_bytes(), bytes].concat());
    let sealed = [head.as_bytes(), sum.to_string().as_bytes(), b"\n", bytes, b"\n"].concat();
    let fs = book.whole.settled();
    let read = |sealed: &[u8]| {
        fs.put(&book.name, sealed, 0o600).expect("nothing fails");
        let (seq, form) = newest_snapshot::<F, _>(&fs, &fs.root())
            .expect("nothing fails")
            .expect("an older one is there");
        let mut fold = F::default();
        fold.restore(form);
        (seq == book.newer).then(|| text(&fold))
    };
    let Some(first) = read(&sealed) else { return };
    let again: F::Form = serde_json::from_slice(&first).expect("what was written is read");
    let mut fold = F::default();
    fold.restore(again);
    assert!(text(&fold) == first);
}
