//! Reads a cron expression.
//!
//! Owns the grammar. Never evaluates a rule.
//!
//! Five fields `minute hour day month weekday`, six with seconds before them, or a macro. A field is
//! a comma list of `*`, `?` (the same as `*`), `N`, `A-B`, `*/S`, `A-B/S` and `A~B`; numbers are
//! decimal whatever they start with; months and weekdays have English names; 7 is Sunday. Days of
//! the month may be `L`, `L-N`, `NW` and `LW`, weekdays `NL` and `N#K`.

mod error;
mod field;
mod piece;

pub use error::CronError;
pub use field::Field;
use piece::Piece;

use super::cron::Cron;
use super::days::Days;
use crate::digest::Digest;

/// The longest expression read, in characters. Every list that says something new is shorter.
pub const MAX_CHARS: usize = 1024;

const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Reads `text` into the sets of a [`Cron`]; `id` is what `~` picks by.
pub(super) fn parse(text: &str, id: &str) -> Result<Cron, CronError> {
    let chars = text.chars().count();
    if chars > MAX_CHARS {
        return Err(CronError::TooLong { chars });
    }
    let pieces = pieces(text);
    match pieces[..] {
        [first, ..] if first.text.starts_with('@') => {
            // A macro stands alone: `@every 5m` is none.
            let found = text.trim_ascii();
            let meant = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(found));
            let (_, meaning) = meant.ok_or_else(|| {
                let found = found.to_owned();
                CronError::Macro { found, column: first.column }
            })?;
            parse(meaning, id)
        }
        [minute, hour, day, month, weekday] => {
            fields([Piece::whole("0"), minute, hour, day, month, weekday], id)
        }
        [second, minute, hour, day, month, weekday] => {
            fields([second, minute, hour, day, month, weekday], id)
        }
        _ => {
            let column = pieces.get(6).map_or(chars + 1, |seventh| seventh.column);
            Err(CronError::FieldCount { found: pieces.len(), column })
        }
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let pieces = Piece::whole(text).split(|c| c.is_ascii_whitespace());
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

fn fields(pieces: [Piece<'_>; 6], id: &str) -> Result<Cron, CronError> {
    let [_, minute, hour, day, _, weekday] = pieces;
    let either = !day.starts_with_star() && !weekday.starts_with_star();
    let mut days = Days { either, ..Days::default() };
    let mut sets = [0u64; 6];
    for ((set, piece), field) in sets.iter_mut().zip(pieces).zip(Field::ALL) {
        for (place, item) in piece.split(|c| c == ',').enumerate() {
            let read = match field {
                Field::Day => day_of_month(item, &mut days)?,
                Field::Weekday => weekday_of_month(item, &mut days)?,
                Field::Second | Field::Minute | Field::Hour | Field::Month => false,
            };
            if !read {
                *set |= item_set(item, field, &Luck { id, field, place })?;
            }
        }
    }
    let [seconds, minutes, hours, of_month, months, weekdays] = sets;
    days.of_month |= u32::try_from(of_month).expect("days end at 31");
    // 7 and 0 are the same Sunday.
    days.weekdays |= Days::every_week(weekdays | weekdays >> 7);
    let months = u16::try_from(months).expect("months end at 12");
    possible(&days, months, day, weekday)?;
    let fixed = !minute.starts_with_star() && !hour.starts_with_star();
    Ok(Cron { seconds, minutes, hours, days, months, fixed })
}

/// Refuses days that no calendar has.
fn possible(days: &Days, months: u16, day: Piece<'_>, weekday: Piece<'_>) -> Result<(), CronError> {
    if days.ever_match(months) {
        return Ok(());
    }
    let any_weekday = Days { weekdays: Days::every_week(0x7f), ..*days };
    if !any_weekday.ever_match(months) {
        return Err(CronError::NeverFires { found: day.found(), column: day.column });
    }
    let (found, column) = (weekday.found(), weekday.column);
    Err(CronError::NeverBoth { day: day.found(), found, column })
}

/// Reads `L`, `L-N`, `NW` and `LW`; false where it is none of them.
fn day_of_month(item: Piece<'_>, days: &mut Days) -> Result<bool, CronError> {
    let field = Field::Day;
    if item.is("L") {
        days.before_last |= 1;
    } else if item.is("LW") {
        days.near |= 1;
    } else if let Some(back) = item.after("L-") {
        let (found, column) = (item.found(), item.column);
        let back = back.number().filter(|back| (1..=30).contains(back));
        days.before_last |= 1 << back.ok_or(CronError::Nth { field, found, column })?;
    } else if let Some(day) = item.before("W").filter(|day| !day.text.is_empty()) {
        days.near |= 1 << value(day, field)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Reads `NL` and `N#K`; false where it is neither.
fn weekday_of_month(item: Piece<'_>, days: &mut Days) -> Result<bool, CronError> {
    let field = Field::Weekday;
    let nth = || CronError::Nth { field, found: item.found(), column: item.column };
    if let Some((weekday, which)) = item.split_once('#') {
        let weekday = u32::from(value(weekday, field)?) % 7;
        let which = which.number().filter(|which| (1..=5).contains(which)).ok_or_else(nth)?;
        days.weekdays |= 1 << ((which - 1) * 7 + weekday);
    } else if let Some(weekday) = item.before("L") {
        if weekday.text.is_empty() {
            return Err(nth());
        }
        days.last_weekdays |= 1 << (value(weekday, field)? % 7);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// The values one item of a list names, as a set.
fn item_set(item: Piece<'_>, field: Field, luck: &Luck<'_>) -> Result<u64, CronError> {
    if let Some((low, high)) = item.split_once('~') {
        return Ok(1 << random(item, low, high, luck)?);
    }
    let Walk { from, to, step } = walk(item, field)?;
    let step = usize::try_from(step).expect("a pointer has at least 32 bits");
    Ok((from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
}

/// The steps that are wider than the range they walk, of an expression that is a rule.
pub(super) fn wide_steps(text: &str) -> Vec<(Field, String, usize)> {
    let mut wide = Vec::new();
    for (piece, field) in pieces(text).into_iter().rev().zip(Field::ALL.into_iter().rev()) {
        for item in piece.split(|c| c == ',') {
            let Ok(Walk { from, to, step }) = walk(item, field) else { continue };
            if step > u32::from(to - from) && item.text.contains('/') {
                wide.push((field, item.found(), item.column));
            }
        }
    }
    wide.sort_by_key(|(_, _, column)| *column);
    wide
}

/// The day-of-month field of an expression that is no macro, and its column.
pub(super) fn day_field(text: &str) -> Option<(String, usize)> {
    let pieces = pieces(text);
    let day = pieces.get(pieces.len().checked_sub(3)?)?;
    Some((day.found(), day.column))
}

/// A range and the step it is walked in.
struct Walk {
    from: u8,
    to: u8,
    step: u32,
}

fn walk(item: Piece<'_>, field: Field) -> Result<Walk, CronError> {
    let (range, step) = match item.split_once('/') {
        None => (item, None),
        Some((range, step)) => (range, Some(step)),
    };
    let (from, to) = if range.is_star() {
        (field.least(), field.greatest())
    } else if let Some((low, high)) = range.split_once('-') {
        ordered(range, value(low, field)?, range_end(high, field)?, field)?
    } else {
        let only = value(range, field)?;
        if step.is_some() {
            let (found, column) = (item.found(), item.column);
            return Err(CronError::StepWithoutRange { field, found, column });
        }
        (only, only)
    };
    let step = step.map_or(Ok(1), |step| step_width(step, field))?;
    Ok(Walk { from, to, step })
}

fn ordered(range: Piece<'_>, from: u8, to: u8, field: Field) -> Result<(u8, u8), CronError> {
    if to < from {
        return Err(CronError::Reversed { field, found: range.found(), column: range.column });
    }
    Ok((from, to))
}

/// What a `~` picks by: the same each time it is read, another for every field and item.
struct Luck<'a> {
    id: &'a str,
    field: Field,
    place: usize,
}

/// The value of `A~B`, `A~`, `~B` or `~`; an end left out is the field's. A day left out at both
/// ends is one that every month has.
fn random(
    item: Piece<'_>,
    low: Piece<'_>,
    high: Piece<'_>,
    luck: &Luck<'_>,
) -> Result<u8, CronError> {
    const DAYS_OF_ALL_MONTHS: u8 = 28;
    let field = luck.field;
    let from = if low.text.is_empty() { field.least() } else { value(low, field)? };
    let to = match (high.text.is_empty(), low.text.is_empty()) {
        (true, true) if field == Field::Day => DAYS_OF_ALL_MONTHS,
        (true, _) => field.greatest(),
        (false, _) => range_end(high, field)?,
    };
    let (from, to) = ordered(item, from, to, field)?;
    let digest = Digest::of(format!("{} {} {}", field, luck.place, luck.id).as_bytes());
    // One byte over at most 60 values would favour the low ones.
    let (high, _) = digest.as_bytes().split_first_chunk().expect("32 bytes hold eight");
    let offset = u64::from_be_bytes(*high) % (u64::from(to - from) + 1);
    Ok(from + u8::try_from(offset).expect("less than the range"))
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
    if piece.is_digits() {
        let greatest = if field == Field::Weekday { 7 } else { field.greatest() };
        // Text too long for the type is out of range as well.
        return match piece.number().and_then(|n| u8::try_from(n).ok()) {
            Some(n) if (field.least()..=greatest).contains(&n) => Ok(n),
            _ => Err(CronError::OutOfRange { field, found, column }),
        };
    }
    let mut named = field.names().iter().zip(field.least()..);
    named
        .find(|(name, _)| name.eq_ignore_ascii_case(piece.text))
        .map(|(_, value)| value)
        .ok_or(CronError::Value { field, found, column })
}

/// A step's width. One wider than its range keeps only the range's first value.
fn step_width(piece: Piece<'_>, field: Field) -> Result<u32, CronError> {
    piece.number().filter(|step| *step > 0).ok_or_else(|| {
        let (found, column) = (piece.found(), piece.column);
        CronError::Step { field, found, column }
    })
}
