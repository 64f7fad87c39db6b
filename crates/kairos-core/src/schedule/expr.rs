//! Reads a cron expression.
//!
//! Owns the grammar and its errors: each says what was found, in which field and column, and what
//! is allowed there. Never evaluates a rule.
//!
//! Five fields `minute hour day month weekday`, or a macro. A field is a comma list of `*`, `?`
//! (the same as `*`), `N`, `A-B`, `*/S` and `A-B/S`; numbers are decimal whatever they start with;
//! months and weekdays have English names; 7 is Sunday.

use std::fmt;

use super::cron::Cron;

/// The longest expression read, in characters. Every list that says something new is shorter.
pub const MAX_CHARS: usize = 1024;

/// One of the five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

impl Field {
    const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Weekday];

    /// What may stand in the field, for a hint.
    #[must_use]
    pub fn allowed(self) -> &'static str {
        match self {
            Self::Minute => "0-59",
            Self::Hour => "0-23",
            Self::Day => "1-31",
            Self::Month => "1-12 or JAN-DEC",
            Self::Weekday => "0-7 or SUN-SAT (0 and 7 are Sunday)",
        }
    }

    fn least(self) -> u8 {
        match self {
            Self::Minute | Self::Hour | Self::Weekday => 0,
            Self::Day | Self::Month => 1,
        }
    }

    /// The greatest value of `*`; a weekday may also be written 7.
    fn greatest(self) -> u8 {
        match self {
            Self::Minute => 59,
            Self::Hour => 23,
            Self::Day => 31,
            Self::Month => 12,
            Self::Weekday => 6,
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Minute | Self::Hour | Self::Day => &[],
            Self::Month => &[
                "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ],
            Self::Weekday => &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of month",
            Self::Month => "month",
            Self::Weekday => "day of week",
        })
    }
}

/// Why an expression is not a rule. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("expression of {chars} characters is longer than {MAX_CHARS}")]
    TooLong { chars: usize },
    #[error("{found} fields where a cron expression has 5")]
    FieldCount { found: usize, column: usize },
    #[error("unknown macro `{found}`")]
    Macro { found: String, column: usize },
    #[error("`{found}` is not a value of the {field} field")]
    Value { field: Field, found: String, column: usize },
    #[error("`{found}` is out of range for the {field} field")]
    OutOfRange { field: Field, found: String, column: usize },
    #[error("range `{found}` in the {field} field ends before it begins")]
    Reversed { field: Field, found: String, column: usize },
    #[error("`{found}` is not a step in the {field} field")]
    Step { field: Field, found: String, column: usize },
    #[error("step in `{found}` of the {field} field has no range to walk")]
    StepWithoutRange { field: Field, found: String, column: usize },
    #[error("no month it names has a day `{found}`")]
    NeverFires { found: String, column: usize },
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
            | Self::NeverFires { column, .. } => *column,
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
            | Self::NeverFires { found, .. } => found,
        }
    }

    /// The field it is in, where it is in one.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::TooLong { .. } | Self::FieldCount { .. } | Self::Macro { .. } => None,
            Self::NeverFires { .. } => Some(Field::Day),
            Self::Value { field, .. }
            | Self::OutOfRange { field, .. }
            | Self::Reversed { field, .. }
            | Self::Step { field, .. }
            | Self::StepWithoutRange { field, .. } => Some(*field),
        }
    }

    /// What would be allowed instead, as a hint beside the message.
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
                format!("*, {}, ranges, and lists of these", field.allowed())
            }
            Self::Reversed { .. } => "the smaller value first, or two ranges in a list".to_owned(),
            Self::Step { .. } => "a whole number from 1".to_owned(),
            Self::StepWithoutRange { field, found, .. } => {
                let (from, step) = found.split_once('/').unwrap_or((found, "1"));
                format!("`*/{step}` or `{from}-{}/{step}`", field.greatest())
            }
            Self::NeverFires { .. } => "a day that one of its months has".to_owned(),
        }
    }
}

const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Text with its place in the expression.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    column: usize,
}

impl<'a> Piece<'a> {
    fn split(self, at: impl Fn(char) -> bool) -> impl Iterator<Item = Piece<'a>> {
        let mut column = self.column;
        self.text.split(at).map(move |text| {
            let piece = Piece { text, column };
            column += text.chars().count() + 1;
            piece
        })
    }

    fn split_once(self, at: char) -> Option<(Piece<'a>, Piece<'a>)> {
        let (left, right) = self.text.split_once(at)?;
        let column = self.column + left.chars().count() + 1;
        Some((Piece { text: left, column: self.column }, Piece { text: right, column }))
    }

    fn is_star(self) -> bool {
        matches!(self.text, "*" | "?")
    }

    fn starts_with_star(self) -> bool {
        self.text.starts_with(['*', '?'])
    }

    fn found(self) -> String {
        self.text.to_owned()
    }
}

