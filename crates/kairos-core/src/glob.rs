//! How deep a glob may be.
//!
//! Owns the bound that everybody keeps who makes something of a glob. Alternatives may stand in each
//! other, and are read by recursion: without a bound a text of some hundred kilobytes ends the process.
//! Never matches anything.

/// The most `{` a glob may have.
pub const BRACES_MAX: usize = 64;

/// Whether a glob has more than [`BRACES_MAX`], and is not to be read.
#[must_use]
pub fn is_deep(glob: &str) -> bool {
    glob.bytes().filter(|byte| *byte == b'{').count() > BRACES_MAX
}
