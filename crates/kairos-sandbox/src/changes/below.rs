//! Files below a directory, whatever somebody may have put there.
//!
//! Owns the one way in: beneath the directory, through no link, into no special file.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
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

/// Digest of a regular file of so many bytes. A file that has another length by now is no valid data:
/// somebody is writing to it, perhaps without end.
pub(super) fn digest(root: impl AsFd, path: &Path, bytes: u64) -> io::Result<[u8; 32]> {
    let file = open_file(root, path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut read = 0;
    loop {
        match rustix::io::read(&file, &mut buffer[..])? {
            0 if read == bytes => return Ok(hash.finalize().into()),
            0 => return Err(io::ErrorKind::InvalidData.into()),
            n => {
                hash.update(&buffer[..n]);
                read += n as u64;
                if read > bytes {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
    }
}

/// Rights of a file that its mode does not tell: of a program, and of others than owner and group.
const TELLING: [&str; 3] =
    ["security.capability", "system.posix_acl_access", "system.posix_acl_default"];

/// Bytes of one of them at most; what is longer cannot be read.
const VALUE_MAX: usize = 4096;

/// Values of [`TELLING`]; empty where there is none.
pub(super) type Attributes = [Vec<u8>; 3];

/// The attributes of what stands there.
pub(super) fn attributes(root: impl AsFd, path: &Path, stat: &Stat) -> io::Result<Attributes> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if !kind.is_dir() && !kind.is_file() {
        return Ok(Attributes::default());
    }
    let fd = open(root, path, OFlags::PATH)?;
    // Attributes are not read by a descriptor that is only a path, but by the name it has here.
    let at = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let mut found = Attributes::default();
    for (name, value) in TELLING.into_iter().zip(&mut found) {
        let mut bytes = [0; VALUE_MAX];
        match rustix::fs::getxattr(&at, name, &mut bytes[..]) {
            Ok(length) => *value = bytes[..length].to_vec(),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Whether a directory gives what is made in it an access list.
pub(super) fn hands_down(root: impl AsFd, path: &Path) -> io::Result<bool> {
    let Some(found) = stat(&root, path)? else { return Ok(false) };
    Ok(!attributes(root, path, &found)?[2].is_empty())
}
