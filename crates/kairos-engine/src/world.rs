//! The circumstances of decisions: what time it is, which civil day, fresh randomness.
//!
//! Owns the engine's only look at clock and randomness. The turn is handed circumstances as a
//! closure, so a simulator brings its own; the rules never ask anyone.

use std::cell::RefCell;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use kairos_core::clock::Reading;
use kairos_core::id::Seed;
use kairos_core::input::{Now, Pace};
use kairos_core::time::Time;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The wall clock. Clocks before 1970 read as 1970.
#[must_use]
pub fn time() -> Time {
    wall(nanos(ClockId::Realtime))
}

fn wall(ns: u64) -> Time {
    // Not reached: so many milliseconds are 292 years from 1970.
    Time::from_ms(i64::try_from(ns / MS_NS).unwrap_or(i64::MAX))
}

const MS_NS: u64 = 1_000_000;

/// A clock that began in 1970, or with the machine.
fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let (seconds, rest) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(rest.unwrap_or(0))
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    wall_ns: u64,
    /// Since the machine was started, sleep included; nobody can set it.
    pub(crate) boot_ns: u64,
}

impl Moment {
    /// Two looks that lie so far apart are no look at one moment: the machine slept between.
    const APART_NS: u64 = MS_NS;
    const TRIES: usize = 4;

    pub(crate) fn now() -> Self {
        let mut before = nanos(ClockId::Boottime);
        for _ in 1..Self::TRIES {
            let wall_ns = nanos(ClockId::Realtime);
            let after = nanos(ClockId::Boottime);
            if after.saturating_sub(before) < Self::APART_NS {
                return Self { wall_ns, boot_ns: after };
            }
            before = after;
        }
        Self { wall_ns: nanos(ClockId::Realtime), boot_ns: nanos(ClockId::Boottime) }
    }

    pub(crate) fn reading(self) -> Reading {
        Reading { wall: wall(self.wall_ns), boot_ms: self.boot_ns / MS_NS }
    }

    /// The wall clock now, as it would be had nobody set it since.
    fn time(self) -> Time {
        let passed = nanos(ClockId::Boottime).saturating_sub(self.boot_ns);
        wall(self.wall_ns.saturating_add(passed))
    }

    /// When the wall clock shows `time`, by the clock that nobody sets.
    pub(crate) fn boot_ns_at(self, time: Time) -> u64 {
        let ns = u64::try_from(time.as_ms()).unwrap_or(0).saturating_mul(MS_NS);
        self.boot_ns.saturating_add(ns.saturating_sub(self.wall_ns))
    }
}

/// How long it is until this moment, by the clock that nobody sets.
pub(crate) fn until(boot_ns: u64) -> Duration {
    Duration::from_nanos(boot_ns.saturating_sub(nanos(ClockId::Boottime)))
}

/// Milliseconds since the machine was started, sleep included.
pub(crate) fn boot_ms() -> u64 {
    nanos(ClockId::Boottime) / MS_NS
}

const SEED_BYTES: usize = 16;

/// Seeds drawn at once: one call of the system costs as much as the decision it is for.
const DRAWN: usize = 64;

thread_local! {
    /// Fresh random bytes, used from the end.
    static DRAWER: RefCell<Vec<[u8; SEED_BYTES]>> = const { RefCell::new(Vec::new()) };
}

/// Sixteen fresh random bytes.
pub(crate) fn seed() -> Seed {
    DRAWER.with_borrow_mut(|drawer| {
        if drawer.is_empty() {
            drawer.resize(DRAWN, [0; SEED_BYTES]);
            fill(drawer.as_flattened_mut());
        }
        Seed(drawer.pop().expect("it was just filled"))
    })
}

/// Waits until the kernel's pool is ready.
fn fill(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        // More than 256 bytes may be cut short by a signal (getrandom(2)); nothing else can fail.
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(drawn) => bytes = &mut bytes[drawn..],
            Err(Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
}

/// The circumstances of one turn: which civil day it is, is looked up once. Its time goes on from
/// where both clocks stood before it, so a wall clock that is set meanwhile is the next turn's.
pub(crate) struct Today {
    zone: TimeZone,
    begun: Moment,
    last: Option<Now>,
}

impl Today {
    pub(crate) const fn new(zone: TimeZone, begun: Moment) -> Self {
        Self { zone, begun, last: None }
    }

    /// The circumstances at this moment.
    pub(crate) fn now(&mut self, pace: Pace) -> Now {
        let (time, seed) = (self.begun.time(), seed());
        let same = |last: &Now| last.time <= time && time < last.day_ends;
        let now = match self.last.filter(same) {
            Some(last) => Now { time, seed, pace, ..last },
            None => circumstances(time, seed, &self.zone, pace),
        };
        self.last = Some(now);
        now
    }
}

/// The circumstances at `time`; the civil day is `zone`'s.
#[must_use]
pub fn circumstances(time: Time, seed: Seed, zone: &TimeZone, pace: Pace) -> Now {
    let zoned = time.timestamp().to_zoned(zone.clone());
    let tomorrow = zoned.checked_add(1.day()).and_then(|next| next.start_of_day());
    let day_ends = tomorrow.map_or(time.plus_ms(DAY_MS), |next| Time::from(next.timestamp()));
    Now { time, seed, day: zoned.date(), day_ends, pace }
}
