//! A journal that somebody or something has changed on disk: every flipped bit, every length,
//! frames and segments that are missing, moved, doubled or not ours. Opening and `verify` say the
//! same of each, and neither takes it for the journal that was written.

use std::ffi::OsStr;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};

use kairos_core::fold::Seq;
use kairos_disk::Fs;
use kairos_disk::fs::Access;
use kairos_journal::{OpenError, Tail, verify};
use kairos_sim::{Item, Rules, SimFile, SimFs};

use crate::book::{Book, Noted, Notes, Script, effort, open, time};
use crate::count::{Count, Wrong, hold};

const SECTOR: usize = 512;

/// A sound journal.
struct Whole {
    fs: SimFs,
    notes: Notes,
    frames: u64,
    segments: Vec<(PathBuf, Vec<u8>)>,
}

/// How the journal was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// As a clean stop leaves it: a mark says that all before it is durable.
    Sealed,
    /// As a kill leaves it: nothing says that the last turn was acknowledged, and it was.
    Open,
}

const LEFT: [Left; 2] = [Left::Sealed, Left::Open];

impl Whole {
    fn of(fs: &SimFs, notes: Notes, frames: u64) -> Self {
        let fs = fs.settled();
        let segment = |(path, item): (PathBuf, Item)| match item {
            Item::File { bytes, .. } if path.extension() == Some("kj".as_ref()) => {
                Some((path, bytes))
            }
            Item::File { .. } | Item::Directory => None,
        };
        let segments = fs.listing().into_iter().filter_map(segment).collect();
        Self { fs, notes, frames, segments }
    }

    /// What `script` leaves: several segments.
    fn long(script: &Script, left: Left) -> Self {
        let fs = SimFs::new(Rules::default());
        script.perform(&fs);
        let (notes, mut frames) = (script.notes(script.frames()).clone(), script.frames());
        if left == Left::Sealed {
            mark(open(&fs).expect("nothing fails").0);
            frames += 1;
        }
        Self::of(&fs, notes, frames)
    }

    /// One segment: a frame for each of `texts`, and one turn for each.
    fn short(texts: &[String], left: Left) -> Self {
        let fs = SimFs::new(Rules::default());
        let (mut book, _) = open(&fs).expect("nothing fails");
        for text in texts {
            let now = time(book.head().next().0);
            book.record(now, vec![Noted(text.clone())]).expect("there is room");
            (book, _) = book.commit().expect("nothing fails");
        }
        let notes = book.state().clone();
        let mut frames = texts.len() as u64;
        match left {
            Left::Sealed => {
                mark(book);
                frames += 1;
            }
            Left::Open => drop(book),
        }
        let whole = Self::of(&fs, notes, frames);
        assert_eq!(whole.segments.len(), 1);
        whole
    }

    /// A copy with other bytes in some segments.
    fn with(&self, segments: &[(&Path, &[u8])]) -> SimFs {
        let fs = self.fs.kill();
        for (path, bytes) in segments {
            fs.put(path, bytes, 0o600).expect("nothing fails");
        }
        fs
    }

    /// Whether the changed journal on `fs` was opened; then it is the journal that was written, and
    /// `verify` says so too.
    fn judge(&self, fs: &SimFs, case: &dyn Fn() -> String) -> bool {
        let verdict = verify(fs, &fs.root(), Tail::Still, NonZero::<usize>::MIN);
        let verdict = verdict.expect("nothing fails");
        let opened = match open(fs) {
            Err(OpenError::Damaged(_)) => None,
            Err(error) => panic!("{error}\n{}", case()),
            Ok((book, opened)) => {
                hold(Wrong::Lost, opened.frames >= self.frames, case);
                hold(Wrong::Accepted, *book.state() == self.notes, case);
                Some(opened)
            }
        };
        let told = || format!("{verdict:?}, {opened:?}\n{}", case());
        hold(Wrong::Accepted, opened.is_some() == verdict.ok, told);
        opened.is_some()
    }

