//! The options a tool takes, as a rule's table spells them.
//!
//! Owns the notation of the table and the look-up of one spelling. What is not in here is refused by
//! the scan; nothing here looks at an argv.
//!
//! | notation | the option takes |
//! |---|---|
//! | `-q --quiet` | nothing; both spellings are one option |
//! | `--[no-]color` | nothing; `--color` and `--no-color` |
//! | `-n --max-count =number` | a value, in the same argument or the next |
//! | `--format :=format` | a value in the same argument |
//! | `-U --unified [=number]` | a value in the same argument, or none |
//! | `--arg =text =text` | the next two arguments |
//! | `-c =text...` | a value, and what follows is no option any more |
//! | `-NUM` | is a dash and digits |

use std::collections::BTreeMap;

use super::kind::Kind;

/// How many arguments an option takes, and of what kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    Flag,
    /// In the same argument or the next.
    Required(Kind),
    /// As `Required`; all that follows is no option.
    Last(Kind),
    /// In the same argument.
    Attached(Kind),
    /// In the same argument, or not at all.
    Optional(Kind),
    /// The next arguments, one for each.
    Several(Vec<Kind>),
}

/// What is known of one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Taken(Arity),
    /// With the reason.
    Refused(String),
}

/// Spellings, each with its dashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) known: BTreeMap<String, Known>,
}

/// Why a line of a table is no option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotationError {
    #[error("`{line}` names no option")]
    NoSpelling { line: String },
    #[error("`{value}` in `{line}` is no kind of value")]
    Kind { line: String, value: String },
    #[error("`{spelling}` stands twice")]
    Twice { spelling: String },
}

impl Options {
    /// The spelling of the flags `-1`, `-20`, …
    pub(crate) const DIGITS: &str = "-NUM";

    /// Adds an option in the notation above.
    pub(crate) fn take(&mut self, line: &str) -> Result<(), NotationError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_value = |word: &&str| ["=", ":=", "[="].iter().any(|sign| word.starts_with(sign));
        let (spellings, values) =
            words.split_at(words.iter().position(is_value).unwrap_or(words.len()));
        if spellings.is_empty() {
            return Err(NotationError::NoSpelling { line: line.to_owned() });
        }
        let arity = arity(values).map_err(|value| NotationError::Kind {
            line: line.to_owned(),
            value: value.to_owned(),
        })?;
        for spelling in spellings {
            match spelling.split_once("[no-]") {
                Some((dashes, name)) => {
                    self.add(format!("{dashes}{name}"), Known::Taken(arity.clone()))?;
                    self.add(format!("{dashes}no-{name}"), Known::Taken(Arity::Flag))?;
                }
                None => self.add((*spelling).to_owned(), Known::Taken(arity.clone()))?,
            }
        }
        Ok(())
    }

    /// Adds spellings that are refused, with the reason.
    pub(crate) fn refuse(&mut self, spellings: &str, reason: &str) -> Result<(), NotationError> {
        spellings.split_whitespace().try_for_each(|spelling| {
            self.add(spelling.to_owned(), Known::Refused(reason.to_owned()))
        })
    }

    fn add(&mut self, spelling: String, known: Known) -> Result<(), NotationError> {
        if self.known.contains_key(&spelling) {
            return Err(NotationError::Twice { spelling });
        }
        self.known.insert(spelling, known);
        Ok(())
    }

    pub(crate) fn get(&self, spelling: &str) -> Option<(&str, &Known)> {
        self.known.get_key_value(spelling).map(|(spelling, known)| (spelling.as_str(), known))
    }

    /// An option that `spelling` is the beginning of; a refused one before others.
    pub(crate) fn beginning_with(&self, spelling: &str) -> Option<(&str, &Known)> {
        let after = spelling.trim_start_matches('-');
        let longer = self
            .known
            .range(spelling.to_owned()..)
            .take_while(|(whole, _)| !after.is_empty() && whole.starts_with(spelling));
        let refused = |(_, known): &(&String, &Known)| matches!(known, Known::Refused(_));
        longer
            .clone()
            .find(refused)
            .or_else(|| longer.clone().next())
            .map(|(whole, known)| (whole.as_str(), known))
    }
}

/// The arity that the value words of a line say, or the word that says none.
fn arity<'a>(values: &[&'a str]) -> Result<Arity, &'a str> {
    let kind = |text: &str, whole: &'a str| Kind::parse(text).ok_or(whole);
    match values {
        [] => Ok(Arity::Flag),
        [value] => {
            if let Some(text) = value.strip_prefix(":=") {
                return Ok(Arity::Attached(kind(text, value)?));
            }
            if let Some(text) = value.strip_prefix("[=") {
                return Ok(Arity::Optional(kind(text.strip_suffix(']').ok_or(*value)?, value)?));
            }
            let text = value.strip_prefix('=').ok_or(*value)?;
            match text.strip_suffix("...") {
                Some(text) => Ok(Arity::Last(kind(text, value)?)),
                None => Ok(Arity::Required(kind(text, value)?)),
            }
        }
        several => {
            let kinds =
                several.iter().map(|value| kind(value.strip_prefix('=').ok_or(*value)?, value));
            Ok(Arity::Several(kinds.collect::<Result<_, _>>()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notation_says_its_arity() {
        let mut options = Options::default();
        for line in [
            "-q --quiet",
            "--[no-]color [={always,never}]",
            "-n --max-count =number",
            "--format :=format",
            "--arg =text =path",
            "-c =text...",
        ] {
            options.take(line).unwrap();
        }
        let choice = Kind::Choice(vec!["always".into(), "never".into()]);
        let expected = [
            ("--arg", Arity::Several(vec![Kind::Text, Kind::Path])),
            ("--color", Arity::Optional(choice)),
            ("--format", Arity::Attached(Kind::Format)),
            ("--max-count", Arity::Required(Kind::Number)),
            ("--no-color", Arity::Flag),
            ("--quiet", Arity::Flag),
            ("-c", Arity::Last(Kind::Text)),
            ("-n", Arity::Required(Kind::Number)),
            ("-q", Arity::Flag),
        ];
        let expected: Vec<_> = expected.map(|(s, arity)| (s, Known::Taken(arity))).into();
        let ours: Vec<_> =
            options.known.iter().map(|(s, known)| (s.as_str(), known.clone())).collect();
        assert_eq!(ours, expected);
    }

    #[test]
    fn a_line_that_says_nothing_is_found() {
        let take = |line: &str| Options::default().take(line).unwrap_err().to_string();
        assert_eq!(take("=text"), "`=text` names no option");
        assert_eq!(take("-x =txt"), "`=txt` in `-x =txt` is no kind of value");
        assert_eq!(take("-x [=text"), "`[=text` in `-x [=text` is no kind of value");
        assert_eq!(take("-x -x"), "`-x` stands twice");
    }

    #[test]
    fn an_abbreviation_finds_the_refused_option_first() {
        let mut options = Options::default();
        options.take("--out").unwrap();
        options.refuse("--output", "it writes").unwrap();
        let found = |spelling| options.beginning_with(spelling).map(|(whole, _)| whole);
        assert_eq!(found("--ou"), Some("--output"));
        assert_eq!(found("--x"), None);
        assert_eq!(found("--"), None);
    }
}
