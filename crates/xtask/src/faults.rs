//! `cargo xtask faults`: what was tried against the durable parts, and what went wrong.
//!
//! Owns the list of parts, what each has to reach, and the table. Tries nothing itself: each part is
//! a program of another crate that prints a line for each count, and this adds them up. Bad unless
//! every column of wrongs is zero and everything that has to be tried was.

mod fuzz;
mod parts;
mod rows;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::Verdict;
use crate::call::Answer;
use crate::packages;
use parts::Part;
use rows::Rows;

/// What to try and how to print it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// These parts, or all.
    names: Vec<String>,
    nightly: bool,
    json: bool,
}

impl Request {
    /// `None` when the arguments are no request.
    pub(crate) fn parse(args: &[&str]) -> Option<Self> {
        let mut request = Self::default();
        for &arg in args {
            match arg {
                "--json" => request.json = true,
                "--nightly" => request.nightly = true,
                name if !name.starts_with('-') => request.names.push(name.to_owned()),
                _ => return None,
            }
        }
        Some(request)
    }
}

/// Everything, as much as every change has to pass.
pub(crate) fn all(root: &Path) -> Result<Verdict> {
    faults(root, &Request::default())
}

pub(crate) fn faults(root: &Path, request: &Request) -> Result<Verdict> {
    let parts = chosen(&request.names)?;
    if parts.iter().any(|part| part.needs_strace) {
        packages::install(root, "strace", "kills the daemon at its system calls")?;
    }
    let begun = Instant::now();
    let times = if request.nightly { parts::NIGHTLY } else { 1 };
    let answers = attempt(root, &parts, times)?;
    let mut rows = Rows::expecting(parts.iter().flat_map(|part| part.quotas), times);
    let mut good = true;
    for (part, answer) in parts.iter().zip(&answers) {
        rows.add(&answer.stdout)?;
        if !answer.good {
            good = false;
            eprintln!("── {} failed; repeat it alone: {}", part.name, part.call(times));
            eprintln!("{}", told(answer));
        }
    }
    if parts.iter().any(|part| part.name == fuzz::PART) {
        let search = fuzz::search(root, times)?;
        rows.add(&search.line())?;
        good &= search.verdict() == Verdict::Good;
    }
    if request.json {
        print!("{}", rows.json()?);
    } else {
        print!("{}", rows.table());
        println!("{:.0} s", begun.elapsed().as_secs_f64());
    }
    Ok(if good && rows.are_good() { Verdict::Good } else { Verdict::Bad })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Part>> {
    for name in names {
        if !parts::PARTS.iter().any(|part| part.name == name) {
            let all = parts::PARTS.map(|part| part.name).join(", ");
            bail!("no part is named `{name}`; there are: {all}");
        }
    }
    let wanted = |part: &&Part| names.is_empty() || names.iter().any(|name| name == part.name);
    Ok(parts::PARTS.iter().filter(wanted).collect())
}

/// All parts beside each other: the one that kills mostly waits.
fn attempt(root: &Path, parts: &[&Part], times: u64) -> Result<Vec<Answer>> {
    std::thread::scope(|scope| {
        let begun: Vec<_> =
            parts.iter().map(|part| scope.spawn(move || part.call(times).read(root))).collect();
        let ended = begun.into_iter().map(|part| part.join().expect("a part never panics"));
        ended.collect()
    })
}

/// The end of what a part said, without its counts.
fn told(answer: &Answer) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = answer.stdout.lines().chain(answer.stderr.lines()).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|line| rows::json_of(line).is_none()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_names_and_flags_in_any_order() {
        let request = Request::parse(&["kills", "--nightly", "journal"]).unwrap();
        assert_eq!(request.names, ["kills", "journal"]);
        assert!(request.nightly && !request.json);
        assert_eq!(Request::parse(&["--fast"]), None);
    }

    #[test]
    fn an_unknown_part_is_named_beside_the_known_ones() {
        let error = chosen(&["jurnal".to_owned()]).err().unwrap().to_string();
        assert!(error.starts_with("no part is named `jurnal`; there are: journal, "), "{error}");
        assert_eq!(chosen(&[]).unwrap().len(), parts::PARTS.len());
    }
}
