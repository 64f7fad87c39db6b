//! The read lease.
//!
//! Owns the one unsafe call of this crate. Never keeps a lease: it is asked for and given back, so
//! only its being granted means anything.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::fs::Writers;

/// `F_SETSIG` of `asm-generic/fcntl.h`; the `libc` crate does not name it here.
const F_SETSIG: libc::c_int = 10;

/// Whether anybody has the file behind `fd`, which must be open for reading only, open for writing.
pub(super) fn writers(fd: BorrowedFd<'_>) -> io::Result<Writers> {
    // Whoever opens the file for writing while the lease stands breaks it, and the kernel tells us
    // by SIGIO, which would end the process. SIGURG is ignored by default.
    control(fd, F_SETSIG, libc::SIGURG)?;
    match control(fd, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            control(fd, libc::F_SETLEASE, libc::F_UNLCK)?;
            Ok(Writers::None)
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN) => Ok(Writers::Some),
            // Not supported by the file system, not our file, or leases are switched off.
            Some(libc::EINVAL | libc::EACCES | libc::EOPNOTSUPP | libc::ENOLCK) => {
                Ok(Writers::Unknown)
            }
            _ => Err(error),
        },
    }
}

#[expect(unsafe_code, reason = "no safe wrapper of F_SETLEASE exists")]
fn control(fd: BorrowedFd<'_>, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is borrowed, so it is open during the call; both commands used
        // here take an integer, no pointer, and change only this open file's own state.
        let answer = unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) };
        if answer != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
