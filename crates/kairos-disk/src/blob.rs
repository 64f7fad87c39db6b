//! Content-addressed bytes.
//!
//! Owns the flat directory `blobs/`, where each file is named by the SHA-256 of what it holds.
//! Never trusts a name: every read hashes again. Texts are put here before a record speaks of
//! them, so what `put` answered for is on disk. What no record names any more a [`Collection`]
//! removes.

mod collection;
mod erased;
mod recent;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::digest::{Digest, digest};
use crate::fs::{Access, FileKind, Fs, Rename, Space, read_full, write_full};

pub use collection::{Collection, Crowded, Removal};
use erased::Erased;
use recent::Recent;
pub use recent::{NAMED_WITHIN, RECENT_MAX};

/// The largest blob.
pub const BLOB_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a blob is called while it is being written.
const TEMP_PREFIX: &str = ".tmp-";

/// A directory of blobs. Several threads may use it at once. Where it is collected, all who put use
/// the one value; who only reads may have another.
pub struct Blobs<F: Fs> {
    fs: F,
    dir: F::Dir,
    /// Makes the temporary names of this value differ; those of other processes are kept apart by
    /// the daemon's lock.
    next: AtomicU64,
    /// Bytes written through this value.
    written: AtomicU64,
    /// What was put lately. Held while a blob is removed.
    recent: Mutex<Recent>,
    /// Held while there is a collection.
    collecting: Mutex<()>,
    /// What was erased and not put since.
    erased: Mutex<Erased>,
    /// Held while a blob is erased, or one that was is put again.
    erasing: Mutex<()>,
}

/// Why bytes could not be put or got.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("no blob `{}`", Hex(.digest))]
    Missing { digest: Digest },
    #[error("blob `{}` holds other bytes than its name says", Hex(.digest))]
    Corrupt { digest: Digest },
    #[error("blob is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("cannot {step} a blob")]
    Disk { step: &'static str, source: io::Error },
}

