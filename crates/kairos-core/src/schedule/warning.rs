//! What a person should know about a rule that holds.
//!
//! Owns the findings, as values with their words: where KairosChain fired at other times, steps that
//! reach nothing, and slots of the next year that meet a change of the clock. Never refuses; what
//! cannot be a rule is an error of [`super::expr`].

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::civil::{Dst, InFold, InGap, Rule};
use super::cron::Cron;
use super::expr::{self, Field};
use super::predecessor::{self, Sets};
use super::timetable;
use crate::time::Time;

/// How far ahead changes of the clock are looked for.
const YEAR_MS: u64 = 366 * 86_400_000;

/// More changes of the clock in one year than any zone has had.
const CHANGES_MAX: usize = 12;

/// Something to know about a rule. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// KairosChain read the number as octal.
    Octal { found: String, column: usize, there: u32 },
    /// Either day field is enough here; KairosChain wanted both.
    EitherDay { found: String, column: usize },
    /// Both day fields must match here; for KairosChain either was enough.
    BothDays { found: String, column: usize },
    /// The step is wider than its range, so only the range's first value is left.
    WideStep { field: Field, found: String, column: usize },
    /// The clock is set forward from `from` to `to` and skips `slot`. `how` is none for a rule that
    /// follows elapsed time.
    InGap { slot: DateTime, from: DateTime, to: DateTime, how: Option<InGap> },
    /// The clock is set back from `to` to `from` and shows `slot` twice. `how` is none for a rule
    /// that follows elapsed time.
    InFold { slot: DateTime, from: DateTime, to: DateTime, how: Option<InFold> },
    /// No slot ever comes: the zone's clock skips each time it names.
    NeverDue,
}

impl Warning {
    /// What the text of an expression gives away; nothing where it is no rule.
    #[must_use]
    pub fn of_expression(text: &str) -> Vec<Self> {
        let Ok(cron) = Cron::parse(text, "") else { return Vec::new() };
        let mut warnings = Vec::new();
        if let Some(there) = Sets::read(text) {
            warnings.extend(octal(text));
            warnings.extend(day_rule(text, &cron, &there));
        }
        let wide = expr::wide_steps(text).into_iter();
        warnings.extend(wide.map(|(field, found, column)| Self::WideStep { field, found, column }));
        warnings
    }

    /// The first gap and the first fold within a year of `now` that a slot falls into.
    ///
    /// A rule that follows elapsed time and is due in every hour loses and repeats nothing that
    /// anybody would miss, so it has none.
    #[must_use]
    pub fn of_next_year(rule: &Rule, now: Time) -> Vec<Self> {
        let (mut gap, mut fold) = (None, None);
        let until = now.plus_ms(YEAR_MS).timestamp();
        let changes = rule.zone.following(now.timestamp()).take(CHANGES_MAX);
        for change in changes.take_while(|change| change.timestamp() <= until) {
            let at = change.timestamp();
            let Some((before, after)) = readings(rule, at) else { continue };
            if !rule.cron.is_fixed() && rule.cron.in_every_hour() && whole_hours(before, after) {
                continue;
            }
            let within = |from: DateTime, to: DateTime| {
                rule.cron.at_or_after(from).filter(|slot| *slot < to)
            };
            let fixed = rule.cron.is_fixed();
            if before < after {
                gap = gap.or(within(before, after).map(|slot| {
                    let how = fixed.then_some(rule.dst.gap);
                    Self::InGap { slot, from: before, to: after, how }
                }));
            } else {
                fold = fold.or(within(after, before).map(|slot| {
                    let how = fixed.then_some(rule.dst.fold);
                    Self::InFold { slot, from: after, to: before, how }
                }));
            }
        }
        let never = rule.next_after(now).is_none().then_some(Self::NeverDue);
        [gap, fold, never].into_iter().flatten().collect()
    }

    /// What a change of the clock makes of a single time that the zone's clock skips.
    #[must_use]
    pub fn of_once(civil: DateTime, zone: &TimeZone, dst: Dst) -> Option<Self> {
        let AmbiguousOffset::Gap { before, after } = zone.to_ambiguous_timestamp(civil).offset()
        else {
            return None;
        };
        let slot = timetable::once(civil, zone, Dst { gap: InGap::RunAfter, ..dst })?;
        let at = slot.at.timestamp();
        let (from, to) = (before.to_datetime(at), after.to_datetime(at));
        Some(Self::InGap { slot: civil, from, to, how: Some(dst.gap) })
    }

