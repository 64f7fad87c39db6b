//! A span of time as the files write it.

use kairos_wire::duration;
use serde::{Deserialize, Deserializer};

/// Whole milliseconds; a bare number in a file is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) ms: u64,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // The wire's bound is a thousand years, which are far fewer milliseconds than 2^64.
        let ms = duration::deserialize(d)?.as_millis();
        Ok(Self { ms: u64::try_from(ms).unwrap_or(u64::MAX) })
    }
}
