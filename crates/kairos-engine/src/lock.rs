//! One daemon per workspace.
//!
//! Owns the pid file: an exclusive `flock(2)` on it is the lock, its text only says who holds it.
//! The file is removed while still locked, and whoever opens it checks that the name still leads
//! to what was locked: two daemons can never hold "the" lock on two different files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Times the file may be replaced under us before we give up.
const ATTEMPTS_MAX: u32 = 16;

/// The lock; released when dropped, after its file is gone.
#[derive(Debug)]
pub struct PidLock {
    file: File,
    path: PathBuf,
}

/// The lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another daemon holds `{}` (pid {})", path.display(), holder.map_or("unknown".into(), |pid| pid.to_string()))]
    Held { path: PathBuf, holder: Option<u32> },
    #[error("cannot lock `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PidLock {
    /// Takes the lock and writes this process's id.
    ///
    /// # Errors
    /// Another process holds it, or the file cannot be made.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let cannot = |source| LockError::Io { path: path.to_owned(), source };
        for _ in 0..ATTEMPTS_MAX {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let mut file = options.open(path).map_err(cannot)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(LockError::Held {
                        path: path.to_owned(),
                        holder: holder(&mut file),
                    });
                }
                Err(errno) => return Err(cannot(errno.into())),
            }
            if leads_to(path, &file).map_err(cannot)? {
                write_pid(&mut file).map_err(cannot)?;
                return Ok(Self { file, path: path.to_owned() });
            }
        }
        Err(cannot(io::Error::other("the file is replaced again and again")))
    }
}

impl PidLock {
    /// Leaves the lock to the end of the process, and the file with it: for a process in which a
    /// thread may still be at work. A file without a process behind it holds nobody up.
    pub fn keep_until_exit(self) {
        std::mem::forget(self);
    }
}

impl Drop for PidLock {
    fn drop(&mut self) {
        // Still locked: nobody can have made another one under this name.
        if leads_to(&self.path, &self.file).unwrap_or(false) {
            fs::remove_file(&self.path).ok();
        }
    }
}

fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0)
}
