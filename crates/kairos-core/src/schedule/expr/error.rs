//! Why an expression is not a rule.
//!
//! Owns the wording: which field, what was found in which column, and what is allowed there.

use super::{Field, MACROS, MAX_CHARS};

/// Why an expression is not a rule. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("expression of {chars} characters is longer than {MAX_CHARS}")]
    TooLong { chars: usize },
    #[error(
        "{found} {} where a cron expression has 5, or 6 with seconds",
        if *found == 1 { "field" } else { "fields" }
    )]
    FieldCount { found: usize, column: usize },
    #[error("unknown macro `{found}`")]
    Macro { found: String, column: usize },
    #[error("{} the {field} field", no(found, "value of"))]
    Value { field: Field, found: String, column: usize },
    #[error("`{found}` is out of range for the {field} field")]
    OutOfRange { field: Field, found: String, column: usize },
    #[error("range `{found}` in the {field} field ends before it begins")]
    Reversed { field: Field, found: String, column: usize },
    #[error("{} the {field} field", no(found, "step in"))]
    Step { field: Field, found: String, column: usize },
    #[error("step in `{found}` of the {field} field has no range to walk")]
    StepWithoutRange { field: Field, found: String, column: usize },
    #[error("`{found}` does not say which one of the month, in the {field} field")]
    Nth { field: Field, found: String, column: usize },
    #[error("`{found}` in the day of month field is in none of its months")]
    NeverFires { found: String, column: usize },
    #[error(
        "`{day}` in the day of month field and `{found}` in the day of week field never fall together"
    )]
    NeverBoth { day: String, found: String, column: usize },
}

/// That a text is not what it should be, or that there is none.
fn no(found: &str, what: &str) -> String {
    match (found, what.split_once(' ')) {
        ("", Some((noun, _))) => format!("a {noun} is missing in"),
        _ => format!("`{found}` is not a {what}"),
    }
}

impl CronError {
    /// Where the trouble begins, in characters counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        match self {
            Self::TooLong { .. } => MAX_CHARS + 1,
            Self::FieldCount { column, .. }
            | Self::Macro { column, .. }
            | Self::Value { column, .. }
            | Self::OutOfRange { column, .. }
            | Self::Reversed { column, .. }
            | Self::Step { column, .. }
            | Self::StepWithoutRange { column, .. }
            | Self::Nth { column, .. }
            | Self::NeverFires { column, .. }
            | Self::NeverBoth { column, .. } => *column,
        }
    }

    /// The offending text; empty where something is missing.
    #[must_use]
    pub fn found(&self) -> &str {
        match self {
            Self::TooLong { .. } | Self::FieldCount { .. } => "",
            Self::Macro { found, .. }
            | Self::Value { found, .. }
            | Self::OutOfRange { found, .. }
            | Self::Reversed { found, .. }
            | Self::Step { found, .. }
            | Self::StepWithoutRange { found, .. }
            | Self::Nth { found, .. }
            | Self::NeverFires { found, .. }
            | Self::NeverBoth { found, .. } => found,
        }
    }

    /// The field it is in, where it is in one.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::TooLong { .. } | Self::FieldCount { .. } | Self::Macro { .. } => None,
            Self::NeverFires { .. } => Some(Field::Day),
            Self::NeverBoth { .. } => Some(Field::Weekday),
            Self::Value { field, .. }
            | Self::OutOfRange { field, .. }
            | Self::Reversed { field, .. }
            | Self::Step { field, .. }
            | Self::StepWithoutRange { field, .. }
            | Self::Nth { field, .. } => Some(*field),
        }
    }

    /// What to write instead, as a hint beside the message.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("allowed: {}", self.allowed())
    }

    /// What would be allowed instead.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::TooLong { .. } => format!("at most {MAX_CHARS} characters"),
            Self::FieldCount { .. } => {
                "minute, hour, day of month, month, day of week, separated by spaces".to_owned()
            }
            Self::Macro { .. } => {
                MACROS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
            }
            Self::Value { field, .. } | Self::OutOfRange { field, .. } => {
                format!(
                    "*, {}, ranges, `A~B` for one at random, and lists of these",
                    field.allowed()
                )
            }
            Self::Reversed { .. } => "the smaller value first, or two ranges in a list".to_owned(),
            Self::Step { .. } => "a whole number from 1".to_owned(),
            Self::StepWithoutRange { field, found, .. } => {
                let (from, step) = found.split_once('/').unwrap_or((found, "1"));
                format!("`*/{step}` or `{from}-{}/{step}`", field.greatest())
            }
            Self::Nth { field: Field::Weekday, .. } => {
                "`5L` for the last Friday, `1#1` to `1#5` for one Monday of the month".to_owned()
            }
            Self::Nth { .. } => "`L` to `L-30`, counted back from the last day".to_owned(),
            Self::NeverFires { .. } => "a day that one of its months has".to_owned(),
            Self::NeverBoth { .. } => "days that both fields name".to_owned(),
        }
    }
}
