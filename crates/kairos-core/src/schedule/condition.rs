//! What must hold before a slot that is due fires.
//!
//! Owns the conditions, and what follows from what was found. Never looks itself: somebody with files
//! does, and brings what it found with the slot.

use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::missed::Unmet;
use crate::digest::BlobRef;
use crate::form::is_default;
use crate::path::RelPath;

/// A condition. Where nothing can be told it does not hold, whatever it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub test: Test,
    /// Holds where the test does not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not: bool,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// There is a file or a directory of that name.
    Exists(RelPath),
    /// The files of this glob are others, or hold something else, than when a slot fired last; before
    /// the first fire, than none.
    Changed(String),
    /// There is such a file and its bytes contain the text.
    Contains { path: RelPath, text: BlobRef },
    /// The command exits with 0; its argv is the stored text, a JSON list.
    Command { argv: BlobRef },
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Whether it exists, or contains.
    Is(bool),
    /// What the glob's files are and hold.
    Files(Contents),
    /// Nobody can tell: a bound was reached, or something could not be read.
    Unknown,
}

impl Condition {
    /// What keeps a slot from firing, `seen` being what was found when one fired last.
    #[must_use]
    pub fn unmet(&self, found: Found, seen: Contents) -> Option<Unmet> {
        let is = match found {
            Found::Is(is) => is,
            Found::Files(files) => files != seen,
            Found::Unknown => return Some(Unmet::Unknown),
        };
        (is == self.not).then_some(Unmet::False)
    }

    /// The text it looks for.
    #[must_use]
    pub const fn text(&self) -> Option<BlobRef> {
        match &self.test {
            Test::Contains { text, .. } => Some(*text),
            Test::Command { argv } => Some(*argv),
            Test::Exists(_) | Test::Changed(_) => None,
        }
    }
}

impl Found {
    /// What is to be remembered of it when a slot fires.
    #[must_use]
    pub const fn files(self) -> Option<Contents> {
        match self {
            Self::Files(files) => Some(files),
            Self::Is(_) | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_tell_holds_neither_way() {
        let of = |n: u8| {
            let path = "a".parse().expect("a path");
            Contents::of([(&path, crate::digest::Digest::of(&[n]))])
        };
        let (seen, none) = (of(1), Contents::default());
        let cases = [
            (Found::Is(true), seen, [None, Some(Unmet::False)]),
            (Found::Is(false), seen, [Some(Unmet::False), None]),
            (Found::Files(of(1)), seen, [Some(Unmet::False), None]),
            (Found::Files(of(2)), seen, [None, Some(Unmet::False)]),
            (Found::Files(none), seen, [None, Some(Unmet::False)]),
            (Found::Files(none), none, [Some(Unmet::False), None]),
            (Found::Unknown, seen, [Some(Unmet::Unknown); 2]),
        ];
        for (found, seen, expected) in cases {
            let unmet = [false, true].map(|not| {
                let test = Test::Changed("a".to_owned());
                Condition { test, not }.unmet(found, seen)
            });
            assert_eq!(unmet, expected, "{found:?}");
        }
    }
}
