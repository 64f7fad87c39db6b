//! What is wrong with a configuration, shown where it stands.
//!
//! Owns the form of a problem: file, line, column, the offending text underlined, a hint. Never
//! decides what is wrong.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, NamedSource, SourceSpan};
use serde_saphyr::{Error, Location};

/// One problem in one file.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub(crate) struct Problem {
    message: String,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("here")]
    at: Option<SourceSpan>,
    #[help]
    hint: Option<String>,
    file: PathBuf,
    line: u64,
    column: u64,
}

/// A file's text with its name: what positions refer to.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

impl Problem {
    /// A problem with a whole file.
    pub(crate) fn whole(file: &Path, message: String, hint: Option<String>) -> Self {
        Self {
            message,
            source_code: NamedSource::new(file.display().to_string(), String::new()),
            at: None,
            hint,
            file: file.to_owned(),
            line: 0,
            column: 0,
        }
    }

    /// The problem as one line, for the log and for an answer to a reload.
    pub(crate) fn line(&self) -> String {
        let place = format!("{}:{}:{}", self.file.display(), self.line, self.column);
        let hint = self.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        format!("{place}: {}{hint}", self.message)
    }

    /// The problem with the text around it.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        if handler.render_report(&mut out, self).is_err() {
            out = self.line();
        }
        out
    }
}

impl Text {
    /// A problem at a place in this file; `skip` columns further.
    pub(crate) fn at(
        &self,
        location: Location,
        skip: usize,
        message: String,
        hint: Option<String>,
    ) -> Problem {
        let (line, column) = (location.line(), location.column() + skip as u64);
        let offset = self.offset(line, column);
        let rest = &self.text[offset..];
        let word = rest.find(['\n', ',', '}', ']']).unwrap_or(rest.len());
        let length = rest[..word].trim_end().len().max(usize::from(!rest.is_empty()));
        Problem {
            message,
            source_code: NamedSource::new(self.file.display().to_string(), self.text.clone()),
            at: Some(SourceSpan::new(offset.into(), length)),
            hint,
            file: self.file.clone(),
            line,
            column,
        }
    }

    /// What the YAML reader or a type said.
    pub(crate) fn unreadable(&self, error: &Error) -> Problem {
        let message = error.without_snippet().to_string();
        let message = message.lines().next().unwrap_or_default();
        let message = message.split(" at line ").next().unwrap_or(message).to_owned();
        let hint = hint(&message, &self.text, error.location());
        match error.location() {
            Some(location) => self.at(location, 0, message, hint),
            None => Problem::whole(&self.file, message, hint),
        }
    }

    /// The byte at a 1-based line and column.
    fn offset(&self, line: u64, column: u64) -> usize {
        let before = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let start: usize = self.text.split_inclusive('\n').take(before).map(str::len).sum();
        let columns = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = self.text[start..].lines().next().unwrap_or_default();
        start + line.char_indices().nth(columns).map_or(line.len(), |(at, _)| at)
    }
}

/// Keys that stand in the documentation and in no version yet.
const NOT_YET: &[&str] = &[
    "http",
    "commands",
    "retention",
    "fallback",
    "every",
    "at",
    "trigger",
    "condition",
    "jitter",
    "pause_after_failures",
    "workspace",
    "plan",
    "file_edit",
    "checkpoint",
];

fn hint(message: &str, text: &str, location: Option<Location>) -> Option<String> {
    if let Some(rest) = message.split("unknown field `").nth(1) {
        let key = rest.split('`').next()?;
        if NOT_YET.contains(&key) {
            return Some(format!("`{key}` is not in this version; delete it"));
        }
        let known = rest.split('`').skip(2).step_by(2);
        let near = known.filter(|name| distance(name, key) <= 2).min_by_key(|n| distance(n, key));
        return Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "KairosChain ignored this; delete it".to_owned(),
        });
    }
    let line = usize::try_from(location?.line()).ok()?;
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let value = line.split_once("cron:")?.1.trim_start();
    let bare = value.starts_with(['*', '@']);
    bare.then(|| format!("quote the expression: cron: \"{}\"", value.trim_end()))
}

/// The edit distance of two short words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}
