//! After the outcome is durable.
//!
//! Owns the removal of what a change replaced. Never removes bytes that are not known to be kept
//! elsewhere.

use std::ffi::OsStr;
use std::io;

use super::look::Seen;
use super::{Change, Finished, Intent, Names};
use crate::digest::{Digest, digest};
use crate::fs::Fs;
use crate::tree::{MISSING, Tree};

impl<F: Fs> Tree<F> {
    /// Removes what the change replaced. To be called once the outcome is durable, and as often
    /// as one likes; a crash before it leaves a name behind, nothing else. That the names are gone
    /// is durable: once it is recorded, nobody comes back for them.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&self, intent: &Intent<'_>) -> io::Result<Finished> {
        let names = Names::of(intent.temp);
        let (at, pre) = match intent.change {
            Change::Edit { at, pre, .. } | Change::Delete { at, pre } => (at, pre),
            Change::Move { from, pre, .. } => (from, pre),
            Change::Create { at, .. } => (at, digest(b"")),
        };
        let place = match intent.change {
            Change::Create { .. } => self.found(at),
            Change::Edit { .. } | Change::Move { .. } | Change::Delete { .. } => {
                self.expected(at).map(Some)
            }
        };
        let Ok(place) = place else { return Ok(Finished::Kept) };
        let Some(place) = place else { return self.remove(&self.root, &names.temp, &pre) };
        if let Change::Create { post, .. } = intent.change {
            // Left only when somebody else made the same file in the very window.
            let new = self.look(&place.dir, &names.new)?;
            if self.holds(&new, &digest(post))? {
                self.fs.unlink(&place.dir, &names.new)?;
            }
        }
        let finished = self.remove(&place.dir, &names.temp, &pre)?;
        if at.parent_inode == MISSING {
            self.remove(&self.root, &names.temp, &pre)?;
        }
        Ok(finished)
    }

    /// Removes `name`, durably, if it holds no other bytes than `pre`.
    fn remove(&self, dir: &F::Dir, name: &OsStr, pre: &Digest) -> io::Result<Finished> {
        let temp = self.look(dir, name)?;
        match &temp {
            Seen::Absent => {
                // Perhaps removed a moment ago, by a process that ended before its sync.
                self.fs.sync_dir(dir)?;
                return Ok(Finished::Clean);
            }
            Seen::Other => return Ok(Finished::Kept),
            // One of several names: the bytes stay.
            Seen::File { stat, .. } if stat.links > 1 => {}
            Seen::File { .. } if self.holds(&temp, pre)? => {}
            Seen::File { .. } => return Ok(Finished::Kept),
        }
        self.fs.unlink(dir, name)?;
        self.fs.sync_dir(dir)?;
        Ok(Finished::Removed)
    }
}
