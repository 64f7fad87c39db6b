//! Counts, added up.
//!
//! Owns the shape of a count line, the sums, and the verdict over them. A row that has to be there
//! and is not stands at zero and is not met; what nobody asked for and nobody tried is no row.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::parts::Quota;
use crate::table::{Edge, render};

/// A line of a part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    tried: u64,
    /// How many there are, where every one has to be tried.
    #[serde(default)]
    of: Option<u64>,
    lost: u64,
    duplicated: u64,
    wrongly_accepted: u64,
    wrongly_refused: u64,
}

impl Line {
    fn says_nothing(&self) -> bool {
        let wrongs = [self.lost, self.duplicated, self.wrongly_accepted, self.wrongly_refused];
        self.tried == 0 && self.of.unwrap_or_default() == 0 && wrongs == [0; 4]
    }
}

/// The sum of the lines of one name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Row {
    name: String,
    tried: u64,
    /// At least so many.
    quota: u64,
    #[serde(skip)]
    of: u64,
    lost: u64,
    duplicated: u64,
    wrongly_accepted: u64,
    wrongly_refused: u64,
    met: bool,
}

#[derive(Debug)]
pub(super) struct Rows(Vec<Row>);

impl Row {
    fn is_good(&self) -> bool {
        let wrongs = [self.lost, self.duplicated, self.wrongly_accepted, self.wrongly_refused];
        self.met && wrongs == [0; 4]
    }

    fn add(&mut self, line: &Line) {
        self.tried += line.tried;
        // Where all have to be tried, all are what is enough.
        self.of += line.of.unwrap_or_default();
        self.quota = self.quota.max(self.of);
        self.lost += line.lost;
        self.duplicated += line.duplicated;
        self.wrongly_accepted += line.wrongly_accepted;
        self.wrongly_refused += line.wrongly_refused;
        self.met = self.tried >= self.quota;
    }

    fn cells(&self) -> Vec<String> {
        let verdict = match (self.is_good(), self.met) {
            (true, _) => "",
            (false, true) => "WRONG",
            (false, false) => "NOT MET",
        };
        let numbers = [
            self.tried,
            self.quota,
            self.lost,
            self.duplicated,
            self.wrongly_accepted,
            self.wrongly_refused,
        ];
        let numbers = numbers.iter().map(u64::to_string);
        [self.name.clone()].into_iter().chain(numbers).chain([verdict.to_owned()]).collect()
    }
}

impl Rows {
    /// Nothing tried, in the order of the table.
    pub(super) fn expecting<'a>(quotas: impl Iterator<Item = &'a Quota>, times: u64) -> Self {
        let row = |quota: &Quota| Row {
            name: quota.row.to_owned(),
            quota: if quota.grows { quota.least * times } else { quota.least },
            ..Row::default()
        };
        Self(quotas.map(row).collect())
    }

    /// Adds the counts in what a part printed.
    pub(super) fn add(&mut self, output: &str) -> Result<()> {
        for text in output.lines().filter_map(json_of) {
            let line: Line =
                serde_json::from_str(text).with_context(|| format!("`{text}` is no count"))?;
            let known = self.0.iter().position(|row| row.name == line.name);
            if known.is_none() && line.says_nothing() {
                continue;
            }
            let at = known.unwrap_or_else(|| {
                self.0.push(Row { name: line.name.clone(), met: true, ..Row::default() });
                self.0.len() - 1
            });
            self.0[at].add(&line);
        }
        Ok(())
    }

    pub(super) fn are_good(&self) -> bool {
        self.0.iter().all(Row::is_good)
    }

    pub(super) fn table(&self) -> String {
        let columns = [
            ("what", Edge::Left),
            ("tried", Edge::Right),
            ("at least", Edge::Right),
            ("lost", Edge::Right),
            ("duplicated", Edge::Right),
            ("wrongly accepted", Edge::Right),
            ("wrongly refused", Edge::Right),
            ("", Edge::Left),
        ];
        let rows: Vec<Vec<String>> = self.0.iter().map(Row::cells).collect();
        render(&columns, &rows)
    }

    /// One line for each row.
    pub(super) fn json(&self) -> Result<String> {
        let line = |row: &Row| serde_json::to_string(row).map(|line| line + "\n");
        self.0.iter().map(line).collect::<Result<_, _>>().context("a row cannot be written")
    }
}

/// The count in a line; a runner may have begun it with the name of a test.
pub(super) fn json_of(line: &str) -> Option<&str> {
    line.find("{\"name\":\"").map(|at| line[at..].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: [Quota; 2] = [
        Quota { row: "flips", least: 10, grows: true },
        Quota { row: "lengths", least: 1, grows: false },
    ];

    fn line(name: &str, tried: u64, of: &str, lost: u64) -> String {
        format!(
            "test x ... {{\"name\":\"{name}\",\"tried\":{tried}{of},\"lost\":{lost},\
             \"duplicated\":0,\"wrongly_accepted\":0,\"wrongly_refused\":0}}\n"
        )
    }

    fn rows(times: u64, lines: &[String]) -> Rows {
        let mut rows = Rows::expecting(QUOTAS.iter(), times);
        rows.add(&lines.concat()).unwrap();
        rows
    }

    #[test]
    fn lines_of_one_name_are_one_row_and_it_has_a_quota() {
        let lines = [line("flips", 6, "", 0), line("flips", 5, "", 0), line("lengths", 4, "", 0)];
        assert!(rows(1, &lines).are_good());
        assert!(!rows(2, &lines).are_good(), "twice as much has to be tried");
        assert!(!rows(1, &lines[..2]).are_good(), "a row is missing");
        let all =
            |of| [line("flips", 10, "", 0), line("lengths", 4, of, 0), line("lengths", 4, of, 0)];
        assert!(rows(1, &all(",\"of\":4")).are_good());
        assert!(!rows(1, &all(",\"of\":5")).are_good());
    }

    #[test]
    fn one_wrong_is_bad_however_much_was_tried() {
        let lines = [line("flips", 99, "", 1), line("lengths", 4, "", 0)];
        let rows = rows(1, &lines);
        assert!(!rows.are_good());
        let table = "\
what     tried  at least  lost  duplicated  wrongly accepted  wrongly refused
flips       99        10     1           0                 0                0  WRONG
lengths      4         1     0           0                 0                0
";
        assert_eq!(rows.table(), table);
    }

    #[test]
    fn what_nobody_asked_for_is_good_at_any_count_and_left_out_at_none() {
        let asked = [line("flips", 10, "", 0), line("lengths", 1, "", 0)];
        let others = [line("pauses", 0, "", 0), line("renames", 1, "", 0)];
        let rows = rows(1, &[asked.concat(), others.concat()]);
        assert!(rows.are_good());
        let table = "\
what     tried  at least  lost  duplicated  wrongly accepted  wrongly refused
flips       10        10     0           0                 0                0
lengths      1         1     0           0                 0                0
renames      1         0     0           0                 0                0
";
        assert_eq!(rows.table(), table);
        let none = [line("flips", 10, "", 0), line("lengths", 0, "", 0)];
        assert!(!self::rows(1, &none).are_good(), "what has to be tried was not");
    }

    #[test]
    fn a_line_that_is_almost_a_count_is_an_error() {
        let mut rows = rows(1, &[]);
        assert!(rows.add("{\"name\":\"flips\"}").is_err());
        rows.add("talk").unwrap();
    }
}