    fn refused(&self, fs: &SimFs, count: &mut Count, case: &dyn Fn() -> String) {
        count.add();
        hold(Wrong::Accepted, !self.judge(fs, case), case);
    }
}

/// Ends a journal as a clean stop does.
fn mark(mut book: Book) {
    let now = time(book.head().next().0);
    book.record(now, Vec::new()).expect("there is room");
    drop(book.commit().expect("nothing fails"));
}

/// Where each frame of a segment begins, and the end of the last.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

/// A journal in which one byte at a time is another.
struct Flips<'a> {
    whole: &'a Whole,
    segment: &'a (PathBuf, Vec<u8>),
    fs: SimFs,
    file: SimFile,
}

impl<'a> Flips<'a> {
    fn new(whole: &'a Whole, segment: usize) -> Self {
        let (fs, segment) = (whole.fs.kill(), &whole.segments[segment]);
        let aside = fs.aside();
        let opened = aside.open(&aside.root(), segment.0.as_os_str(), Access::ReadWrite);
        let file = opened.expect("it is there");
        Self { whole, segment, fs, file }
    }

    fn write(&self, at: usize, byte: u8) {
        self.fs.aside().write_at(&self.file, &[byte], at as u64).expect("nothing fails");
    }

    /// Flips every bit that `bits` picks of every byte in `range`.
    fn flip(self, range: Range<usize>, bits: impl Fn(usize) -> u8, count: &mut Count) {
        let (path, bytes) = self.segment;
        for at in range {
            for bit in (0..8).filter(|bit| bits(at) >> bit & 1 == 1) {
                let flipped = bytes[at] ^ 1 << bit;
                self.write(at, flipped);
                let case = || format!("{}, byte {at}, bit {bit}", path.display());
                self.whole.refused(&self.fs, count, &case);
                if count.tried.is_multiple_of(1009) {
                    let stays = self.fs.listing()[path].clone();
                    let Item::File { bytes: left, .. } = stays else { panic!("a file") };
                    assert_eq!(left[at], flipped, "a refusal changed something\n{}", case());
                }
            }
            self.write(at, bytes[at]);
        }
    }
}

/// Frames of these lengths, a few hundred bytes each, fill a segment.
fn texts(seed: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..9).map(|n| format!("{n} {}", "t".repeat(random.usize(..300)))).collect()
}

#[test]
fn every_flipped_bit_of_a_small_journal_is_refused() {
    let mut count = Count::new("bit flips");
    for seed in 0..3 * effort() {
        for left in LEFT {
            let whole = Whole::short(&texts(seed), left);
            Flips::new(&whole, 0).flip(0..whole.segments[0].1.len(), |_| 0xff, &mut count);
        }
    }
}

/// In every third byte of a journal of many segments one bit.
#[test]
fn flipped_bits_of_a_long_journal_are_refused() {
    let mut count = Count::new("bit flips");
    for (seed, left) in (0..effort()).flat_map(|seed| LEFT.map(|left| (seed, left))) {
        let whole = Whole::long(&Script::new(seed), left);
        for (nth, (_, bytes)) in whole.segments.iter().enumerate() {
            let bit = |at: usize| u8::from(at.is_multiple_of(3)) << (at / 3 % 8);
            Flips::new(&whole, nth).flip(0..bytes.len(), bit, &mut count);
        }
    }
}

/// The last acknowledged frame lies in its sectors in every way, so that each of its bytes comes to
/// be alone in one.
#[test]
fn every_flipped_bit_of_the_last_acknowledged_frame_is_refused() {
    let mut count = Count::new("bit flips, last acknowledged frame");
    let step = if effort() > 1 { 1 } else { 8 };
    for pad in (0..SECTOR).step_by(step) {
        let whole = Whole::short(&["p".repeat(pad), "last".to_owned()], Left::Open);
        let starts = frames(&whole.segments[0].1);
        Flips::new(&whole, 0).flip(starts[1]..starts[2], |_| 0xff, &mut count);
    }
}

