//! A repair, and power lost before and after every call of it, and again when it is taken up.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use kairos_disk::Fs as _;
use kairos_journal::{Loss, RepairError, Repaired, examine, repair};
use kairos_sim::{Bound, Item, Order, Rules, SimFs};

use crate::book::{open, refold_on, time};
use crate::count::{Count, Wrong, hold};
use crate::crash::{calls, stopped_at, stops};

const BY: &str = "user:ann(1000)";
const FEW: Bound = Bound { units_max: 6, samples: 8 };

/// What a repair begins with.
struct Damaged {
    fs: SimFs,
    loss: Loss,
    /// What must be found again somewhere: frames, and the lines of snapshots.
    lines: HashSet<Vec<u8>>,
}

/// Frames over several segments, with snapshots behind the damage, in the frame `nth` of a segment
/// that others follow.
fn damaged(rules: Rules, nth: usize) -> Damaged {
    let fs = SimFs::new(rules);
    let (mut book, _) = open(&fs).expect("an empty disk");
    for seq in 1..=24 {
        let noted = crate::book::Noted(format!("{seq} {}", "x".repeat(700)));
        book.record(time(seq), vec![noted]).expect("there is room");
        (book, _) = book.commit().expect("nothing fails");
        refold_on(&fs).expect("nothing fails");
    }
    drop(book);
    let segments = segments(&fs);
    let (path, mut bytes) = segments[1].clone();
    let ends: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
    bytes[ends[nth] - 20] ^= 1;
    fs.unlink(&fs.root(), path.as_ref()).expect("it is there");
    fs.put(Path::new(&path), &bytes, 0o600).expect("there is room");
    let fs = fs.settled();
    let loss = examine(&fs, &fs.root()).expect("it is damaged");
    assert!(loss.segments > 1 && loss.bytes > 5_000 && loss.readable > 5, "{loss:?}");
    Damaged { lines: lines(&fs), fs, loss }
}

fn segments(fs: &SimFs) -> Vec<(String, Vec<u8>)> {
    let files = fs.listing().into_iter().filter_map(|(path, item)| match item {
        Item::File { bytes, .. } => Some((path.display().to_string(), bytes)),
        Item::Directory => None,
    });
    files.filter(|(name, _)| name.ends_with(".kj")).collect()
}

/// Every line of every file.
fn lines(fs: &SimFs) -> HashSet<Vec<u8>> {
    let mut lines = HashSet::new();
    for item in fs.listing().into_values() {
        if let Item::File { bytes, .. } = item {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            lines.extend(bytes[..used].split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        }
    }
    lines
}

fn mend(fs: &SimFs, damaged: &Damaged) -> Result<Repaired, RepairError> {
    repair(&Arc::new(fs.clone()), &fs.root(), damaged.loss.after, BY)
}

/// Whatever was left: nothing is gone, the repair is taken up and ends, its note says what the first
/// was told, and the journal opens.
fn check(fs: &SimFs, damaged: &Damaged, case: &dyn Fn() -> String) {
    let kept = |fs: &SimFs| lines(fs).is_superset(&damaged.lines);
    hold(Wrong::Lost, kept(fs), || format!("before it is taken up\n{}", case()));
    let Loss { after, bytes, segments, .. } = damaged.loss;
    let expected = Repaired { after: after.0, bytes, segments, by: BY.into() };
    match mend(fs, damaged) {
        Ok(repaired) => {
            let told = || format!("{repaired:?}, not {expected:?}\n{}", case());
            hold(Wrong::Accepted, repaired == expected, told);
        }
        Err(RepairError::Sound { head }) if head == after => {}
        Err(error) => hold(Wrong::Refused, false, || format!("{error}\n{}", case())),
    }
    hold(Wrong::Lost, kept(fs), || format!("once it is taken up\n{}", case()));
    let (book, opened) = open(fs).unwrap_or_else(|error| panic!("{error}\n{}", case()));
    let told = || format!("{:?}, not {expected:?}\n{}", opened.repaired, case());
    hold(Wrong::Accepted, opened.repaired == [expected.clone()], told);
    hold(Wrong::Lost, book.head() == after, || format!("{}\n{}", book.head(), case()));
}

fn crash_everywhere(rules: Rules, nth: usize) -> (u64, u64) {
    let mut images = Count::new("crash points, repair");
    let mut seconds = Count::new("second crashes, repair");
    let damaged = damaged(rules, nth);
    let mut seen = HashSet::new();
    for stop in stops(calls(&damaged.fs, |fs| mend(fs, &damaged))) {
        let (fs, _) = stopped_at(&damaged.fs, stop, |fs| mend(fs, &damaged));
        for (nth, image) in fs.crash_images(FEW, stop.number()).enumerate() {
            let case = || format!("{rules:?}, {stop:?}, image {nth}:\n{image:?}");
            let left = image.mount();
            images.add();
            if !seen.insert(left.fingerprint()) {
                continue;
            }
            check(&left.kill(), &damaged, &case);
            crash_again(&left, &damaged, &mut seconds, &case);
        }
    }
    (images.tried, seconds.tried)
}

/// A second crash at every third call of the repair that is taken up.
fn crash_again(left: &SimFs, damaged: &Damaged, seconds: &mut Count, case: &dyn Fn() -> String) {
    let bound = Bound { units_max: 2, samples: 2 };
    for stop in stops(calls(left, |fs| mend(fs, damaged))).step_by(3) {
        let (fs, _) = stopped_at(left, stop, |fs| mend(fs, damaged));
        for (nth, image) in fs.crash_images(bound, stop.number()).enumerate() {
            let case = || format!("{}second {stop:?}, image {nth}:\n{image:?}", case());
            check(&image.mount(), damaged, &case);
            seconds.add();
        }
    }
}

#[test]
fn whatever_a_crash_leaves_of_a_repair_is_kept_noted_and_taken_up() {
    for rules in [
        Rules { order: Order::Free, names_with_sync: false },
        Rules { order: Order::Journaled, names_with_sync: true },
    ] {
        let (images, seconds) = crash_everywhere(rules, 2);
        assert!(images > 100 && seconds > 300, "{images} {seconds}");
    }
}
