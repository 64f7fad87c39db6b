//! Why an argv is refused.
//!
//! Owns the answer of a check that said no, and how arguments are shown to people: nothing a model
//! wrote reaches a terminal unescaped. In the flow: raised by the scan, shown by whoever asked.

use std::ffi::OsStr;

use super::kind::Unfit;
use crate::kind::Kind;

/// More of an argument is not shown.
const SHOWN_CHARS_MAX: usize = 120;

/// The most bytes one argument has: what the kernel takes, less the byte that ends it.
pub const ARGUMENT_BYTES_MAX: usize = 128 * 1024 - 1;
/// The most bytes all arguments and variables have, each with its end and its pointer.
pub const ARGV_BYTES_MAX: usize = 1024 * 1024;
/// The most arguments.
pub const ARGUMENTS_MAX: usize = 16 * 1024;

/// Why an argv is refused; arguments as they are shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("`{tool}` needs a subcommand")]
    NoSubcommand { tool: String, known: Vec<String> },
    #[error("`{tool}` has no rule for `{subcommand}`")]
    Subcommand { tool: String, subcommand: String, known: Vec<String> },
    #[error("`{tool} {subcommand}` is refused: {reason}")]
    RefusedSubcommand { tool: String, subcommand: String, reason: String },
    #[error("`{option}` of `{tool}` is refused: {reason}")]
    Refused { tool: String, option: String, reason: String },
    #[error("`{tool}` has no rule for the option `{option}`")]
    Unknown { tool: String, option: String },
    #[error("`{option}` of `{tool}` is cut short, and only `{whole}` is read")]
    Abbreviated { tool: String, option: String, whole: String },
    #[error("`{option}` of `{tool}` needs a value")]
    NoValue { tool: String, option: String },
    #[error("`{option}` of `{tool}` takes no value")]
    Value { tool: String, option: String },
    #[error("`{value}`, where the value of `{option}` is wanted, begins with a dash")]
    Dashed { option: String, value: String },
    #[error("`{value}`, the value of `{option}`, begins with `=`")]
    Equals { option: String, value: String },
    #[error("`{value}` is refused for `{of}`: {why}")]
    Unfit { of: String, value: String, why: Unfit },
    #[error("`{tool}` has no place for `{operand}`")]
    Operand { tool: String, operand: String },
    #[error("`{tool}` names nothing to execute, and would read it from standard input")]
    NoOperand { tool: String },
    #[error("`{word}` is refused anywhere in an argv of `{tool}`: {reason}")]
    Word { tool: String, word: String, reason: String },
    #[error("`{tool}` needs {}", one_of(.options))]
    Required { tool: String, options: Vec<String> },
    #[error("the first argument of `{tool}` is `{argument}`, and an option is wanted there")]
    First { tool: String, argument: String },
    #[error("argument {index} holds a NUL byte")]
    Nul { index: usize },
    #[error("argument {index} has {bytes} bytes, and {ARGUMENT_BYTES_MAX} are taken")]
    Long { index: usize, bytes: usize },
    #[error("the arguments have {bytes} bytes together, and {ARGV_BYTES_MAX} are taken")]
    Large { bytes: usize },
    #[error("there are {arguments} arguments, and {ARGUMENTS_MAX} are taken")]
    Many { arguments: usize },
    #[error("`{tool}` needs to know the configuration of the repository first")]
    NoRepository { tool: String },
    #[error(
        "`{tool}` is refused here: the repository has the filter `{driver}`, which is a program"
    )]
    Filter { tool: String, driver: String },
}

impl Violation {
    pub fn kind(&self) -> Kind {
        Kind::Refused
    }

    /// What could be done, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSubcommand { known, .. } | Self::Subcommand { known, .. } => {
                format!("the rule has {}", one_of(known))
            }
            Self::Abbreviated { whole, .. } => format!("write `{whole}`"),
            Self::Dashed { option, value } if option.starts_with("--") => {
                format!("write `{option}={value}`")
            }
            Self::Dashed { option, value } => format!("write `{option}{value}`"),
            Self::Equals { option, .. } => format!("write the value without `=` behind `{option}`"),
            Self::Unknown { option, .. } => {
                format!("a file of that name is meant by `-- {option}` or `./{option}`")
            }
            Self::First { argument, .. } => format!("write `-{argument}`"),
            Self::Filter { .. } => "commit by hand, where the filter's program is yours".to_owned(),
            _ => return None,
        })
    }
}

fn one_of(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [some @ .., last] => {
            let some: Vec<String> = some.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", some.join(", "))
        }
    }
}

/// An argument as a person is shown it: escaped, and cut where it is long.
pub(crate) fn shown(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(|c| {
            // Only what would act on a terminal is escaped: quotes and letters of any script stay.
            let escaped = c.is_control() || is_invisible(c);
            let plain = (!escaped).then_some(c);
            plain.into_iter().chain(escaped.then(|| c.escape_default()).into_iter().flatten())
        })
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Signs that turn or hide the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_act_on_a_terminal() {
        assert_eq!(shown(OsStr::new("a'b \"日本\"")), "a'b \"日本\"");
        assert_eq!(shown(OsStr::new("\u{1b}[2Ja\nb\u{202e}c")), "\\u{1b}[2Ja\\nb\\u{202e}c");
        let long = "x".repeat(SHOWN_CHARS_MAX + 1);
        assert_eq!(shown(OsStr::new(&long)), format!("{}…", "x".repeat(SHOWN_CHARS_MAX)));
    }

    #[test]
    fn a_hint_says_what_to_type() {
        let dashed = Violation::Dashed { option: "--grep".into(), value: "-x".into() };
        assert_eq!(dashed.hint().as_deref(), Some("write `--grep=-x`"));
        let known = vec!["a".into(), "b".into(), "c".into()];
        let none = Violation::NoSubcommand { tool: "git".into(), known };
        assert_eq!(none.hint().as_deref(), Some("the rule has `a`, `b` or `c`"));
    }
}