/// Whatever of one sector the frame has, however little.
#[test]
fn flipped_ends_of_a_last_frame_at_every_place_in_a_sector_are_refused() {
    let mut count = Count::new("bit flips, last acknowledged frame");
    for pad in 0..SECTOR {
        let whole = Whole::short(&["p".repeat(pad), "l".repeat(20)], Left::Open);
        let starts = frames(&whole.segments[0].1);
        let boundary = starts[1].next_multiple_of(SECTOR);
        let near = |at: usize| starts[1].max(at.saturating_sub(2))..starts[2].min(at + 2);
        for at in [starts[1], boundary, starts[2]] {
            Flips::new(&whole, 0).flip(near(at), |_| 0xff, &mut count);
        }
    }
}

#[test]
fn every_length_of_a_journal_is_refused() {
    for left in LEFT {
        let whole = Whole::long(&Script::new(1), left);
        let lengths = whole.segments.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut count = Count::new("truncations");
        count.of = Some(lengths);
        for (path, bytes) in &whole.segments {
            let fs = whole.fs.kill();
            let file = fs.aside().open(&fs.root(), path.as_os_str(), Access::ReadWrite);
            let file = file.expect("it is there");
            for length in (0..bytes.len()).rev() {
                fs.aside().set_len(&file, length as u64).expect("nothing fails");
                whole.refused(&fs, &mut count, &|| format!("{} cut to {length}", path.display()));
            }
        }
    }
}

/// Cut where all its frames stay, a segment is as long as one can be, and not as long as it says.
#[test]
fn segments_cut_behind_their_frames_are_refused() {
    const BLOCK: usize = 4096;
    let mut count = Count::new("truncations");
    let mut behind = 0;
    for (seed, left) in (0..16).flat_map(|seed| LEFT.map(|left| (seed, left))) {
        let whole = Whole::long(&Script::new(seed), left);
        for (path, bytes) in &whole.segments {
            for length in (0..bytes.len()).step_by(BLOCK) {
                let fs = whole.with(&[(path, &bytes[..length])]);
                whole.refused(&fs, &mut count, &|| format!("{} cut to {length}", path.display()));
                behind += usize::from(bytes[length..].iter().all(|byte| *byte == 0));
            }
        }
    }
    assert!(behind > 0);
}

/// The segment with its frames in another order, as long as before.
fn reordered(bytes: &[u8], order: &[usize]) -> Option<Vec<u8>> {
    let starts = frames(bytes);
    let frame = |nth: &usize| &bytes[starts[*nth]..starts[*nth + 1]];
    let mut edited: Vec<u8> = order.iter().flat_map(frame).copied().collect();
    (edited.len() <= bytes.len()).then(|| edited.resize(bytes.len(), 0)).map(|()| edited)
}

#[test]
fn frames_that_are_missing_moved_or_doubled_are_refused() {
    let mut deleted = Count::new("deleted frames and segments");
    let mut swapped = Count::new("swapped frames and segments");
    let mut doubled = Count::new("doubled frames and segments");
    for left in LEFT {
        let whole = Whole::long(&Script::new(0), left);
        for (nth, (path, bytes)) in whole.segments.iter().enumerate() {
            let all: Vec<usize> = (0..frames(bytes).len() - 1).collect();
            let check = |order: &[usize], count: &mut Count| {
                let Some(edited) = reordered(bytes, order) else { return };
                let fs = whole.with(&[(path, &edited)]);
                whole.refused(&fs, count, &|| format!("{} as {order:?}", path.display()));
            };
            for a in 0..all.len() {
                // Without its very last frame, the journal is the one that stood before it.
                if a + 1 < all.len() || nth + 1 < whole.segments.len() {
                    check(&[&all[..a], &all[a + 1..]].concat(), &mut deleted);
                }
                check(&[&all[..=a], &all[a..]].concat(), &mut doubled);
                for b in a + 1..all.len() {
                    let mut order = all.clone();
                    order.swap(a, b);
                    check(&order, &mut swapped);
                    check(&[&all[..b], &[a], &all[b..]].concat(), &mut doubled);
                }
            }
        }
    }
}

