//! A journal with a script, and what must hold of it wherever the script stopped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_journal::{
    Ahead, Ledger, OpenError, Opened, Opening, RecordError, RefoldError, Segments, Tail, Torn,
    refold, verify,
};
use kairos_sim::{Bound, Item, Rules, SimFs, is_crash};
use serde::{Deserialize, Serialize};

use crate::count::{Wrong, hold};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted(pub(crate) String);

/// Everything noted, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes(pub(crate) Vec<(At, String)>);

impl Fold for Notes {
    type Event = Noted;
    type Effect = ();

    fn apply(&mut self, at: At, event: &Noted, out: &mut Vec<()>) {
        self.0.push((at, event.0.clone()));
        out.push(());
    }
}

impl Snapshot for Notes {
    const KIND: &'static str = "notes";
    const SCHEMA: u32 = 1;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

pub(crate) type Book = Ledger<Notes, (), SimFs>;

/// How far a script came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Frames whose commit answered.
    pub(crate) acknowledged: u64,
    /// Frames that a commit was tried for.
    pub(crate) recorded: u64,
}

/// How many frames stand in each disk that was checked, by its fingerprint.
pub(crate) type Seen = HashMap<u64, u64>;

impl Reached {
    fn check(self, frames: u64, case: &dyn Fn() -> String) {
        let told = || format!("{frames} frames stand, {self:?}\n{}", case());
        hold(Wrong::Lost, frames >= self.acknowledged, told);
        hold(Wrong::Accepted, frames <= self.recorded, told);
    }
}

/// Turns of frames of many sizes, drawn by a seed.
pub(crate) struct Script {
    /// What the frames of each turn note.
    turns: Vec<Vec<Option<String>>>,
    /// What is noted when so many frames stand; one more than the turns have.
    notes: Vec<Notes>,
    /// Whether a snapshot is made after every turn that sealed a segment.
    snapshots: bool,
}

const TURNS: usize = 10;
const FRAMES_MAX: usize = 7;

/// Bytes a frame notes: shorter than a sector, about one, over several, and no event.
const NOTED_BYTES: [usize; 5] = [20, 250, 700, 1400, 0];

pub(crate) fn time(ms: u64) -> Time {
    Time::from_ms(1_796_115_600_000).plus_ms(ms)
}

pub(crate) fn open(fs: &SimFs) -> Result<(Book, Opened), OpenError> {
    open_as(fs, 7, 1)
}

/// As a node of that number, in that epoch.
pub(crate) fn open_as(fs: &SimFs, node: u128, epoch: u64) -> Result<(Book, Opened), OpenError> {
    // The smallest there are, made in one order with everything else.
    let segments = Segments::new(4096, 8192, Ahead::OnDemand);
    let opening = Opening { origin: NodeId::from_u128(node), epoch, schema: 1, segments };
    let lost = Arc::new(|()| {});
    Ledger::open(Arc::new(fs.clone()), fs.root(), Notes::default(), lost, opening)
}

pub(crate) fn refold_on(fs: &SimFs) -> Result<Option<Seq>, RefoldError> {
    let segments = Segments::new(4096, 8192, Ahead::OnDemand);
    let opening = Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments };
    let go_on = AtomicBool::new(false);
    refold(&Arc::new(fs.clone()), &fs.root(), Notes::default(), &opening, &go_on)
}

/// How many scripts are performed: 2, or as many times that as `KAIROS_SIM_EFFORT` says. The number
/// of a script is its seed.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    0..2 * effort()
}

pub(crate) fn effort() -> u64 {
    let effort = std::env::var("KAIROS_SIM_EFFORT").ok();
    effort.map_or(1, |effort| effort.parse::<u64>().expect("an effort is a number"))
}

