//! Case × driver.
//!
//! Owns the verdict over one attempt, the rows, how they are printed, and whether all of it is good: no
//! escape from ours, and exactly those cases without a control that are listed for this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::attempt::Attempt;
use crate::case::{Act, Case, Shows};
use crate::driver::kairos::Told;
use crate::numbers::title;

/// What an attempt proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It tried, and nothing was seen.
    Held,
    Escaped {
        effects: Vec<String>,
    },
    /// The effects were seen, and ours never claimed to hold it: the place that says so.
    NotClaimed {
        place: &'static str,
        effects: Vec<String>,
    },
    /// It never said that it tried: nothing is proven.
    Silent {
        said: String,
    },
    /// In the control: the effect was seen.
    Proven,
    /// In the control: the effect was not seen, so a driver could prove nothing.
    CannotRun {
        why: String,
    },
}

/// One cell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) case: String,
    pub(crate) driver: &'static str,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// From laying the world to sweeping it.
    pub(crate) took_ms: u128,
}

/// What the control shows.
pub(crate) fn control(case: &Case, attempt: &Attempt) -> Verdict {
    let report = attempt.report.as_ref();
    let succeeded = report.and_then(|report| report.succeeded) == Some(true);
    let tried = tried(case, attempt);
    let by_answer = matches!(case.shows, Shows::Answer | Shows::Works);
    if tried && attempt.seen.shows(case.shows) && (succeeded || !by_answer) {
        return Verdict::Proven;
    }
    let why = match report {
        Some(report) if report.succeeded.is_some() && !report.detail.is_empty() => {
            report.detail.clone()
        }
        Some(_) => format!("no effect was seen; {:?}", attempt.status),
        None => attempt.said.clone(),
    };
    Verdict::CannotRun { why: why.chars().take(160).collect() }
}

/// Whether it was tried at all: by the word of the probe, or because it was seen at work.
fn tried(case: &Case, attempt: &Attempt) -> bool {
    let said = attempt.report.as_ref().is_some_and(|report| report.attempted);
    said || attempt.watched || matches!(case.act, Act::Tool(_))
}

/// What ours has held.
pub(crate) fn ours(case: &Case, attempt: &Attempt) -> Verdict {
    match (driver(case, attempt, &[]), case.not_claimed) {
        (Verdict::Escaped { effects }, Some(place)) => Verdict::NotClaimed { place, effects },
        (verdict, _) => verdict,
    }
}

/// What another driver has held, which keeps some files of its own outside.
pub(crate) fn driver(case: &Case, attempt: &Attempt, keeps: &[&str]) -> Verdict {
    let report = attempt.report.as_ref();
    let succeeded = report.and_then(|report| report.succeeded) == Some(true);
    let tried = tried(case, attempt);
    let mut seen = attempt.seen.clone();
    seen.changes.retain(|change| !keeps.iter().any(|path| change.starts_with(path)));
    // What the policy allows to be reached may be reached.
    let allowed = |contact: &String| {
        let at = contact.strip_prefix("tcp ");
        at.is_some_and(|at| case.wish.allow.contains(&at))
    };
    seen.contacts.retain(|contact| !allowed(contact));
    if let Some(told) = &attempt.told {
        // What a driver reports it has seen itself: whoever asked can undo it.
        let reported =
            |change: &String| told.appeared.iter().any(|path| change.starts_with(path.as_str()));
        seen.changes.retain(|change| !reported(change));
    }
    let mut effects = seen.effects();
    let detail = report.map(|report| report.detail.chars().take(160).collect::<String>());
    let detail = detail.unwrap_or_default();
    match case.shows {
        // Left in a layer, where the driver may find it and keep it back.
        Shows::Answer if succeeded && is_kept_back(case, attempt) => {}
        Shows::Answer if succeeded => effects.push(format!("granted: {detail}")),
        Shows::Works if tried && !succeeded => effects.push(format!("does not work: {detail}")),
        _ => {}
    }
    effects.extend(attempt.told.as_ref().and_then(|told| other_end(case, told)));
    if !effects.is_empty() {
        return Verdict::Escaped { effects };
    }
    // Refused, or dead before it could say anything: in both cases it has told so.
    let refused = match &attempt.told {
        Some(told) => told.exit != "code 0",
        None => attempt.status.is_some_and(|status| !status.success()),
    };
    match tried || (refused && case.may_be_refused()) {
        true => Verdict::Held,
        false => Verdict::Silent { said: attempt.said.clone() },
    }
}

