//! Checkpoints of real journals: what they are over, what is refused, what is proven.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::checkpoint::{
    CheckpointError, KEPT_MAX, Places, Signed, Upto, keep_roots, make, name, newest, origin, sign,
};
use kairos_journal::note::{Checkpoint, Signer};
use kairos_journal::proof::{Proof, ProofError, prove, root_at, size};
use kairos_journal::tree::{Frontier, Gone, Hash};
use kairos_journal::{Damage, ReadError, Reason};

/// A journal and the checkpoints beside it.
struct World {
    dir: tempfile::TempDir,
    journal: Dir,
    kept: Dir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("the test's own files");
        let made = ["journal", "checkpoints"].map(|name| {
            fs::create_dir(dir.path().join(name)).expect("the test's own files");
            RealFs.root(&dir.path().join(name)).expect("the test's own files")
        });
        let [journal, kept] = made;
        Self { dir, journal, kept }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join("checkpoints")
    }

    fn places(&self) -> Places<'_, RealFs> {
        Places { disk: &RealFs, journal: &self.journal, kept: Some(&self.kept), stop: None }
    }

    /// Writes `turns` more turns of one frame each.
    fn write(&self, turns: usize) {
        let (mut book, _) = open(&self.journal(), small()).expect("the test's own files");
        for _ in 0..turns {
            let n = book.head().0;
            let text = "t".repeat(usize::try_from(n * 37 % 500).expect("the test's own files"));
            (book, _) = turn(book, vec![vec![noted(format!("{n} {text}"))]]);
        }
    }

    fn make(&self, upto: Upto) -> Result<Signed, CheckpointError> {
        make(&self.places(), &signer(), upto)
    }

    /// The frames' hashes, found without the crate's own reading.
    fn leaves(&self) -> Vec<Hash> {
        let whole: Vec<u8> = segments(&self.journal())
            .iter()
            .flat_map(|file| fs::read(file).expect("the test's own files"))
            .collect();
        let lines = whole.split_inclusive(|byte| *byte == b'\n');
        let frames = lines
            .map(|line| line.split(|byte| *byte == 0).next_back().expect("the test's own files"));
        frames.filter(|frame| !frame.is_empty()).map(Hash::of_leaf).collect()
    }

    fn root(&self, size: u64) -> Hash {
        root_of(&self.leaves()[..usize::try_from(size).expect("the test's own files")])
    }

    fn head(&self) -> u64 {
        self.leaves().len() as u64
    }
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

fn segments(journal: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(journal)
        .expect("the test's own files")
        .map(|entry| entry.expect("the test's own files").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "kj")).collect();
    files.sort();
    files
}

fn first_of(segment: &Path) -> u64 {
    segment
        .file_stem()
        .expect("the test's own files")
        .to_str()
        .expect("the test's own files")
        .parse()
        .expect("the test's own files")
}

fn signer() -> Signer {
    Signer::new(&name(NodeId::from_u128(7)), [3; 32]).expect("the test's own files")
}

