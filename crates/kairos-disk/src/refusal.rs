//! Why a path is not touched.
//!
//! Owns the reasons. A refusal is always certain: nothing has happened. What cannot be told for
//! sure is [`crate::exchange::Unsettled`], never a refusal.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A path and what stands against touching it.
#[derive(Debug)]
pub struct Refusal {
    pub path: PathBuf,
    pub reason: Reason,
}

/// What stands against touching a path. Reads on after the path's name.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Absolute, empty, over-long, not normalised, or with `..`.
    #[error("is not a plain path beneath the root")]
    NotBeneath,
    #[error("uses a name that is kept for exchanges")]
    Reserved,
    #[error("leads over a symbolic link")]
    Symlink,
    #[error("lies on another mount")]
    OtherMount,
    #[error("is protected, or lies in a protected directory")]
    Protected,
    #[error("does not exist")]
    Missing,
    #[error("leads through something that is no directory")]
    NotDirectory,
    #[error("is not a regular file")]
    NotRegular,
    #[error("has {links} hard links, and a change would show under the others too")]
    HardLinks { links: u64 },
    #[error("is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("exists already")]
    Occupied,
    /// Before and after are the same.
    #[error("would stay as it is")]
    Unchanged,
    #[error("lies in another directory than when the change was prepared")]
    ParentChanged,
    #[error("holds other bytes than when the change was prepared")]
    Stale,
    #[error("is open for writing elsewhere")]
    OpenForWriting,
    /// The file system has no such call; `what` names it.
    #[error("lies on a file system that cannot {what}")]
    Unsupported { what: &'static str, source: io::Error },
    #[error("cannot be reached: {step} failed")]
    Disk { step: &'static str, source: io::Error },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.reason)
    }
}

impl Error for Refusal {
    /// The reason stands in the message already, so what follows is its cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}
