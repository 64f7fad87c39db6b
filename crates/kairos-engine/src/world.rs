//! The circumstances of decisions: what time it is, which civil day, fresh randomness.
//!
//! Owns the engine's only look at clock and randomness. The turn is handed circumstances as a
//! closure, so a simulator brings its own; the rules never ask anyone.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use kairos_core::id::Seed;
use kairos_core::input::{Now, Pace};
use kairos_core::time::Time;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The wall clock. Clocks before 1970 read as 1970.
#[must_use]
pub fn time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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

/// The circumstances of one turn: which civil day it is, is looked up once.
pub(crate) struct Today {
    zone: TimeZone,
    last: Option<Now>,
}

impl Today {
    pub(crate) const fn new(zone: TimeZone) -> Self {
        Self { zone, last: None }
    }

    /// The circumstances at this moment.
    pub(crate) fn now(&mut self, pace: Pace) -> Now {
        let (time, seed) = (time(), seed());
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