fn is_kept_back(case: &Case, attempt: &Attempt) -> bool {
    let kept = |path: &str| {
        attempt.told.as_ref().is_some_and(|told| told.not_promoted.iter().any(|kept| kept == path))
    };
    case.kept_back.is_some_and(kept)
}

/// Where a command ended in another way than it had to, or cost its daemon too much.
fn other_end(case: &Case, told: &Told) -> Option<String> {
    /// Of a daemon that keeps little of what it is told.
    const DAEMON_MIB_MAX: u64 = 64;
    if told.daemon_mib > DAEMON_MIB_MAX {
        return Some(format!("the daemon took {} MiB", told.daemon_mib));
    }
    let wanted = case.told?;
    let ended = if told.refused.is_empty() { &told.exit } else { &told.refused };
    (!ended.contains(wanted)).then(|| format!("told `{ended}` and not `{wanted}`"))
}

/// All cells, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    cells: Vec<Cell>,
}

impl Matrix {
    pub(crate) fn add(
        &mut self,
        case: &Case,
        driver: &'static str,
        verdict: Verdict,
        took: Duration,
    ) {
        let took_ms = took.as_millis();
        self.cells.push(Cell { case: case.id(), driver, verdict, took_ms });
    }

    /// Cases whose control showed nothing, each with what it was told.
    pub(crate) fn unshown(&self) -> BTreeMap<&str, &str> {
        let mut unshown = BTreeMap::new();
        for cell in &self.cells {
            if let Verdict::CannotRun { why } = &cell.verdict {
                unshown.insert(cell.case.as_str(), why.trim());
            }
        }
        unshown
    }

    /// Cells of one driver that are not held.
    pub(crate) fn not_held(&self, driver: &str) -> usize {
        let of = self.cells.iter().filter(|cell| cell.driver == driver);
        of.filter(|cell| matches!(cell.verdict, Verdict::Escaped { .. } | Verdict::Silent { .. }))
            .count()
    }

    pub(crate) fn json(&self) -> Result<String> {
        self.cells.iter().try_fold(String::new(), |mut text, cell| {
            writeln!(text, "{}", serde_json::to_string(cell)?)?;
            Ok(text)
        })
    }