#[test]
fn segments_that_are_missing_moved_or_doubled_are_refused() {
    let mut deleted = Count::new("deleted frames and segments");
    let mut swapped = Count::new("swapped frames and segments");
    let mut doubled = Count::new("doubled frames and segments");
    for left in LEFT {
        let whole = Whole::long(&Script::new(0), left);
        // Without its very last segment, the journal is the one that stood before it.
        for (path, _) in &whole.segments[..whole.segments.len() - 1] {
            let fs = whole.fs.kill();
            fs.aside().unlink(&fs.root(), path.as_os_str()).expect("it is there");
            whole.refused(&fs, &mut deleted, &|| format!("without {}", path.display()));
        }
        for (a, (first, ours)) in whole.segments.iter().enumerate() {
            for (b, (second, theirs)) in whole.segments.iter().enumerate() {
                let case = || format!("{} and {}", first.display(), second.display());
                if a < b {
                    let fs = whole.with(&[(first, theirs), (second, ours)]);
                    whole.refused(&fs, &mut swapped, &case);
                }
                if a != b {
                    whole.refused(&whole.with(&[(first, theirs)]), &mut doubled, &case);
                }
            }
            for name in ["00000000000000000099.kj", "00000000000000000002.kj"] {
                let fs = whole.with(&[(Path::new(name), ours)]);
                whole.refused(&fs, &mut doubled, &|| format!("{} as {name}", first.display()));
                let renamed = whole.fs.kill();
                let (root, new) = (renamed.root(), OsStr::new(name));
                let how = kairos_disk::fs::Rename::NoReplace;
                let done = renamed.aside().rename((&root, first.as_os_str()), (&root, new), how);
                done.expect("the name is free");
                whole.refused(&renamed, &mut swapped, &|| format!("{} is {name}", first.display()));
            }
        }
    }
}

/// Segments as they were at an earlier time, and of journals that are not this one: another node's,
/// an earlier epoch's, another history's.
#[test]
fn stale_and_foreign_segments_are_refused() {
    let mut count = Count::new("stale and foreign segments");
    let script = Script::new(0);
    let foreign = |script: &Script, node, epoch| {
        let fs = SimFs::new(Rules::default());
        script.perform_as(&fs, node, epoch);
        Whole::of(&fs, script.notes(script.frames()).clone(), script.frames())
    };
    let others = [foreign(&script, 8, 1), foreign(&script, 7, 0), foreign(&Script::new(3), 7, 1)];
    for left in LEFT {
        let whole = Whole::long(&script, left);
        for (nth, (path, bytes)) in whole.segments.iter().enumerate() {
            for (_, theirs) in others.iter().flat_map(|other| &other.segments) {
                let fs = whole.with(&[(path, theirs)]);
                whole.refused(&fs, &mut count, &|| format!("foreign {}", path.display()));
            }
            // An older last segment is an older journal, and nothing in it says otherwise.
            if nth + 1 == whole.segments.len() {
                continue;
            }
            let starts = frames(bytes);
            for end in &starts[..starts.len() - 1] {
                let mut stale = bytes.clone();
                stale[*end..].fill(0);
                let fs = whole.with(&[(path, &stale)]);
                whole.refused(&fs, &mut count, &|| format!("{} of {end}", path.display()));
            }
        }
    }
}

#[test]
fn journals_that_are_damaged_here_are_sound_before() {
    for left in LEFT {
        for whole in [Whole::long(&Script::new(0), left), Whole::short(&texts(0), left)] {
            let verdict = verify(&whole.fs, &whole.fs.root(), Tail::Still, NonZero::<usize>::MIN);
            let verdict = verdict.expect("nothing fails");
            assert_eq!((verdict.ok, verdict.head), (true, Seq(whole.frames)));
            assert!(whole.judge(&whole.fs.kill(), &String::new));
        }
    }
}
