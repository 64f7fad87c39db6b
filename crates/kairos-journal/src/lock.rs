//! One writer owns the journal.
//!
//! Owns the advisory lock on `lock` in the journal's directory. Never removes the file: a second
//! opener could then lock a name that no longer counts. [`Ledger::open`](crate::Ledger::open)
//! takes it before it reads anything; dropping the ledger, and every [`Held`] of it, gives it back.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::sync::Arc;

use kairos_disk::Fs;
use kairos_disk::fs::Access;

pub(crate) const NAME: &str = "lock";

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock<D: Fs> {
    _file: D::File,
}

/// A share in the lock: for who works beside the ledger and may outlive it. A commit that fails takes
/// its ledger along, and the next to hold the lock must be alone.
pub struct Held<D: Fs> {
    pub(crate) _lock: Arc<Lock<D>>,
}

impl<D: Fs> fmt::Debug for Held<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl<D: Fs> Lock<D> {
    /// Takes the lock without waiting; `None` when another holds it.
    pub(crate) fn take(disk: &D, dir: &D::Dir) -> io::Result<Option<Self>> {
        let name = OsStr::new(NAME);
        let open = || disk.open(dir, name, Access::ReadWrite);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match disk.create(dir, name, 0o600) {
                    // Another was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open()?,
                    created => created?,
                }
            }
            opened => opened?,
        };
        Ok(disk.lock(&file)?.then_some(Self { _file: file }))
    }
}
