//! What is wrong with a configuration file, and where.
//!
//! Owns the one form of a configuration error: drawn for people with the line and the offending
//! text underlined, plain for programs. Never shows a secret: what looks like a token is masked in
//! the drawn line too.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use crate::log::mask;

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: Arc<str>,
    /// Where each line but the first begins.
    lines: Arc<[usize]>,
}

impl File {
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { path: path.to_owned(), text: text.into(), lines }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = self.lines.partition_point(|start| *start <= before.len());
        let line_start = line.checked_sub(1).map_or(0, |line| self.lines[line]);
        let before_bom = before[line_start..].trim_start_matches('\u{feff}');
        (line + 1, before_bom.chars().count() + 1)
    }

    /// From a line and column, both from 1, to the end of that line.
    pub(crate) fn from(&self, line: usize, column: usize) -> Range<usize> {
        let start = match line.saturating_sub(2) {
            _ if line < 2 => 0,
            before => self.lines.get(before).copied().unwrap_or(self.text.len()),
        };
        let text = &self.text[start..];
        let skip = text.char_indices().nth(column.saturating_sub(1));
        let from = start + skip.map_or(text.len(), |(byte, _)| byte);
        from..self.line_range(from).end.max(from)
    }

    /// The same file with the bytes of `at` starred out.
    pub(crate) fn hiding(&self, at: &Range<usize>) -> Self {
        let mut text = self.text.to_string();
        if let Some(hidden) = self.text.get(at.clone()) {
            text.replace_range(at.clone(), &"*".repeat(hidden.len()));
        }
        Self::new(&self.path, &text)
    }

    /// The text of the line a byte is on.
    pub(crate) fn line_at(&self, byte: usize) -> &str {
        &self.text[self.line_range(byte)]
    }

    /// The value after the first colon of the line a byte is on.
    pub(crate) fn value_on_line(&self, byte: usize) -> Range<usize> {
        let range = self.line_range(byte);
        let line = &self.text[range.clone()];
        let Some((key, value)) = line.split_once(':') else { return range };
        let start = range.start + key.len() + 1 + (value.len() - value.trim_start().len());
        start..start + value.trim().len()
    }

    /// The lines that are drawn around `at`, tokens masked: of a long file there may be many problems.
    fn around(&self, at: &Range<usize>) -> Excerpt {
        let line = self.lines.partition_point(|start| *start <= at.start);
        let begins = |line: usize| match line.checked_sub(1) {
            None => 0,
            Some(before) => self.lines.get(before).copied().unwrap_or(self.text.len()),
        };
        let last = self.lines.partition_point(|start| *start < at.end);
        let first = line.saturating_sub(CONTEXT_LINES);
        let from = begins(first);
        let text = mask(&self.text[from..begins(last.saturating_add(CONTEXT_LINES + 1))]);
        Excerpt { name: self.path.display().to_string(), text, from, line: first }
    }

    fn line_range(&self, byte: usize) -> Range<usize> {
        let byte = self.text.floor_char_boundary(byte);
        let start = self.text[..byte].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[byte..].find('\n').map_or(self.text.len(), |at| byte + at);
        start..end
    }
}

/// Lines drawn before and after the one that is meant.
const CONTEXT_LINES: usize = 1;

/// A part of a file, for the drawing library; places in it are those of the file.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// The byte of the file with which it begins.
    from: usize,
    /// The line of the file with which it begins, from 0.
    line: usize,
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let here = (span.offset().saturating_sub(self.from), span.len()).into();
        let read = self.text.read_span(&here, before, after)?;
        let place = (read.span().offset() + self.from, read.span().len()).into();
        let (line, column) = (read.line() + self.line, read.column());
        let (name, lines) = (self.name.clone(), read.line_count());
        Ok(Box::new(MietteSpanContents::new_named(name, read.data(), place, line, column, lines)))
    }
}

/// One thing that is wrong, or that a person should know.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    file: File,
    at: Range<usize>,
    message: String,
    hint: Option<String>,
    severity: Level,
}

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Error,
    Warning,
}

