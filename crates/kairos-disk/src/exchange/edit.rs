//! Editing: the new file and the old one swap names in one call.
//!
//! Owns the steps of an edit and their way back. Never leaves a moment without a file at the
//! target.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use super::{Applied, Failure, Left, Names, Target};
use crate::digest::{Digest, digest};
use crate::fs::{Fs, Identity, Rename};
use crate::refusal::Reason;
use crate::tree::{Place, Tree};

impl<F: Fs> Tree<F> {
    pub(super) fn edit(
        &self,
        names: &Names,
        at: Target<'_>,
        pre: &Digest,
        post: &[u8],
        wait: &mut dyn FnMut(Duration),
    ) -> Result<Applied, Failure> {
        let place = self.expected(at)?;
        let post_digest = digest(post);
        if post_digest == *pre {
            return Err(place.refuse(Reason::Unchanged).into());
        }
        let old = self.open(&place)?;
        self.check_writers(&place, &old, wait)?;
        self.check_pre(&place, &old, pre)?;
        let staged = self.stage(&place, names, post, 0o600, Some(&old.file))?;
        self.swap(&place, names, staged)?;
        let writers = self
            .check_replaced(&place, &names.temp, &old, pre, wait)
            .and_then(|writers| {
                self.check_target(&place, staged, &post_digest)?;
                self.check_place(&place)?;
                Ok(writers)
            })
            .map_err(|doubt| {
                let left = self.swap_back(&place, names, staged, &post_digest, wait);
                place.unsettled(doubt, left.unwrap_or(Left::Unknown))
            })?;
        self.seal(&place)?;
        Ok(Applied { writers })
    }

    /// The staged file goes to the target's name, and what stood there to the temporary one.
    fn swap(&self, place: &Place<F>, names: &Names, staged: Identity) -> Result<(), Failure> {
        let (new, temp) = ((&place.dir, &*names.new), (&place.dir, &*names.temp));
        let target = (&place.dir, &*place.name);
        // First to a name that only whole files have: a half-written one could equal the old file,
        // and the old file under the temporary name must mean that the swap was made.
        if let Err(source) = self.fs.rename(new, temp, Rename::NoReplace) {
            let what = "rename without replacing";
            let failure = self.not_renamed(place, &names.temp, staged, what, source);
            return Err(self.abandon_edit(place, &names.new, failure));
        }
        if let Err(source) = self.fs.rename(temp, target, Rename::Exchange) {
            let what = "exchange two names";
            let failure = self.not_renamed(place, &place.name, staged, what, source);
            return Err(self.abandon_edit(place, &names.temp, failure));
        }
        Ok(())
    }

    fn abandon_edit(&self, place: &Place<F>, name: &OsStr, failure: Failure) -> Failure {
        if let Failure::Refused(_) = failure {
            self.discard(place, name);
        }
        failure
    }

    fn swap_back(
        &self,
        place: &Place<F>,
        names: &Names,
        staged: Identity,
        post: &Digest,
        wait: &mut dyn FnMut(Duration),
    ) -> io::Result<Left> {
        let (temp, target) = ((&place.dir, &*names.temp), (&place.dir, &*place.name));
        // Whoever has changed the target since would find their bytes under another name.
        if !self.is_ours_alone(&place.dir, &place.name, staged, post, wait)? {
            return Ok(Left::Standing);
        }
        self.fs.rename(temp, target, Rename::Exchange)?;
        if !self.is_ours_alone(&place.dir, &names.temp, staged, post, wait)? {
            // Changed in this very instant: it goes back to where it was met.
            self.fs.rename(temp, target, Rename::Exchange)?;
            return Ok(Left::Standing);
        }
        self.fs.unlink(&place.dir, &names.temp)?;
        self.fs.sync_dir(&place.dir)?;
        Ok(Left::Restored)
    }
}
