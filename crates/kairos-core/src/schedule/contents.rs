//! What the files of a glob are and hold, as one value.
//!
//! Owns how far a look at them goes. Never reads a file: somebody with files does, and gives their
//! names and digests.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::path::RelPath;

/// Files that a glob may name: beyond them nothing can be told.
pub const FILES_MAX: usize = 1_000;

/// Bytes read for one look, all files together: beyond them nothing can be told.
pub const BYTES_MAX: u64 = 64 << 20;

/// The digest of no bytes.
const NOTHING: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The digest of names and contents, whatever glob named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents(Digest);

impl Contents {
    /// That of files in the order of their paths, each with the digest of its bytes.
    #[must_use]
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a RelPath, Digest)>) -> Self {
        let mut list = Vec::new();
        for (path, digest) in files {
            list.extend_from_slice(path.as_bytes());
            // No path has one, and a digest has one length.
            list.push(0);
            list.extend_from_slice(digest.as_bytes());
        }
        Self(Digest::of(&list))
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// No file at all.
impl Default for Contents {
    fn default() -> Self {
        Self(NOTHING)
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_byte_and_a_file_more_are_other_contents() {
        let path = |text: &str| text.parse::<RelPath>().expect("a path");
        let (a, b, one, two) = (path("a"), path("b"), Digest::of(b"1"), Digest::of(b"2"));
        let all = [
            Contents::of([]),
            Contents::of([(&a, one)]),
            Contents::of([(&b, one)]),
            Contents::of([(&a, two)]),
            Contents::of([(&a, one), (&b, one)]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().map(|it| it.0).collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], Contents::default());
        assert_eq!(all.map(Contents::is_empty), [true, false, false, false, false]);
    }
}
