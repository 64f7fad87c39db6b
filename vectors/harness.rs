//! Runs recorded cases of the predecessor against a crate's public functions.
//!
//! Included by each crate's vector tests; never part of a crate. Cases come from the folder named
//! by `KAIROS_VECTORS`, else from the one this file stands in.
//!
//! A case passes, mismatches, or deviates by a rule. A rule is a stated decision (a defect of the
//! predecessor, or a section of the design) and says when it applies; no case is ever listed.
//! Each file yields one line for machines, and one per rule that applied:
//!
//! ```text
//! vectors scope.json passed=100 total=138 SCO-3=20 SCO-4=18
//! vectors-rule SCO-3 git internals are protected
//! ```

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

/// The most mismatches of one file that are spelled out.
const MISMATCHES_SHOWN: usize = 10;

/// A decision to answer otherwise than the predecessor.
pub(crate) struct Rule {
    /// One word, shown in the table.
    pub(crate) id: &'static str,
    pub(crate) reason: &'static str,
}

/// What became of one case.
pub(crate) enum Outcome {
    Pass,
    /// The answer differs from the record exactly as the rule says.
    Deviation(&'static Rule),
    Mismatch(String),
}

impl Outcome {
    /// Passes when the two are equal, and says how they differ otherwise.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(ours: &T, recorded: &T) -> Self {
        if ours == recorded {
            Self::Pass
        } else {
            Self::Mismatch(format!("ours {ours:?}, recorded {recorded:?}"))
        }
    }
}

/// Runs every case of `file` through `check`; panics on a mismatch or a wrong number of cases.
///
/// A folder given from outside may lack the file, which is said and is no failure.
pub(crate) fn run(file: &str, check: impl Fn(&Value) -> Outcome) {
    let given = std::env::var_os("KAIROS_VECTORS").map(PathBuf::from);
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"));
    let path = given.clone().unwrap_or_else(own).join(file);
    if given.is_some() && !path.exists() {
        return say(&format!("vectors {file} absent\n"));
    }
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let read: Value = serde_json::from_slice(&text).expect("a vectors file is JSON");
    let cases = read["cases"].as_array().expect("a vectors file has cases");
    assert_eq!(read["meta"]["count"], cases.len(), "{file}: the number of cases");

    let mut passed = 0;
    let mut rules: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut mismatches = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        match check(case) {
            Outcome::Pass => passed += 1,
            Outcome::Deviation(rule) => rules.entry(rule.id).or_insert((0, rule.reason)).0 += 1,
            Outcome::Mismatch(why) => mismatches.push(format!("case {index}: {why}\n  {case}")),
        }
    }
    let mut lines = format!("vectors {file} passed={passed} total={}", cases.len());
    rules.iter().for_each(|(id, (count, _))| lines.push_str(&format!(" {id}={count}")));
    lines.push('\n');
    rules
        .iter()
        .for_each(|(id, (_, reason))| lines.push_str(&format!("vectors-rule {id} {reason}\n")));
    say(&lines);
    mismatches.iter().take(MISMATCHES_SHOWN).for_each(|mismatch| eprintln!("{mismatch}"));
    assert!(mismatches.is_empty(), "{file}: {} cases mismatch", mismatches.len());
}

/// Writes past the capture of the test runner, on lines of their own.
fn say(lines: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{lines}").as_bytes()).expect("standard output is open");
}
