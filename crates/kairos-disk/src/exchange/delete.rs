//! Deleting: the file goes to the temporary name, and only later away.
//!
//! Owns the steps of a deletion and their way back.

use std::io;
use std::time::Duration;

use super::{Applied, Failure, Left, Names, Target};
use crate::digest::Digest;
use crate::fs::{Fs, Rename};
use crate::tree::{Place, Tree};

impl<F: Fs> Tree<F> {
    pub(super) fn delete(
        &self,
        names: &Names,
        at: Target<'_>,
        pre: &Digest,
        wait: &mut dyn FnMut(Duration),
    ) -> Result<Applied, Failure> {
        let place = self.expected(at)?;
        let old = self.open(&place)?;
        self.check_writers(&place, &old, wait)?;
        self.check_pre(&place, &old, pre)?;
        let (target, temp) = ((&place.dir, &*place.name), (&place.dir, &*names.temp));
        if let Err(source) = self.fs.rename(target, temp, Rename::NoReplace) {
            let what = "rename without replacing";
            return Err(self.not_renamed(&place, &names.temp, old.stat.identity, what, source));
        }
        let writers = self
            .check_replaced(&place, &names.temp, &old, pre, wait)
            .and_then(|writers| self.check_place(&place).map(|()| writers))
            .map_err(|doubt| {
                let left = self.undelete(&place, names);
                place.unsettled(doubt, left.unwrap_or(Left::Unknown))
            })?;
        self.seal(&place)?;
        Ok(Applied { writers })
    }

    fn undelete(&self, place: &Place<F>, names: &Names) -> io::Result<Left> {
        let (target, temp) = ((&place.dir, &*place.name), (&place.dir, &*names.temp));
        match self.fs.rename(temp, target, Rename::NoReplace) {
            Ok(()) => {}
            // Somebody has put another file there: both stay.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Left::Standing);
            }
            Err(error) => return Err(error),
        }
        self.fs.sync_dir(&place.dir)?;
        Ok(Left::Restored)
    }
}