fn commit(book: Book, reached: &mut Reached) -> Option<Book> {
    reached.recorded = book.head().0;
    let (book, released) = book.commit().ok()?;
    assert_eq!(released.durable, book.head());
    reached.acknowledged = released.durable.0;
    Some(book)
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut note = |seq: u64| {
            let bytes = NOTED_BYTES[random.usize(..NOTED_BYTES.len())];
            (bytes > 0).then(|| format!("{seq} {}", "x".repeat(bytes + random.usize(..bytes))))
        };
        let mut frames = 1..;
        let turns = (0..TURNS).map(|turn| {
            let frames = frames.by_ref().take(1 + turn * 5 % FRAMES_MAX);
            frames.map(&mut note).collect()
        });
        let turns: Vec<Vec<Option<String>>> = turns.collect();
        let all = turns.iter().flatten().cloned().chain([Some("on".to_owned())]);
        let mut notes = vec![Notes::default()];
        for (text, seq) in all.zip(1..) {
            let mut next = notes[notes.len() - 1].clone();
            let at = At { seq: Seq(seq), time: time(seq) };
            next.0.extend(text.map(|text| (at, text)));
            notes.push(next);
        }
        Self { turns, notes, snapshots: false }
    }

    /// The same with snapshots in between.
    pub(crate) fn with_snapshots(seed: u64) -> Self {
        Self { snapshots: true, ..Self::new(seed) }
    }

    /// What is noted when so many frames stand.
    pub(crate) fn notes(&self, frames: u64) -> &Notes {
        &self.notes[usize::try_from(frames).expect("few frames")]
    }

    /// How many frames all turns have.
    pub(crate) fn frames(&self) -> u64 {
        self.turns.iter().map(Vec::len).sum::<usize>() as u64
    }

    /// All turns, as far as the disk lets them go.
    pub(crate) fn perform(&self, fs: &SimFs) -> Reached {
        self.perform_as(fs, 7, 1)
    }

    /// As a node of that number, in that epoch.
    pub(crate) fn perform_as(&self, fs: &SimFs, node: u128, epoch: u64) -> Reached {
        let mut reached = Reached::default();
        let Ok((mut book, _)) = open_as(fs, node, epoch) else { return reached };
        for turn in &self.turns {
            for note in turn {
                let now = time(book.head().next().0);
                let events: Vec<Noted> = note.clone().map(Noted).into_iter().collect();
                match book.record(now, events.clone()) {
                    Err(RecordError::TurnFull) => {
                        let Some(next) = commit(book, &mut reached) else { return reached };
                        book = next;
                        book.record(now, events).expect("a new turn has room");
                    }
                    // The turn is not tried then: what it recorded dies with the ledger.
                    Err(RecordError::NoRoom { .. }) => return reached,
                    recorded => drop(recorded.expect("nothing else stands in the way")),
                }
            }
            let Some(next) = commit(book, &mut reached) else { return reached };
            book = next;
            if self.snapshots && refold_on(fs).is_err() {
                return reached;
            }
        }
        reached
    }

    /// Goes on where the journal stands: at most so many turns of one frame each, as they come next.
    pub(crate) fn go_on(&self, fs: &SimFs, turns: usize) -> Reached {
        let Ok((mut book, opened)) = open(fs) else { return Reached::default() };
        let stand = opened.head.0;
        let mut reached = Reached { acknowledged: stand, recorded: stand };
        let notes = self.turns.iter().flatten().cloned().chain([Some("on".to_owned())]);
        let stand = usize::try_from(stand).expect("few frames");
        for note in notes.skip(stand).take(turns) {
            let now = time(book.head().next().0);
            if book.record(now, note.map(Noted).into_iter().collect()).is_err() {
                return reached;
            }
            let Some(next) = commit(book, &mut reached) else { return reached };
            book = next;
        }
        reached
    }

    /// Checks what a crash left. The same was checked before if `seen` knows it: then only how many
    /// frames stand can be wrong.
    pub(crate) fn check_once(
        &self,
        seen: &mut Seen,
        fs: &SimFs,
        reached: Reached,
        case: &dyn Fn() -> String,
    ) -> bool {
        match seen.entry(fs.fingerprint()) {
            Entry::Occupied(frames) => {
                reached.check(*frames.get(), case);
                false
            }
            Entry::Vacant(new) => {
                let frames = self.check(fs, reached, case);
                check_again(fs, frames, case);
                new.insert(frames);
                true
            }
        }
    }

    /// Opens what a crash left, and checks everything that must hold of it. Answers how many frames
    /// stand.
    pub(crate) fn check(&self, fs: &SimFs, reached: Reached, case: &dyn Fn() -> String) -> u64 {
        let opened = open(fs);
        hold(Wrong::Refused, opened.is_ok(), || format!("{:?}\n{}", opened.as_ref().err(), case()));
        let (book, opened) = opened.expect("it was just held");
        let frames = opened.head.0;
        assert!(opened.passed_over.is_empty(), "{:?}\n{}", opened.passed_over, case());
        reached.check(frames, case);
        let same = book.state() == self.notes(frames);
        hold(Wrong::Accepted, same, || format!("other frames than recorded\n{}", case()));
        drop(book);
        if let Some(torn) = opened.recovered {
            check_saved(fs, &torn, case);
        }
        let verdict = verify(fs, &fs.root(), Tail::Still, NonZero::<usize>::MIN);
        let verdict = verdict.expect("nothing fails");
        let sound = verdict.ok && verdict.problem.is_none();
        hold(Wrong::Refused, sound, || format!("{verdict:?}\n{}", case()));
        assert_eq!((verdict.frames, verdict.head), (frames, Seq(frames)), "{}", case());
        frames
    }
}

/// Checks that the torn bytes are kept, and that no power loss takes them away.
fn check_saved(fs: &SimFs, torn: &Torn, case: &dyn Fn() -> String) {
    let saved = |fs: &SimFs| match fs.listing().remove(&torn.saved_as) {
        Some(Item::File { bytes, .. }) => Some(bytes),
        Some(Item::Directory) | None => None,
    };
    let bytes = saved(fs);
    let length = bytes.as_ref().map(|bytes| bytes.len() as u64);
    let told = || format!("the torn bytes are not kept\n{}", case());
    hold(Wrong::Lost, length == Some(torn.bytes), told);
    for image in fs.crash_images(Bound { units_max: 3, samples: 1 }, 1) {
        hold(Wrong::Lost, saved(&image.mount()) == bytes, told);
    }
}

/// Checks that opening once more finds the same and changes nothing.
fn check_again(fs: &SimFs, frames: u64, case: &dyn Fn() -> String) {
    let before = fs.fingerprint();
    let (book, opened) = open(fs).expect("it has opened before");
    assert_eq!((opened.head.0, opened.recovered), (frames, None), "{}", case());
    drop(book);
    assert_eq!(fs.fingerprint(), before, "opening again changed something\n{}", case());
}

/// Whether an opening failed only because the machine stopped.
pub(crate) fn stopped(error: &OpenError) -> bool {
    matches!(error, OpenError::Io { source, .. } if is_crash(source))
}

#[test]
fn scripts_go_over_several_segments() {
    for script in seeds().map(Script::new) {
        let fs = SimFs::new(Rules::default());
        let reached = script.perform(&fs);
        let frames = script.frames();
        assert_eq!(reached, Reached { acknowledged: frames, recorded: frames });
        let listing = fs.listing();
        let segments = listing.keys().filter(|path| path.extension() == Some("kj".as_ref()));
        assert!(segments.count() >= 4);
        assert!(listing.contains_key(Path::new("lock")));
        assert_eq!(script.check(&fs, reached, &String::new), frames);
    }
}
