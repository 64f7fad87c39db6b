//! How much was tried.
//!
//! Owns the counts and their one line of JSON for each kind.

use std::collections::BTreeSet;
use std::fmt;

use super::law::{Broken, Wrong};

macro_rules! tried {
    ($($(#[$doc:meta])* $name:ident $row:literal,)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Tried { $($(#[$doc])* $name,)+ }

        impl Tried {
            /// With the name each has in a row.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, $row)),+];
        }
    };
}

tried! {
    Seeds "seeds",
    /// Kills and power losses.
    Crashes "simulated crashes",
    /// Such during a recovery.
    Seconds "simulated second crashes",
    /// Disks a power loss left that were recovered from.
    Images "simulated images",
    Distinct "simulated distinct images",
    /// Turns that a mandate brought down.
    Aborts "simulated aborts",
    Quarantines "simulated quarantines",
    /// Processes that were there for one mandate.
    Onces "simulated lives of one mandate",
    Faults "simulated faults",
    Turns "simulated turns",
    Events "simulated events",
    Answers "simulated answers",
    Changes "simulated file changes",
    Slots "simulated slots",
    /// Times that somebody set the wall clock.
    Steps "simulated clock steps",
    /// Schedules that came back after they had gone.
    Returns "simulated returns of a schedule",
    /// Segments of the journal that were sealed.
    Segments "simulated sealed segments",
    /// Stops at a call of a turn that went over into the next one.
    Rotations "simulated stops at a rotation",
    Snapshots "simulated snapshots",
    /// Snapshots somebody damaged.
    Spoiled "simulated damaged snapshots",
    /// Segments that retention deleted.
    Deleted "simulated deleted segments",
    /// Openings for which a snapshot stood.
    Opened "simulated openings from a snapshot",
    /// Slots there were, by the second opinion.
    Expected "slots expected",
    Duplicates "slots with two fates",
    Silent "slots with no fate",
    /// Slots whose fate is a record of its own.
    Singles "slots one by one",
    /// Slots in ranges, ten of each at most.
    Ranged "slots in ranges, ten of each",
    Promises "next announced",
    Disagreements "next disagreed",
    /// Sleeps of the machine.
    Suspends "suspends",
    Nights "8 h suspends",
    /// Such after which many schedules were due at once.
    ManyDue "8 h suspends with 50 due",
    /// Fires that began as the last that may at once.
    Full "as many at once as may",
    Crowded "more at once than may",
    Overfull "more waiting than may",
    Held "clock steps held",
    Nudges "clock steps too small to hold",
    Reloads "reloads",
    Edits "edits of a rule",
    Renames "renames by id",
    Breaks "renames without id",
    Removals "removals",
    ZoneChanges "changes of zone data",
    Pauses "pauses",
    Resumes "ends of a pause",
    Fired "fired",
    Coalesced "coalesced",
    Skipped "skipped by policy",
    RuleChanged "skipped, rule changed",
    Paused "skipped, paused",
    Restored "skipped, restored",
    Condition "skipped, condition",
    Stale "dropped stale",
    Overlap "refused, overlap",
    NoModel "refused, no model",
    Unpriced "refused, unpriced",
}

/// Counts of one script, or of many.
#[derive(Clone, Debug)]
pub struct Tally {
    tried: [u64; Tried::ALL.len()],
    distinct: BTreeSet<u64>,
    wrong: [u64; 4],
}

impl Default for Tally {
    fn default() -> Self {
        Self { tried: [0; Tried::ALL.len()], distinct: BTreeSet::new(), wrong: [0; 4] }
    }
}

impl Tally {
    /// Of one seed.
    pub(super) fn one() -> Self {
        let mut one = Self::default();
        one.count(Tried::Seeds);
        one
    }

    pub(super) fn count(&mut self, what: Tried) {
        self.add_to(what, 1);
    }

    pub(super) fn add_to(&mut self, what: Tried, more: u64) {
        self.tried[place(what)] += more;
    }

    /// How much of it was tried.
    #[must_use]
    pub fn of(&self, what: Tried) -> u64 {
        match what {
            Tried::Distinct => self.distinct.len() as u64,
            _ => self.tried[place(what)],
        }
    }

    pub(super) fn image(&mut self, fingerprint: u64) {
        self.count(Tried::Images);
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
        for (tried, other) in self.tried.iter_mut().zip(other.tried) {
            *tried += other;
        }
        self.distinct.extend(other.distinct);
        for (wrong, other) in self.wrong.iter_mut().zip(other.wrong) {
            *wrong += other;
        }
    }

    /// Slots whose fates were compared, of a range ten at most.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.of(Tried::Singles) + self.of(Tried::Ranged)
    }

    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong == [0; 4]
    }
}

fn place(what: Tried) -> usize {
    let place = Tried::ALL.iter().position(|(of, _)| *of == what);
    place.expect("the list is made of them all")
}

impl fmt::Display for Tally {
    /// Lines of JSON: what was tried, and what of it was lost, duplicated, wrongly accepted or
    /// wrongly refused. The harm stands once, with the seeds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (what, name)) in Tried::ALL.iter().enumerate() {
            let begin = if nth > 0 { "\n" } else { "" };
            let wrong = if *what == Tried::Seeds { self.wrong } else { [0; 4] };
            write!(f, "{begin}{}", row(name, self.of(*what), wrong))?;
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
