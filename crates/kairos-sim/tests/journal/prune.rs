//! The oldest segments deleted, and power lost before and after every call of that.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_disk::Fs as _;
use kairos_journal::checkpoint::{self, Places};
use kairos_journal::note::Signer;
use kairos_journal::proof::root_at;
use kairos_journal::retention::{self, Limits, Standing, older_snapshot};
use kairos_journal::{
    Ahead, Damage, Ledger, OpenError, Opened, Opening, Segments, Tail, refold, verify_beside,
};
use kairos_sim::{Bound, Item, Order, Rules, SimDir, SimFs, is_crash};
use serde::{Deserialize, Serialize};

use crate::book::time;
use crate::count::{Count, Wrong, hold};
use crate::crash::{calls, stopped_at, stops};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    Noted(String),
    /// What stands before that is given up.
    Gave(Seq),
}

/// What all frames come to, those that are deleted among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    sum: u64,
    last: Option<At>,
    kept_from: Seq,
}

impl Fold for Sum {
    type Event = Line;
    type Effect = ();

    fn apply(&mut self, at: At, event: &Line, _: &mut Vec<()>) {
        self.last = Some(at);
        match event {
            Line::Noted(text) => {
                let fold = |sum: u64, byte| sum.rotate_left(7) ^ u64::from(byte);
                self.sum = text.bytes().fold(self.sum, fold);
            }
            Line::Gave(first) => self.kept_from = self.kept_from.max(*first),
        }
    }
}

impl Snapshot for Sum {
    const KIND: &'static str = "sum";
    const SCHEMA: u32 = 1;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

type Book = Ledger<Sum, (), SimFs>;

const JOURNAL: &str = "journal";
const KEPT: &str = "checkpoints";
/// Frames of a script: about six segments.
const FRAMES: u64 = 30;
/// Nothing is deleted before so many, so that more than one segment goes at once.
const LATE: u64 = 18;
const LEAST: Limits = Limits { oldest: Time::EPOCH, bytes_max: 0 };
const FEW: Bound = Bound { units_max: 6, samples: 8 };

fn signer() -> Signer {
    Signer::new(&checkpoint::name(NodeId::from_u128(7)), [3; 32]).expect("a name")
}

/// An empty disk with the two directories.
fn blank(rules: Rules) -> SimFs {
    let fs = SimFs::new(rules);
    for dir in [JOURNAL, KEPT] {
        fs.put(&Path::new(dir).join("x"), b"", 0o600).expect("an empty disk");
        let opened = open_dir(&fs, dir).expect("it was just made");
        fs.unlink(&opened, "x".as_ref()).expect("it was just made");
    }
    fs.settled()
}

fn open_dir(fs: &SimFs, name: &str) -> io::Result<SimDir> {
    fs.open_dir(&fs.root(), Path::new(name))
}

fn opening() -> Opening {
    let segments = Segments::new(4096, 8192, Ahead::OnDemand);
    Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments }
}

fn open(fs: &SimFs) -> Result<(Book, Opened), OpenError> {
    let dir = open_dir(fs, JOURNAL).map_err(|source| OpenError::Io { doing: "open", source })?;
    Ledger::open(Arc::new(fs.clone()), dir, Sum::default(), Arc::new(|()| {}), opening())
}

/// How far a script came, and what each frame came to.
#[derive(Clone, Debug, Default)]
struct Came {
    acknowledged: u64,
    sums: BTreeMap<u64, Sum>,
}

impl Came {
    fn commit(&mut self, book: Book) -> Option<Book> {
        let (head, sum) = (book.head().0, book.state().clone());
        self.sums.insert(head, sum);
        let (book, _) = book.commit().ok()?;
        self.acknowledged = head;
        Some(book)
    }

