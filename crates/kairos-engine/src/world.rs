//! The circumstances of decisions: what time it is, which civil day, fresh randomness.
//!
//! Owns the engine's only look at clock and randomness. The turn is handed circumstances as a
//! closure, so a simulator brings its own; the rules never ask anyone.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use kairos_core::id::Seed;
use kairos_core::input::{Now, Pace};
use kairos_core::time::Time;
use rustix::rand::{GetRandomFlags, getrandom};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The wall clock. Clocks before 1970 read as 1970.
#[must_use]
pub fn time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Sixteen fresh random bytes.
pub(crate) fn seed() -> Seed {
    let mut bytes = [0; 16];
    // Sixteen bytes are never interrupted once the kernel's pool is ready (getrandom(2)), and this
    // waits until it is.
    getrandom(&mut bytes[..], GetRandomFlags::empty()).expect("the kernel gives random bytes");
    Seed(bytes)
}

/// The circumstances at this moment.
pub(crate) fn now(zone: &TimeZone, pace: Pace) -> Now {
    circumstances(time(), seed(), zone, pace)
}

/// The circumstances at `time`; the civil day is `zone`'s.
#[must_use]
pub fn circumstances(time: Time, seed: Seed, zone: &TimeZone, pace: Pace) -> Now {
    let zoned = time.timestamp().to_zoned(zone.clone());
    let tomorrow = zoned.checked_add(1.day()).and_then(|next| next.start_of_day());
    let day_ends = tomorrow.map_or(time.plus_ms(DAY_MS), |next| Time::from(next.timestamp()));
    Now { time, seed, day: zoned.date(), day_ends, pace }
}
