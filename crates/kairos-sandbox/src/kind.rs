//! Kinds of trouble.
//!
//! Owns the four words by which a caller tells what to do about an error, whichever part it is of.

/// What kind of trouble an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It cannot be done as asked.
    Refused,
    /// Who asked may not.
    Denied,
    /// Something needed is not there now.
    Unavailable,
    /// A broken invariant of ours.
    Bug,
}