/// Reads `text` into the sets of a [`Cron`].
pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
    let chars = text.chars().count();
    if chars > MAX_CHARS {
        return Err(CronError::TooLong { chars });
    }
    let whole = Piece { text, column: 1 };
    let pieces: Vec<_> =
        whole.split(|c| c.is_ascii_whitespace()).filter(|p| !p.text.is_empty()).collect();
    match pieces[..] {
        [only] if only.text.starts_with('@') => {
            let (_, meaning) = MACROS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(only.text))
                .ok_or_else(|| CronError::Macro { found: only.found(), column: only.column })?;
            parse(meaning)
        }
        [minute, hour, day, month, weekday] => fields([minute, hour, day, month, weekday]),
        _ => {
            let column = pieces.get(5).map_or(chars + 1, |sixth| sixth.column);
            Err(CronError::FieldCount { found: pieces.len(), column })
        }
    }
}

fn fields(pieces: [Piece<'_>; 5]) -> Result<Cron, CronError> {
    let mut sets = [0u64; 5];
    for ((set, piece), field) in sets.iter_mut().zip(pieces).zip(Field::ALL) {
        for item in piece.split(|c| c == ',') {
            *set |= item_set(item, field)?;
        }
    }
    let [minute, hour, day, _, weekday] = pieces;
    let cron = Cron {
        minutes: sets[0],
        hours: u32::try_from(sets[1]).expect("hours end at 23"),
        days: u32::try_from(sets[2]).expect("days end at 31"),
        months: u16::try_from(sets[3]).expect("months end at 12"),
        // 7 and 0 are the same Sunday.
        weekdays: u8::try_from((sets[4] | sets[4] >> 7) & 0x7f).expect("seven bits"),
        either_day: !day.starts_with_star() && !weekday.starts_with_star(),
        fixed: !minute.starts_with_star() && !hour.starts_with_star(),
    };
    // Where a weekday alone is enough there is always a day. Where both must hold, every (month,
    // day) that exists meets every weekday within the calendar's 400 years.
    if !cron.either_day && !some_month_has(cron.months, cron.days) {
        return Err(CronError::NeverFires { found: day.found(), column: day.column });
    }
    Ok(cron)
}

fn some_month_has(months: u16, days: u32) -> bool {
    const THIRTY: u16 = 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11;
    const FEBRUARY: u16 = 1 << 2;
    let longest = match months {
        m if m & !(THIRTY | FEBRUARY) != 0 => 31,
        m if m & THIRTY != 0 => 30,
        _ => 29,
    };
    days.trailing_zeros() <= longest
}

/// The values one item of a list names, as a set.
fn item_set(item: Piece<'_>, field: Field) -> Result<u64, CronError> {
    let (range, step) = match item.split_once('/') {
        None => (item, None),
        Some((range, step)) => (range, Some(step)),
    };
    let (from, to) = if range.is_star() {
        (field.least(), field.greatest())
    } else if let Some((low, high)) = range.split_once('-') {
        let (from, to) = (value(low, field)?, range_end(high, field)?);
        if to < from {
            return Err(CronError::Reversed { field, found: range.found(), column: range.column });
        }
        (from, to)
    } else {
        let only = value(range, field)?;
        if step.is_some() {
            let (found, column) = (item.found(), item.column);
            return Err(CronError::StepWithoutRange { field, found, column });
        }
        (only, only)
    };
    let step = step.map_or(Ok(1), |step| step_width(step, field))?;
    Ok((from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
}

/// The end of a range: as a value, but Sunday by name may end a week (`SAT-SUN`).
fn range_end(piece: Piece<'_>, field: Field) -> Result<u8, CronError> {
    match value(piece, field)? {
        0 if field == Field::Weekday && piece.text.eq_ignore_ascii_case("sun") => Ok(7),
        other => Ok(other),
    }
}

fn value(piece: Piece<'_>, field: Field) -> Result<u8, CronError> {
    let (found, column) = (piece.found(), piece.column);
    if !piece.text.is_empty() && piece.text.bytes().all(|b| b.is_ascii_digit()) {
        let greatest = if field == Field::Weekday { 7 } else { field.greatest() };
        // Text too long for the type is out of range as well.
        return match piece.text.parse::<u32>().ok().and_then(|n| u8::try_from(n).ok()) {
            Some(n) if (field.least()..=greatest).contains(&n) => Ok(n),
            _ => Err(CronError::OutOfRange { field, found, column }),
        };
    }
    let named = field.names().iter().zip(field.least()..);
    named
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(piece.text))
        .map(|(_, value)| value)
        .ok_or(CronError::Value { field, found, column })
}

/// A step's width. One wider than its range keeps only the range's first value.
fn step_width(piece: Piece<'_>, field: Field) -> Result<usize, CronError> {
    let all_digits = piece.text.bytes().all(|b| b.is_ascii_digit());
    match piece.text.parse::<u32>() {
        Ok(step) if all_digits && step > 0 => {
            Ok(usize::try_from(step).expect("a pointer has at least 32 bits"))
        }
        _ => Err(CronError::Step { field, found: piece.found(), column: piece.column }),
    }
}