impl<F: Fs> Blobs<F> {
    /// Blobs in `dir`. Touches nothing, so that a reader beside the daemon may have one too.
    pub fn new(fs: F, dir: F::Dir) -> Self {
        let (recent, collecting, erased, erasing) = Default::default();
        let (next, written) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { fs, dir, next, written, recent, collecting, erased, erasing }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Every critical section leaves it whole.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn erased(&self) -> MutexGuard<'_, Erased> {
        // As above.
        self.erased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was erased through this value and not put since. Waits for no disk.
    pub fn is_erased(&self, digest: &Digest) -> bool {
        self.erased().holds(digest)
    }

    /// Removes what a crash left half-written and answers how many files that were. Only for who
    /// holds the daemon's lock: a living writer's files look the same.
    ///
    /// # Errors
    /// The system's.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut removed = 0;
        for name in self.fs.list(&self.dir)? {
            if name.as_bytes().starts_with(TEMP_PREFIX.as_bytes()) {
                self.fs.unlink(&self.dir, &name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Bytes that have been written through this value: with a count of what was there before, what
    /// is there now, but for what was removed.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes of all blobs, half-written ones among them. A look at each: for a thread that may take
    /// its time. `None` once `stop` says so.
    ///
    /// # Errors
    /// The system's.
    pub fn bytes(&self, stop: &AtomicBool) -> io::Result<Option<u64>> {
        let mut bytes: u64 = 0;
        for name in self.fs.list(&self.dir)? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match self.fs.stat(&self.dir, &name) {
                Ok(stat) => bytes = bytes.saturating_add(stat.bytes),
                // Removed, or renamed into place, since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(bytes))
    }

    /// Room left where the blobs lie.
    ///
    /// # Errors
    /// The system's.
    pub fn space(&self) -> io::Result<Space> {
        self.fs.space(&self.dir)
    }

    /// Keeps `bytes`. What this answers for is durable, also when it was there before, and also when it
    /// was erased meanwhile.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] above [`BLOB_BYTES_MAX`]; [`BlobError::Disk`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        if bytes.len() as u64 > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes_max: BLOB_BYTES_MAX });
        }
        let digest = digest(bytes);
        // Before it is looked for: from here on no collection removes it.
        self.recent().put(&digest);
        let kept = self.keep(&digest, bytes).and_then(|()| self.keep_erased(&digest, bytes));
        kept.map(|()| digest)
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), BlobError> {
        let kept = match self.get(digest, BLOB_BYTES_MAX) {
            Ok(_) => match self.make_durable(digest) {
                // A person has erased it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.write(digest, bytes),
                kept => kept,
            },
            // A corrupt or overgrown one is replaced by what its name promises.
            Err(
                BlobError::Missing { .. } | BlobError::Corrupt { .. } | BlobError::TooLarge { .. },
            ) => self.write(digest, bytes),
            Err(error @ BlobError::Disk { .. }) => return Err(error),
        };
        kept.map_err(|source| BlobError::Disk { step: "write", source })
    }

    /// Keeps what was erased since it was last put, so that no erasure comes between.
    fn keep_erased(&self, digest: &Digest, bytes: &[u8]) -> Result<(), BlobError> {
        let _alone = self.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_erased(digest) {
            self.keep(digest, bytes)?;
            self.erased().remove(digest);
        }
        Ok(())
    }

    /// The bytes named `digest`, hashed again.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`], [`BlobError::TooLarge`] when there are more
    /// than `bytes_max`, [`BlobError::Disk`].
    pub fn get(&self, digest: &Digest, bytes_max: u64) -> Result<Vec<u8>, BlobError> {
        let name = name(digest);
        let read = || {
            // Looked at first, because opening a device may already do something.
            if self.fs.stat(&self.dir, &name)?.kind != FileKind::Regular {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let file = self.fs.open(&self.dir, &name, Access::Read)?;
            read_full(&self.fs, &file, bytes_max)
        };
        let bytes = read().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BlobError::Missing { digest: *digest },
            io::ErrorKind::InvalidData => BlobError::Corrupt { digest: *digest },
            io::ErrorKind::FileTooLarge => BlobError::TooLarge { bytes_max },
            _ => BlobError::Disk { step: "read", source },
        })?;
        if crate::digest::digest(&bytes) != *digest {
            return Err(BlobError::Corrupt { digest: *digest });
        }
        Ok(bytes)
    }

    /// Whether there is a blob of that name; what it holds is not looked at.
    ///
    /// # Errors
    /// The system's.
    pub fn contains(&self, digest: &Digest) -> io::Result<bool> {
        match self.fs.stat(&self.dir, &name(digest)) {
            Ok(stat) => Ok(stat.kind == FileKind::Regular),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// At most `most` of the blobs whose names begin so.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self, beginning: &str, most: usize) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        self.fs.each_name(&self.dir, &mut |name| {
            let begins = name.as_encoded_bytes().starts_with(beginning.as_bytes());
            if begins && found.len() < most {
                found.extend(collection::named(name));
            }
        })?;
        Ok(found)
    }

    /// Syncs a blob that stands already: it may have been copied here, or its entry may still be
    /// on the way.
    fn make_durable(&self, digest: &Digest) -> io::Result<()> {
        let file = self.fs.open(&self.dir, &name(digest), Access::Read)?;
        self.fs.sync(&file)?;
        self.fs.sync_dir(&self.dir)
    }

    fn write(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let name = name(digest);
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let temp = OsString::from(format!("{TEMP_PREFIX}{}-{count}", Hex(digest)));
        let file = self.fs.create(&self.dir, &temp, 0o600)?;
        let written = write_full(&self.fs, &file, bytes, 0)
            .and_then(|()| self.fs.sync(&file))
            // Two writers of one name carry the same bytes, so the later may win.
            .and_then(|()| self.fs.rename((&self.dir, &temp), (&self.dir, &name), Rename::Replace));
        if written.is_err() {
            // The first failure is the one to tell; what stays is swept at the next start.
            drop(self.fs.unlink(&self.dir, &temp));
        }
        written?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.fs.sync_dir(&self.dir)
    }
}

impl<F: Fs> fmt::Debug for Blobs<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").finish_non_exhaustive()
    }
}

/// The name of a blob: 64 lower-case hexadecimal digits.
fn name(digest: &Digest) -> OsString {
    OsString::from(Hex(digest).to_string())
}

struct Hex<'a>(&'a Digest);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
