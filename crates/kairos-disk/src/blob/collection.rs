//! Going over the blobs to remove those that nothing names.
//!
//! Owns what may be removed and what not, one blob after the other. Never knows who names a blob:
//! whoever collects has looked. Why no blob is lost that a record will name:
//!
//! - Listed is what stands there. Then the records are read up to the newest that is durable. Who
//!   names a blob in a later record has it from an earlier one, where it was found, or has put it.
//! - What is put is entered in [`super::recent`] before it is looked for on disk, and what is to be
//!   removed is looked up there in the same instant, under the same lock. So either the entry is
//!   seen and the blob stays, or the putter finds the name free and writes the blob again.
//! - An entry is forgotten only when a collection begins, at least [`super::NAMED_WITHIN`] after it
//!   was made: by then its record is durable, and that collection reads it.
//! - One collection at a time, and one [`Blobs`] value for all who put: both by construction of who
//!   assembles them. The daemon's lock keeps other processes out.
//! - Nothing outlives a process but what its records name: what a new one records, it has put. Still
//!   nothing is removed that changed within [`super::NAMED_WITHIN`] by the wall clock: a person who
//!   put an old journal in place has a day to see it.

use std::ffi::OsStr;
use std::io;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::blob::{Blobs, NAMED_WITHIN, name};
use crate::digest::Digest;
use crate::fs::{FileKind, Fs};

/// More was put lately than is remembered; nothing is removed before that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} texts were stored within a day", super::RECENT_MAX)]
pub struct Crowded;

/// One going over the blobs; there is one at a time.
#[derive(Debug)]
pub struct Collection<'a, F: Fs> {
    blobs: &'a Blobs<F>,
    _one: MutexGuard<'a, ()>,
}

/// What became of one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Gone {
        bytes: u64,
    },
    /// It was put, or changed on disk, too lately.
    Recent,
    /// There is no plain file of that name.
    None,
}

impl<F: Fs> Blobs<F> {
    /// Begins a collection, once no other is under way.
    ///
    /// # Errors
    /// [`Crowded`]
    pub fn collection(&self, now: Instant) -> Result<Collection<'_, F>, Crowded> {
        // Nothing of it is left half-done by a panic.
        let one = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = self.recent();
        recent.turn(now);
        if recent.is_full() { Err(Crowded) } else { Ok(Collection { blobs: self, _one: one }) }
    }

    /// Removes a blob because a person wants it gone, whoever names it. Whether there was one; what
    /// this answers for is durable. Who puts the same bytes at the same time puts them after it, and who
    /// has put them before is told ([`Blobs::is_erased`]).
    ///
    /// # Errors
    /// The system's.
    pub fn erase(&self, digest: &Digest) -> io::Result<bool> {
        let alone = self.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        let was = match self.fs.unlink(&self.dir, &name(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            unlinked => unlinked.map(|()| true)?,
        };
        self.erased().add(digest);
        drop(alone);
        // Also where there was none: an earlier try may have got as far.
        self.fs.sync_dir(&self.dir)?;
        Ok(was)
    }
}

impl<F: Fs> Collection<'_, F> {
    /// The first `max` blobs there are behind `after`, ascending.
    ///
    /// # Errors
    /// The system's.
    pub fn page(&self, after: Option<&Digest>, max: usize) -> io::Result<Vec<Digest>> {
        let mut page = std::collections::BinaryHeap::new();
        self.blobs.fs.each_name(&self.blobs.dir, &mut |name| {
            if let Some(digest) = named(name).filter(|digest| after.is_none_or(|a| digest > a)) {
                page.push(digest);
                if page.len() > max {
                    page.pop();
                }
            }
        })?;
        Ok(page.into_sorted_vec())
    }

    /// Removes a blob of [`page`](Self::page) that no record names, unless it is recent at `now`.
    /// Durable once [`close`](Self::close) has answered.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, digest: &Digest, now: SystemTime) -> io::Result<Removal> {
        let (Blobs { fs, dir, .. }, name) = (self.blobs, name(digest));
        let removed = (|| {
            let stat = fs.stat(dir, &name)?;
            let age = now.duration_since(fs.changed(dir, &name)?).unwrap_or_default();
            if stat.kind != FileKind::Regular {
                return Ok(Removal::None);
            }
            // Held until it is gone: whoever puts it from then on does not find it.
            let recent = self.blobs.recent();
            if recent.is_full() || recent.holds(digest) || age < NAMED_WITHIN {
                return Ok(Removal::Recent);
            }
            fs.unlink(dir, &name)?;
            drop(recent);
            Ok(Removal::Gone { bytes: stat.bytes })
        })();
        match removed {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(Removal::None),
            removed => removed,
        }
    }

    /// Makes what was removed durable.
    ///
    /// # Errors
    /// The system's; what was removed may be there again after a power loss.
    pub fn close(self) -> io::Result<()> {
        self.blobs.fs.sync_dir(&self.blobs.dir)
    }
}

/// The digest that a file of this name should have.
pub(super) fn named(name: &OsStr) -> Option<Digest> {
    let hex = name.as_encoded_bytes();
    let mut digest = Digest::default();
    if hex.len() != 2 * digest.len() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}
