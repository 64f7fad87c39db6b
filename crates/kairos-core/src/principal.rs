//! Who acts.

use std::fmt;
use std::str::FromStr;

/// An authenticated somebody, as recorded with every decision: `user:NAME(uid)`. At most 128
/// bytes, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(Box<str>);

/// The text cannot name a principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name who acts: 1 to 128 bytes, no control characters")]
pub struct ParsePrincipalError(pub String);

impl Principal {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        read(&self.0)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.0)
    }
}

impl FromStr for Principal {
    type Err = ParsePrincipalError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if (1..=128).contains(&s.len()) && !s.chars().any(char::is_control) {
            Ok(Self(s.into()))
        } else {
            Err(ParsePrincipalError(s.to_owned()))
        }
    }
}

crate::text::serde_as_text!(Principal: with_text => "who acts");
