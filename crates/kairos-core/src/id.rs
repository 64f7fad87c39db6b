//! Typed ids.
//!
//! Owns one type per entity, all ULIDs (<https://github.com/ulid/spec>: 48 bits of milliseconds,
//! 80 bits that here derive from the input's seed). Never draws randomness: ids come from
//! (now, seed, counter), so a decision can be repeated and yields the same ids.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use crate::time::Time;

/// The text is not a ULID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id (26 characters of Crockford base 32)")]
pub struct ParseIdError(pub String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(Ulid(bits))
            }

            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.0
            }

            /// When it was drawn, as its first 48 bits say.
            #[must_use]
            pub fn made_at(self) -> Time {
                Time::from_ms(i64::try_from(self.0.0 >> 80).unwrap_or(i64::MAX))
            }

            fn with_text<R>(self, read: impl FnOnce(&str) -> R) -> R {
                read(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_text(|text| f.write_str(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                canonical(s).map(Self).ok_or_else(|| ParseIdError(s.to_owned()))
            }
        }

        crate::text::serde_as_text!($name: with_text => "a ULID");
    )+};
}

/// Reads a ULID in either case; none of the spellings that Crockford would forgive.
fn canonical(text: &str) -> Option<Ulid> {
    let mut upper: [u8; ulid::ULID_LEN] = text.as_bytes().try_into().ok()?;
    upper.make_ascii_uppercase();
    let upper = std::str::from_utf8(&upper).ok()?;
    let id = Ulid::from_string(upper).ok()?;
    (id.array_to_str(&mut [0; ulid::ULID_LEN]) == upper).then_some(id)
}

ids! {
    /// A mandate.
    MandateId
    /// An effect: one asking of the world.
    EffectId
    /// A proposal: a step held for a person.
    ProposalId
    /// A command an operator gave.
    CommandId
    /// A journal's home: made once, at its first start.
    NodeId
}

/// Sixteen random bytes that come with every input from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

/// Makes the ids of one decision: the n-th id of (now, seed) is always the same.
#[derive(Debug)]
pub struct IdSource {
    now: Time,
    seed: Seed,
    count: u32,
}

impl IdSource {
    #[must_use]
    pub fn new(now: Time, seed: Seed) -> Self {
        Self { now, seed, count: 0 }
    }

    fn bits(&mut self) -> u128 {
        let mut drawn_from = [0; 20];
        drawn_from[..16].copy_from_slice(&self.seed.0);
        drawn_from[16..].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        let digest: [u8; 32] = Sha256::digest(drawn_from).into();
        let tail = digest[..10].iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        u128::from(self.now.as_ms().max(0).unsigned_abs() & 0xffff_ffff_ffff) << 80 | tail
    }

    pub fn mandate(&mut self) -> MandateId {
        MandateId::from_u128(self.bits())
    }

    pub fn effect(&mut self) -> EffectId {
        EffectId::from_u128(self.bits())
    }

    pub fn proposal(&mut self) -> ProposalId {
        ProposalId::from_u128(self.bits())
    }

    pub fn command(&mut self) -> CommandId {
        CommandId::from_u128(self.bits())
    }

    pub fn node(&mut self) -> NodeId {
        NodeId::from_u128(self.bits())
    }
}
