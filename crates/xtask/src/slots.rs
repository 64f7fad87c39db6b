//! `cargo xtask slots`: every slot accounted for, through crashes, sleep, clock steps and edits.
//!
//! Owns how many slots are tried, what must have happened on the way, and the table. Performs nothing
//! itself: `simulate` lets whole daemons live on simulated machines and prints a line for each count.
//! Bad unless everything that has to be there was, and nothing was that must not be.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::Verdict;
use crate::call::Call;
use crate::table::{Edge, render};

/// Slots that every change has to pass.
const SLOTS: u64 = 100_000;
/// How many times as many at night.
const NIGHTLY: u64 = 20;

/// What to try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    slots: u64,
    seed: u64,
}

/// What a count must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// So many at least, for as many slots as every change has to pass; for fewer in proportion.
    Be(u64),
    /// As much as another count.
    Equal(&'static str),
    /// Nothing.
    NotBe,
}

use Must::{Be, Equal, NotBe};

const EXPECTED: &str = "slots expected";

// tidy: table
const ROWS: [(&str, Must); 37] = [
    (EXPECTED, Be(SLOTS)),
    ("slots accounted for", Equal(EXPECTED)),
    ("slots one by one", Be(30_000)),
    ("slots in ranges, ten of each", Be(1_000)),
    ("slots with two fates", NotBe),
    ("slots with no fate", NotBe),
    ("next announced", Be(30_000)),
    ("next disagreed", NotBe),
    ("found wrong in all", NotBe),
    ("simulated crashes", Be(100)),
    ("simulated second crashes", Be(10)),
    ("suspends", Be(100)),
    ("clock steps held", Be(50)),
    ("clock steps too small to hold", Be(50)),
    ("reloads", Be(200)),
    ("edits of a rule", Be(100)),
    ("renames by id", Be(20)),
    ("renames without id", Be(20)),
    ("removals", Be(100)),
    ("simulated returns of a schedule", Be(50)),
    ("changes of zone data", Be(200)),
    ("pauses", Be(50)),
    ("ends of a pause", Be(20)),
    ("fired", Be(5_000)),
    ("coalesced", Be(200)),
    ("skipped by policy", Be(200)),
    ("skipped, rule changed", Be(50)),
    ("skipped, paused", Be(50)),
    ("dropped stale", Be(100)),
    ("refused, overlap", Be(500)),
    ("refused, no model", Be(100)),
    ("refused, unpriced", Be(100)),
    ("8 h suspends", Be(20)),
    ("8 h suspends with 50 due", Be(15)),
    ("as many at once as may", Be(2_000)),
    ("more at once than may", NotBe),
    ("more waiting than may", NotBe),
];

/// A line of `simulate`.
#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    tried: u64,
    lost: u64,
    duplicated: u64,
    wrongly_accepted: u64,
    wrongly_refused: u64,
}

impl Request {
    /// `None` when the arguments are no request.
    pub(crate) fn parse(mut args: &[&str]) -> Option<Self> {
        let mut request = Self { slots: SLOTS, seed: 0 };
        loop {
            args = match args {
                [] => return Some(request),
                ["--nightly", rest @ ..] => {
                    request.slots = SLOTS * NIGHTLY;
                    rest
                }
                ["--slots", slots, rest @ ..] => {
                    request.slots = slots.parse().ok()?;
                    rest
                }
                ["--seed", seed, rest @ ..] => {
                    request.seed = seed.parse().ok()?;
                    rest
                }
                _ => return None,
            }
        }
    }

    fn call(&self) -> Call {
        let (slots, seed) = (self.slots.to_string(), self.seed.to_string());
        let build = ["run", "--quiet", "--locked", "--profile", "test", "--package", "kairos-sim"];
        let what = ["--bin", "simulate", "--", "--slots", &slots, "--from", &seed];
        Call::cargo(&[&build[..], &what[..]].concat())
    }
}

/// As much as every change has to pass.
pub(crate) fn usual(root: &Path) -> Result<Verdict> {
    slots(root, &Request { slots: SLOTS, seed: 0 })
}

pub(crate) fn slots(root: &Path, request: &Request) -> Result<Verdict> {
    let call = request.call();
    let answer = call.read_stdout(root)?;
    let counts = counts(&answer.stdout)?;
    let mut good = answer.good;
    let rows = ROWS.iter().map(|(name, must)| {
        let is = counts.of(name);
        let (least, met) = match must {
            Be(least) => {
                let least = least.saturating_mul(request.slots) / SLOTS;
                (format!("at least {least}"), is >= least)
            }
            Equal(other) => (format!("as {other}"), is == counts.of(other)),
            NotBe => ("0".to_owned(), is == 0),
        };
        good &= met;
        let verdict = if met { "" } else { "NOT MET" };
        vec![(*name).to_owned(), is.to_string(), least, verdict.to_owned()]
    });
    let rows: Vec<_> = rows.collect();
    let columns =
        [("what", Edge::Left), ("count", Edge::Right), ("must be", Edge::Left), ("", Edge::Left)];
    print!("{}", render(&columns, &rows));
    let last = request.seed + counts.of("seeds").saturating_sub(1);
    println!("seeds {} to {last}; one of them again: simulate --schedules SEED", request.seed);
    if !good {
        println!("repeat it alone: {call}");
    }
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

/// What `simulate` counted; what it did not count is not there.
struct Counts(Vec<(String, u64)>);

impl Counts {
    fn of(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(row, _)| row == name);
        found.map_or(0, |(_, count)| *count)
    }
}

fn counts(output: &str) -> Result<Counts> {
    let mut counts = Vec::new();
    for text in output.lines().filter(|line| line.starts_with('{')) {
        let line: Line =
            serde_json::from_str(text).with_context(|| format!("`{text}` is no count"))?;
        if line.name == "seeds" {
            let wrong = [line.lost, line.duplicated, line.wrongly_accepted, line.wrongly_refused];
            counts.push(("found wrong in all".to_owned(), wrong.iter().sum()));
        }
        let accounted = line.name == "simulated slots";
        let name = if accounted { "slots accounted for".to_owned() } else { line.name };
        counts.push((name, line.tried));
    }
    Ok(Counts(counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_how_much_and_from_where() {
        let parse = |args: &[&str]| Request::parse(args);
        assert_eq!(parse(&[]), Some(Request { slots: SLOTS, seed: 0 }));
        let nightly = Request { slots: SLOTS * NIGHTLY, seed: 7 };
        assert_eq!(parse(&["--nightly", "--seed", "7"]), Some(nightly));
        assert_eq!(parse(&["--slots"]), None);
        assert_eq!(parse(&["--fast"]), None);
    }

    #[test]
    fn what_is_not_counted_is_nothing() {
        let line = r#"{"name":"seeds","tried":3,"lost":1,"duplicated":0,"wrongly_accepted":1,"wrongly_refused":0}"#;
        let counts = counts(line).unwrap();
        assert_eq!((counts.of("found wrong in all"), counts.of("pauses")), (2, 0));
    }
}
