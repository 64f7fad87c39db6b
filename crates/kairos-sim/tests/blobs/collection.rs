//! A collection on a disk that forgets and fails, and beside people who put: what is named, or is put
//! meanwhile, is there whatever happens.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::blob::{NAMED_WITHIN, Removal};
use kairos_disk::{Blobs, Digest, Fs as _, digest};
use kairos_engine::collect::{CollectError, Collected, Moment, collect};
use kairos_journal::{Ahead, Ledger, MentionsError, Opening, Segments, refold};
use kairos_sim::{Bound, Call, Due, Errno, Fault, Harm, Plan, Rules, SimDir, SimFs, Stop};
use serde::{Deserialize, Serialize};

use crate::ORDERS;
use crate::count::{Count, Wrong, hold};

/// The digests that records name, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names(Vec<String>);

impl Fold for Names {
    type Event = String;
    type Effect = ();

    fn apply(&mut self, _: At, event: &String, _: &mut Vec<()>) {
        self.0.push(event.clone());
    }
}

impl Snapshot for Names {
    const KIND: &'static str = "names";
    const SCHEMA: u32 = 1;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

type Book = Ledger<Names, (), SimFs>;

/// Texts that something names: a snapshot alone, a sealed segment, the open one, what was set aside.
const NAMED: [&str; 4] = ["in a snapshot", "in a sealed segment", "in the open segment", "aside"];
/// Texts that nothing names.
const ORPHANS: [&str; 3] = ["never named", "neither", "nor this"];

fn hex(text: &str) -> String {
    digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn opening() -> Opening {
    let segments = Segments::new(4096, 4096, Ahead::OnDemand);
    Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments }
}

fn dir(fs: &SimFs, name: &str) -> SimDir {
    fs.open_dir(&fs.root(), Path::new(name)).expect("a directory")
}

fn blobs(fs: &SimFs) -> Blobs<SimFs> {
    Blobs::new(fs.clone(), dir(&fs.aside(), "blobs"))
}

fn fold(fs: &SimFs) {
    let (disk, go_on) = (Arc::new(fs.clone()), AtomicBool::new(false));
    let made = refold(&disk, &dir(fs, "journal"), Names::default(), &opening(), &go_on);
    made.expect("nothing fails").expect("there is one to make");
}

/// Frames that fill a segment.
fn fill(mut book: Book) -> Book {
    let sealed = book.sealed();
    while book.sealed() == sealed {
        book.room(Time::EPOCH);
        book.record(Time::EPOCH, vec!["x".repeat(500)]).expect("recorded");
        book = book.commit().expect("nothing fails").0;
    }
    book
}

/// A disk whose journal has lost its first segment to a snapshot; what stands in it everywhere.
fn disk(rules: Rules) -> SimFs {
    let fs = SimFs::new(rules);
    for name in ["journal", "blobs"] {
        fs.make_dir(&fs.root(), name.as_ref(), 0o700).expect("nothing fails");
    }
    for text in NAMED.iter().chain(&ORPHANS) {
        blobs(&fs).put(text.as_bytes()).expect("nothing fails");
    }
    let (lost, disk) = (Arc::new(|()| {}), Arc::new(fs.clone()));
    let opened = Ledger::open(disk, dir(&fs, "journal"), Names::default(), lost, opening());
    let (mut book, _): (Book, _) = opened.expect("nothing fails");
    let name = |mut book: Book, text: &str| {
        book.record(Time::EPOCH, vec![hex(text)]).expect("recorded");
        book.commit().expect("nothing fails").0
    };
    book = fill(name(book, NAMED[0]));
    fold(&fs);
    book = fill(name(book, NAMED[1]));
    fold(&fs);
    book = name(book, NAMED[2]);
    drop(book);
    fs.unlink(&dir(&fs, "journal"), "00000000000000000001.kj".as_ref()).expect("nothing fails");
    let aside = format!("what was given up names {} somewhere", hex(NAMED[3]));
    fs.put(Path::new("journal/torn/1-2"), aside.as_bytes(), 0o600).expect("nothing fails");
    fs.settled()
}

/// A day and more after everything was put.
fn later() -> Moment {
    let begun = Moment::now();
    Moment { instant: begun.instant + NAMED_WITHIN, time: begun.time + 2 * NAMED_WITHIN }
}

fn go(fs: &SimFs, blobs: &Blobs<SimFs>) -> Result<Collected, CollectError> {
    let (disk, go_on) = (Arc::new(fs.clone()), AtomicBool::new(false));
    let journal = dir(&fs.aside(), "journal");
    collect::<Names, _, _>(blobs, (&disk, &journal), &|| Seq(1), later(), &go_on)
}

/// What is named is there, and holds; the orphans that are left.
fn check(fs: &SimFs, case: &dyn Fn() -> String) -> usize {
    let blobs = blobs(fs);
    for text in NAMED {
        let got = blobs.get(&digest(text.as_bytes()), 99).ok();
        hold(Wrong::Lost, got.as_deref() == Some(text.as_bytes()), || {
            format!("{text}\n{}", case())
        });
    }
    let left = |text: &&&str| blobs.contains(&digest(text.as_bytes())).expect("nothing fails");
    ORPHANS.iter().filter(left).count()
}

/// Checks every disk that a power loss may leave; `gone` when all orphans must be off it.
fn check_images(fs: &SimFs, gone: bool, case: &dyn Fn() -> String) -> u64 {
    let orphans = check(&fs.kill(), case);
    hold(Wrong::Refused, !gone || orphans == 0, case);
    let images = fs.crash_images(Bound::default(), 0).map(|image| {
        let case = || format!("{}\n{image:?}", case());
        let orphans = check(&image.mount(), &case);
        hold(Wrong::Refused, !gone || orphans == 0, case);
    });
    images.count() as u64
}

fn planned(disk: &SimFs, plan: Plan) -> (SimFs, Result<Collected, CollectError>) {
    let fs = disk.kill();
    fs.plan(plan);
    let blobs = blobs(&fs);
    let collected = go(&fs, &blobs);
    (fs, collected)
}

#[test]
fn a_collection_removes_what_nothing_names_and_says_how_much() {
    let (fs, collected) = planned(&disk(Rules::default()), Plan::default());
    let bytes = ORPHANS.map(str::len).iter().sum::<usize>() as u64;
    let expected = Collected { looked_at: 7, removed: 3, bytes, recent: 0 };
    assert_eq!(collected.expect("nothing fails"), expected);
    assert_eq!(check_images(&fs, true, &String::new), 1, "it is all durable");
}

#[test]
fn wherever_a_collection_stops_what_is_named_stays() {
    let mut points = Count::new("crash points, collection");
    for disk in ORDERS.map(disk) {
        let calls = planned(&disk, Plan::default()).0.calls();
        for stop in (0..calls).flat_map(|number| [Stop::Before(number), Stop::After(number)]) {
            let (fs, collected) = planned(&disk, Plan::stop(stop));
            assert!(collected.is_err(), "{stop:?}");
            points.tried += 1 + check_images(&fs, false, &|| format!("{stop:?}"));
        }
    }
}

#[test]
fn whichever_call_of_a_collection_fails_what_is_named_stays() {
    let disk = disk(Rules::default());
    let calls = planned(&disk, Plan::default()).0.calls();
    let mut faults = Count::new("failing calls, collection");
    faults.of = Some(calls * 4);
    for (number, errno) in (0..calls).flat_map(|n| [Errno::IO, Errno::NOENT].map(|e| (n, e))) {
        for harm in [Harm::Fails(errno), Harm::FailsDone(errno)] {
            let fault = Fault::once(Due::Nth(number), harm);
            let (fs, collected) = planned(&disk, Plan::fault(fault));
            let case = || format!("{fault:?}: {collected:?}");
            let gone = matches!(collected, Ok(Collected { removed: 3, .. }));
            check_images(&fs, gone, &case);
            faults.add();
        }
    }
}

#[test]
fn what_is_put_at_any_moment_of_a_collection_is_there_after_it() {
    let disk = disk(Rules::default());
    let traced = planned(&disk, Plan::trace()).0.sites();
    let mut puts = Count::new("puts beside a collection");
    for site in traced {
        // Nobody gets in between the last look and the removal: that is one lock's time.
        if site.call == Call::Unlink {
            continue;
        }
        let fs = disk.kill();
        let blobs = Arc::new(blobs(&fs));
        let put = Arc::clone(&blobs);
        fs.plan(Plan::person(site.number, move |_| {
            put.put(ORPHANS[1].as_bytes()).expect("nothing fails");
        }));
        go(&fs, &blobs).expect("nothing fails");
        let case = || format!("{site:?}");
        for image in fs.crash_images(Bound::default(), 0) {
            let got = self::blobs(&image.mount()).get(&digest(ORPHANS[1].as_bytes()), 99);
            hold(Wrong::Lost, got.is_ok(), case);
        }
        let got = blobs.get(&digest(ORPHANS[1].as_bytes()), 99);
        hold(Wrong::Lost, got.is_ok(), case);
        puts.add();
    }
}

/// A collection that has found `text` unnamed, and removes it.
fn removes(blobs: &Blobs<SimFs>, text: &str) -> Removal {
    let collection = blobs.collection(Instant::now()).expect("not crowded");
    collection.remove(&digest(text.as_bytes()), later().time).expect("nothing fails")
}

#[test]
fn what_is_removed_at_any_moment_of_a_put_is_there_after_it() {
    let full = disk(Rules::default());
    let empty = full.kill();
    blobs(&empty).erase(&digest(ORPHANS[0].as_bytes())).expect("nothing fails");
    let mut removals = Count::new("removals beside a put");
    for disk in [full, empty.settled()] {
        let calls = {
            let fs = disk.kill();
            fs.plan(Plan::default());
            blobs(&fs).put(ORPHANS[0].as_bytes()).expect("nothing fails");
            fs.calls()
        };
        for number in 0..calls {
            let fs = disk.kill();
            let blobs = Arc::new(blobs(&fs));
            let remover = Arc::clone(&blobs);
            fs.plan(Plan::person(number, move |_| {
                removes(&remover, ORPHANS[0]);
            }));
            let put = blobs.put(ORPHANS[0].as_bytes()).expect("nothing fails");
            for image in fs.crash_images(Bound::default(), 0) {
                let got = self::blobs(&image.mount()).get(&put, 99);
                hold(Wrong::Lost, got.is_ok(), || format!("before call {number}\n{image:?}"));
            }
            hold(Wrong::Lost, blobs.get(&put, 99).is_ok(), || format!("before call {number}"));
            removals.add();
        }
    }
}

#[test]
fn an_erasure_that_was_answered_for_outlives_a_power_loss_and_a_put_beside_it_is_whole() {
    let disk = disk(Rules::default());
    let text = ORPHANS[0];
    let name: Digest = digest(text.as_bytes());
    for again in [false, true] {
        let fs = disk.kill();
        let blobs = blobs(&fs);
        assert!(blobs.erase(&name).expect("nothing fails"));
        if again {
            assert!(!blobs.erase(&name).expect("there is none"));
        }
        for image in fs.crash_images(Bound::default(), 0).map(|image| image.mount()) {
            assert!(!self::blobs(&image).contains(&name).expect("nothing fails"));
        }
    }
    for number in 0.. {
        let fs = disk.kill();
        let blobs = Arc::new(blobs(&fs));
        let eraser = Arc::clone(&blobs);
        fs.plan(Plan::person(number, move |_| {
            eraser.erase(&name).expect("nothing fails");
        }));
        blobs.put(text.as_bytes()).expect("an erasure fails no put");
        if fs.calls() <= number {
            break;
        }
        // A half is never there, and what was answered for is: the erasure came before it.
        check_images(&fs, false, &|| format!("before call {number}"));
        let got = blobs.get(&name, 99);
        assert!(got.is_ok() && !blobs.is_erased(&name), "{number}: {got:?}");
        blobs.erase(&name).expect("nothing fails");
        assert!(blobs.is_erased(&name), "who has put it before is told");
    }
}

/// What a collection answers after `spoil` was done to the disk, which must remove nothing.
fn spoilt(spoil: impl FnOnce(&SimFs)) -> CollectError {
    let fs = disk(Rules::default());
    spoil(&fs);
    let error = go(&fs, &blobs(&fs)).expect_err("nobody knows what is named");
    assert_eq!(check(&fs, &String::new), ORPHANS.len());
    error
}

fn names(fs: &SimFs, dir: &str, ending: &str) -> Vec<String> {
    let all = fs.list(&self::dir(fs, dir)).expect("nothing fails").into_iter();
    let mut all: Vec<_> = all.map(|name| name.into_string().expect("our names")).collect();
    all.retain(|name| name.ends_with(ending));
    all.sort();
    all
}

/// Makes one byte of a file another.
fn flip(fs: &SimFs, path: &str, at: usize) {
    let all = fs.listing();
    let kairos_sim::Item::File { bytes, .. } = &all[Path::new(path)] else { panic!("a file") };
    let mut bytes = bytes.clone();
    bytes[at] ^= 1;
    fs.put(Path::new(path), &bytes, 0o600).expect("nothing fails");
}

#[test]
fn where_the_journal_does_not_hold_nothing_is_removed() {
    let error = spoilt(|fs| flip(fs, &format!("journal/{}", names(fs, "journal", ".kj")[0]), 200));
    assert!(matches!(error, CollectError::Mentions(MentionsError::Read(_))), "{error:?}");
    let error = spoilt(|fs| {
        flip(fs, &format!("journal/snapshots/{}", names(fs, "journal/snapshots", "names")[0]), 300);
    });
    assert!(matches!(error, CollectError::Mentions(MentionsError::Snapshot { .. })), "{error:?}");
    let error = spoilt(|fs| {
        for name in names(fs, "journal/snapshots", "names") {
            fs.unlink(&dir(fs, "journal/snapshots"), name.as_ref()).expect("nothing fails");
        }
    });
    assert!(matches!(error, CollectError::Mentions(MentionsError::NoSnapshot { .. })), "{error:?}");
    // Those of another kind stand for nothing that the state needs.
    let fs = disk(Rules::default());
    let (files, go_on) = (Arc::new(fs.clone()), AtomicBool::new(false));
    let journal = dir(&fs, "journal");
    let other =
        collect::<State, _, _>(&blobs(&fs), (&files, &journal), &|| Seq(1), later(), &go_on);
    let error = other.expect_err("nobody knows what is named");
    let none =
        matches!(error, CollectError::Mentions(MentionsError::NoSnapshot { kind: "state", .. }));
    assert!(none, "{error:?}");
    assert_eq!(check(&fs, &String::new), ORPHANS.len());
    let error = spoilt(|fs| {
        let last = names(fs, "journal", ".kj").pop().expect("a segment");
        fs.unlink(&dir(fs, "journal"), last.as_ref()).expect("nothing fails");
        let last = names(fs, "journal", ".kj").pop().expect("a segment");
        flip(fs, &format!("journal/{last}"), 20);
    });
    assert!(matches!(error, CollectError::Mentions(MentionsError::Short { .. })), "{error:?}");
}

#[test]
fn told_to_stop_a_collection_removes_nothing_more() {
    let fs = disk(Rules::default());
    let (disk, stop) = (Arc::new(fs.clone()), AtomicBool::new(true));
    let journal = dir(&fs, "journal");
    let stopped =
        collect::<Names, _, _>(&blobs(&fs), (&disk, &journal), &|| Seq(1), later(), &stop);
    assert!(matches!(stopped, Err(CollectError::Mentions(MentionsError::Stopped))), "{stopped:?}");
    assert_eq!(check(&fs, &String::new), ORPHANS.len());
}

#[test]
fn what_changed_on_disk_today_stays() {
    let fs = disk(Rules::default());
    let (disk, go_on) = (Arc::new(fs.clone()), AtomicBool::new(false));
    let today = SystemTime::UNIX_EPOCH + NAMED_WITHIN.saturating_sub(Duration::from_secs(1));
    let moment = Moment { instant: Instant::now(), time: today };
    let journal = dir(&fs, "journal");
    let collected =
        collect::<Names, _, _>(&blobs(&fs), (&disk, &journal), &|| Seq(1), moment, &go_on);
    let expected = Collected { looked_at: 7, removed: 0, bytes: 0, recent: 3 };
    assert_eq!(collected.expect("nothing fails"), expected);
}
