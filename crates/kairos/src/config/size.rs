//! Numbers of bytes and amounts of money as people write them.
//!
//! Owns two text forms: `16MiB` (a bare number is bytes) and decimal USD, which become millionths
//! without ever being binary fractions. Never rounds: more decimals than six are refused.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// An amount of USD in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usd(pub(crate) u64);

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

fn size(text: &str) -> Option<Size> {
    let text = text.trim();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)))
        .unwrap_or((text, 1));
    let number: u64 = digits(number.trim_end())?.parse().ok()?;
    number.checked_mul(unit).map(Size)
}

/// A number of bytes in the largest binary unit that divides it.
pub(super) fn spell(bytes: u64) -> String {
    let unit = UNITS[..3].iter().rev().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn usd(text: &str) -> Option<Usd> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let fraction = digits(fraction).filter(|fraction| fraction.len() <= 6)?;
    let millionths: u64 = format!("{fraction:0<6}").parse().ok()?;
    digits(whole)?.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths).map(Usd)
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// Reads a number or text through one of the functions above.
struct Amount<T> {
    read: fn(&str) -> Option<T>,
    wanted: &'static str,
}

impl<T> de::Visitor<'_> for Amount<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Other(&format!("`{text}`")), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a size such as `16MiB`";
        deserializer.deserialize_any(Amount { read: size, wanted })
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "an amount of USD with at most six decimals";
        deserializer.deserialize_any(Amount { read: usd, wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_amounts_are_read_exactly() {
        let sizes = [
            ("16MiB", Some(16 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("10kB", Some(10_000)),
            ("7B", Some(7)),
            ("512", Some(512)),
            ("", None),
            ("-1", None),
            ("1.5MiB", None),
            ("MiB", None),
            ("99999999999GiB", None),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text).map(|s| s.0), bytes, "{text}");
        }
        let spelled = [16 << 20, 1 << 30, 3 << 10, 1000, 0].map(spell);
        assert_eq!(spelled, ["16MiB", "1GiB", "3KiB", "1000B", "0B"]);
        let amounts = [
            ("5", Some(5_000_000)),
            ("0.3", Some(300_000)),
            ("3.75", Some(3_750_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("-5", None),
            ("1e3", None),
            (".5", None),
            ("99999999999999", None),
        ];
        for (text, micros) in amounts {
            assert_eq!(usd(text).map(|u| u.0), micros, "{text}");
        }
    }
}
