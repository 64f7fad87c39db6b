//! What of a journal's beginning may go, how it goes, and what remains.

#[path = "retention/beside.rs"]
mod beside;
mod common;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::faulty::Faulty;
use common::{Book, Event, Memory, noted, open, opening, small, time, turn};
use kairos_core::event::Limit;
use kairos_core::fold::{At, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::kind::Kind;
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::checkpoint::{self, CheckpointError, Places, Upto};
use kairos_journal::note::Signer;
use kairos_journal::proof::{ProofError, prove, root_at};
use kairos_journal::retention::{
    Deleted, Excess, Limits, Looked, RetentionError, Standing, begin, cover, delete, excess,
    founded, is_due, look, older_snapshot,
};
use kairos_journal::{
    Damage, Flaw, OpenError, Problem, ReadError, Reader, RepairError, Tail, examine, raw_frame,
    refold, repair, verify, verify_beside,
};

/// A journal of which two snapshots are kept, and the directory of its checkpoints.
struct World {
    root: tempfile::TempDir,
    journal: Dir,
    kept: Dir,
    /// All that was noted.
    memory: Memory,
}

/// Nothing is old enough, and nothing too much.
const ALL: Limits = Limits { oldest: kairos_core::time::Time::EPOCH, bytes_max: u64::MAX };
/// Everything is too much.
const LEAST: Limits = Limits { bytes_max: 0, ..ALL };

impl World {
    /// With at least five segments.
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let [journal, kept] = ["journal", "checkpoints"].map(|name| {
            fs::create_dir(root.path().join(name)).expect("it is new");
            RealFs.root(&root.path().join(name)).expect("it is there")
        });
        let mut world = Self { root, journal, kept, memory: Memory::default() };
        world.fill(120);
        assert!(world.segments().len() >= 5, "{:?}", world.segments());
        world
    }

    /// The same in a directory of its own.
    fn copy(&self) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let [journal, kept] = ["journal", "checkpoints"].map(|name| {
            let to = root.path().join(name);
            fs::create_dir(&to).expect("it is new");
            let entries = fs::read_dir(self.root.path().join(name)).expect("it is there");
            for entry in entries.map(|entry| entry.expect("an entry")) {
                if entry.file_type().expect("a type").is_file() {
                    fs::copy(entry.path(), to.join(entry.file_name())).expect("it is copied");
                }
            }
            if let Ok(snapshots) = fs::read_dir(self.root.path().join(name).join("snapshots")) {
                fs::create_dir(to.join("snapshots")).expect("it is new");
                for entry in snapshots.map(|entry| entry.expect("an entry")) {
                    let copy = to.join("snapshots").join(entry.file_name());
                    fs::copy(entry.path(), copy).expect("it is copied");
                }
            }
            RealFs.root(&to).expect("it is there")
        });
        Self { root, journal, kept, memory: self.memory.clone() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("journal")
    }

    fn places(&self) -> Places<'_, RealFs> {
        Places { disk: &RealFs, journal: &self.journal, kept: Some(&self.kept), stop: None }
    }

    fn open(&self) -> Book {
        open(&self.dir(), small()).expect("it opens").0
    }

    /// More frames, and a snapshot after each that sealed a segment.
    fn fill(&mut self, frames: u64) {
        let mut book = self.open();
        for _ in 0..frames {
            let text = format!("{} {}", book.head(), "t".repeat(250));
            (book, _) = turn(book, vec![vec![noted(text)]]);
            self.refold();
        }
        self.memory = book.state().clone();
    }

    fn refold(&self) {
        let opening = opening(small());
        let go_on = AtomicBool::new(false);
        refold(&Arc::new(RealFs), &self.journal, Memory::default(), &opening, &go_on)
            .expect("it holds");
    }

    fn segments(&self) -> Vec<Seq> {
        let entries = fs::read_dir(self.dir()).expect("it is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("text"));
        let digits = names.filter_map(|name| Some(name.strip_suffix(".kj")?.to_owned()));
        let mut firsts: Vec<_> =
            digits.map(|digits| Seq(digits.parse().expect("a number"))).collect();
        firsts.sort_unstable();
        firsts
    }

    fn bytes(&self, first: Seq) -> u64 {
        fs::metadata(self.segment(first)).expect("it is there").len()
    }

    fn segment(&self, first: Seq) -> PathBuf {
        self.dir().join(format!("{:020}.kj", first.0))
    }

    /// The two snapshots, the older first.
    fn snapshots(&self) -> [Seq; 2] {
        let entries = fs::read_dir(self.dir().join("snapshots")).expect("it is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut seqs: Vec<_> = names
            .map(|name| Seq(name.to_str().expect("text")[..20].parse().expect("a number")))
            .collect();
        seqs.sort_unstable();
        seqs.try_into().expect("two are kept")
    }

    fn snapshot(&self, seq: Seq) -> PathBuf {
        self.dir().join(format!("snapshots/{:020}.{}", seq.0, Memory::KIND))
    }

    fn older(&self) -> Option<Seq> {
        older_snapshot::<Memory, _>(&RealFs, &self.journal).expect("the disk reads")
    }

    fn look(&self, recorded: Seq, limits: &Limits) -> Result<Looked, RetentionError> {
        let standing = Standing { founded: self.older().expect("two hold"), recorded };
        look(&self.places(), &signer(), standing, limits)
    }

    /// Removes the segments that are not to be kept, as no deletion does.
    fn keep(&self, keep: impl Fn(Seq) -> bool) {
        let gone = self.segments().into_iter().filter(|first| !keep(*first));
        gone.for_each(|first| fs::remove_file(self.segment(first)).expect("it is there"));
    }

    /// Deletes as much as may go; where the journal begins then.
    fn prune(&self) -> Seq {
        let next = self.look(Seq(1), &LEAST).expect("it may go").next.expect("there is more");
        let looked = self.look(next.first, &LEAST).expect("it goes");
        assert_eq!(looked.deleted.segments, next.segments);
        assert_eq!(self.segments()[0], next.first);
        next.first
    }

    fn sound(&self) -> kairos_journal::Verdict {
        verify_beside(&self.places(), Tail::Still, NonZero::<usize>::MIN).expect("the disk reads")
    }
}

fn signer() -> Signer {
    let name = checkpoint::name(NodeId::from_u128(7));
    Signer::new(&name, [3; 32]).expect("a name")
}

fn spoil(path: &Path) {
    let mut bytes = fs::read(path).expect("it is there");
    let middle = bytes.iter().position(|byte| *byte == b't').expect("there is text");
    bytes[middle + 100] ^= 1;
    fs::write(path, bytes).expect("it takes it");
}

#[test]
fn only_what_lies_below_the_older_snapshot_and_is_over_a_limit_may_go() {
    let world = World::new();
    let (firsts, [older, newer]) = (world.segments(), world.snapshots());
    assert_eq!(world.older(), Some(older));
    let find = |founded, limits: &Limits| excess(&RealFs, &world.journal, founded, limits).unwrap();
    assert_eq!(find(older, &ALL), None);
    let below = |seq: Seq| firsts.iter().skip(1).filter(|first| **first <= seq.next()).count();
    let taken = |count: usize, over| {
        let bytes = firsts[..count].iter().map(|first| world.bytes(*first)).sum();
        let segments = u32::try_from(count).unwrap();
        (count > 0).then(|| Excess { first: firsts[count], segments, bytes, over })
    };
    assert_eq!(find(older, &LEAST), taken(below(older), Limit::Bytes));
    assert_eq!(find(newer, &LEAST), taken(below(newer), Limit::Bytes));
    assert_eq!(below(newer), below(older) + 1);
    // As many as it takes to be within.
    let total: u64 = firsts.iter().map(|first| world.bytes(*first)).sum();
    let limits = Limits { bytes_max: total, ..ALL };
    assert_eq!(find(older, &limits), None);
    let limits = Limits { bytes_max: total - 1, ..ALL };
    assert_eq!(find(older, &limits), taken(1, Limit::Bytes));
    let limits = Limits { bytes_max: total - world.bytes(firsts[0]) - 1, ..ALL };
    assert_eq!(find(older, &limits), taken(2, Limit::Bytes));
    // Frame n was written at millisecond n; what is behind a segment is younger than all in it.
    let limits = Limits { oldest: time(firsts[2].0), ..ALL };
    assert_eq!(find(older, &limits), taken(1, Limit::Days));
    let limits = Limits { oldest: time(firsts[2].0 + 1), ..ALL };
    assert_eq!(find(older, &limits), taken(2, Limit::Days));
    let due = |recorded, limits| is_due(&RealFs, &world.journal, recorded, limits).unwrap();
    assert!(due(Seq(1), &LEAST) && due(firsts[1], &ALL) && !due(Seq(1), &ALL));
}

/// What a start refuses for its snapshots `verify` calls damaged, and the other way round.
#[test]
fn verify_and_a_start_say_the_same_of_what_snapshots_stand_for() {
    let newest = |world: &World| world.snapshots()[1];
    type Edit<'a> = (&'static str, bool, Box<dyn Fn(&World) + 'a>);
    let edits: [Edit<'_>; 9] = [
        ("nothing", true, Box::new(|_| {})),
        ("the newest snapshot", true, Box::new(|world| spoil(&world.snapshot(newest(world))))),
        (
            "both snapshots",
            true,
            Box::new(|world| {
                world.snapshots().iter().for_each(|seq| spoil(&world.snapshot(*seq)));
            }),
        ),
        (
            "the segment behind the newest snapshot",
            false,
            Box::new(|world| {
                let seq = newest(world);
                world.keep(|first| first <= seq);
            }),
        ),
        ("all segments", false, Box::new(|world| world.keep(|_| false))),
        (
            "segments that were deleted",
            true,
            Box::new(|world| {
                world.prune();
            }),
        ),
        (
            "those, and the newest snapshot",
            true,
            Box::new(|world| {
                world.prune();
                spoil(&world.snapshot(newest(world)));
            }),
        ),
        (
            "those, and both snapshots",
            false,
            Box::new(|world| {
                world.prune();
                world.snapshots().iter().for_each(|seq| spoil(&world.snapshot(*seq)));
            }),
        ),
        (
            "those, and the directory of snapshots",
            false,
            Box::new(|world| {
                world.prune();
                fs::remove_dir_all(world.dir().join("snapshots")).unwrap();
            }),
        ),
    ];
    for (what, sound, edit) in edits {
        let world = World::new();
        edit(&world);
        for tail in [Tail::Still, Tail::Live] {
            let found = verify_beside(&world.places(), tail, NonZero::<usize>::MIN).unwrap();
            assert_eq!(found.ok, sound, "{what}, {tail:?}: {found:?}");
        }
        let opened = open(&world.dir(), small());
        assert_eq!(opened.is_ok(), sound, "{what}: {:?}", opened.err());
    }
}

/// A start begins anew where nothing at all is left; what is signed tells of more.
#[test]
fn a_journal_that_is_gone_is_not_sound_while_a_checkpoint_tells_of_it() {
    let world = World::new();
    checkpoint::make(&world.places(), &signer(), Upto::Still).unwrap();
    world.keep(|_| false);
    fs::remove_dir_all(world.dir().join("snapshots")).unwrap();
    let problem = world.sound().problem;
    let expected = Problem::Damaged(Damage::Vanished { kept: format!("{:020}.note", 120) });
    assert_eq!(problem, Some(expected));
}

#[test]
fn both_snapshots_must_hold() {
    let world = World::new();
    let [older, newer] = world.snapshots();
    for broken in [older, newer] {
        let whole = fs::read(world.snapshot(broken)).unwrap();
        spoil(&world.snapshot(broken));
        assert_eq!(world.older(), None, "one alone may break next");
        fs::remove_file(world.snapshot(broken)).unwrap();
        assert_eq!(world.older(), None);
        fs::write(world.snapshot(broken), whole).unwrap();
    }
    assert_eq!(world.older(), Some(older));
    // What they no longer stand for is not deleted, recorded or not.
    let standing = Standing { founded: Seq(0), recorded: world.segments()[1] };
    let refused = look(&world.places(), &signer(), standing, &LEAST);
    assert!(matches!(refused, Err(RetentionError::Unfounded { .. })), "{refused:?}");
    assert_eq!(world.segments()[0], Seq(1));
}

#[test]
fn what_goes_is_covered_and_recorded_before() {
    let world = World::new();
    let looked = world.look(Seq(1), &LEAST).unwrap();
    let next = looked.next.expect("there is too much");
    assert_eq!(looked.deleted, Deleted::default(), "nothing goes before it is recorded");
    assert_eq!(world.segments()[0], Seq(1));
    let signed = checkpoint::newest(&RealFs, &world.kept, signer().verifier()).unwrap().unwrap();
    assert!(signed.checkpoint.size >= next.first.0 - 1, "it was signed for it");
    let looked = world.look(next.first, &LEAST).unwrap();
    let Excess { segments, bytes, first, .. } = next;
    assert_eq!(looked, Looked { deleted: Deleted { segments, bytes }, next: None });
    assert_eq!(world.segments()[0], first);
    assert_eq!(begin(&RealFs, &world.journal).unwrap(), first);
    // Once more changes nothing.
    assert_eq!(world.look(first, &LEAST).unwrap(), Looked::default());
}

#[test]
fn what_is_not_covered_stays() {
    let world = World::new();
    let second = world.segments()[1];
    // Another wrote the frames that were signed.
    checkpoint::make(&world.places(), &signer(), Upto::Still).unwrap();
    let note = fs::read_dir(world.root.path().join("checkpoints")).unwrap();
    let note = note.map(|entry| entry.unwrap().path());
    let mut note = note.filter(|path| path.extension().is_some_and(|ending| ending == "note"));
    let note = note.next().unwrap();
    let other = World::new();
    let signed = {
        let mut book = other.open();
        (book, _) = turn(book, vec![vec![noted("another history")]]);
        book.head().0
    };
    let foreign = checkpoint::make(&other.places(), &signer(), Upto::Still).unwrap();
    assert_eq!(foreign.checkpoint.size, signed);
    fs::remove_file(&note).unwrap();
    fs::write(note.with_file_name(format!("{signed:020}.note")), foreign.note.to_string()).unwrap();
    let refused = cover(&world.places(), &signer(), second);
    assert!(matches!(refused, Err(CheckpointError::Shrunk { .. })), "{refused:?}");
    // Damage in what goes is found before it goes.
    let world = World::new();
    spoil(&world.segment(Seq(1)));
    let refused = cover(&world.places(), &signer(), second);
    assert!(matches!(refused, Err(CheckpointError::Read(ReadError::Damaged(_)))), "{refused:?}");
    let refused = delete(&world.places(), second);
    assert!(matches!(refused, Err(CheckpointError::Read(ReadError::Damaged(_)))), "{refused:?}");
    assert_eq!(world.segments()[0], Seq(1));
    // Without a place for the roots nothing goes either.
    let world = World::new();
    let places = Places { kept: None, ..world.places() };
    assert!(matches!(delete(&places, second), Err(CheckpointError::Io { .. })));
    assert_eq!(world.segments()[0], Seq(1));
}

#[test]
fn told_to_stop_a_look_reads_no_further_segment_and_deletes_none() {
    let world = World::new();
    let stop = AtomicBool::new(true);
    let places = Places { stop: Some(&stop), ..world.places() };
    let second = world.segments()[1];
    let stopped = |found: Result<(), CheckpointError>| {
        assert!(matches!(found, Err(CheckpointError::Read(ReadError::Stopped))), "{found:?}");
    };
    stopped(cover(&places, &signer(), second).map(drop));
    stopped(checkpoint::make(&places, &signer(), Upto::Still).map(drop));
    stopped(delete(&places, second).map(drop));
    assert_eq!(world.segments()[0], Seq(1));
    stop.store(false, Ordering::Relaxed);
    cover(&places, &signer(), second).unwrap();
    assert_eq!(delete(&places, second).unwrap().segments, 1);
}

#[test]
fn a_deletion_that_was_cut_short_is_ended() {
    let world = World::new();
    let next = world.look(Seq(1), &LEAST).unwrap().next.unwrap();
    assert!(next.segments > 1);
    checkpoint::keep_roots(&world.places(), next.first).unwrap();
    fs::remove_file(world.segment(Seq(1))).unwrap();
    // What is on its way out is no damage, and no part of what is verified.
    let verdict = world.sound();
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(verdict.deleted, next.first.0 - 1);
    assert_eq!(world.open().state(), &world.memory);
    let looked = world.look(next.first, &LEAST).unwrap();
    assert_eq!(looked.deleted.segments, next.segments - 1);
    assert_eq!(world.segments()[0], next.first);
}

#[test]
fn what_remains_is_verified_proven_and_gone_on_with() {
    let mut world = World::new();
    for round in 0..3 {
        let recorded = world.segments()[0];
        let looked = world.look(recorded, &LEAST).unwrap();
        let first = looked.next.expect("there is too much").first;
        world.look(first, &LEAST).unwrap();
        let head = world.open().head();
        let verdict = world.sound();
        assert_eq!((verdict.ok, verdict.problem, verdict.head), (true, None, head));
        assert_eq!((verdict.deleted, verdict.frames), (first.0 - 1, head.0 - first.0 + 1));
        let signed = checkpoint::make(&world.places(), &signer(), Upto::Still).unwrap();
        assert_eq!(root_at(&world.places(), head.0).unwrap(), signed.checkpoint.root);
        assert!(prove(&world.places(), first, head.0).unwrap().holds());
        let gone = prove(&world.places(), Seq(first.0 - 1), head.0).unwrap_err();
        assert!(matches!(gone, ProofError::Gone(_)), "{gone}");
        let dir = || RealFs.root(&world.dir()).unwrap();
        let gone = raw_frame(Arc::new(RealFs), dir(), Seq(first.0 - 1), Tail::Still).unwrap_err();
        assert!(matches!(gone, ReadError::Pruned { first: f } if f == first), "{gone}");
        assert!(raw_frame(Arc::new(RealFs), dir(), first, Tail::Still).unwrap().is_some());
        assert_eq!(world.open().state(), &world.memory);
        world.fill(60);
        assert!(world.segments().len() >= 3, "round {round}");
    }
}

#[test]
fn without_its_roots_what_remains_is_not_believed() {
    let world = World::new();
    let first = world.prune();
    let gap = Some(Problem::Damaged(Damage::Gap { expected: Seq(1), found: first }));
    let plain = verify(&RealFs, &world.journal, Tail::Still, NonZero::<usize>::MIN).unwrap();
    assert_eq!((plain.ok, plain.problem), (false, gap.clone()));
    let roots = world.root.path().join("checkpoints/deleted.frontier");
    let whole = fs::read_to_string(&roots).unwrap();
    // Cut, and of another place: the link of the first frame would be anything.
    for wrong in ["", &whole[..whole.len() - 2]] {
        fs::write(&roots, wrong).unwrap();
        let verdict = world.sound();
        assert_eq!((verdict.ok, verdict.problem), (false, gap.clone()));
    }
    let other = World::new();
    checkpoint::keep_roots(&other.places(), other.segments()[1]).unwrap();
    let foreign = fs::read(other.root.path().join("checkpoints/deleted.frontier")).unwrap();
    fs::write(&roots, foreign).unwrap();
    assert!(!world.sound().ok);
    fs::write(&roots, whole).unwrap();
    assert!(world.sound().ok);
    // The first frame that is there must follow from what is gone.
    let mut bytes = fs::read(world.segment(first)).unwrap();
    bytes[60] = if bytes[60] == b'0' { b'1' } else { b'0' };
    fs::write(world.segment(first), bytes).unwrap();
    assert!(!world.sound().ok);
}

#[test]
fn with_both_snapshots_broken_nothing_is_begun_from_what_remains() {
    let world = World::new();
    let first = world.prune();
    let [older, newer] = world.snapshots();
    founded::<Memory, _>(&RealFs, &world.journal).unwrap();
    let whole = fs::read(world.snapshot(newer)).unwrap();
    spoil(&world.snapshot(newer));
    founded::<Memory, _>(&RealFs, &world.journal).unwrap();
    assert_eq!(world.open().state(), &world.memory, "the older one stands for what is gone");
    spoil(&world.snapshot(older));
    let refused = open(&world.dir(), small()).unwrap_err();
    let refused_views = founded::<Memory, _>(&RealFs, &world.journal).unwrap_err();
    for refused in [refused, refused_views] {
        let OpenError::Damaged(Damage::Unfounded { first: f, flaw, .. }) = refused else {
            panic!("{refused}")
        };
        assert_eq!((f, flaw), (first, Flaw::Sum));
    }
    fs::remove_dir_all(world.dir().join("snapshots")).unwrap();
    let none = founded::<Memory, _>(&RealFs, &world.journal).unwrap_err();
    assert!(none.to_string().contains("`snapshots/*.memory`"), "{none}");
    fs::create_dir(world.dir().join("snapshots")).unwrap();
    fs::write(world.snapshot(newer), whole).unwrap();
    assert_eq!(world.open().state(), &world.memory);
}

#[test]
fn who_reads_while_segments_go_is_told_where_the_journal_begins() {
    let world = World::new();
    let dir = RealFs.root(&world.dir()).unwrap();
    let mut reader = Reader::new(Arc::new(RealFs), dir, Seq(1), Tail::Live);
    assert!(reader.next_record::<Event>().unwrap().is_some());
    let first = world.prune();
    // The segment that it has open is read to its end.
    let mut last = Seq(1);
    let pruned = loop {
        match reader.next_record::<Event>() {
            Ok(Some(record)) => last = record.at.seq,
            Ok(None) => panic!("what follows {last} is deleted, not unwritten"),
            Err(error) => break error,
        }
    };
    assert!(matches!(pruned, ReadError::Pruned { first: f } if f == first), "{pruned}");
    assert_eq!(last.next(), world_second(&world, last));
}

/// The segment that began behind frame `last` before it was deleted.
fn world_second(world: &World, last: Seq) -> Seq {
    let whole = World::new().segments();
    assert!(world.segments().iter().all(|first| whole.contains(first)));
    *whole.iter().find(|first| **first > last).expect("others followed")
}

#[test]
fn a_repair_of_what_remains_keeps_what_a_snapshot_stands_for() {
    let world = World::new();
    let first = world.prune();
    let mended = |accepted| repair(&Arc::new(RealFs), &world.journal, accepted, "user:ann(1000)");
    let sound = examine(&RealFs, &world.journal).unwrap_err();
    assert!(matches!(sound, RepairError::Sound { .. }), "{sound}");
    let last = *world.segments().last().unwrap();
    let whole = fs::read(world.segment(last)).unwrap();
    spoil(&world.segment(last));
    let loss = examine(&RealFs, &world.journal).unwrap();
    assert_eq!((loss.from, loss.after), (first, Seq(last.0 - 1)));
    mended(loss.after).unwrap();
    let book = world.open();
    assert_eq!(book.head(), loss.after);
    let noted: Vec<(At, Event)> = world.memory.0.clone();
    let kept: Vec<_> = noted.into_iter().filter(|(at, _)| at.seq <= loss.after).collect();
    assert_eq!(book.state().0, kept);
    drop(book);
    assert!(world.sound().ok);
    drop(whole);
}

#[test]
fn a_repair_below_the_snapshots_of_what_is_deleted_is_refused() {
    let world = World::new();
    let first = world.prune();
    // The older snapshot stands for what ends before the first segment that is there, or for more.
    let [older, _] = world.snapshots();
    assert!(older.next() >= first);
    spoil(&world.segment(first));
    let before = fs::read_dir(world.dir()).unwrap().count();
    let refused = examine(&RealFs, &world.journal).unwrap_err();
    assert!(
        matches!(&refused, RepairError::Unfounded { after, first: f, .. }
            if *after <= older && *f == first),
        "{refused:?}"
    );
    let after = Seq(first.0 - 1);
    let refused = repair(&Arc::new(RealFs), &world.journal, after, "user:ann(1000)").unwrap_err();
    assert!(matches!(refused, RepairError::Unfounded { .. }), "{refused}");
    assert_eq!(fs::read_dir(world.dir()).unwrap().count(), before, "nothing was touched");
}

#[test]
fn a_snapshot_of_a_pruned_journal_that_the_disk_does_not_give_is_asked_for_another_time() {
    let world = World::new();
    world.prune();
    let [older, newer] = world.snapshots();
    fs::remove_file(world.snapshot(newer)).expect("it is there");
    let made = |disk: Faulty| {
        let go_on = AtomicBool::new(false);
        refold(&Arc::new(disk), &world.journal, Memory::default(), &opening(small()), &go_on)
    };
    let mut failed = 0;
    for nth in 0.. {
        let disk = Faulty::default();
        disk.plan(|plan| plan.nth = Some(nth));
        match made(disk) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "call {nth}: {error:?}"),
        }
        failed += 1;
    }
    assert!(failed > 5, "the snapshot was read");
    spoil(&world.snapshot(older));
    let again = world.snapshot(newer);
    if again.exists() {
        spoil(&again);
    }
    let refused = made(Faulty::default()).expect_err("nothing stands for what went");
    assert_eq!(refused.kind(), Kind::Corrupt, "{refused:?}");
}
