//! How much was tried.
//!
//! Owns the counts and their one line of JSON for each kind.

use std::collections::BTreeSet;
use std::fmt;

use super::law::{Broken, Wrong};

/// Counts of one script, or of many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub seeds: u64,
    /// Kills and power losses.
    pub crashes: u64,
    /// Such during a recovery.
    pub seconds: u64,
    /// Disks a power loss left that were recovered from.
    pub images: u64,
    distinct: BTreeSet<u64>,
    pub faults: u64,
    pub turns: u64,
    pub events: u64,
    pub answers: u64,
    pub changes: u64,
    pub slots: u64,
    wrong: [u64; 4],
}

impl Tally {
    /// Of one seed.
    pub(super) fn one() -> Self {
        Self { seeds: 1, ..Self::default() }
    }

    pub(super) fn image(&mut self, fingerprint: u64) {
        self.images += 1;
        self.distinct.insert(fingerprint);
    }

    pub(super) fn broken(&mut self, broken: &[Broken]) {
        for broken in broken {
            self.wrong[match broken.wrong {
                Wrong::Lost => 0,
                Wrong::Duplicated => 1,
                Wrong::Accepted => 2,
                Wrong::Refused => 3,
            }] += 1;
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.crashes += other.crashes;
        self.seconds += other.seconds;
        self.images += other.images;
        self.distinct.extend(other.distinct);
        self.faults += other.faults;
        self.turns += other.turns;
        self.events += other.events;
        self.answers += other.answers;
        self.changes += other.changes;
        self.slots += other.slots;
        for (wrong, other) in self.wrong.iter_mut().zip(other.wrong) {
            *wrong += other;
        }
    }

    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong == [0; 4]
    }
}

impl fmt::Display for Tally {
    /// Lines of JSON: what was tried, and what of it was lost, duplicated, wrongly accepted or
    /// wrongly refused. The harm stands once, with the seeds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = [0; 4];
        let rows = [
            ("seeds", self.seeds, self.wrong),
            ("simulated crashes", self.crashes, none),
            ("simulated second crashes", self.seconds, none),
            ("simulated images", self.images, none),
            ("simulated distinct images", self.distinct.len() as u64, none),
            ("simulated faults", self.faults, none),
            ("simulated turns", self.turns, none),
            ("simulated events", self.events, none),
            ("simulated answers", self.answers, none),
            ("simulated file changes", self.changes, none),
            ("simulated slots", self.slots, none),
        ];
        for (place, (name, tried, wrong)) in rows.into_iter().enumerate() {
            let end = if place + 1 < rows.len() { "\n" } else { "" };
            write!(f, "{}{end}", row(name, tried, wrong))?;
        }
        Ok(())
    }
}

/// One line: `wrong` is lost, duplicated, wrongly accepted, wrongly refused.
#[must_use]
pub fn row(name: &str, tried: u64, [lost, duplicated, accepted, refused]: [u64; 4]) -> String {
    format!(
        "{{\"name\":\"{name}\",\"tried\":{tried},\"lost\":{lost},\"duplicated\":{duplicated},\
         \"wrongly_accepted\":{accepted},\"wrongly_refused\":{refused}}}"
    )
}