fn sizes(world: &World) -> Vec<u64> {
    let names = fs::read_dir(world.kept())
        .expect("the test's own files")
        .map(|entry| entry.expect("the test's own files").path());
    let notes = names.filter(|path| path.extension().is_some_and(|kind| kind == "note"));
    let mut sizes: Vec<_> = notes.map(|path| first_of(&path)).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn a_checkpoint_is_over_every_frame_and_is_kept() {
    let world = World::new();
    assert!(matches!(world.make(Upto::Still), Err(CheckpointError::NoFrames)));
    assert_eq!(origin(&RealFs, &world.journal).unwrap(), None);
    let mut made = Vec::new();
    for turns in [1, 2, 40, 3, 60, 1] {
        world.write(turns);
        let signed = world.make(Upto::Still).unwrap();
        let size = world.head();
        assert_eq!((signed.checkpoint.size, signed.checkpoint.root), (size, world.root(size)));
        assert_eq!(signer().verifier().check(&signed.note).as_ref(), Ok(&signed.checkpoint));
        let kept = newest(&RealFs, &world.kept, signer().verifier()).unwrap();
        assert_eq!(kept.as_ref(), Some(&signed));
        // Once more says and keeps the same.
        assert_eq!(world.make(Upto::Still).unwrap(), signed);
        made.push(size);
        assert_eq!(sizes(&world), made);
    }
    assert!(segments(&world.journal()).len() > 3, "several segments were passed");
    assert_eq!(origin(&RealFs, &world.journal).unwrap(), Some(NodeId::from_u128(7)));
    assert_eq!(signed_afresh(&world), world.make(Upto::Still).unwrap());
}

/// What a signer says who has nothing but the journal.
fn signed_afresh(world: &World) -> Signed {
    let places = Places { kept: None, ..world.places() };
    sign(&places, &signer(), Upto::Still).expect("the test's own files")
}

#[test]
fn beside_a_writer_only_what_is_marked_durable_counts() {
    let world = World::new();
    let (mut book, _) = open(&world.journal(), small()).unwrap();
    for n in 0..30_u64 {
        (book, _) = turn(book, vec![vec![noted(format!("{n}"))], vec![]]);
        let live = size(&world.places(), Upto::Live).unwrap();
        assert_eq!(live, book.head().0 - 2, "the last turn is marked by the next one");
        let known = world.make(Upto::Known(book.durable())).unwrap();
        assert_eq!(known.checkpoint.size, book.head().0);
        assert_eq!(known.checkpoint.root, world.root(known.checkpoint.size));
    }
    // One that was overtaken hears of the newest.
    assert_eq!(world.make(Upto::Known(Seq(3))).unwrap().checkpoint.size, 60);
    drop(book);
    assert_eq!(world.make(Upto::Still).unwrap().checkpoint.size, 60);
}

#[test]
fn the_next_checkpoint_reads_only_what_is_new() {
    let world = World::new();
    world.write(60);
    world.make(Upto::Still).unwrap();
    let oldest = segments(&world.journal()).remove(0);
    let mut bytes = fs::read(&oldest).unwrap();
    bytes[300] ^= 1;
    fs::write(&oldest, bytes).unwrap();
    assert!(open(&world.journal(), small()).is_err(), "the engine refuses it as well");
    let signed = world.make(Upto::Still).unwrap();
    assert_eq!(signed.checkpoint.size, 60, "nothing new, nothing read");
    // Without what is kept, all is read, and the damage seen.
    fs::remove_file(world.kept().join("sealed.frontier")).unwrap();
    assert!(matches!(
        world.make(Upto::Still),
        Err(CheckpointError::Read(ReadError::Damaged(Damage::Frame { .. })))
    ));
    assert!(matches!(root_at(&world.places(), 60), Err(ProofError::Read(_))));
}

#[test]
fn a_journal_that_lost_frames_gets_no_signature() {
    let world = World::new();
    world.write(50);
    world.make(Upto::Still).unwrap();
    // Whole segments gone, and a well-formed beginning left.
    let last = segments(&world.journal()).pop().unwrap();
    let head = first_of(&last) - 1;
    fs::remove_file(last).unwrap();
    let made = world.make(Upto::Still).map(drop);
    assert!(
        matches!(made, Err(CheckpointError::Shrunk { signed: 50, head: found }) if found == head),
        "{made:?}"
    );
    assert!(matches!(
        root_at(&world.places(), 50),
        Err(ProofError::Short { size: 50, head: found }) if found == head
    ));
    // A new key has signed nothing yet, so it goes back on no word.
    let new = Signer::new(signer().verifier().name(), [4; 32]).unwrap();
    let signed = make(&world.places(), &new, Upto::Still).unwrap();
    assert_eq!((signed.checkpoint.size, signed.checkpoint.root), (head, world.root(head)));
}

#[test]
fn a_journal_that_was_written_anew_gets_no_signature_and_another_root() {
    let (world, other) = (World::new(), World::new());
    world.write(50);
    let signed = world.make(Upto::Still).unwrap();
    // Of the same node, as long, sound, and different in one early frame.
    let (mut book, _) = open(&other.journal(), small()).unwrap();
    (book, _) = turn(book, vec![vec![noted("0 another")]]);
    drop(book);
    other.write(60);
    for kept_frontier in [true, false] {
        if !kept_frontier {
            fs::remove_file(world.kept().join("sealed.frontier")).unwrap();
        }
        let places = Places { kept: Some(&world.kept), ..other.places() };
        let made = make(&places, &signer(), Upto::Still).map(drop);
        assert!(matches!(made, Err(CheckpointError::Rewritten { .. })), "{made:?}");
    }
    let root = root_at(&Places { kept: None, ..other.places() }, 50).unwrap();
    assert_ne!(root, signed.checkpoint.root);
    assert_eq!(root_at(&world.places(), 50).unwrap(), signed.checkpoint.root);
}

#[test]
fn a_key_signs_for_its_own_journal_only() {
    let world = World::new();
    world.write(3);
    let stranger = Signer::new(&name(NodeId::from_u128(8)), [3; 32]).unwrap();
    let made = make(&world.places(), &stranger, Upto::Still).map(drop);
    let expected = NodeId::from_u128(7);
    assert!(
        matches!(made, Err(CheckpointError::OtherJournal { journal, .. }) if journal == expected),
        "{made:?}"
    );
    assert_eq!(sizes(&world), [0; 0]);
}

#[test]
fn the_newest_thousand_are_kept() {
    let world = World::new();
    world.write(2);
    for size in 1..=KEPT_MAX + 5 {
        fs::write(world.kept().join(format!("{size:020}.note")), "no note").unwrap();
    }
    fs::remove_file(world.kept().join(format!("{:020}.note", 2))).unwrap();
    // None of them is signed, so none counts.
    assert_eq!(world.make(Upto::Still).unwrap().checkpoint.size, 2);
    // Those above are of a key of before, and as many.
    let above: Vec<_> = (6..=KEPT_MAX as u64 + 5).collect();
    assert_eq!(sizes(&world), [&[1, 2], &above[..]].concat());
    // Its own newest stays, however many there are.
    world.write(KEPT_MAX + 10);
    let size = world.make(Upto::Still).unwrap().checkpoint.size;
    let expected: Vec<_> = (7..=KEPT_MAX as u64 + 5).chain([size]).collect();
    assert_eq!(sizes(&world), expected);
}

#[test]
fn a_new_keys_note_stays_below_a_thousand_of_the_old_one() {
    let world = World::new();
    world.write(40);
    for size in 41..=40 + KEPT_MAX as u64 {
        fs::write(world.kept().join(format!("{size:020}.note")), "another key's").unwrap();
    }
    let signed = world.make(Upto::Still).unwrap();
    let kept = newest(&RealFs, &world.kept, signer().verifier()).unwrap();
    assert_eq!(kept, Some(signed));
    let covered = kairos_journal::retention::cover(&world.places(), &signer(), Seq(20));
    assert_eq!(covered.unwrap().checkpoint.size, 40);
}

#[test]
fn what_another_writes_meanwhile_takes_no_others_place() {
    let world = World::new();
    world.write(40);
    let disk = faulty::Faulty::default();
    let names = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, path) = (std::sync::Arc::clone(&names), world.kept());
    // A daemon that was taken for gone is about to rename what it wrote, and begins another.
    let beside = move |_, call| {
        if call == faulty::Call::Rename {
            let there = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            let ends = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tmp");
            seen.lock().unwrap().extend(there.filter(ends));
            fs::write(path.join(format!("{:020}.note.tmp", 7)), "half of one").unwrap();
        }
    };
    disk.plan(|plan| plan.beside = Some(faulty::Beside(std::sync::Arc::new(beside))));
    let places =
        Places { disk: &disk, journal: &world.journal, kept: Some(&world.kept), stop: None };
    let signed = make(&places, &signer(), Upto::Still).unwrap();
    assert_eq!(newest(&RealFs, &world.kept, signer().verifier()).unwrap(), Some(signed));
    let names = names.lock().unwrap().clone();
    let one = |name: &PathBuf| names.iter().filter(|other| *other == name).count() == 1;
    assert!(names.len() >= 2 && names.iter().all(one), "no name is for two: {names:?}");
    world.write(1);
    world.make(Upto::Still).unwrap();
    let left = fs::read_dir(world.kept()).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> =
        left.filter(|path| path.extension().is_some_and(|ending| ending == "tmp")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "what a crash leaves goes with the next");
}

