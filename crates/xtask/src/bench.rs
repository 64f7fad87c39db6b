//! `cargo xtask bench`: measured rows, each beside its control.
//!
//! Owns the list of benches, the shape of a row and how rows are shown. Measures nothing itself and
//! judges nothing: a missed target is printed as missed and is no failure, since machines differ and
//! a build machine is the worst of them.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::Verdict;
use crate::call::Call;
use crate::table::{Edge, render};

/// Name, package, bench target and its feature. Rows are printed in this order.
const BENCHES: [(&str, &str, &str, Option<&str>); 9] = [
    ("commit", "kairos-journal", "journal", None),
    ("snapshot", "kairos-journal", "snapshot", None),
    ("core", "kairos-core", "core", None),
    ("schedules", "kairos-core", "schedules", None),
    ("schedules", "kairos-bench", "timers", None),
    ("submit", "kairos-bench", "submit", None),
    ("cycle", "kairos-bench", "cycle", None),
    ("databases", "kairos-bench", "databases", Some("databases")),
    ("sandbox", "kairos-sandbox", "sandbox", None),
];

/// Measures the program itself, which has to stand beside it.
const PROGRAM: &str = "timers";

/// What goes by one name: the journal, and everything a record meets on its way to it and back.
const JOURNAL: (&str, [&str; 6]) =
    ("journal", ["commit", "snapshot", "core", "submit", "cycle", "databases"]);

/// What to measure and how to print it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// One bench, or all.
    name: Option<String>,
    json: bool,
}

impl Request {
    /// `None` when the arguments are no request.
    pub(crate) fn parse(args: &[&str]) -> Option<Self> {
        let mut request = Self { name: None, json: false };
        for &arg in args {
            match arg {
                "--json" => request.json = true,
                name if !name.starts_with('-') && request.name.is_none() => {
                    request.name = Some(name.to_owned());
                }
                _ => return None,
            }
        }
        Some(request)
    }

    /// Whether the bench of this name is asked for.
    fn names(&self, bench: &str) -> bool {
        self.name.as_deref().is_none_or(|wanted| {
            wanted == bench || (wanted == JOURNAL.0 && JOURNAL.1.contains(&bench))
        })
    }
}

/// A measured value, what it is compared with, and whether that is enough.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    value: f64,
    unit: String,
    /// The same unit, measured in the same run.
    control: Option<f64>,
    /// Value to control.
    ratio: Option<f64>,
    /// A number or a phrase such as `≥ 0.95`.
    target: serde_json::Value,
    /// `None` where the row has no target.
    met: Option<bool>,
}

pub(crate) fn bench(root: &Path, request: &Request) -> Result<Verdict> {
    let benches: Vec<_> = BENCHES.iter().filter(|(name, ..)| request.names(name)).collect();
    if benches.is_empty() {
        let names = BENCHES.map(|(name, ..)| name).join(", ");
        let (all, wanted) = (JOURNAL.0, request.name.as_deref().unwrap_or_default());
        bail!("no bench is named `{wanted}`; there are: {all}, {names}");
    }
    let mut rows = Vec::new();
    for (_, package, target, feature) in benches {
        if *target == PROGRAM {
            let build = Call::cargo(&["build", "--locked", "--profile", "bench", "-p", "kairos"]);
            if !build.show(root)? {
                bail!("`{build}` failed");
            }
        }
        let mut args = vec!["bench", "--locked", "-p", package, "--bench", target];
        args.extend(feature.iter().flat_map(|feature| ["--features", feature]));
        args.extend(["--", "--json"]);
        let call = Call::cargo(&args);
        let answer = call.read_stdout(root)?;
        if !answer.good {
            eprint!("{}", answer.stdout);
            bail!("`{call}` failed");
        }
        rows.extend(read(&answer.stdout).with_context(|| format!("from `{call}`"))?);
    }
    if request.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row).context("a row cannot be written")?);
        }
    } else {
        print!("{}", show(&rows));
    }
    Ok(Verdict::Good)
}

/// The rows among the lines a bench printed, in its order; other lines are talk.
fn read(output: &str) -> Result<Vec<Row>> {
    output
        .lines()
        .filter(|line| line.trim_start().starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("`{line}` is no row")))
        .collect()
}

fn show(rows: &[Row]) -> String {
    let columns = [
        ("name", Edge::Left),
        ("value", Edge::Right),
        ("unit", Edge::Left),
        ("control", Edge::Right),
        ("ratio", Edge::Right),
        ("target", Edge::Left),
        ("", Edge::Left),
    ];
    let missed = rows.iter().filter(|row| row.met == Some(false)).count();
    let rows: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    let mut text = render(&columns, &rows);
    if missed > 0 {
        let (s, verb) = if missed == 1 { ("", "is") } else { ("s", "are") };
        text.push_str(&format!("{missed} target{s} {verb} not met\n"));
    }
    text
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let target = match &self.target {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        vec![
            self.name.clone(),
            number(self.value),
            self.unit.clone(),
            self.control.map(number).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            target,
            met.to_owned(),
        ]
    }
}

/// About four digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        n if n >= 1000.0 => format!("{value:.0}"),
        n if n >= 100.0 => format!("{value:.1}"),
        n if n >= 1.0 || n == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"warming up
{"name":"append 1","value":5612.4,"unit":"records/s","control":5700.0,"ratio":0.985,"target":"≥ 0.95","met":true}
{"name":"decide","value":1.31,"unit":"µs","control":null,"ratio":null,"target":1.0,"met":false}
"#;

    #[test]
    fn rows_are_read_from_among_other_lines() {
        let names: Vec<String> = read(LINES).unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["append 1", "decide"]);
    }

    #[test]
    fn a_line_that_is_almost_a_row_is_an_error() {
        let error = read(r#"{"name": "x"}"#).unwrap_err();
        assert_eq!(error.to_string(), r#"`{"name": "x"}` is no row"#);
    }

    #[test]
    fn the_table_says_plainly_what_is_not_met() {
        let expected = "\
name      value  unit       control  ratio  target
append 1   5612  records/s     5700   0.98  ≥ 0.95  met
decide     1.31  µs                         1.0     NOT MET
1 target is not met
";
        let text = show(&read(LINES).unwrap());
        assert_eq!(text, expected);
    }

    #[test]
    fn a_row_is_written_as_it_was_read() {
        let row = r#"{"name":"a","value":1.5,"unit":"s","control":null,"ratio":null,"target":"≤ 2","met":true}"#;
        let read: Row = serde_json::from_str(row).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), row);
    }

    #[test]
    fn one_name_stands_for_all_of_the_journal() {
        let named = |name: Option<&str>| {
            let request = Request { name: name.map(Into::into), json: false };
            BENCHES.map(|(bench, ..)| bench).into_iter().filter(|b| request.names(b)).count()
        };
        assert_eq!([named(None), named(Some("journal")), named(Some("core"))], [9, 6, 1]);
    }

    #[test]
    fn arguments_are_a_name_and_a_flag_in_any_order() {
        let request = |name: Option<&str>, json| Request { name: name.map(Into::into), json };
        assert_eq!(Request::parse(&[]), Some(request(None, false)));
        assert_eq!(Request::parse(&["--json", "core"]), Some(request(Some("core"), true)));
        assert_eq!(Request::parse(&["core", "journal"]), None);
        assert_eq!(Request::parse(&["--fast"]), None);
    }
}
