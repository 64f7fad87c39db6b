//! The numbers the process ends with.
//!
//! Owns the one list of exit codes and the way from a kind of trouble to one of them. Never
//! writes anything; `main` gives the code to the system.

use kairos_core::kind::{Kind, Refused};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// The answer is no, or another daemon holds the lock.
    No,
    /// Wrong usage, or startup failed.
    Usage,
    /// No daemon can be reached.
    Unavailable,
    /// A broken invariant of ours.
    Bug,
    /// Refused for now: a limit is reached, or somebody has to act first.
    ForNow,
    /// Who asked may not.
    Denied,
    /// The configuration does not hold.
    Config,
    /// Ctrl-C ended it.
    Interrupted,
    /// SIGTERM ended it.
    Terminated,
}

impl Exit {
    /// The number the system sees.
    #[must_use]
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::ForNow => 75,
            Self::Denied => 77,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl Exit {
    const ALL: [Self; 10] = [
        Self::Ok,
        Self::No,
        Self::Usage,
        Self::Unavailable,
        Self::Bug,
        Self::ForNow,
        Self::Denied,
        Self::Config,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit a daemon named by its number; a number of another version is a bug.
    pub(crate) fn known(code: u8) -> Self {
        Self::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Bug)
    }
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Refused(Refused::BadInput) | Kind::Corrupt => Self::Usage,
            Kind::Refused(Refused::Unknown | Refused::Conflict | Refused::Stale) => Self::No,
            Kind::Refused(Refused::ForNow) => Self::ForNow,
            Kind::Refused(Refused::NoModel) => Self::Config,
            Kind::Denied => Self::Denied,
            Kind::Unavailable => Self::Unavailable,
            Kind::Bug => Self::Bug,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code() {
        let kinds = [
            Kind::Refused(Refused::BadInput),
            Kind::Refused(Refused::Unknown),
            Kind::Refused(Refused::Conflict),
            Kind::Refused(Refused::Stale),
            Kind::Refused(Refused::ForNow),
            Kind::Refused(Refused::NoModel),
            Kind::Denied,
            Kind::Unavailable,
            Kind::Corrupt,
            Kind::Bug,
        ];
        let codes = kinds.map(|kind| Exit::from(kind).code());
        assert_eq!(codes, [2, 1, 1, 1, 75, 78, 77, 69, 2, 70]);
    }
}
