//! Files below a directory, whatever somebody may have put there.
//!
//! Owns the one way in: beneath the directory, through no link, into no special file.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use sha2::{Digest, Sha256};

/// Opens something beneath a directory.
fn open(root: impl AsFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

/// What stands there, the last link not followed. `None` where nothing does.
pub(super) fn stat(root: impl AsFd, path: &Path) -> io::Result<Option<Stat>> {
    match open(root, path, OFlags::PATH) {
        Ok(fd) => Ok(Some(rustix::fs::fstat(&fd)?)),
        // What is behind a link is not below this directory.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a regular file for reading.
pub(super) fn open_file(root: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let fd = open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode).is_file() {
        true => Ok(fd),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Where a link leads.
pub(super) fn link(root: impl AsFd, path: &Path) -> io::Result<PathBuf> {
    let fd = open(root, path, OFlags::PATH)?;
    let to = rustix::fs::readlinkat(&fd, "", Vec::new())?;
    Ok(OsString::from_vec(to.into_bytes()).into())
}

/// Names in a directory, in order; at most `max` of them.
pub(super) fn names(root: impl AsFd, path: &Path, max: usize) -> io::Result<Vec<OsString>> {
    let fd = open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in Dir::new(fd)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == max {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        names.push(OsString::from_vec(name));
    }
    names.sort();
    Ok(names)
}

/// Whether a directory of a layer hides everything below it.
pub(super) fn is_opaque(root: impl AsFd, path: &Path) -> io::Result<bool> {
    let fd = open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut value = [0; 8];
    match rustix::fs::fgetxattr(&fd, "user.overlay.opaque", &mut value[..]) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Digest of a regular file.
pub(super) fn digest(root: impl AsFd, path: &Path) -> io::Result<[u8; 32]> {
    let file = open_file(root, path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rustix::io::read(&file, &mut buffer[..])? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}
