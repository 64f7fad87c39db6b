//! The programs that try, and how much each has to.
//!
//! Owns the table of parts. A part prints its counts as lines of JSON among whatever else it prints.

use super::fuzz;
use crate::call::Call;

/// How many times as much is tried at night.
pub(super) const NIGHTLY: u64 = 100;

const KILLS: u64 = 200;
const SEEDS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) quotas: &'static [Quota],
    pub(super) needs_strace: bool,
    args: &'static [&'static str],
    effort: Effort,
}

/// What says how much to try.
#[derive(Clone, Copy, Debug)]
enum Effort {
    /// There is a certain number of cases, and all are tried.
    Whole,
    /// A variable of the environment that holds this much.
    Variable(&'static str, u64),
}

/// A row, and how much is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) row: &'static str,
    pub(super) least: u64,
    /// Whether there is more to try at night.
    pub(super) grows: bool,
}

impl Quota {
    const fn new(row: &'static str, least: u64) -> Self {
        Self { row, least, grows: true }
    }

    /// Of a certain number of cases, all.
    const fn whole(row: &'static str, least: u64) -> Self {
        Self { row, least, grows: false }
    }
}

impl Part {
    pub(super) fn call(&self, times: u64) -> Call {
        let call = Call::cargo(self.args);
        match self.effort {
            Effort::Whole => call,
            Effort::Variable(name, once) => call.var(name, &(once * times).to_string()),
        }
    }
}

/// Every test asks for the whole workspace, so that nothing is built again for another selection.
const fn test(name: &'static str) -> [&'static str; 7] {
    ["test", "--workspace", "--locked", "--test", name, "--", "--nocapture"]
}

// tidy: table
pub(super) const PARTS: [Part; 7] = [
    Part {
        name: "journal",
        args: &test("journal"),
        effort: Effort::Variable("KAIROS_SIM_EFFORT", 1),
        needs_strace: false,
        quotas: &[
            Quota::new("crash points", 10_000),
            Quota::new("second crashes", 40_000),
            Quota::whole("crash points, deletion", 500),
            Quota::whole("second crashes, deletion", 500),
            Quota::whole("crash points, repair", 200),
            Quota::whole("second crashes, repair", 600),
            Quota::new("distinct images", 10_000),
            Quota::whole("crash points after a fault", 10_000),
            Quota::new("bit flips", 180_000),
            Quota::whole("bit flips, last acknowledged frame", 100_000),
            Quota::whole("truncations", 1),
            Quota::whole("deleted frames and segments", 80),
            Quota::whole("swapped frames and segments", 300),
            Quota::whole("doubled frames and segments", 200),
            Quota::whole("stale and foreign segments", 250),
            Quota::whole("failing calls, journal", 1),
            Quota::whole("short writes", 1),
            Quota::whole("lying syncs", 500),
        ],
    },
    Part {
        name: "exchange",
        args: &test("exchange"),
        effort: Effort::Whole,
        needs_strace: false,
        quotas: &[
            Quota::whole("exchange crash points", 2_000),
            Quota::whole("exchange second crashes", 100_000),
            Quota::whole("crash points, new directory", 1_000),
            Quota::whole("second crashes, new directory", 100_000),
            Quota::whole("failing calls, exchange", 1),
            Quota::whole("failing calls, new directory", 1),
            Quota::whole("people beside an exchange", 40_000),
            Quota::whole("people beside a new directory", 40_000),
        ],
    },
    Part {
        name: "mounts",
        args: &test("mounts"),
        effort: Effort::Whole,
        // It stands in for a file system that cannot exchange.
        needs_strace: true,
        // Fewer where there are no user namespaces: what was not tried is not met.
        quotas: &[Quota::whole("file systems", 9)],
    },
    Part {
        name: "blobs",
        args: &test("blobs"),
        effort: Effort::Whole,
        needs_strace: false,
        quotas: &[
            Quota::whole("crash points, blobs", 100),
            Quota::whole("failing calls, blobs", 1),
            Quota::whole("bit flips, blobs", 4_000),
            Quota::whole("crash points, collection", 500),
            Quota::whole("failing calls, collection", 1),
            Quota::whole("puts beside a collection", 30),
            Quota::whole("removals beside a put", 10),
        ],
    },
    Part {
        name: fuzz::PART,
        args: &test("fuzz"),
        effort: Effort::Variable("KAIROS_SIM_EFFORT", 1),
        needs_strace: false,
        quotas: &[Quota::new("fuzzed inputs", 60_000), Quota::new(fuzz::ROW, 100_000)],
    },
    Part {
        name: "kills",
        args: &[
            "test",
            "--workspace",
            "--locked",
            "--test",
            "daemon",
            "--",
            "--nocapture",
            "kill::",
        ],
        effort: Effort::Variable("KAIROS_KILLS", KILLS),
        needs_strace: true,
        quotas: &[
            Quota::new("kills at random times", KILLS / 2),
            // A call that does not come in time counts in the row of random ones.
            Quota::new("kills before a system call", KILLS / 8),
            Quota::new("kills after a system call", KILLS / 8),
        ],
    },
    Part {
        name: "simulation",
        // With what the tests are optimized by.
        args: &[
            "run",
            "--quiet",
            "--locked",
            "--profile",
            "test",
            "--package",
            "kairos-sim",
            "--bin",
            "simulate",
        ],
        effort: Effort::Variable("KAIROS_SIM_SEEDS", SEEDS),
        needs_strace: false,
        quotas: &[
            Quota::new("seeds", SEEDS),
            Quota::new("simulated crashes", 8_000),
            Quota::new("simulated stops at a rotation", 800),
            Quota::new("simulated snapshots", 2_000),
            Quota::new("simulated damaged snapshots", 200),
            Quota::new("simulated openings from a snapshot", 10_000),
            Quota::new("simulated deleted segments", 100),
            Quota::new("simulated quarantines", 200),
            Quota::new("simulated lives of one mandate", 500),
            Quota::new("simulated returns of a schedule", 200),
        ],
    },
];
