//! Creating: a whole, synced file gets the target's name if nothing has it.
//!
//! Owns the steps of a creation, their way back, and the mark that outlives it: once the new name
//! is gone while the mark stands, the file was created, even if it is there no longer.

use std::io;
use std::time::Duration;

use super::{Applied, Failure, Left, Names, Target};
use crate::digest::{Digest, digest};
use crate::fs::{Fs, Identity, Rename, Writers};
use crate::refusal::{Reason, Refusal};
use crate::tree::{Place, Tree};

/// Setuid, setgid and sticky cannot be asked for.
const MODE_BITS: u32 = 0o777;

impl<F: Fs> Tree<F> {
    pub(super) fn create(
        &self,
        names: &Names,
        at: Target<'_>,
        post: &[u8],
        mode: u32,
        wait: &mut dyn FnMut(Duration),
    ) -> Result<Applied, Failure> {
        let place = self.made(at)?;
        self.check_vacant(&place)?;
        let post_digest = digest(post);
        let staged = self.stage(&place, names, post, mode & MODE_BITS, None)?;
        self.mark(&place, at, names)?;
        let (new, target) = ((&place.dir, &*names.new), (&place.dir, &*place.name));
        if let Err(source) = self.fs.rename(new, target, Rename::NoReplace) {
            let taken = source.kind() == io::ErrorKind::AlreadyExists;
            let what = "rename without replacing";
            let failure = self.not_renamed(&place, &place.name, staged, what, source);
            let Failure::Refused(refusal) = failure else { return Err(failure) };
            self.abandon_create(&place, at, names);
            let refusal = if taken { place.refuse(Reason::Occupied) } else { refusal };
            return Err(refusal.into());
        }
        self.check_target(&place, staged, &post_digest)
            .and_then(|()| self.check_place(&place))
            .map_err(|doubt| {
                let left = self.uncreate(&place, at, names, staged, &post_digest, wait);
                place.unsettled(doubt, left.unwrap_or(Left::Unknown))
            })?;
        self.seal(&place)?;
        Ok(Applied { writers: Writers::None })
    }

    /// Sets the mark. It must not be durable before the new file is, nor later than the rename.
    fn mark(&self, place: &Place<F>, at: Target<'_>, names: &Names) -> Result<(), Refusal> {
        let refuse = |step| move |source| place.refuse(Reason::Disk { step, source });
        let marked = self
            .fs
            .sync_dir(&place.dir)
            .and_then(|()| self.fs.create(&place.dir, &names.temp, 0o600).map(drop))
            .map_err(refuse("creating a mark beside it"));
        if marked.is_err() {
            self.discard(place, &names.new);
            return marked;
        }
        let durable = self.fs.sync_dir(&place.dir).and_then(|()| self.mark_way(at, names));
        durable.map_err(|source| {
            self.abandon_create(place, at, names);
            refuse("syncing the directory")(source)
        })
    }

    /// Removes what a refused creation has made. A failure here leaves names behind, and no doubt.
    fn abandon_create(&self, place: &Place<F>, at: Target<'_>, names: &Names) {
        let unmarked = self.unmark(place, at, names);
        drop(unmarked.and_then(|()| self.fs.sync_dir(&place.dir)));
    }

    /// Removes mark and new file, the mark durably first: alone it would mean that the file was
    /// created.
    pub(super) fn unmark(&self, place: &Place<F>, at: Target<'_>, names: &Names) -> io::Result<()> {
        self.unmark_way(place, at, names)?;
        self.fs.unlink(&place.dir, &names.temp)?;
        self.fs.sync_dir(&place.dir)?;
        self.fs.unlink(&place.dir, &names.new)
    }

    fn uncreate(
        &self,
        place: &Place<F>,
        at: Target<'_>,
        names: &Names,
        staged: Identity,
        post: &Digest,
        wait: &mut dyn FnMut(Duration),
    ) -> io::Result<Left> {
        let (new, target) = ((&place.dir, &*names.new), (&place.dir, &*place.name));
        if !self.is_ours_alone(&place.dir, &place.name, staged, post, wait)? {
            return Ok(Left::Standing);
        }
        self.fs.rename(target, new, Rename::NoReplace)?;
        if !self.is_ours_alone(&place.dir, &names.new, staged, post, wait)? {
            self.fs.rename(new, target, Rename::NoReplace)?;
            return Ok(Left::Standing);
        }
        self.unmark(place, at, names)?;
        self.fs.sync_dir(&place.dir)?;
        Ok(Left::Restored)
    }
}
