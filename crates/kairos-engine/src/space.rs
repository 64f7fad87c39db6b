//! How much room there is, and whether it is enough for new work.
//!
//! Owns the looks at the disk and the verdict on them: low below the room that is set aside
//! (`retention.keep_free`), or above the bytes that journal and blobs may take (`retention.bytes`).
//! A thread of its own looks, when told to; the engine only reads the last verdict, and never waits.
//! Never decides what follows from it: that is [`Pace::Low`](kairos_core::input::Pace::Low).
//!
//! | figure | how | how old |
//! |---|---|---|
//! | free | `statvfs(2)` of both file systems, the lesser | a heartbeat; 10 s while low |
//! | journal | the length of each file, some dozens | the same |
//! | blobs | counted at the start and after each sealed segment, with what was put since added; counted anew before it would be too much | none, but blobs that were removed since count along |
//!
//! Counting is a `statx(2)` for each blob, 1 to 2 s for a million: never twice within twenty times
//! what it took, nor within a second.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kairos_core::space::Shortage;
use kairos_disk::fs::FileKind;
use kairos_disk::{Blobs, Fs, RealFs};

use crate::configuration::Retention;
use crate::inbox::{Inbox, Urgent};

/// Directories below the journal's.
const DEPTH_MAX: usize = 2;

/// How far the thread stands back, of 19.
const NICE: i32 = 10;

/// A count of the blobs is made anew after this many times what the last one took, and not before
/// [`COUNT_REST`]: many small blobs that go one after the other are counted once.
const COUNT_PAUSE: u32 = 20;
const COUNT_REST: Duration = Duration::from_secs(1);

/// What a look found. Bytes; `None` where it cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Free for the daemon, on the fuller one of the disks of journal and blobs.
    pub free: Option<u64>,
    /// Taken by journal and blobs together.
    pub used: Option<u64>,
    /// Of that, the journal's segments.
    pub segments: u64,
}

/// How the room stood at the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub found: Found,
    pub limits: Retention,
    /// Which limit holds back new work.
    pub low: Option<Shortage>,
    /// Counts of the blobs made so far.
    pub(crate) counts: u64,
    /// Whether there was a look that could tell; before it nothing is known but a shortage that one
    /// has seen.
    pub(crate) looked: bool,
}

impl Standing {
    /// Taken by anything but the journal's segments.
    pub(crate) fn beside(&self) -> u64 {
        self.found.used.unwrap_or(0).saturating_sub(self.found.segments)
    }

    /// What the journal's segments may take, so that journal and blobs stay an eighth below the cap.
    /// Blobs go with the segments that name them, so segments give up no more than their share.
    #[must_use]
    pub fn segments_max(&self) -> u64 {
        let aim = self.limits.bytes - self.limits.bytes / 8;
        match self.found.used {
            Some(used) if used > aim => {
                let share = u128::from(self.found.segments) * u128::from(aim) / u128::from(used);
                u64::try_from(share).unwrap_or(u64::MAX).min(self.limits.bytes)
            }
            Some(_) | None => self.limits.bytes,
        }
    }
}

/// The verdict on what was found, after the one before it. What was low is enough only an eighth of
/// the room set aside, or a sixteenth of the cap, away from the limit: else each file that somebody
/// saves could turn it.
#[must_use]
pub fn judge(before: Option<Shortage>, found: Found, limits: Retention) -> Option<Shortage> {
    let (keep, cap) = (limits.free_bytes, limits.bytes);
    let is_free = |low: &Shortage| matches!(low, Shortage::Free { .. });
    let is_used = |low: &Shortage| matches!(low, Shortage::Used { .. });
    let floor = match before.as_ref().is_some_and(is_free) {
        true => keep.saturating_add(keep / 8),
        false => keep,
    };
    let ceiling = match before.as_ref().is_some_and(is_used) {
        true => cap - cap / 16,
        false => cap,
    };
    let too_few = |free_bytes| {
        (free_bytes < floor).then_some(Shortage::Free { free_bytes, keep_free_bytes: keep })
    };
    let too_many = |used_bytes| {
        (used_bytes > ceiling).then_some(Shortage::Used { used_bytes, cap_bytes: cap })
    };
    // Where it cannot be told now, what was told before holds.
    let free = found.free.map_or_else(|| before.filter(is_free), too_few);
    free.or_else(|| found.used.map_or_else(|| before.filter(is_used), too_many))
}

/// The looks at the disk; when it goes, its thread ends.
#[derive(Debug)]
pub(crate) struct Space(Arc<Looks>);

/// What the thread shares with the engine.
struct Looks {
    journal: <RealFs as Fs>::Dir,
    blobs: Arc<Blobs<RealFs>>,
    inbox: Arc<Inbox>,
    shared: Mutex<Shared>,
    moved: Condvar,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    standing: Standing,
    /// The next look, and whether the blobs are to be counted for it.
    asked: Option<Asked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Look,
    Count,
}

