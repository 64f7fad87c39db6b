//! What was put lately.
//!
//! Owns a bounded memory of the blobs that a record may be about to name. Never asks a disk and
//! never reads a clock: time comes with the collection. [`super::Collection`] leaves alone what it
//! holds.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::digest::Digest;

/// What is put is named by a record within this time, or never: a text waits for its record no
/// longer than the longest effect takes, which is an hour.
pub const NAMED_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Different blobs put between two generations that are remembered: 2 MiB.
pub const RECENT_MAX: usize = 1 << 17;

/// Two generations: what is in neither was put more than [`NAMED_WITHIN`] ago.
#[derive(Debug, Default)]
pub(super) struct Recent {
    young: Generation,
    old: Generation,
    /// When `young` was begun.
    begun: Option<Instant>,
}

#[derive(Debug, Default)]
struct Generation {
    /// How the digests begin. Another blob that begins alike is kept too, which harms nobody.
    begin: HashSet<u64>,
    /// Something was put that is not remembered.
    full: bool,
}

impl Recent {
    pub(super) fn put(&mut self, digest: &Digest) {
        let Generation { begin, full } = &mut self.young;
        if begin.len() < RECENT_MAX {
            begin.insert(beginning(digest));
        } else {
            *full |= !begin.contains(&beginning(digest));
        }
    }

    pub(super) fn holds(&self, digest: &Digest) -> bool {
        [&self.young, &self.old].iter().any(|of| of.begin.contains(&beginning(digest)))
    }

    /// Forgets what is over the time. Only at the start of a collection, so that what was put
    /// before it stays until its end.
    pub(super) fn turn(&mut self, now: Instant) {
        let young = |begun| now.saturating_duration_since(begun) < NAMED_WITHIN;
        if !self.begun.is_some_and(young) {
            self.old = std::mem::take(&mut self.young);
            self.begun = Some(now);
        }
    }

    /// Whether there is more than it holds.
    pub(super) const fn is_full(&self) -> bool {
        self.young.full || self.old.full
    }
}

fn beginning(digest: &Digest) -> u64 {
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nth(n: usize) -> Digest {
        crate::digest(&n.to_be_bytes())
    }

    #[test]
    fn what_was_put_is_held_for_its_time_and_forgotten_by_a_later_collection() {
        let (mut recent, begun) = (Recent::default(), Instant::now());
        recent.put(&nth(1));
        recent.turn(begun);
        recent.put(&nth(2));
        let just_before = NAMED_WITHIN.checked_sub(Duration::from_millis(1)).expect("a day");
        for later in [Duration::ZERO, just_before] {
            recent.turn(begun + later);
            assert!(recent.holds(&nth(1)) && recent.holds(&nth(2)));
        }
        recent.turn(begun + NAMED_WITHIN);
        assert!(!recent.holds(&nth(1)) && recent.holds(&nth(2)));
        // A long stop is one step, whatever the clock says.
        recent.turn(begun + 10 * NAMED_WITHIN);
        assert!(!recent.holds(&nth(2)));
    }

    #[test]
    fn more_than_it_holds_is_told_until_the_time_is_over() {
        let (mut recent, begun) = (Recent::default(), Instant::now());
        recent.turn(begun);
        (0..RECENT_MAX).for_each(|n| recent.put(&nth(n)));
        recent.put(&nth(0));
        assert!(!recent.is_full());
        recent.put(&nth(RECENT_MAX));
        for (days, full) in [(0, true), (1, true), (2, false)] {
            recent.turn(begun + days * NAMED_WITHIN);
            assert_eq!(recent.is_full(), full, "after {days} days");
        }
    }
}
