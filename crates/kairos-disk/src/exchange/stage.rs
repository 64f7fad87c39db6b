//! New bytes beside the target.
//!
//! Owns writing them and throwing them away, and what a failed rename means. Never touches the
//! target.

use std::ffi::OsStr;
use std::io;

use super::{Doubt, Failure, Left, Names, Unsettled};
use crate::fs::{Fs, Identity, write_full};
use crate::refusal::{Reason, Refusal};
use crate::tree::{Place, TARGET_BYTES_MAX, Tree};

impl<F: Fs> Tree<F> {
    /// Writes and syncs `post` under the new name, with the attributes of `like` if there is one.
    pub(super) fn stage(
        &self,
        place: &Place<F>,
        names: &Names,
        post: &[u8],
        mode: u32,
        like: Option<&F::File>,
    ) -> Result<Identity, Refusal> {
        if post.len() as u64 > TARGET_BYTES_MAX {
            return Err(place.refuse(Reason::TooLarge { bytes_max: TARGET_BYTES_MAX }));
        }
        let refuse = |step| move |source| place.refuse(Reason::Disk { step, source });
        let file = self
            .fs
            .create(&place.dir, &names.new, mode)
            .map_err(refuse("creating a file beside it"))?;
        let write = || -> Result<Identity, Refusal> {
            let owned = match like {
                Some(like) => self.fs.copy_attributes(like, &file),
                None => self.fs.give_file(&place.dir, &file),
            };
            owned.map_err(refuse("keeping its owner and attributes"))?;
            write_full(&self.fs, &file, post, 0).map_err(refuse("writing beside it"))?;
            // All of it: a sync of the bytes alone may leave mode and owner behind.
            self.fs.sync_all(&file).map_err(refuse("syncing beside it"))?;
            let stat = self.fs.stat_file(&file).map_err(refuse("looking beside it"))?;
            Ok(stat.identity)
        };
        write().inspect_err(|_| self.discard(place, &names.new))
    }

    /// Removes a file of ours, durably, after something else has failed, which is what will be told:
    /// once that is recorded, nobody comes back for the name.
    pub(super) fn discard(&self, place: &Place<F>, name: &OsStr) {
        let removed = self.fs.unlink(&place.dir, name);
        drop(removed.and_then(|()| self.fs.sync_dir(&place.dir)));
    }

    /// Makes the change itself durable.
    pub(super) fn seal(&self, place: &Place<F>) -> Result<(), Failure> {
        self.fs.sync_dir(&place.dir).map_err(|source| {
            let doubt = Doubt::Disk { step: "syncing the directory", source };
            place.unsettled(doubt, Left::Standing)
        })
    }

    /// What a rename that reports failure comes to: unsettled when the file `identity` did get the
    /// name `to`, or nobody can say, else refused.
    pub(super) fn not_renamed(
        &self,
        place: &Place<F>,
        to: &OsStr,
        identity: Identity,
        what: &'static str,
        source: io::Error,
    ) -> Failure {
        match self.fs.stat(&place.dir, to) {
            Ok(stat) if stat.identity != identity => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => {
                return place.unsettled(Doubt::Disk { step: what, source }, Left::Unknown);
            }
        }
        place.refuse(rename_refused(what, source)).into()
    }
}

impl<F: Fs> Place<F> {
    pub(super) fn unsettled(&self, doubt: Doubt, left: Left) -> Failure {
        Unsettled { path: self.path.clone(), left, doubt }.into()
    }
}

/// What the refusal of a rename or a link says about the path, beyond that its new name is taken.
pub(super) fn rename_refused(what: &'static str, source: io::Error) -> Reason {
    match source.kind() {
        // The name was there a moment ago.
        io::ErrorKind::NotFound => Reason::Stale,
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            Reason::Unsupported { what, source }
        }
        _ => Reason::Disk { step: what, source },
    }
}