/// The thread's own: the last count of the blobs.
struct Count {
    bytes: u64,
    /// What had been written before it.
    written: u64,
    made: Instant,
    took: Duration,
}

impl Count {
    /// Whether another may be made. While what is known is too much, the first look after that makes
    /// it: what went is seen no later than so long and one look.
    fn has_rested(&self, now: Instant) -> bool {
        let rest = self.took.saturating_mul(COUNT_PAUSE).max(COUNT_REST);
        now.saturating_duration_since(self.made) >= rest
    }
}

impl std::fmt::Debug for Looks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Looks").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Space {
    /// Takes the first look, on the thread that takes all others.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn begin(
        journal: <RealFs as Fs>::Dir,
        blobs: Arc<Blobs<RealFs>>,
        inbox: Arc<Inbox>,
        limits: Retention,
    ) -> io::Result<Self> {
        let standing = Standing { limits, ..Standing::default() };
        let shared = Shared { standing, asked: Some(Asked::Count) };
        let (shared, stop) = (Mutex::new(shared), AtomicBool::new(false));
        let looks = Arc::new(Looks { journal, blobs, inbox, shared, moved: Condvar::new(), stop });
        let own = Arc::clone(&looks);
        // Nobody joins it: it changes nothing, and a stop need not wait for its last look.
        drop(thread::Builder::new().name("space".into()).spawn(move || own.serve())?);
        Ok(Self(looks))
    }

    /// How it stood at the last look.
    pub(crate) fn standing(&self) -> Standing {
        self.0.shared().standing
    }

    /// Waits for the first look, at most so long: a disk that answers slowly holds up no start, and
    /// is taken for one with room until it has answered.
    pub(crate) fn first(&self, patience: Duration) {
        let first = |shared: &mut Shared| {
            let Standing { looked, low, .. } = shared.standing;
            !looked && low.is_none()
        };
        drop(self.0.moved.wait_timeout_while(self.0.shared(), patience, first));
    }

    /// Asks for a look. Never waits for it; the engine is told when the verdict is another one.
    pub(crate) fn look(&self) {
        self.ask(Asked::Look);
    }

    /// The same, with a count: a segment was sealed, and what lies behind it may have gone.
    pub(crate) fn count(&self) {
        self.ask(Asked::Count);
    }

    fn ask(&self, asked: Asked) {
        let mut shared = self.0.shared();
        shared.asked = shared.asked.max(Some(asked));
        self.0.moved.notify_all();
    }

    /// Judges by other limits, at once by what was found last.
    pub(crate) fn limit(&self, limits: Retention) {
        let mut shared = self.0.shared();
        if shared.standing.limits != limits {
            let found = shared.standing.found;
            let low = judge(None, found, limits);
            shared.standing = Standing { limits, low, ..shared.standing };
            shared.asked = shared.asked.max(Some(Asked::Look));
            self.0.moved.notify_all();
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        // Whoever is about to wait holds the lock, and looks after it has it.
        drop(self.0.shared());
        self.0.moved.notify_all();
    }
}