#[test]
fn what_a_hidden_writer_adds_is_signed_only_once_it_was_synced() {
    let world = World::new();
    world.write(5);
    let (book, _) = open(&world.journal(), small()).unwrap();
    let book = std::sync::Mutex::new(Some(book));
    let synced = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let disk = faulty::Faulty::default();
    let seen = std::sync::Arc::clone(&synced);
    let beside = move |_, call| {
        let mut book = book.lock().unwrap();
        let mut open = book.take().expect("it is put back");
        match call {
            faulty::Call::Read if open.head() < Seq(10) => {
                open = turn(open, vec![vec![noted("one more")]]).0;
            }
            faulty::Call::Sync => {
                seen.store(open.head().0, std::sync::atomic::Ordering::Relaxed);
            }
            _ => {}
        }
        *book = Some(open);
    };
    disk.plan(|plan| plan.beside = Some(faulty::Beside(std::sync::Arc::new(beside))));
    let places = Places { disk: &disk, journal: &world.journal, kept: None, stop: None };
    let signed = sign(&places, &signer(), Upto::Still).unwrap();
    let synced = synced.load(std::sync::atomic::Ordering::Relaxed);
    assert!(signed.checkpoint.size <= synced, "{} of {synced}", signed.checkpoint.size);
}

#[test]
fn nothing_is_signed_that_was_not_compared_with_what_was_signed() {
    let (world, other) = (World::new(), World::new());
    world.write(20);
    let first = world.make(Upto::Still).unwrap().checkpoint.size;
    world.write(60);
    let last = world.make(Upto::Still).unwrap().checkpoint.size;
    // Another journal of the node with the same kept, whose newest note no longer holds.
    let note = world.kept().join(format!("{last:020}.note"));
    let mut bytes = fs::read(&note).unwrap();
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    fs::write(&note, bytes).unwrap();
    let (mut book, _) = open(&other.journal(), small()).unwrap();
    (book, _) = turn(book, vec![vec![noted("0 another")]]);
    drop(book);
    other.write(90);
    fs::remove_file(world.kept().join("sealed.frontier")).unwrap();
    sign(&Places { kept: None, ..other.places() }, &signer(), Upto::Still).unwrap();
    make(&Places { kept: Some(&other.kept), ..other.places() }, &signer(), Upto::Still).unwrap();
    let frontier = "sealed.frontier";
    fs::copy(other.kept().join(frontier), world.kept().join(frontier)).unwrap();
    let places = Places { kept: Some(&world.kept), ..other.places() };
    let made = make(&places, &signer(), Upto::Still).map(drop);
    let signed = first;
    assert!(
        matches!(made, Err(CheckpointError::Rewritten { signed: s }) if s == signed),
        "{made:?}"
    );
    // Where the frames it was over are deleted, there is nothing to compare.
    let begin = segments(&other.journal()).into_iter().map(|path| first_of(&path));
    let begin = begin.into_iter().find(|begin| *begin > first + 1).unwrap();
    keep_roots(&places, Seq(begin)).unwrap();
    for old in segments(&other.journal()).into_iter().filter(|path| first_of(path) < begin) {
        fs::remove_file(old).unwrap();
    }
    let made = make(&places, &signer(), Upto::Still).map(drop);
    assert!(
        matches!(made, Err(CheckpointError::Incomparable { deleted, .. }) if deleted == begin - 1),
        "{made:?}"
    );
}