/// A problem for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProblemRow {
    pub(crate) level: Level,
    pub(crate) file: String,
    /// From 1; absent when the file as a whole is meant.
    pub(crate) line: Option<usize>,
    /// In characters, from 1.
    pub(crate) column: Option<usize>,
    /// The offending text, at most its first line.
    pub(crate) text: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(file: &File, at: Range<usize>, message: String) -> Self {
        // A mapping or a list has only a start; its first line stands for it.
        let at = if at.is_empty() && at.start <= file.text.len() {
            at.start..file.line_range(at.start).end.max(at.start)
        } else {
            at
        };
        Self { file: file.clone(), at, message, hint: None, severity: Level::Error }
    }

    pub(crate) fn warning(file: &File, at: Range<usize>, message: String) -> Self {
        Self { severity: Level::Warning, ..Self::new(file, at, message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn hint_opt(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// The first byte it is about.
    pub(super) fn start(&self) -> usize {
        self.at.start
    }

    /// The same before and after other lines of the file changed.
    fn key(&self) -> (PathBuf, String, String) {
        let line = self.file.line_at(self.at.start).trim().to_owned();
        (self.file.path.clone(), line, self.message.clone())
    }

    /// Whether the configuration cannot be used because of this.
    #[must_use]
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Level::Error
    }

    /// The form for `--json`.
    #[must_use]
    pub(crate) fn row(&self) -> ProblemRow {
        let shown = self.shown();
        let place = (!shown.is_empty()).then(|| self.file.position(shown.start));
        ProblemRow {
            level: self.severity,
            file: self.file.path.display().to_string(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            text: self.file.text.get(shown).filter(|text| !text.is_empty()).map(mask),
            message: mask(&self.message),
            hint: self.hint.clone(),
        }
    }

    /// The form for a terminal; `color` only where one is.
    #[must_use]
    pub(crate) fn render(&self, color: bool) -> String {
        let theme =
            if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_links(false)
            .with_context_lines(CONTEXT_LINES);
        let mut text = String::new();
        match handler.render_report(&mut text, &Drawn::of(self)) {
            Ok(()) => text,
            Err(fmt::Error) => self.to_string(),
        }
    }

    /// Whether it stands in this file.
    pub(crate) fn is_in(&self, path: &Path) -> bool {
        self.file.path == path
    }

    /// `FILE:LINE:COLUMN: message` without a drawing, its hint on a line of its own.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        let bare = Self { hint: None, ..self.clone() }.to_string();
        match &self.hint {
            Some(hint) => format!("{bare}\nhint: {hint}"),
            None => bare,
        }
    }

    /// The place cut to its first line: a caret under twenty lines says nothing.
    fn shown(&self) -> Range<usize> {
        let text = self.file.text.get(self.at.clone()).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        // A blank that is meant by itself stays.
        let length = match first.trim_end().len() {
            0 => first.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        self.at.start..self.at.start + length
    }
}

impl fmt::Display for Problem {
    /// `FILE:LINE:COLUMN: message`, with the hint after it in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row();
        f.write_str(&row.file)?;
        if let (Some(line), Some(column)) = (row.line, row.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", row.message)?;
        row.hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// A problem as the drawing library takes it.
#[derive(Debug)]
struct Drawn {
    message: String,
    hint: Option<String>,
    severity: Severity,
    source: Excerpt,
    label: Option<LabeledSpan>,
}

impl Drawn {
    fn of(problem: &Problem) -> Self {
        let at = problem.shown();
        let name = problem.file.path.display().to_string();
        let label = (!at.is_empty()).then(|| LabeledSpan::new(None, at.start, at.len()));
        let message = mask(&problem.message);
        Self {
            message: if label.is_some() { message } else { format!("{name}: {message}") },
            hint: problem.hint.clone(),
            severity: match problem.severity {
                Level::Error => Severity::Error,
                Level::Warning => Severity::Warning,
            },
            source: problem.file.around(&at),
            label,
        }
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {}

impl Diagnostic for Drawn {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.label.is_some().then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.label.clone().into_iter()))
    }
}

/// The warnings of a configuration, to tell what is new in a later one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(BTreeMap<(PathBuf, String, String), usize>);

impl Told {
    pub(crate) fn of<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        let mut told = Self::default();
        for problem in problems {
            *told.0.entry(problem.key()).or_default() += 1;
        }
        told
    }

    /// Those of `problems` that were not told: of two that read the same, the later one.
    pub(crate) fn new_among<'a>(&self, problems: &'a [Problem]) -> Vec<&'a Problem> {
        let mut left = self.0.clone();
        let is_new = |problem: &&Problem| match left.get_mut(&problem.key()) {
            Some(n) if *n > 0 => {
                *n -= 1;
                false
            }
            _ => true,
        };
        problems.iter().filter(is_new).collect()
    }
}

/// Everything wrong with a configuration; at least one error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.lines())]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

/// Errors told where a configuration does not hold; a check tells all of them.
const ERRORS_MAX: usize = 20;

impl Problems {
    /// The errors as a terminal shows them: a warning keeps no configuration from counting.
    #[must_use]
    pub(crate) fn render(&self, color: bool) -> String {
        let shown: String =
            self.errors().take(ERRORS_MAX).map(|problem| problem.render(color)).collect();
        self.more().into_iter().fold(shown, |shown, more| format!("{shown}{more}\n"))
    }

    fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|problem| problem.is_error())
    }

    fn lines(&self) -> String {
        let errors = self.errors().take(ERRORS_MAX).map(Problem::to_string);
        errors.chain(self.more()).collect::<Vec<_>>().join("\n")
    }

    /// What is said of the errors that are not told.
    fn more(&self) -> Option<String> {
        let more = self.errors().count().checked_sub(ERRORS_MAX).filter(|more| *more > 0)?;
        Some(format!("{more} more errors: `kairos config check` tells them all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_of_a_file_are_the_lines_around_the_place() {
        let text: String = (1..=50_000).map(|n| format!("line {n}\n")).collect();
        let file = File::new(Path::new("f.yml"), &text);
        let drawn = |line: usize| {
            let at = file.from(line, 6);
            let around = file.around(&at);
            let problem = Problem::new(&file, at, "wrong".to_owned());
            (around.text, problem.render(false))
        };
        for (line, around) in [
            (1, "line 1\nline 2\n"),
            (2, "line 1\nline 2\nline 3\n"),
            (40_000, "line 39999\nline 40000\nline 40001\n"),
            (50_000, "line 49999\nline 50000\n"),
        ] {
            let (text, drawn) = drawn(line);
            assert_eq!(text, around);
            assert!(drawn.contains(&format!("f.yml:{line}:6")), "{drawn}");
            assert!(drawn.contains(&format!(" {line} │ line {line}\n")), "{drawn}");
        }
    }
}