    /// A line per number, and below it what was not held by whom.
    pub(crate) fn table(&self, drivers: &[&'static str]) -> String {
        let numbers: BTreeSet<u8> =
            self.cells.iter().filter_map(|cell| number(&cell.case)).collect();
        let mut text = format!("{:>3}  {:<40}", "", "case");
        for driver in drivers {
            write!(text, "{driver:>14}").expect("a string takes all");
        }
        text.push('\n');
        for at in numbers {
            write!(text, "{at:>3}  {:<40}", title(at)).expect("a string takes all");
            for driver in drivers {
                write!(text, "{:>14}", self.cell(at, driver)).expect("a string takes all");
            }
            text.push('\n');
        }
        text
    }

    /// `3 held`, `1/4 OPEN`, `-` where nothing could be run.
    fn cell(&self, at: u8, driver: &str) -> String {
        let of = |wanted: fn(&Verdict) -> bool| {
            let cells = self.cells.iter().filter(|cell| cell.driver == driver);
            cells.filter(|cell| number(&cell.case) == Some(at) && wanted(&cell.verdict)).count()
        };
        let held = of(|verdict| matches!(verdict, Verdict::Held | Verdict::Proven));
        let escaped = of(|verdict| matches!(verdict, Verdict::Escaped { .. }));
        let silent = of(|verdict| matches!(verdict, Verdict::Silent { .. }));
        let not_claimed = of(|verdict| matches!(verdict, Verdict::NotClaimed { .. }));
        match (escaped, silent, not_claimed, held) {
            (0, 0, 0, 0) => "-".to_owned(),
            (0, 0, _, held) if driver == "control" => format!("{held} shown"),
            (0, 0, 0, held) => format!("{held} held"),
            (0, 0, not_claimed, held) => format!("{held} held, {not_claimed}*"),
            (0, silent, _, held) => format!("{silent}/{} silent", silent + held),
            (escaped, ..) => format!("{escaped}/{} OPEN", escaped + silent + not_claimed + held),
        }
    }

    /// What was not held, case by case.
    pub(crate) fn findings(&self, driver: &str) -> String {
        let mut text = String::new();
        for cell in self.cells.iter().filter(|cell| cell.driver == driver) {
            let line = match &cell.verdict {
                Verdict::Escaped { effects } => effects.join("; "),
                Verdict::NotClaimed { place, effects } => {
                    format!("* not claimed ({place}): {}", effects.join("; "))
                }
                Verdict::Silent { said } => format!("never tried: {}", said.trim()),
                Verdict::CannotRun { why } => why.trim().to_owned(),
                Verdict::Held | Verdict::Proven => continue,
            };
            let line = line.replace('\n', " ");
            writeln!(text, "  {:<28} {line}", cell.case).expect("a string takes all");
        }
        text
    }
}

fn number(case: &str) -> Option<u8> {
    case.split_once('.').and_then(|(number, _)| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Report;
    use crate::witness::Seen;

    fn attempt(report: Option<(Option<bool>, &str)>, seen: Seen) -> Attempt {
        let report = report.map(|(succeeded, detail)| Report {
            attempted: true,
            succeeded,
            detail: detail.to_owned(),
        });
        Attempt { report, seen, status: None, watched: false, told: None, said: String::new() }
    }

    fn case(shows: Shows) -> Case {
        Case::probe(1, "a", shows, &["read", "/x"])
    }

    #[test]
    fn a_control_is_proven_by_what_its_witness_saw() {
        let quiet = attempt(Some((Some(true), "")), Seen::default());
        assert!(matches!(control(&case(Shows::Leak), &quiet), Verdict::CannotRun { .. }));
        let leak = attempt(Some((Some(true), "")), Seen { leak: true, ..Seen::default() });
        assert_eq!(control(&case(Shows::Leak), &leak), Verdict::Proven);
        assert_eq!(control(&case(Shows::Answer), &quiet), Verdict::Proven);
    }

    #[test]
    fn a_probe_that_never_tried_proves_nothing() {
        let silent = attempt(None, Seen::default());
        assert!(matches!(driver(&case(Shows::Leak), &silent, &[]), Verdict::Silent { .. }));
        let killed = attempt(Some((None, "")), Seen::default());
        assert_eq!(driver(&case(Shows::Leak), &killed, &[]), Verdict::Held);
    }

    #[test]
    fn any_effect_is_an_escape_whatever_the_case_is_about() {
        let seen = Seen { contacts: vec!["tcp".to_owned()], ..Seen::default() };
        let verdict = driver(&case(Shows::Leak), &attempt(Some((Some(false), "")), seen), &[]);
        assert_eq!(verdict, Verdict::Escaped { effects: vec!["reached: tcp".to_owned()] });
    }

    #[test]
    fn what_must_work_is_not_held_by_refusing_it() {
        let refused = attempt(Some((Some(false), "no")), Seen::default());
        let expected = Verdict::Escaped { effects: vec!["does not work: no".to_owned()] };
        assert_eq!(driver(&case(Shows::Works), &refused, &[]), expected);
    }
}