    /// What the engine's threads do when a segment was sealed: a snapshot, and a look at the oldest.
    fn behind(&mut self, fs: &SimFs, mut book: Book) -> Option<Book> {
        let (journal, kept) = (open_dir(fs, JOURNAL).ok()?, open_dir(fs, KEPT).ok()?);
        let (disk, go_on) = (Arc::new(fs.clone()), AtomicBool::new(false));
        refold(&disk, &journal, Sum::default(), &opening(), &go_on).ok()?;
        // Once to record, and once to delete.
        for _ in 0..2 {
            if book.head().0 < LATE {
                break;
            }
            let Some(founded) = older_snapshot::<Sum, _>(fs, &journal).ok()? else { break };
            let recorded = book.state().kept_from.max(Seq(1));
            let places = Places { disk: fs, journal: &journal, kept: Some(&kept), stop: None };
            let standing = Standing { founded, recorded };
            let looked = retention::look(&places, &signer(), standing, &LEAST).ok()?;
            if let Some(next) = looked.next {
                book.record(time(book.head().next().0), vec![Line::Gave(next.first)]).ok()?;
                book = self.commit(book)?;
            }
        }
        Some(book)
    }
}

/// The whole script, as far as the disk lets it go.
fn perform(fs: &SimFs) -> Came {
    let mut came = Came::default();
    let Ok((mut book, _)) = open(fs) else { return came };
    came.sums.insert(0, Sum::default());
    while book.head().0 < FRAMES {
        let seq = book.head().next().0;
        let text = format!("{seq} {}", "x".repeat(1000));
        if book.record(time(seq), vec![Line::Noted(text)]).is_err() {
            return came;
        }
        let Some(next) = came.commit(book).and_then(|book| came.behind(fs, book)) else {
            return came;
        };
        book = next;
    }
    came
}

fn names(fs: &SimFs, below: &str) -> Vec<PathBuf> {
    fs.listing().into_keys().filter(|path| path.starts_with(below)).collect()
}

/// Where the journal begins.
fn begins(fs: &SimFs) -> Seq {
    let journal = open_dir(fs, JOURNAL).expect("it is there");
    retention::begin(fs, &journal).expect("nothing fails")
}

/// Checks everything that must hold of what a crash left. Answers where the journal begins.
fn check(fs: &SimFs, came: &Came, case: &dyn Fn() -> String) -> Seq {
    let first = begins(fs);
    let opened = open(fs);
    hold(Wrong::Refused, opened.is_ok(), || format!("{:?}\n{}", opened.as_ref().err(), case()));
    let (book, opened) = opened.expect("it was just held");
    let (head, kept_from) = (opened.head, book.state().kept_from);
    let lost = || format!("{head} of {} stand\n{}", came.acknowledged, case());
    hold(Wrong::Lost, head.0 >= came.acknowledged, lost);
    let same = came.sums.get(&head.0) == Some(book.state());
    hold(Wrong::Accepted, same, || format!("another past\n{}", case()));
    let recorded = first <= kept_from.max(Seq(1));
    let early = || format!("it begins with {first}, and records say {kept_from}\n{}", case());
    hold(Wrong::Lost, recorded, early);
    drop(book);
    let (journal, kept) = (open_dir(fs, JOURNAL), open_dir(fs, KEPT));
    let (journal, kept) = (journal.expect("it is there"), kept.expect("it is there"));
    let places = Places { disk: fs, journal: &journal, kept: Some(&kept), stop: None };
    let verdict = verify_beside(&places, Tail::Still, NonZero::<usize>::MIN).expect("it reads");
    let sound = verdict.ok && verdict.head == head;
    hold(Wrong::Refused, sound, || format!("{verdict:?}\n{}", case()));
    if first > Seq(1) {
        let newest = checkpoint::newest(fs, &kept, signer().verifier()).expect("nothing fails");
        let checkpoint = newest.expect("what is deleted was covered").checkpoint;
        assert!(checkpoint.size >= first.0 - 1, "{first} is not covered\n{}", case());
        let root = root_at(&places, checkpoint.size).expect("it is there");
        assert_eq!(root, checkpoint.root, "{}", case());
    }
    first
}