impl Looks {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Every critical section leaves it whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        // Of this thread alone, as Linux has it (setpriority(2)).
        rustix::process::setpriority_process(None, NICE).ok();
        let mut count = None;
        let mut silent = false;
        // A count that was asked for too soon is made by a later look.
        let mut owed = Asked::Look;
        while let Some((asked, limits)) = self.next() {
            let asked = asked.max(owed);
            if count.is_none() {
                self.floor(limits);
            }
            let (mut segments, mut counts) = (0, 0);
            let used = taken(&self.journal, DEPTH_MAX, &mut segments).and_then(|journal| {
                let blobs = self.blobs(&mut count, (asked, journal), limits, &mut counts)?;
                Ok(blobs.map(|blobs| journal.saturating_add(blobs)))
            });
            let free = self.free();
            let error = free.as_ref().err().or(used.as_ref().err());
            // Once, until it can be told again.
            if let Some(error) = error.filter(|_| !silent) {
                self.inbox.urgent(Urgent::SpaceUnknown { error: error.to_string() });
            }
            silent = error.is_some();
            owed = if counts > 0 { Asked::Look } else { asked };
            let (free, used) = (free.ok().flatten(), used.ok().flatten());
            self.found(Found { free, used, segments }, counts, !silent);
        }
    }

    /// Tells of a floor that is not kept before all blobs are counted: that may take long.
    fn floor(&self, limits: Retention) {
        let found = Found { free: self.free().ok().flatten(), ..Found::default() };
        if judge(None, found, limits).is_some() {
            self.found(found, 0, false);
        }
    }

    /// What is asked next, and the limits in force; `None` at the end.
    fn next(&self) -> Option<(Asked, Retention)> {
        let waits = |shared: &mut Shared| shared.asked.is_none() && !self.stops();
        let waited = self.moved.wait_while(self.shared(), waits);
        let mut shared = waited.unwrap_or_else(PoisonError::into_inner);
        let asked = shared.asked.take()?;
        (!self.stops()).then_some((asked, shared.standing.limits))
    }

    /// What a look found, and whether it could tell all of it.
    fn found(&self, found: Found, counts: u64, told: bool) {
        let mut shared = self.shared();
        let Standing { limits, low: before, counts: counted, looked, .. } = shared.standing;
        let looked = looked || told;
        let low = judge(before, found, limits);
        let counts = counted + counts;
        shared.standing = Standing { found, limits, low, counts, looked };
        self.moved.notify_all();
        drop(shared);
        let word = |low: Option<Shortage>| low.map(|low| low.word());
        if word(low) != word(before) {
            self.inbox.urgent(Urgent::Look);
        }
    }

    /// What is free; `None` where a file system does not say.
    fn free(&self) -> io::Result<Option<u64>> {
        let both = [RealFs.space(&self.journal)?, self.blobs.space()?];
        Ok(both.iter().filter(|space| space.total > 0).map(|space| space.available).min())
    }

    /// What the blobs take, beside a journal that takes so much; `None` when there is no time left
    /// to count.
    fn blobs(
        &self,
        count: &mut Option<Count>,
        (asked, journal): (Asked, u64),
        limits: Retention,
        counts: &mut u64,
    ) -> io::Result<Option<u64>> {
        let known = count.as_ref().map(|count| journal.saturating_add(self.since(count)));
        // What was removed since has not been taken off: that alone must hold nothing back.
        let doubtful = known.is_none_or(|known| known > limits.bytes - limits.bytes / 16);
        if (doubtful || asked == Asked::Count)
            && count.as_ref().is_none_or(|count| count.has_rested(Instant::now()))
        {
            let (written, made) = (self.blobs.written(), Instant::now());
            let Some(bytes) = self.blobs.bytes(&self.stop)? else { return Ok(None) };
            *count = Some(Count { bytes, written, made: Instant::now(), took: made.elapsed() });
            *counts += 1;
        }
        Ok(count.as_ref().map(|count| self.since(count)))
    }

    /// The blobs by a count, and what was put since.
    fn since(&self, count: &Count) -> u64 {
        count.bytes.saturating_add(self.blobs.written().saturating_sub(count.written))
    }
}

