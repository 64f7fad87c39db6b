//! The directories to a place that was missing when its change was prepared.
//!
//! Owns making them, finding them again, and the mark in the root that says they were made. Never
//! removes one: an empty directory that a change which was not made leaves behind is litter and no
//! doubt, and whether somebody has begun to use it cannot be told.

use std::ffi::OsStr;
use std::io;

use super::{Names, Target, is_reserved};
use crate::fs::Fs;
use crate::refusal::{Reason, Refusal};
use crate::tree::{MISSING, Place, Tree};

/// What everybody may list, and only its owner change: as the files that are created in it.
const DIRECTORY_MODE: u32 = 0o755;

impl<F: Fs> Tree<F> {
    /// Walks to the place of `at`. Where it was missing, what is still missing is made, durably; what
    /// is there by now is taken if it passes every check.
    pub(super) fn made(&self, at: Target<'_>) -> Result<Place<F>, Refusal> {
        if at.parent_inode == MISSING {
            self.walk(at.path, |dir, name| self.make(dir, name))
        } else {
            self.expected(at)
        }
    }

    /// Sets the mark of a creation in the root too, where nobody takes it away with the directories
    /// that were made. It stands for these, and for the mark in the last of them: both are durable.
    pub(super) fn mark_way(&self, at: Target<'_>, names: &Names) -> io::Result<()> {
        if at.parent_inode != MISSING {
            return Ok(());
        }
        self.fs.create(&self.root, &names.temp, 0o600)?;
        self.fs.sync_dir(&self.root)
    }

    /// Removes that mark, if it is there, as soon as it is durable that the target is not.
    pub(super) fn unmark_way(
        &self,
        place: &Place<F>,
        at: Target<'_>,
        names: &Names,
    ) -> io::Result<()> {
        if at.parent_inode != MISSING {
            return Ok(());
        }
        self.fs.sync_dir(&place.dir)?;
        match self.fs.unlink(&self.root, &names.temp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.fs.sync_dir(&self.root)
    }

    /// Walks to the place of `at`; none where it was missing and is.
    pub(super) fn found(&self, at: Target<'_>) -> Result<Option<Place<F>>, Refusal> {
        if at.parent_inode != MISSING {
            return self.expected(at).map(Some);
        }
        match self.place(at.path) {
            Err(Refusal { reason: Reason::Missing, .. }) => Ok(None),
            place => place.map(Some),
        }
    }

    /// Makes sure that something stands under `name`, durably. What it is, opening it will tell.
    fn make(&self, dir: &F::Dir, name: &OsStr) -> Result<(), Reason> {
        let failed = |step| move |source| Reason::Disk { step, source };
        match self.fs.stat(dir, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if is_reserved(name) {
                    return Err(Reason::Reserved);
                }
                match self.fs.make_dir(dir, name, DIRECTORY_MODE) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made
                        .and_then(|()| self.fs.give_dir(dir, name))
                        .map_err(failed("making a directory on the way"))?,
                }
            }
            Ok(_) | Err(_) => {}
        }
        // Also of one that was there: an attempt that ended before its own sync may have made it.
        self.fs.sync_dir(dir).map_err(failed("syncing a directory on the way"))
    }
}
