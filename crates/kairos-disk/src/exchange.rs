//! One change to one file, exactly once.
//!
//! Owns the order of the system calls by which a file is edited, created, moved or deleted, so that
//! after a crash between any two of them what lies on disk says whether the change was made. Never
//! overwrites or removes bytes that somebody else wrote, and never decides whether a change may be
//! made. The intent is durable before [`Tree::perform`]; its outcome is durable before
//! [`Tree::finish`] removes what was replaced; [`Tree::recover`] judges an intent without outcome.
//!
//! Beside the target, in its directory, two random names are used: *temp* `.kairos-<16 hex>`, where
//! the old file lies until the outcome is durable, and *new* `.kairos-<16 hex>.new`, where new
//! bytes are written. Somebody else's file comes under one of them only by a change in the very
//! window, and is then given back or kept.
//!
//! # Steps
//!
//! | change | steps; *look* = all checks, and back again if one fails |
//! |---|---|
//! | edit | write and sync new · new → temp · exchange temp and target · look · sync dir · *finish:* unlink temp · sync dir |
//! | create | write and sync new · sync dir · mark temp (empty) · sync dir · new → target · look · sync dir · *finish:* unlink temp · sync dir |
//! | move | link `from` to `to` · sync dir of `to` · `from` → temp · look · sync dir of `from` · *finish:* unlink temp · sync dir |
//! | delete | target → temp · look · sync dir · *finish:* unlink temp · sync dir |
//!
//! Where the directory of a creation, or the one a move leads to, was missing when that was prepared,
//! what is still missing is made first, with mode 0755: one directory after the other, each checked
//! like any on the way and its parent synced before the next. They stay, whatever comes of the change:
//! empty ones are litter, and no doubt. Such a creation sets its mark twice: once both names *temp*
//! in the directory and *temp* in the root are durable, in this order, new → target follows. They are
//! removed the other way round, but by *finish*.
//!
//! All renames but the exchange replace nothing. Where the file system cannot do one of the steps, or
//! the two names of a file that is moved do not show one number, the change is refused.
//!
//! # After a crash
//!
//! Whatever the table does not name is unsettled and left alone, as is everything when the path
//! does not lead to the same directory any more. One that was missing is another when it lacks the
//! mark that the root has.
//!
//! | change | target | temp | verdict |
//! |---|---|---|---|
//! | edit | post | absent or pre | done |
//! | | pre | pre | reverted: the exchange was made, and somebody undid it |
//! | | pre | absent or post | retry; post is unlinked |
//! | create | post | absent or mark, and new absent or post | done |
//! | | absent | mark, and no new | reverted: it was renamed away, and somebody removed it |
//! | | absent | mark, and new = post | retry; both are unlinked, the mark first |
//! | | absent | absent | retry; new is unlinked |
//! | | no directory, as before | no mark in the root | retry |
//! | delete | absent | absent or pre | done |
//! | | pre | pre | reverted |
//! | | pre | absent | retry |
//!
//! | move: `from` | `to` | temp | verdict |
//! |---|---|---|---|
//! | absent | pre | absent | done |
//! | absent | anything | pre, or the file at `to` | done; reverted when `to` is neither |
//! | pre, or the file at temp | anything | pre, or the file at `from` or `to` | reverted |
//! | pre | absent | absent | retry |
//! | pre | the file at `from` | absent | retry; `to` is unlinked |
//!
//! Where `to` has no directory, as before, it is absent. If the directory was missing before, a file at
//! `from` that has a second name elsewhere is unsettled.
//!
//! **Invariant:** a verdict of retry means that the change is not in effect and, but for what is
//! said above, never was (`tests/exchange/crash.rs` stops before every call, with and without a person who
//! undoes the change).

mod create;
mod delete;
mod edit;
mod finish;
mod look;
mod recover;
mod relocate;
mod stage;
mod way;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Digest;
use crate::fs::{Fs, Writers};
use crate::refusal::Refusal;
use crate::tree::Tree;

/// A change as its record has it, with the bytes it will write.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    pub temp: TempName,
    pub change: Change<'a>,
}

/// What is to happen. `pre` is the hash of what must stand there, `post` what will.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Owner, mode, ACL and extended attributes stay.
    Edit {
        at: Target<'a>,
        pre: Digest,
        post: &'a [u8],
    },
    /// `mode` is the permission bits (`0o777`), taken exactly.
    Create {
        at: Target<'a>,
        post: &'a [u8],
        mode: u32,
    },
    /// The file itself stays the same, whatever is done to it meanwhile.
    Move {
        from: Target<'a>,
        to: Target<'a>,
        pre: Digest,
    },
    Delete {
        at: Target<'a>,
        pre: Digest,
    },
}

