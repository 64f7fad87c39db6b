//! What a command changed, without having changed it.
//!
//! Owns the reading of a layer after its command is dead: what was added, modified, deleted, renamed or
//! given another mode, against what the workspace holds now. The layer is the command's, so nothing in
//! it is believed: no link is followed, no special file opened, every count has a bound. What may not
//! become part of a workspace is named and left out. Never writes to the workspace.

#[cfg(target_os = "linux")]
mod below;
#[cfg(target_os = "linux")]
mod read;
#[cfg(target_os = "linux")]
mod shield;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub(crate) use read::{Layer, read};
#[cfg(target_os = "linux")]
pub(crate) use shield::Shield;

/// The changes of one write root.
#[derive(Debug)]
pub struct ChangeSet {
    pub root: PathBuf,
    /// In the order of their paths; a directory before what it holds.
    pub changes: Vec<Change>,
    /// What was done and cannot be taken over.
    pub refused: Vec<Refused>,
    /// The layer itself, gone when this is.
    #[cfg(target_os = "linux")]
    upper: std::os::fd::OwnedFd,
}

/// One change. Paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub path: PathBuf,
    pub what: What,
}

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Added(Node),
    Modified {
        before: Node,
        after: Node,
    },
    /// Only its mode.
    Mode {
        before: u32,
        after: u32,
    },
    Deleted(Node),
    /// It was at another path before, with the same content.
    Renamed {
        from: PathBuf,
        node: Node,
    },
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Permission bits, size and content.
    File {
        mode: u32,
        bytes: u64,
        sha256: [u8; 32],
    },
    Dir {
        mode: u32,
    },
    Link {
        to: PathBuf,
    },
}

/// Something in a layer that stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub path: PathBuf,
    pub why: Why,
}

/// Why a change cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A device, a socket, a pipe.
    Special,
    /// Its mode would raise the rights of whoever executes it.
    Rights,
    /// A link that leads out of the root.
    LinkOut,
    /// The policy protects it, or it would lead a protected path elsewhere.
    Protected,
    /// It has an access list or capabilities, which are not taken over, or was given others.
    Attributes,
    /// Somebody else changed it while the command ran.
    Conflict,
    /// It cannot be read.
    Unreadable,
    /// There are more changes than may be looked at.
    TooMany,
}

impl ChangeSet {
    /// Opens the new content of a file that was added, modified or renamed.
    #[cfg(target_os = "linux")]
    pub fn open(&self, path: &std::path::Path) -> std::io::Result<std::fs::File> {
        below::open_file(&self.upper, path).map(std::fs::File::from)
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.refused.is_empty()
    }
}
