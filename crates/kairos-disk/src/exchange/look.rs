//! Looks at the names an exchange uses.
//!
//! Owns what every change asks in the same way: what stands under a name, whose it is, whether
//! somebody writes to it, whether the path still leads there. Never changes anything.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use super::{Doubt, Target, WRITERS_PAUSE, WRITERS_WAIT};
use crate::digest::{Digest, digest};
use crate::fs::{Access, FileKind, Fs, Identity, Stat, Writers, read_full};
use crate::refusal::{Reason, Refusal};
use crate::tree::{Opened, Place, TARGET_BYTES_MAX, Tree};

/// What stands under a name.
pub(super) enum Seen<F: Fs> {
    Absent,
    /// Not a regular file.
    Other,
    File {
        file: F::File,
        stat: Stat,
    },
}

impl<F: Fs> Seen<F> {
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Seen::File { stat, .. } => Some(stat.identity),
            Seen::Absent | Seen::Other => None,
        }
    }

    /// Whether both names stand for one and the same file.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.identity().is_some() && self.identity() == other.identity()
    }
}

impl<F: Fs> Tree<F> {
    /// Walks to the place of `at`, which must be where it was when the change was prepared.
    pub(super) fn expected(&self, at: Target<'_>) -> Result<Place<F>, Refusal> {
        let place = self.place(at.path)?;
        if place.identity.inode == at.parent_inode {
            Ok(place)
        } else {
            Err(place.refuse(Reason::ParentChanged))
        }
    }

    /// Checks that the file holds what the change was prepared for.
    pub(super) fn check_pre(
        &self,
        place: &Place<F>,
        old: &Opened<F>,
        pre: &Digest,
    ) -> Result<(), Refusal> {
        let bytes = self.bytes(place, old)?;
        if digest(&bytes) == *pre { Ok(()) } else { Err(place.refuse(Reason::Stale)) }
    }

    pub(super) fn look(&self, dir: &F::Dir, name: &OsStr) -> io::Result<Seen<F>> {
        match self.fs.stat(dir, name) {
            Ok(stat) if stat.kind != FileKind::Regular => return Ok(Seen::Other),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Absent),
            Err(error) => return Err(error),
        }
        let file = self.fs.open(dir, name, Access::Read)?;
        let stat = self.fs.stat_file(&file)?;
        Ok(if stat.kind == FileKind::Regular { Seen::File { file, stat } } else { Seen::Other })
    }

    /// Whether that is a file that holds exactly these bytes. One above the limit does not.
    pub(super) fn holds(&self, seen: &Seen<F>, expected: &Digest) -> io::Result<bool> {
        let Seen::File { file, .. } = seen else { return Ok(false) };
        match read_full(&self.fs, file, TARGET_BYTES_MAX) {
            Ok(bytes) => Ok(digest(&bytes) == *expected),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checks that the staged file stands at the target.
    pub(super) fn check_target(
        &self,
        place: &Place<F>,
        staged: Identity,
        post: &Digest,
    ) -> Result<(), Doubt> {
        let look = || {
            let seen = self.look(&place.dir, &place.name)?;
            Ok(seen.identity() == Some(staged) && self.holds(&seen, post)?)
        };
        match look() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Doubt::TargetChanged),
            Err(source) => Err(disk("looking at the target")(source)),
        }
    }

    /// Whether `name` stands for the staged file, nobody has changed it and nobody can: then it may
    /// be taken away again.
    pub(super) fn is_ours_alone(
        &self,
        dir: &F::Dir,
        name: &OsStr,
        staged: Identity,
        post: &Digest,
        wait: &mut dyn FnMut(Duration),
    ) -> io::Result<bool> {
        let seen = self.look(dir, name)?;
        let Seen::File { file, stat } = &seen else { return Ok(false) };
        // Waited for, because a process that is just being started may hold our own handle still.
        Ok(stat.identity == staged
            && self.await_writers(file, wait)? != Writers::Some
            && self.holds(&seen, post)?)
    }

    /// Waits until nobody has the file open for writing, at most [`WRITERS_WAIT`].
    pub(super) fn await_writers(
        &self,
        file: &F::File,
        wait: &mut dyn FnMut(Duration),
    ) -> io::Result<Writers> {
        let mut waited = Duration::ZERO;
        loop {
            let writers = self.fs.writers(file)?;
            if writers != Writers::Some || waited >= WRITERS_WAIT {
                return Ok(writers);
            }
            wait(WRITERS_PAUSE);
            waited += WRITERS_PAUSE;
        }
    }

    /// Refuses a file that somebody writes to, before anybody can see a change.
    pub(super) fn check_writers(
        &self,
        place: &Place<F>,
        old: &Opened<F>,
        wait: &mut dyn FnMut(Duration),
    ) -> Result<(), Refusal> {
        match self.await_writers(&old.file, wait) {
            Ok(Writers::None | Writers::Unknown) => Ok(()),
            Ok(Writers::Some) => Err(place.refuse(Reason::OpenForWriting)),
            Err(source) => Err(place.refuse(Reason::Disk { step: "asking for a lease", source })),
        }
    }

    /// Checks that what came out under `name` is the file that was opened before, unchanged, and
    /// that nobody can still write to it.
    pub(super) fn check_replaced(
        &self,
        place: &Place<F>,
        name: &OsStr,
        old: &Opened<F>,
        pre: &Digest,
        wait: &mut dyn FnMut(Duration),
    ) -> Result<Writers, Doubt> {
        let seen = self.look(&place.dir, name).map_err(disk("looking at what was replaced"))?;
        let Seen::File { file, stat } = &seen else { return Err(Doubt::PreChanged) };
        // A change of mode or owner in the window would be lost too. The length is in the hash.
        if (Stat { bytes: old.stat.bytes, ..*stat }) != old.stat {
            return Err(Doubt::PreChanged);
        }
        let writers = self.await_writers(file, wait).map_err(disk("asking for a lease"))?;
        if writers == Writers::Some {
            return Err(Doubt::OpenForWriting);
        }
        // Only now, because whoever had it open could write until the lease was granted.
        if self.holds(&seen, pre).map_err(disk("reading what was replaced"))? {
            Ok(writers)
        } else {
            Err(Doubt::PreChanged)
        }
    }

    /// Checks that the path still leads to the directory in which the change was made.
    pub(super) fn check_place(&self, place: &Place<F>) -> Result<(), Doubt> {
        match self.place(&place.path) {
            Ok(again) if again.identity == place.identity => Ok(()),
            Ok(_) | Err(_) => Err(Doubt::ParentMoved),
        }
    }
}

/// Names the step at which the disk failed.
pub(super) fn disk(step: &'static str) -> impl FnOnce(io::Error) -> Doubt {
    move |source| Doubt::Disk { step, source }
}
