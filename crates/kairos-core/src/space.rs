//! Room on the disk, as far as rules follow from it.
//!
//! Owns what it means to be short of room: which limit is met, with the figures. Never looks at a
//! disk; the engine does, and says so with each decision.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A limit that holds back new work, and what was found. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    /// Less is free on the disk than is set aside.
    Free { free_bytes: u64, keep_free_bytes: u64 },
    /// The journal and the blobs take more than they may.
    Used { used_bytes: u64, cap_bytes: u64 },
    /// The journal's next segment cannot be made.
    Segment,
}

impl Shortage {
    /// The word used in routes, the log and the heartbeat.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Free { .. } => "free",
            Self::Used { .. } => "used",
            Self::Segment => "segment",
        }
    }

    /// Whether it is the same limit, whatever the figures.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What gives room again.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Free { .. } => {
                "make room on that disk, or lower `retention.keep_free` and reload; it goes on by itself"
            }
            Self::Used { .. } => {
                "raise `retention.bytes`, or lower `retention.days`, and reload; it goes on by itself"
            }
            Self::Segment => "make room: `df -h .kairos/journal`; it goes on by itself",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free { free_bytes, keep_free_bytes } => write!(
                f,
                "{} are free on the disk, and `retention.keep_free` sets {} aside",
                Bytes(*free_bytes),
                Bytes(*keep_free_bytes)
            ),
            Self::Used { used_bytes, cap_bytes } => write!(
                f,
                "journal and blobs take {}, and `retention.bytes` allows {}",
                Bytes(*used_bytes),
                Bytes(*cap_bytes)
            ),
            Self::Segment => f.write_str("the disk has no room for the journal's next segment"),
        }
    }
}

/// A number of bytes as people read it: cut, never rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let Some((unit, shift)) = UNITS.iter().find(|(_, shift)| self.0 >> shift > 0) else {
            return write!(f, "{} B", self.0);
        };
        let (whole, rest) = (self.0 >> shift, self.0 & ((1 << shift) - 1));
        // At most 2^40 times ten.
        match (rest * 10) >> shift {
            tenth if whole < 100 && tenth > 0 => write!(f, "{whole}.{tenth} {unit}"),
            _ => write!(f, "{whole} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_says_which_limit_and_by_how_much() {
        let said = [
            Shortage::Free { free_bytes: 130_000_000, keep_free_bytes: 256 << 20 },
            Shortage::Used { used_bytes: (2 << 30) + (300 << 20), cap_bytes: 2 << 30 },
            Shortage::Segment,
        ]
        .map(|shortage| shortage.to_string());
        let expected = [
            "123 MiB are free on the disk, and `retention.keep_free` sets 256 MiB aside",
            "journal and blobs take 2.2 GiB, and `retention.bytes` allows 2 GiB",
            "the disk has no room for the journal's next segment",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn bytes_are_read_at_a_glance() {
        let read = [0, 1023, 1024, 1_600, (1 << 20) - 1, 100 << 20, u64::MAX].map(Bytes);
        let expected = ["0 B", "1023 B", "1 KiB", "1.5 KiB", "1023 KiB", "100 MiB", "16777215 TiB"];
        assert_eq!(read.map(|bytes| bytes.to_string()), expected);
    }
}