/// With any one snapshot broken the past is the same; with all of them, nobody makes one up.
fn check_broken(fs: &SimFs, came: &Came, case: &dyn Fn() -> String) {
    let snapshots = names(fs, "journal/snapshots");
    let snapshots: Vec<_> =
        snapshots.into_iter().filter(|path| path.extension() == Some("sum".as_ref())).collect();
    let spoiled = |fs: &SimFs, path: &Path| {
        let Some(Item::File { mut bytes, mode }) = fs.listing().remove(path) else { return };
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        let dir = open_dir(fs, "journal/snapshots").expect("it is there");
        fs.unlink(&dir, path.file_name().expect("it has one")).expect("nothing fails");
        fs.put(path, &bytes, mode).expect("nothing fails");
    };
    for path in &snapshots {
        let fs = fs.kill();
        spoiled(&fs, path);
        check(&fs, came, &|| format!("{} broken, {}", path.display(), case()));
    }
    let all = fs.kill();
    snapshots.iter().for_each(|path| spoiled(&all, path));
    match (open(&all).map(|(book, _)| book.state().clone()), begins(fs)) {
        (Ok(sum), Seq(1)) => {
            let known = came.sums.values().any(|known| *known == sum);
            hold(Wrong::Accepted, known, || format!("another past\n{}", case()));
        }
        (Err(OpenError::Damaged(Damage::Unfounded { .. })), first) if first > Seq(1) => {}
        (other, first) => panic!("begins with {first}: {other:?}\n{}", case()),
    }
}

/// What a start does with what a crash left of a deletion.
fn go_on(fs: &SimFs, came: &Came) -> Came {
    let mut came = came.clone();
    let Ok((book, opened)) = open(fs) else { return came };
    came.acknowledged = came.acknowledged.max(opened.head.0);
    if let Some(book) = came.behind(fs, book) {
        let done = fs.is_stopped() || begins(&fs.aside()) == book.state().kept_from.max(Seq(1));
        assert!(done, "what is recorded is deleted");
    }
    came
}

fn crash_everywhere(rules: Rules) -> (u64, u64) {
    let mut images = Count::new("crash points, deletion");
    let mut seconds = Count::new("second crashes, deletion");
    let fresh = blank(rules);
    let whole = perform(&fresh.kill());
    let mut seen = std::collections::HashSet::new();
    for stop in stops(calls(&fresh, perform)) {
        let (fs, came) = stopped_at(&fresh, stop, perform);
        if came.acknowledged < LATE - 1 {
            // How a journal and its snapshots begin others tell.
            continue;
        }
        let came = Came { acknowledged: came.acknowledged, ..whole.clone() };
        for (nth, image) in fs.crash_images(FEW, stop.number()).enumerate() {
            let case = || format!("{rules:?}, {stop:?}, image {nth}:\n{image:?}");
            let left = image.mount();
            images.add();
            if !seen.insert((left.fingerprint(), came.acknowledged)) {
                continue;
            }
            check(&left, &came, &case);
            check_broken(&left, &came, &case);
            if nth % 12 == 0 {
                crash_again(&left.settled(), &came, &mut seconds, &case);
            }
        }
    }
    (images.tried, seconds.tried)
}

/// A second crash at every seventh call of the start that ends the deletion.
fn crash_again(left: &SimFs, came: &Came, seconds: &mut Count, case: &dyn Fn() -> String) {
    let bound = Bound { units_max: 2, samples: 2 };
    for stop in stops(calls(left, |fs| go_on(fs, came))).step_by(7) {
        let (fs, then) = stopped_at(left, stop, |fs| go_on(fs, came));
        for (nth, image) in fs.crash_images(bound, stop.number()).enumerate() {
            let case = || format!("{}second {stop:?}, image {nth}:\n{image:?}", case());
            check(&image.mount(), &then, &case);
            seconds.add();
        }
    }
}

#[test]
fn whatever_a_crash_leaves_of_a_deletion_is_recorded_covered_and_whole() {
    let (images, seconds) = crash_everywhere(Rules { order: Order::Free, names_with_sync: false });
    assert!(images > 500 && seconds > 500, "{images} {seconds}");
}

#[test]
fn a_script_deletes_more_than_once_and_more_than_one_segment() {
    let fs = blank(Rules::default());
    let came = perform(&fs);
    assert!(came.acknowledged >= FRAMES);
    let gave: std::collections::BTreeSet<_> = came.sums.values().map(|sum| sum.kept_from).collect();
    assert!(gave.len() > 2, "{gave:?}");
    assert_eq!(Some(&begins(&fs)), gave.last());
    let first = check(&fs, &came, &String::new);
    assert!(first > Seq(1));
    check_broken(&fs, &came, &String::new);
    // The first deletion takes more than one.
    assert!(gave.iter().nth(1).is_some_and(|first| first.0 > 9), "{gave:?}");
    assert!(!is_crash(&io::Error::other("no crash")));
}
