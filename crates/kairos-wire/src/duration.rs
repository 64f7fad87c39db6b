//! Lengths of time as people write them.
//!
//! Owns the text form: a bare number is seconds, else a number and one of `s m h d` (`15s`, `10m`,
//! `8h`, `2d`; upper case and a space before the unit too, as KairosChain reads them). Never more
//! exact than a millisecond, never negative, never longer than [`MAX`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The longest that can be written: a thousand years of 365 days.
pub const MAX: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// The text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a duration")]
pub struct ParseDurationError {
    pub found: String,
}

impl ParseDurationError {
    /// What would be allowed.
    pub const HINT: &str = "a number of seconds, or text such as `15s`, `10m`, `8h`, `2d`";
}

/// Reads `text`; fractions go down to a millisecond.
///
/// # Errors
/// [`ParseDurationError`] for anything but a number that is not negative with one known unit.
pub fn parse(text: &str) -> Result<Duration, ParseDurationError> {
    let wrong = || ParseDurationError { found: text.to_owned() };
    let trimmed = text.trim();
    let (number, unit_seconds) = match trimmed.chars().next_back() {
        Some('s' | 'S') => (&trimmed[..trimmed.len() - 1], 1),
        Some('m' | 'M') => (&trimmed[..trimmed.len() - 1], 60),
        Some('h' | 'H') => (&trimmed[..trimmed.len() - 1], 3600),
        Some('d' | 'D') => (&trimmed[..trimmed.len() - 1], 86_400),
        _ => (trimmed, 1),
    };
    let thousandths = thousandths(number.trim_end()).ok_or_else(wrong)?;
    let ms = thousandths.checked_mul(unit_seconds).ok_or_else(wrong)?;
    Some(Duration::from_millis(ms)).filter(|length| *length <= MAX).ok_or_else(wrong)
}

/// A decimal number times 1,000, without sign, exponent or more than three decimals.
fn thousandths(number: &str) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// Reads a number of seconds or a text.
///
/// # Errors
/// The deserializer's, with [`ParseDurationError`] as its message.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Lengths)
}

/// The same for a field that may be absent or null.
///
/// # Errors
/// As [`deserialize`].
pub fn deserialize_option<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Length(Duration);
    impl<'de> Deserialize<'de> for Length {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            self::deserialize(deserializer).map(Self)
        }
    }
    Ok(Option::<Length>::deserialize(deserializer)?.map(|length| length.0))
}

/// Writes seconds: a whole number, or with decimals where there are milliseconds.
///
/// # Errors
/// Only the serializer's.
pub fn serialize_option<S: Serializer>(
    length: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match length {
        None => serializer.serialize_none(),
        Some(length) if length.subsec_millis() == 0 => serializer.serialize_u64(length.as_secs()),
        Some(length) => serializer.serialize_f64(length.as_secs_f64()),
    }
}

struct Lengths;

impl de::Visitor<'_> for Lengths {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ParseDurationError::HINT)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(|wrong| E::custom(format!("{wrong}: {}", ParseDurationError::HINT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bare_seconds_are_read() {
        let read = |text: &str| parse(text).map(|d| d.as_millis()).ok();
        let cases = [
            ("120", Some(120_000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("15s", Some(15_000)),
            ("10m", Some(600_000)),
            ("1.5h", Some(5_400_000)),
            ("8 H", Some(28_800_000)),
            (" 2d ", Some(172_800_000)),
            ("", None),
            ("h", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1w", None),
            ("1h30m", None),
            ("0.0001", None),
            ("365001d", None),
            ("99999999999999999999", None),
            ("18446744073709551615d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(read(text), ms, "{text}");
        }
    }
}
