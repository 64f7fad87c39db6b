//! One line of a crontab, cut into its parts.
//!
//! Owns where its words begin and end. Never says whether a rule is one.

use super::{Form, LINE_BYTES_MAX, Refused};
use crate::output::visible::hides;

/// The parts of a line.
#[derive(Debug)]
pub(super) enum Split<'a> {
    Blank,
    Comment(String),
    /// `column` is where the value begins.
    Setting {
        name: &'a str,
        value: &'a str,
        column: usize,
    },
    Entry(Fields<'a>),
}

/// The parts of an entry.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// Five fields or a macro, as they stand.
    pub(super) rule: &'a str,
    /// Where the rule begins, in characters from 1.
    pub(super) column: usize,
    pub(super) user: Option<&'a str>,
    /// As it stands, `%` too; empty where there is none.
    pub(super) command: &'a str,
    /// The column behind the line.
    pub(super) end: usize,
}

pub(super) fn split(line: &[u8], form: Form) -> Result<Split<'_>, Refused> {
    if line.len() > LINE_BYTES_MAX {
        let reason = format!("line of {} bytes is longer than {LINE_BYTES_MAX}", line.len());
        return Err(Refused::at(1, reason));
    }
    if let Some(comment) = line.trim_ascii_start().strip_prefix(b"#") {
        return Ok(Split::Comment(String::from_utf8_lossy(comment).trim_matches(BLANK).to_owned()));
    }
    let text = text(line)?;
    let begun = text.trim_start_matches(BLANK);
    if begun.is_empty() {
        return Ok(Split::Blank);
    }
    if let Some(setting) = setting(text, begun) {
        return Ok(setting);
    }
    entry(text, begun, form).map(Split::Entry)
}

/// What is between words.
const BLANK: [char; 2] = [' ', '\t'];

/// The fields of a rule that is no macro.
const FIELDS: usize = 5;

fn text(line: &[u8]) -> Result<&str, Refused> {
    let text = str::from_utf8(line).map_err(|error| {
        let (good, _) = line.split_at(error.valid_up_to());
        let column = String::from_utf8_lossy(good).chars().count() + 1;
        Refused::at(column, "the line is not UTF-8 text from here on")
    })?;
    let hidden = text.chars().enumerate().find(|(_, c)| hides(*c) && *c != '\t');
    hidden.map_or(Ok(text), |(n, c)| {
        let reason = format!("U+{:04X}, which does not show, stands in the line", u32::from(c));
        Err(Refused::at(n + 1, reason).hint("write the line anew by hand"))
    })
}

/// `NAME = value`, either of them in quotes or not.
fn setting<'a>(text: &'a str, begun: &'a str) -> Option<Split<'a>> {
    let (name, value) = begun.split_once('=')?;
    let name = unquoted(name.trim_end_matches(BLANK));
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let value = value.trim_matches(BLANK);
    let column = column(text, value);
    Some(Split::Setting { name, value: unquoted(value), column })
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

fn entry<'a>(text: &'a str, begun: &'a str, form: Form) -> Result<Fields<'a>, Refused> {
    // A minus before the rule keeps cronie from logging the command.
    let begun = begun.strip_prefix('-').unwrap_or(begun);
    let wanted = if begun.starts_with('@') { 1 } else { FIELDS };
    let mut rest = begun;
    for found in 0..wanted {
        let Some((_, after)) = word(rest) else {
            let reason = format!(
                "{found} {} where {FIELDS} say when, and a command follows",
                if found == 1 { "field" } else { "fields" },
            );
            return Err(Refused::at(text.chars().count() + 1, reason)
                .hint("minute, hour, day of month, month, day of week, then the command"));
        };
        rest = after;
    }
    let rule = begun[..begun.len() - rest.len()].trim_matches(BLANK);
    let user = match form {
        Form::User => None,
        Form::System => word(rest).map(|(user, after)| {
            rest = after;
            user
        }),
    };
    let command = flagless(rest.trim_matches(BLANK));
    let end = text.chars().count() + 1;
    Ok(Fields { rule, column: column(text, rule), user, command, end })
}

/// The first word and what stands behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(BLANK);
    let end = text.find(BLANK).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The command without flags for cron itself (`-n`: no mail when all went well).
fn flagless(command: &str) -> &str {
    match word(command) {
        Some(("-n" | "-q" | "-s", rest)) => rest.trim_start_matches(BLANK),
        _ => command,
    }
}

/// Where `part` of `text` begins, in characters from 1.
fn column(text: &str, part: &str) -> usize {
    let bytes = part.as_ptr().addr() - text.as_ptr().addr();
    text[..bytes].chars().count() + 1
}

/// The command, and what it reads: all behind the first `%`, further ones being line ends. `\%` is
/// a percent sign.
pub(super) fn percent(text: &str) -> (String, Option<String>) {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        let part = parts.last_mut().expect("it begins with one and only grows");
        match (c, escaped) {
            ('%', true) => {
                part.pop();
                part.push('%');
            }
            ('%', false) => parts.push(String::new()),
            _ => part.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    let command = parts.remove(0).trim_end_matches(BLANK).to_owned();
    (command, (!parts.is_empty()).then(|| parts.join("\n")))
}