/// A path beneath the root and the inode of the directory it led to when the change was prepared:
/// [`MISSING`](crate::tree::MISSING) when there was none, which only a creation and the end of a move
/// may have.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub path: &'a Path,
    pub parent_inode: u64,
}

/// The name beside the target, different for every intent: `.kairos-<16 hex>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TempName(u64);

/// A change that is made and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// [`Writers::Unknown`] when nobody could say whether the old file was open for writing;
    /// never [`Writers::Some`].
    pub writers: Writers,
}

/// Why a change was not made, or not for certain.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// For certain: nothing has happened, but that empty directories may have been made on the way.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
}

/// A change nobody can vouch for. Somebody should look.
#[derive(Debug, thiserror::Error)]
#[error("change of `{}` is unsettled, {left}", .path.display())]
pub struct Unsettled {
    pub path: PathBuf,
    pub left: Left,
    #[source]
    pub doubt: Doubt,
}

/// What makes a change unsettled.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    #[error("what stands at the target was changed by somebody else meanwhile")]
    TargetChanged,
    #[error("what was replaced had been changed by somebody else meanwhile")]
    PreChanged,
    #[error("somebody has what was replaced open for writing")]
    OpenForWriting,
    #[error("the path leads to another directory than before")]
    ParentMoved,
    /// After a crash: the names hold what no crash leaves.
    #[error("what is found is neither before nor after the change")]
    Neither,
    /// After a crash: the path may not be touched any more.
    #[error(transparent)]
    Path(#[from] Refusal),
    #[error("{step} failed")]
    Disk { step: &'static str, source: io::Error },
}

/// How an unsettled change was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Everything is as it was, but for directories that were made on the way.
    Restored,
    /// Nothing was taken back: the change, or what somebody made of it, stands, and what it
    /// replaced lies under the temporary name.
    Standing,
    /// Taking it back failed: either may be the case.
    Unknown,
}

/// What an intent without outcome comes to.
#[derive(Debug)]
pub enum Verdict {
    /// The change is made and durable; [`Tree::finish`] may follow once that is recorded.
    Done,
    /// It was made, and somebody has undone it since: done, and not to be made again.
    Reverted,
    /// It is not made; nothing of the attempt is left but directories on the way.
    Retry,
    /// Nobody can say. Nothing was touched.
    Unsettled(Doubt),
}

/// What [`Tree::finish`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// What was replaced is gone.
    Removed,
    /// There was nothing to remove.
    Clean,
    /// What lies under the temporary name is not what was replaced, or the directory cannot be
    /// found: nothing was removed.
    Kept,
}

/// How long a writer of the target is waited for.
pub const WRITERS_WAIT: Duration = Duration::from_secs(1);

/// The pause between two looks at the writers.
const WRITERS_PAUSE: Duration = Duration::from_millis(10);

impl<F: Fs> Tree<F> {
    /// Makes the change. Nothing is removed yet. `wait` lets time pass while somebody has the
    /// target open for writing; it is called for at most four times [`WRITERS_WAIT`] in all.
    ///
    /// # Errors
    /// [`Failure::Refused`] when nothing has happened, [`Failure::Unsettled`] when a check failed
    /// afterwards.
    pub fn perform(
        &self,
        intent: &Intent<'_>,
        wait: &mut dyn FnMut(Duration),
    ) -> Result<Applied, Failure> {
        let names = Names::of(intent.temp);
        match intent.change {
            Change::Edit { at, pre, post } => self.edit(&names, at, &pre, post, wait),
            Change::Create { at, post, mode } => self.create(&names, at, post, mode, wait),
            Change::Move { from, to, pre } => self.relocate(&names, from, to, &pre),
            Change::Delete { at, pre } => self.delete(&names, at, &pre, wait),
        }
    }
}

impl TempName {
    /// `random` must not repeat.
    #[must_use]
    pub fn new(random: u64) -> Self {
        Self(random)
    }
}

impl fmt::Display for TempName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:016x}", self.0)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Left::Restored => "everything is as it was",
            Left::Standing => "what it replaced lies beside it under the temporary name",
            Left::Unknown => "and taking it back failed",
        })
    }
}

/// The names beside the target.
struct Names {
    temp: OsString,
    new: OsString,
}

const PREFIX: &str = ".kairos-";
const NEW_SUFFIX: &str = ".new";

impl Names {
    fn of(temp: TempName) -> Self {
        Self { temp: temp.to_string().into(), new: format!("{temp}{NEW_SUFFIX}").into() }
    }
}

/// Whether a name is one that exchanges use.
pub(crate) fn is_reserved(name: &OsStr) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else { return false };
    let digits = rest.strip_suffix(NEW_SUFFIX.as_bytes()).unwrap_or(rest);
    digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit)
}
