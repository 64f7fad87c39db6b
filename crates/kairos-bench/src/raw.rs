//! Bare writes: the control of everything that is to be on disk.
//!
//! Owns a file filled with zeros and synced, written over in place. As little as a disk can be asked
//! for: no hash, no frame, no other thread.

use kairos_disk::fs::write_full;
use kairos_disk::{Fs, RealFs};

use crate::Done;

const FILE_BYTES: u64 = 64 << 20;

/// A file that is ready to be written over.
#[derive(Debug)]
pub struct Raw {
    file: <RealFs as Fs>::File,
    offset: u64,
    _place: tempfile::TempDir,
}

impl Raw {
    /// # Errors
    /// The disk's.
    pub fn new() -> Done<Self> {
        let place = crate::temporary()?;
        let file = RealFs.create(&RealFs.root(place.path())?, "control".as_ref(), 0o600)?;
        write_full(&RealFs, &file, &vec![0; usize::try_from(FILE_BYTES)?], 0)?;
        RealFs.sync(&file)?;
        Ok(Self { file, offset: 0, _place: place })
    }

    /// One write behind the last one, and one sync.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&mut self, bytes: &[u8]) -> Done<()> {
        if self.offset + bytes.len() as u64 > FILE_BYTES {
            self.offset = 0;
        }
        write_full(&RealFs, &self.file, bytes, self.offset)?;
        RealFs.sync(&self.file)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}