#[test]
fn every_frame_is_proven_at_every_size() {
    let world = World::new();
    world.write(45);
    let leaves = world.leaves();
    for size in 1..=45_u64 {
        let root = root_of(&leaves[..usize::try_from(size).unwrap()]);
        assert_eq!(root_at(&world.places(), size).unwrap(), root);
        for seq in (1..=size).filter(|seq| size % 11 == 1 || *seq == size) {
            let proof = prove(&world.places(), Seq(seq), size).unwrap();
            let leaf = leaves[usize::try_from(seq).unwrap() - 1];
            assert!(proof.holds());
            let found = (proof.seq, proof.leaf, proof.size, proof.root);
            assert_eq!(found, (seq, leaf, size, root));
            assert!(!Proof { seq: seq + 1, ..proof.clone() }.holds());
            assert!(!Proof { leaf: root_of(&[]), ..proof }.holds());
        }
    }
    for outside in [0, 46, 47] {
        let made = prove(&world.places(), Seq(outside), 45).map(drop);
        assert!(matches!(made, Err(ProofError::Outside { size: 45, .. })), "{made:?}");
    }
    let short = prove(&world.places(), Seq(3), 99).map(drop);
    assert!(matches!(short, Err(ProofError::Short { size: 99, head: 45 })), "{short:?}");
}

