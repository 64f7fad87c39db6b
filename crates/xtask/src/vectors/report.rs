//! What the `vectors` tests said, file by file.
//!
//! Owns the line they print and how a file is judged. A case passes, or it deviates under a rule that
//! has a name and a reason elsewhere, or nobody can explain it. One unexplained case is bad; many
//! explained ones are worth a sentence.
//!
//! ```text
//! vectors edit_kernel.json passed=156 total=158 DESIGN-6=2
//! vectors-rule DESIGN-6 the whole file keeps its line ends
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::Verdict;
use crate::table::{Edge, render};

const CASES: &str = "vectors ";
const RULE: &str = "vectors-rule ";

/// What one crate said of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    file: String,
    package: String,
    passed: u64,
    total: u64,
    /// Cases by the rule they deviate under, in the order of the line.
    deviations: Vec<(String, u64)>,
}

impl Row {
    fn parse(package: &str, line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let file = words.next()?.to_owned();
        let mut counts = words.map(|word| {
            let (name, count) = word.split_once('=')?;
            Some((name.to_owned(), count.parse::<u64>().ok()?))
        });
        let passed = counts.next()?.filter(|(name, _)| name == "passed")?.1;
        let total = counts.next()?.filter(|(name, _)| name == "total")?.1;
        let deviations = counts.collect::<Option<Vec<_>>>()?;
        Some(Self { file, package: package.to_owned(), passed, total, deviations })
    }

    fn deviating(&self) -> u64 {
        self.deviations.iter().map(|(_, count)| count).sum()
    }

    /// Cases that neither passed nor deviate under a rule; negative when counted twice.
    fn unexplained(&self) -> i128 {
        i128::from(self.total) - i128::from(self.passed) - i128::from(self.deviating())
    }

    fn mostly_deviating(&self) -> bool {
        self.deviating() * 4 > self.total
    }

    fn cells(&self) -> Vec<String> {
        let deviations: Vec<String> =
            self.deviations.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let unexplained = match self.unexplained() {
            0 => String::new(),
            n => format!("{n} unexplained"),
        };
        let explained = deviations.join(", ");
        let notes = [explained, unexplained];
        let notes: Vec<&str> = notes.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
        vec![
            self.file.clone(),
            self.package.clone(),
            self.passed.to_string(),
            self.total.to_string(),
            notes.join("; "),
        ]
    }
}

/// Everything said so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// By file and crate, so the order does not depend on which program ended first.
    rows: BTreeMap<(String, String), Row>,
    /// Why each rule is there, as the crates say it.
    rules: BTreeMap<String, String>,
    not_read: Vec<String>,
    failed: Vec<String>,
}

impl Report {
    /// Reads what the test of `package` printed. The runner may put its own words before a line.
    pub(super) fn take(&mut self, package: &str, output: &str) {
        for line in output.lines() {
            let row = line
                .match_indices(CASES)
                .find_map(|(at, _)| Row::parse(package, &line[at + CASES.len()..]));
            if let Some(row) = row {
                self.rows.insert((row.file.clone(), row.package.clone()), row);
            }
            let rule = line.find(RULE).and_then(|at| line[at + RULE.len()..].split_once(' '));
            if let Some((id, reason)) = rule {
                self.rules.insert(id.to_owned(), reason.trim().to_owned());
            }
        }
    }

    /// Notes that the test of `package` did not end well.
    pub(super) fn failed(&mut self, package: &str) {
        self.failed.push(package.to_owned());
    }

    /// Notes which of `files` nobody spoke of.
    pub(super) fn not_read(&mut self, files: &[String]) {
        let read = |file: &String| self.rows.keys().any(|(name, _)| name == file);
        self.not_read = files.iter().filter(|file| !read(file)).cloned().collect();
    }

    pub(super) fn verdict(&self) -> Verdict {
        let explained = self.rows.values().all(|row| row.unexplained() == 0);
        if explained && self.failed.is_empty() { Verdict::Good } else { Verdict::Bad }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<Vec<String>> = self.rows.values().map(Row::cells).collect();
        for file in &self.not_read {
            let blank = String::new;
            rows.push(vec![file.clone(), "–".to_owned(), blank(), blank(), "not read".to_owned()]);
        }
        rows.sort();
        let columns = [
            ("file", Edge::Left),
            ("crate", Edge::Left),
            ("passed", Edge::Right),
            ("total", Edge::Right),
            ("deviations", Edge::Left),
        ];
        f.write_str(&render(&columns, &rows))?;
        for (id, reason) in &self.rules {
            writeln!(f, "{id}: {reason}")?;
        }
        for row in self.rows.values().filter(|row| row.mostly_deviating()) {
            let (file, deviating, total) = (&row.file, row.deviating(), row.total);
            writeln!(f, "more than a quarter of `{file}` deviates: {deviating} of {total} cases")?;
        }
        for row in self.rows.values().filter(|row| row.unexplained() != 0) {
            let (file, n) = (&row.file, row.unexplained());
            writeln!(f, "`{file}`: passed and deviations are off the total by {n}")?;
        }
        self.failed.iter().try_for_each(|package| {
            writeln!(f, "the vectors test of `{package}` failed; its output stands above")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(output: &str) -> Report {
        let mut report = Report::default();
        report.take("kairos-core", output);
        report
    }

    #[test]
    fn a_line_is_found_behind_the_words_of_the_runner() {
        let row = Row {
            file: "edit_kernel.json".to_owned(),
            package: "kairos-core".to_owned(),
            passed: 120,
            total: 158,
            deviations: vec![("EDT-1".to_owned(), 30), ("EDT-2".to_owned(), 8)],
        };
        let line = "vectors edit_kernel.json passed=120 total=158 EDT-1=30 EDT-2=8";
        for output in [line.to_owned(), format!("test vectors ... {line}\nok\n")] {
            let rows: Vec<Row> = report(&output).rows.into_values().collect();
            assert_eq!(rows, std::slice::from_ref(&row));
        }
    }

    #[test]
    fn what_is_no_such_line_is_passed_over() {
        for line in ["vectors a.json", "vectors a.json passed=x total=1", "vectors are read", ""] {
            assert!(report(line).rows.is_empty(), "{line}");
        }
    }

    #[test]
    fn one_unexplained_case_is_bad_and_explained_ones_are_not() {
        assert_eq!(report("vectors a.json passed=2 total=3 R=1").verdict(), Verdict::Good);
        assert_eq!(report("vectors a.json passed=2 total=3").verdict(), Verdict::Bad);
        assert_eq!(report("vectors a.json passed=3 total=3 R=1").verdict(), Verdict::Bad);
    }

    #[test]
    fn a_failed_test_is_bad_whatever_it_printed() {
        let mut report = report("vectors a.json passed=3 total=3");
        report.failed("kairos-core");
        assert_eq!(report.verdict(), Verdict::Bad);
    }

    #[test]
    fn the_table_names_deviations_and_files_nobody_read() {
        let mut report = report(
            "vectors b.json passed=2 total=3 R=1\nvectors-rule R edits are literal\n\
             vectors c.json passed=9 total=9",
        );
        report.not_read(&["a.json".to_owned(), "b.json".to_owned()]);
        let expected = "\
file    crate        passed  total  deviations
a.json  –                           not read
b.json  kairos-core       2      3  R 1
c.json  kairos-core       9      9
R: edits are literal
more than a quarter of `b.json` deviates: 1 of 3 cases
";
        assert_eq!(report.to_string(), expected);
        assert_eq!(report.verdict(), Verdict::Good);
    }
}
