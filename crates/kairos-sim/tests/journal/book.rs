//! A journal with a script, and what must hold of it wherever the script stopped.

use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use kairos_core::fold::{At, Fold, Seq};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_journal::{
    Ahead, Ledger, OpenError, Opened, Opening, RecordError, Segments, Tail, verify,
};
use kairos_sim::{Item, SimFs, is_crash};
use serde::{Deserialize, Serialize};

/// What was noted; an empty one stands for no event at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted(pub(crate) String);

/// Everything noted, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes(pub(crate) Vec<(At, String)>);

impl Fold for Notes {
    type Event = Noted;
    type Effect = ();

    fn apply(&mut self, at: At, event: &Noted, out: &mut Vec<()>) {
        self.0.push((at, event.0.clone()));
        out.push(());
    }
}

/// Enough to go over three segments' ends.
pub(crate) const TURNS: u64 = 12;

pub(crate) type Book = Ledger<Notes, (), SimFs>;

/// How far a script came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Frames whose commit answered.
    pub(crate) acknowledged: u64,
    /// Frames that a commit was tried for.
    pub(crate) recorded: u64,
}

fn time(ms: u64) -> Time {
    Time::from_ms(1_796_115_600_000).plus_ms(ms)
}

pub(crate) fn open(fs: &SimFs) -> Result<(Book, Opened), OpenError> {
    // The smallest there are, made in one order with everything else.
    let segments = Segments::new(4096, 8192, Ahead::OnDemand);
    let opening = Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments };
    let lost = Arc::new(|()| {});
    Ledger::open(Arc::new(fs.clone()), fs.root(), Notes::default(), lost, opening)
}

/// The text of frame `seq`: shorter than a sector, longer than two, and none.
fn text(seq: u64) -> Option<String> {
    let length = [40, 1100, 0, 300, 700][usize::try_from(seq % 5).expect("below five")];
    (length > 0).then(|| {
        format!("{seq} {}", char::from(b'a' + (seq % 26) as u8).to_string().repeat(length))
    })
}

/// How many frames each turn has, over and over.
const FRAMES: [u64; 5] = [1, 2, 3, 1, 7];

/// So many turns, as far as the disk lets them go.
pub(crate) fn script(fs: &SimFs, turns: u64) -> Reached {
    let mut reached = Reached::default();
    let Ok((mut book, _)) = open(fs) else { return reached };
    for turn in 0..turns {
        for _ in 0..FRAMES[usize::try_from(turn).expect("few turns") % FRAMES.len()] {
            let seq = book.head().next().0;
            let events = text(seq).map(Noted).into_iter().collect();
            match book.record(time(seq), events) {
                Ok(_) => {}
                // The turn is not tried then: what it recorded dies with the ledger.
                Err(RecordError::NoRoom { .. }) => return reached,
                Err(error) => panic!("{error}"),
            }
        }
        reached.recorded = book.head().0;
        match book.commit() {
            Ok((next, released)) => {
                assert_eq!(released.durable, next.head());
                reached.acknowledged = released.durable.0;
                book = next;
            }
            Err(_) => return reached,
        }
    }
    reached
}

/// What is noted when `frames` frames stand.
fn notes(frames: u64) -> Notes {
    static ALL: OnceLock<Vec<Notes>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut notes = Notes::default();
        let mut all = vec![notes.clone()];
        for seq in 1..200 {
            let at = At { seq: Seq(seq), time: time(seq) };
            notes.0.extend(text(seq).map(|text| (at, text)));
            all.push(notes.clone());
        }
        all
    });
    all[usize::try_from(frames).expect("few frames")].clone()
}

/// Opens what a crash left, and checks everything that must hold of it. Answers how many frames
/// stand.
pub(crate) fn check(fs: &SimFs, reached: Reached, case: &dyn Fn() -> String) -> u64 {
    let (book, opened) = match open(fs) {
        Ok(opened) => opened,
        Err(error) => panic!("refused: {error} ({:?})\n{}", error, case()),
    };
    let frames = opened.frames;
    let bounds = reached.acknowledged..=reached.recorded;
    assert!(bounds.contains(&frames), "{frames} frames, not in {bounds:?}\n{}", case());
    assert!(*book.state() == notes(frames), "other frames than recorded\n{}", case());
    drop(book);
    if let Some(torn) = opened.recovered {
        let listing = fs.listing();
        let Some(Item::File { bytes, .. }) = listing.get(&torn.saved_as) else {
            panic!("the torn bytes are not there\n{}", case());
        };
        assert_eq!(bytes.len() as u64, torn.bytes, "{}", case());
    }
    let verdict = verify(fs, &fs.root(), Tail::Still, NonZero::<usize>::MIN).unwrap();
    assert!(verdict.ok && verdict.problem.is_none(), "{verdict:?}\n{}", case());
    assert_eq!((verdict.frames, verdict.head), (frames, Seq(frames)), "{}", case());
    frames
}

/// Checks that opening once more finds the same and changes nothing, even after a power loss.
pub(crate) fn check_again(fs: &SimFs, frames: u64, case: &dyn Fn() -> String) {
    let before = fs.fingerprint();
    let (book, opened) = open(fs).unwrap();
    assert_eq!((opened.frames, opened.recovered), (frames, None), "{}", case());
    drop(book);
    assert_eq!(fs.fingerprint(), before, "opening again changed something\n{}", case());
}

/// Goes on where the journal stands: one turn of one frame.
pub(crate) fn go_on(fs: &SimFs) -> Reached {
    let Ok((mut book, opened)) = open(fs) else { return Reached::default() };
    let seq = opened.frames + 1;
    let mut reached = Reached { acknowledged: opened.frames, recorded: opened.frames };
    let events = text(seq).map(Noted).into_iter().collect();
    if book.record(time(seq), events).is_ok() {
        reached.recorded = seq;
        if book.commit().is_ok() {
            reached.acknowledged = seq;
        }
    }
    reached
}

/// Whether an opening failed only because the machine stopped.
pub(crate) fn stopped(error: &OpenError) -> bool {
    matches!(error, OpenError::Io { source, .. } if is_crash(source))
}

#[test]
fn script_goes_over_several_segments() {
    let fs = SimFs::new(kairos_sim::Rules::default());
    let reached = script(&fs, TURNS);
    assert_eq!(reached, Reached { acknowledged: 31, recorded: 31 });
    let listing = fs.listing();
    let segments = listing.keys().filter(|path| path.extension() == Some("kj".as_ref()));
    assert_eq!(segments.count(), 4);
    assert!(listing.contains_key(Path::new("lock")));
    assert_eq!(check(&fs, reached, &String::new), 31);
}
