//! How KairosChain reads a cron expression.
//!
//! Owns its grammar and its day rule, for comparison alone: nothing is ever due by them.

/// The sets KairosChain makes of an expression, bit `n` for the value `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sets {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    pub(super) weekdays: u64,
}

const ALL_DAYS: u64 = (1 << 32) - 2;
const ALL_WEEKDAYS: u64 = (1 << 7) - 1;

impl Sets {
    /// None where KairosChain refuses `text`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let fields: Vec<_> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return None };
        Some(Self {
            minutes: field(minute, 0, 59)?,
            hours: field(hour, 0, 23)?,
            days: field(day, 1, 31)?,
            months: field(month, 1, 12)?,
            weekdays: field(weekday, 0, 6)?,
        })
    }

    /// Whether being in one of the day fields is enough: a field is a wildcard when its set is full.
    pub(super) fn either_day(&self) -> bool {
        self.days != ALL_DAYS && self.weekdays != ALL_WEEKDAYS
    }

    pub(super) fn every_day(&self) -> bool {
        self.days == ALL_DAYS && self.weekdays == ALL_WEEKDAYS
    }
}

fn field(text: &str, least: u32, greatest: u32) -> Option<u64> {
    let item = |item: &str| {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => (range, Some(number(step)?)),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" => (least, greatest),
            None if step.is_some() => return None,
            None => (number(range)?, number(range)?),
        };
        let sound = least <= from && from <= to && to <= greatest && step != Some(0);
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        sound.then(|| (from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
    };
    // A star alone is everything; in a list it is refused.
    if text != "*" && text.split(',').any(|item| item == "*") {
        return None;
    }
    text.split(',').try_fold(0, |set, text| Some(set | item(text)?))
}

/// A leading 0 makes a number octal, as in C.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let radix = if text.starts_with('0') { 8 } else { 10 };
    digits.then(|| u32::from_str_radix(text, radix).ok())?
}