/// Bytes of the files in a directory, and in those below it; what segments take is added to the last.
fn taken(dir: &<RealFs as Fs>::Dir, depth: usize, segments: &mut u64) -> io::Result<u64> {
    let mut bytes: u64 = 0;
    for name in RealFs.list(dir)? {
        let found = RealFs.stat(dir, &name).and_then(|stat| match stat.kind {
            FileKind::Directory if depth > 0 => {
                taken(&RealFs.open_dir(dir, Path::new(&name))?, depth - 1, &mut 0)
            }
            _ => Ok(stat.bytes),
        });
        match found {
            Ok(found) => {
                bytes = bytes.saturating_add(found);
                if Path::new(&name).extension().is_some_and(|kind| kind == "kj") {
                    *segments += found;
                }
            }
            // Segments and snapshots come and go meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: Retention = Retention { days: 90, bytes: 160 * MIB, free_bytes: 80 * MIB };

    fn free(free: u64) -> Found {
        Found { free: Some(free), used: Some(0), segments: 0 }
    }

    fn used(used: u64) -> Found {
        Found { free: Some(u64::MAX), used: Some(used), segments: 0 }
    }

    /// The verdicts on one look after the other.
    fn verdicts(looks: impl IntoIterator<Item = Found>) -> Vec<Option<&'static str>> {
        let mut low = None;
        let next = |found| {
            low = judge(low, found, LIMITS);
            low.map(|low| low.word())
        };
        looks.into_iter().map(next).collect()
    }

    #[test]
    fn room_is_low_below_what_is_set_aside_until_an_eighth_above() {
        let looks = [80 * MIB, 80 * MIB - 1, 89 * MIB, 90 * MIB - 1, 90 * MIB, 81 * MIB, 0];
        let low = Some("free");
        assert_eq!(verdicts(looks.map(free)), [None, low, low, low, None, None, low]);
    }

    #[test]
    fn more_than_the_cap_is_low_until_a_sixteenth_below() {
        let looks = [160 * MIB, 160 * MIB + 1, 151 * MIB, 150 * MIB + 1, 150 * MIB, 155 * MIB];
        let low = Some("used");
        assert_eq!(verdicts(looks.map(used)), [None, low, low, low, None, None]);
    }

    #[test]
    fn what_is_free_is_told_before_what_is_used_and_each_has_its_own_margin() {
        let both = Found { free: Some(MIB), ..used(161 * MIB) };
        let looks = [both, used(155 * MIB), free(85 * MIB), used(161 * MIB), free(85 * MIB)];
        assert_eq!(verdicts(looks), [Some("free"), None, None, Some("used"), None]);
        let low = judge(None, both, LIMITS);
        let expected = Shortage::Free { free_bytes: MIB, keep_free_bytes: 80 * MIB };
        assert_eq!(low, Some(expected));
    }

    #[test]
    fn segments_give_up_their_share_of_what_is_above_an_eighth_below_the_cap() {
        let max = |used, segments| {
            let found = Found { free: None, used, segments };
            Standing { found, limits: LIMITS, ..Standing::default() }.segments_max()
        };
        let maxima = [
            max(Some(140 * MIB), 140 * MIB),
            max(Some(280 * MIB), 40 * MIB),
            max(Some(150 * MIB), 0),
            max(None, MIB),
        ];
        assert_eq!(maxima, [160 * MIB, 20 * MIB, 0, 160 * MIB]);
    }

    #[test]
    fn blobs_are_counted_again_after_twenty_times_what_it_took_and_no_sooner_than_a_second() {
        let made = Instant::now();
        for (took_ms, rest_ms) in
            [(2_000, 40_000), (51, 1_020), (50, 1_000), (1, 1_000), (0, 1_000)]
        {
            let took = Duration::from_millis(took_ms);
            let count = Count { bytes: 0, written: 0, made, took };
            let rested = [0, rest_ms - 1, rest_ms].map(|ms| made + Duration::from_millis(ms));
            assert_eq!(rested.map(|now| count.has_rested(now)), [false, false, true], "{took_ms}");
        }
    }

    /// Two empty directories, as looks go to them.
    fn places(dir: &Path) -> (<RealFs as Fs>::Dir, Arc<Blobs<RealFs>>) {
        let [journal, blobs] = ["journal", "blobs"].map(|name| {
            std::fs::create_dir(dir.join(name)).expect("it is new");
            RealFs.root(&dir.join(name)).expect("it is there")
        });
        (journal, Arc::new(Blobs::new(RealFs, blobs)))
    }

    #[test]
    fn a_look_that_could_not_tell_is_none_but_for_the_shortage_it_saw() {
        let dir = tempfile::tempdir().expect("a directory");
        let (journal, blobs) = places(dir.path());
        let shared =
            Shared { standing: Standing { limits: LIMITS, ..Standing::default() }, asked: None };
        let looks = Looks {
            journal,
            blobs,
            inbox: Arc::default(),
            shared: Mutex::new(shared),
            moved: Condvar::new(),
            stop: AtomicBool::new(false),
        };
        let after = |found, told| {
            looks.found(found, 0, told);
            let Standing { looked, low, .. } = looks.shared().standing;
            (looked, low.map(|low| low.word()))
        };
        assert_eq!(after(Found::default(), false), (false, None));
        let free = |free| Found { free: Some(free), ..Found::default() };
        assert_eq!(after(free(1), false), (false, Some("free")));
        assert_eq!(after(free(200 * MIB), true), (true, None));
        assert_eq!(after(Found::default(), false), (true, None), "the last verdict holds");
    }

    #[test]
    fn a_count_that_was_asked_for_too_soon_is_made_by_a_later_look() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let (journal, blobs) = places(dir.path());
        std::fs::write(path("blobs/text"), "seven").expect("written");
        let space = Space::begin(journal, blobs, Arc::default(), LIMITS).expect("a thread");
        let patience = Duration::from_secs(60);
        space.first(patience);
        assert_eq!(space.standing().found.used, Some(5));
        std::fs::remove_file(path("blobs/text")).expect("it goes");
        // By far less than the cap: nothing but the count says so.
        space.count();
        let asked = Instant::now();
        while space.standing().found.used != Some(0) {
            assert!(asked.elapsed() < patience, "it is not counted");
            space.look();
            drop(space.0.moved.wait_timeout(space.0.shared(), Duration::from_millis(10)));
        }
        assert_eq!(space.standing().counts, 2);
    }

    #[test]
    fn a_disk_that_cannot_be_looked_at_changes_nothing() {
        let low = Shortage::Free { free_bytes: MIB, keep_free_bytes: 80 * MIB };
        assert_eq!(judge(None, Found::default(), LIMITS), None);
        assert_eq!(judge(Some(low), Found::default(), LIMITS), Some(low));
        let none = Retention { free_bytes: 0, ..LIMITS };
        assert_eq!(judge(None, free(0), none), None, "nothing is set aside");
    }
}
