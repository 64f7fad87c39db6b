//! What a stranger's note, key or proof is taken for.
//!
//! Owns the key whose signatures count here, and the journal beside whose checkpoints the bytes lie.
//! Whatever the bytes are: what is read is written the same, what was not signed never holds, and a
//! frontier that is not whole is as none.

use std::path::Path;
use std::sync::OnceLock;

use kairos_core::fold::Seq;
use kairos_disk::Fs;
use kairos_journal::checkpoint::{self, Places, Upto};
use kairos_journal::note::{Checkpoint, Note, Signer, Verifier};
use kairos_journal::proof::{self, Proof};
use kairos_journal::tree::{Hash, consistent};
use kairos_sim::{Item, Rules, SimDir, SimFs};

use super::{FIRST, snapshot};

/// The lines of a frontier that count.
const FRONTIER_LINES_MAX: usize = 64;
const PATH_MAX: usize = 64;

const JOURNAL: &str = "journal";
const KEPT: &str = "checkpoints";

/// A journal with its checkpoints.
struct Shelf {
    signer: Signer,
    fs: SimFs,
    /// The note that was signed first, and its text.
    first: Note,
    /// What is signed now.
    size: u64,
    root: Hash,
}

/// The rest of an input as what its first byte says.
pub fn note(bytes: &[u8]) {
    static SHELF: OnceLock<Shelf> = OnceLock::new();
    let shelf = || SHELF.get_or_init(shelf);
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which {
        b'n' => as_note(shelf(), bytes),
        b't' => as_signed_text(shelf(), bytes),
        b'k' => as_key(bytes),
        b'f' => as_frontier(shelf(), bytes),
        b'F' => as_frontier(shelf(), &summed(bytes)),
        b'p' => as_proof(shelf(), bytes),
        _ => {}
    }
}

fn shelf() -> Shelf {
    let fs = SimFs::new(Rules::default());
    for (path, item) in snapshot::journal().listing() {
        if let Item::File { bytes, mode } = item {
            fs.put(&Path::new(JOURNAL).join(path), &bytes, mode).expect("nothing fails");
        }
    }
    fs.make_dir(&fs.root(), KEPT.as_ref(), 0o700).expect("nothing fails");
    let [journal, kept] = dirs(&fs);
    let node = checkpoint::origin(&fs, &journal).expect("it is sound").expect("it has frames");
    let signer = Signer::new(&checkpoint::name(node), [7; 32]).expect("a name");
    let places = Places { disk: &fs, journal: &journal, kept: Some(&kept), stop: None };
    let first = checkpoint::make(&places, &signer, Upto::Known(Seq(9))).expect("it is sound");
    let last = checkpoint::sign(&places, &signer, Upto::Still).expect("it is sound").checkpoint;
    let (size, root) = (last.size, last.root);
    Shelf { signer, fs, first: first.note, size, root }
}

/// Of the journal, and of its checkpoints.
fn dirs(fs: &SimFs) -> [SimDir; 2] {
    [JOURNAL, KEPT].map(|dir| fs.open_dir(&fs.root(), Path::new(dir)).expect("it is there"))
}

/// As `journal verify --checkpoint` and the next signing read a note.
fn as_note(shelf: &Shelf, bytes: &[u8]) {
    let Ok(note) = Note::read(bytes) else { return };
    assert!(note.to_string().as_bytes() == bytes, "{note}");
    as_checkpoint(note.text());
    if let Ok(checkpoint) = shelf.signer.verifier().check(&note) {
        assert_eq!(note.text(), shelf.first.text(), "{checkpoint:?}");
    }
}

fn as_checkpoint(text: &str) {
    let Ok(checkpoint) = Checkpoint::read(text) else { return };
    assert_eq!(checkpoint.to_string(), text);
}

/// Another text over a signature of ours, and before it.
fn as_signed_text(shelf: &Shelf, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    as_checkpoint(text);
    let whole = shelf.first.to_string();
    let signature = &whole[shelf.first.text().len()..];
    for note in [format!("{text}{signature}"), format!("{whole}{text}"), format!("{text}{whole}")] {
        as_note(shelf, note.as_bytes());
    }
}

fn as_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = Verifier::read(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = Signer::read(text) {
        assert_eq!(key.secret(), text);
        let verifier = key.verifier().to_string();
        assert_eq!(Verifier::read(&verifier).as_ref(), Ok(key.verifier()));
    }
}

/// As the frontiers beside the notes, of a journal that is whole and of one that is not. The bytes
/// of one that is not whole change nothing.
fn as_frontier(shelf: &Shelf, bytes: &[u8]) {
    let fs = shelf.fs.settled();
    for name in ["sealed.frontier", "deleted.frontier"] {
        fs.put(&Path::new(KEPT).join(name), bytes, 0o600).expect("nothing fails");
    }
    let [journal, kept] = dirs(&fs);
    let places = Places { disk: &fs, journal: &journal, kept: Some(&kept), stop: None };
    let signed = checkpoint::sign(&places, &shelf.signer, Upto::Still);
    if !is_summed(bytes) {
        let signed = signed.expect("the journal is whole").checkpoint;
        assert_eq!((signed.size, signed.root), (shelf.size, shelf.root));
    }
    // Who reads all there is asks nobody what its root is.
    assert_eq!(proof::root_at(&places, shelf.size).ok(), Some(shelf.root));
    fs.unlink(&journal, FIRST.as_ref()).expect("it is there");
    let told = proof::root_at(&places, shelf.size);
    assert!(told.is_err() || is_summed(bytes));
    drop(proof::prove(&places, Seq(shelf.size), shelf.size));
    drop(checkpoint::make(&places, &shelf.signer, Upto::Still));
}

/// Lines with the sum that makes them whole.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').take(FRONTIER_LINES_MAX).collect();
    let body = lines.join(&b'\n');
    let sum = Hash::of_leaf(&body).to_string();
    [&body[..], b"\n", sum.as_bytes(), b"\n"].concat()
}

fn is_summed(bytes: &[u8]) -> bool {
    let Some((body, sum)) = bytes.strip_suffix(b"\n").and_then(|body| {
        let at = body.iter().rposition(|byte| *byte == b'\n')?;
        Some((&body[..at], &body[at + 1..]))
    }) else {
        return false;
    };
    let sum = std::str::from_utf8(sum).ok().and_then(Hash::read);
    sum == Some(Hash::of_leaf(body))
}

/// Two numbers and hashes: as a proof that a frame is in the tree, and that a tree begins another.
fn as_proof(shelf: &Shelf, bytes: &[u8]) {
    let mut numbers = bytes.chunks_exact(8).map(|n| u64::from_be_bytes(n.try_into().expect("8")));
    let (Some(seq), Some(size)) = (numbers.next(), numbers.next()) else { return };
    let hash = |n: u64| Hash::of_leaf(&n.to_be_bytes());
    let path: Vec<Hash> = numbers.take(PATH_MAX).map(hash).collect();
    let proof = Proof { seq, leaf: hash(seq), size, root: shelf.root, path };
    assert!(!proof.holds(), "{proof:?}");
    // The root of a tree proves itself, and no other.
    let proven = consistent((seq, shelf.root), (size, shelf.root), &proof.path);
    assert!(!proven || (seq == size && proof.path.is_empty()), "{proof:?}");
}
