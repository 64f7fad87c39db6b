//! The daemon's socket.
//!
//! Owns `run/kairos.sock`: bound under the lock, mode 0600, reached through the directory's
//! descriptor so that a long path does not matter (`unix(7)` allows 108 bytes). Removed at the end.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tokio::net::UnixListener;

use crate::workspace::Workspace;

/// A bound socket; its name goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
}

impl Door {
    /// Binds the socket; a stale one is unlinked, which the lock makes safe.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(workspace: &Workspace) -> io::Result<(Self, UnixListener)> {
        let path = workspace.socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let dir = fs::File::open(workspace.own("run"))?;
        let short = format!("/proc/self/fd/{}/kairos.sock", dir.as_raw_fd());
        let listener = UnixListener::bind(&short)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok((Self { path }, listener))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}