#[test]
fn what_remains_after_a_deletion_is_still_proven() {
    let world = World::new();
    world.write(160);
    let leaves = world.leaves();
    let signed = world.make(Upto::Still).unwrap();
    let files = segments(&world.journal());
    assert!(files.len() > 3);
    for file in &files[1..files.len() - 1] {
        let first = first_of(file);
        keep_roots(&world.places(), Seq(first)).unwrap();
        // A crash here changes nothing: what is still there is read.
        assert_eq!(root_at(&world.places(), 160).unwrap(), signed.checkpoint.root);
        let old = segments(&world.journal()).into_iter().filter(|old| first_of(old) < first);
        old.for_each(|old| fs::remove_file(old).unwrap());
        assert_eq!(root_at(&world.places(), 160).unwrap(), signed.checkpoint.root);
        assert_eq!(world.make(Upto::Still).unwrap(), signed);
        for seq in (first..=160).step_by(7) {
            let proof = prove(&world.places(), Seq(seq), 160).unwrap();
            assert_eq!(proof.leaf, leaves[usize::try_from(seq).unwrap() - 1]);
            assert!(proof.holds(), "{seq} with {first} the first");
        }
        let gone = prove(&world.places(), Seq(first - 1), 160).map(drop);
        let size = first - 1;
        assert!(matches!(gone, Err(ProofError::Gone(Gone { size: s })) if s == size), "{gone:?}");
        assert!(root_at(&world.places(), first - 1).is_ok());
        assert!(matches!(root_at(&world.places(), first - 2), Err(ProofError::Gone(_))));
    }
    python_finds(&world, &signed);
    // Nothing stands in for the roots of the deleted.
    let file = world.kept().join("deleted.frontier");
    let text = fs::read_to_string(&file).unwrap();
    for wrong in ["", "kairos frontier 1\n", &text[1..]] {
        fs::write(&file, wrong).unwrap();
        let found = root_at(&world.places(), 160);
        assert!(matches!(found, Err(ProofError::Read(ReadError::Pruned { .. }))), "{found:?}");
    }
}

/// The verifier in `docs/` comes to the same, where there is Python.
fn python_finds(world: &World, signed: &Signed) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_journal.py");
    let note = world.dir.path().join("a.note");
    fs::write(&note, signed.note.to_string()).expect("there is room");
    let mut python = Command::new("python3");
    python.arg(script).arg(world.journal()).arg(note).arg(signer().verifier().to_string());
    let Ok(output) = python.output() else {
        writeln!(std::io::stderr(), "SKIPPED: python3 cannot be run").ok();
        return;
    };
    let Checkpoint { size, root, .. } = &signed.checkpoint;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, format!("sound: {size} frames, root {root}\n"), "{output:?}");
}

#[test]
fn roots_are_kept_only_where_a_segment_begins_and_only_of_what_is_sound() {
    let world = World::new();
    world.write(40);
    let files = segments(&world.journal());
    let second = first_of(&files[1]);
    assert!(keep_roots(&world.places(), Seq(second)).is_ok());
    let mut bytes = fs::read(&files[0]).unwrap();
    bytes[200] ^= 4;
    fs::write(&files[0], bytes).unwrap();
    let made = keep_roots(&world.places(), Seq(second)).map(drop);
    assert!(
        matches!(
            made,
            Err(CheckpointError::Read(ReadError::Damaged(Damage::Frame {
                reason: Reason::Body | Reason::Head,
                ..
            })))
        ),
        "{made:?}"
    );
}
