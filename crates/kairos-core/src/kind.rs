//! What kind of trouble an error is.
//!
//! Owns the five kinds from which exit code, HTTP status and retry follow. Never says how an error
//! is shown; each door has one exhaustive match on this.

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be done as asked; nothing happened.
    Refused(Refused),
    /// Who asked may not.
    Denied,
    /// Something needed is not there now; the same request may succeed later.
    Unavailable,
    /// Stored bytes are not what was written.
    Corrupt,
    /// A broken invariant of ours.
    Bug,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The request itself is wrong.
    BadInput,
    /// It names something that does not exist.
    Unknown,
    /// What it names is not in a state that allows it.
    Conflict,
    /// It speaks of an older state than the present one.
    Stale,
    /// A limit is reached; later it may be accepted.
    ForNow,
    /// No model is configured, and this needs one.
    NoModel,
}