    /// Where it is in the expression, in characters from 1; none where all of it is meant.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Octal { column, .. }
            | Self::EitherDay { column, .. }
            | Self::BothDays { column, .. }
            | Self::WideStep { column, .. } => Some(*column),
            Self::InGap { .. } | Self::InFold { .. } | Self::NeverDue => None,
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Octal { there, .. } => {
                format!("write the number without the leading 0, or `{there}` for what it was")
            }
            Self::EitherDay { .. } => "write `*` for the field that names every day".to_owned(),
            Self::BothDays { .. } => {
                "to have either, write the steps as a range such as `1-31/2`".to_owned()
            }
            Self::WideStep { field, .. } => {
                format!("a step within {}, or the value itself", field.range())
            }
            Self::InGap { how: None, .. } | Self::InFold { how: None, .. } => {
                "a minute or hour with `*` follows elapsed time; write fixed hours and minutes to \
                 fire once on every day"
                    .to_owned()
            }
            Self::InGap { how: Some(InGap::RunAfter), .. } => {
                "KairosChain left it out, as `dst: {gap: skip}` does".to_owned()
            }
            Self::InGap { how: Some(InGap::Skip), .. } => {
                "`dst: {gap: run_after}` makes up for it once, right after".to_owned()
            }
            Self::InFold { how: Some(InFold::Both), .. } => {
                "`dst: {fold: first}` fires it once".to_owned()
            }
            Self::InFold { how: Some(InFold::First | InFold::Second), .. } => {
                "KairosChain fired it twice, as `dst: {fold: both}` does".to_owned()
            }
            Self::NeverDue => "`dst: {gap: run_after}`, or another time of day".to_owned(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octal { .. } => {
                f.write_str("numbers are decimal here; KairosChain read a leading 0 as octal")
            }
            Self::EitherDay { .. } => {
                f.write_str("fires on days that either field names; KairosChain wanted both")
            }
            Self::BothDays { .. } => {
                f.write_str("fires on days that both fields name; KairosChain took either")
            }
            Self::WideStep { field, found, .. } => {
                write!(f, "the step in `{found}` of the {field} field is wider than its range")
            }
            Self::InGap { slot, from, to, how } => {
                let (day, slot, to) = (slot.date(), clock(*slot), clock(*to));
                write!(f, "on {day} the clock goes from {} to {to}: ", clock(*from))?;
                match how {
                    Some(InGap::RunAfter) => write!(f, "{slot} fires once, at {to}"),
                    Some(InGap::Skip) => write!(f, "{slot} does not fire"),
                    None => write!(f, "{slot} is not there and nothing makes up for it"),
                }
            }
            Self::InFold { slot, from, to, how } => {
                let (day, slot) = (slot.date(), clock(*slot));
                write!(
                    f,
                    "on {day} the clock goes back from {} to {}: ",
                    clock(*to),
                    clock(*from)
                )?;
                match how {
                    Some(InFold::First) => write!(f, "{slot} fires the first time only"),
                    Some(InFold::Second) => write!(f, "{slot} fires the second time only"),
                    Some(InFold::Both) | None => write!(f, "{slot} fires twice"),
                }
            }
            Self::NeverDue => f.write_str("is never due: the clock skips every time it names"),
        }
    }
}

fn clock(at: DateTime) -> String {
    let seconds = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    at.strftime(seconds).to_string()
}

/// What the clock has come to and what it shows instead, at a change.
fn readings(rule: &Rule, at: Timestamp) -> Option<(DateTime, DateTime)> {
    let before = at.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
    let before = rule.zone.to_offset(before);
    Some((before.to_datetime(at), rule.zone.to_offset(at).to_datetime(at)))
}

fn whole_hours(before: DateTime, after: DateTime) -> bool {
    (before.minute(), before.second()) == (after.minute(), after.second())
}

fn octal(text: &str) -> Option<Warning> {
    let mut column = 1;
    for word in text.split(|c: char| !c.is_ascii_digit()) {
        if let Some(there) = predecessor::number(word).filter(|there| word.parse() != Ok(*there)) {
            return Some(Warning::Octal { found: word.to_owned(), column, there });
        }
        // What KairosChain reads is ASCII.
        column += word.len() + 1;
    }
    None
}

/// Both look at the same two fields; they differ in when one of them is enough.
fn day_rule(text: &str, cron: &Cron, there: &Sets) -> Option<Warning> {
    if cron.days.either == there.either_day() || there.every_day() {
        return None;
    }
    let (found, column) = expr::day_field(text)?;
    Some(if cron.days.either {
        Warning::EitherDay { found, column }
    } else {
        Warning::BothDays { found, column }
    })
}
