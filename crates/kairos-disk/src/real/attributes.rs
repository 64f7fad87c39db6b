//! Owner, ACL, extended attributes and mode of one file given to another.
//!
//! Owns the order in which they must be set. Never gives away a right that belonged to the old
//! content: setuid, setgid and capabilities stay behind, and so do signatures over it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Gid, Mode, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

/// The kernel's limit for one value and for the list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const XATTR_BYTES_MAX: usize = 64 * 1024;

/// Permission bits that are kept: setuid and setgid are not.
const KEPT_BITS: u32 = 0o1777;

const ACCESS_ACL: &CStr = c"system.posix_acl_access";

/// Attributes that speak about the old content: rights and signatures must not pass to other bytes.
const BOUND_TO_CONTENT: [&CStr; 3] = [c"security.capability", c"security.ima", c"security.evm"];

/// Whose directory this is, where root is to give it what it made there: not root's own.
pub(super) fn heir(dir: BorrowedFd<'_>) -> io::Result<Option<(Uid, Gid)>> {
    let dir = rustix::fs::fstat(dir)?;
    let is_anothers = dir.st_uid != 0 && rustix::process::geteuid().is_root();
    Ok(is_anothers.then(|| (Uid::from_raw(dir.st_uid), Gid::from_raw(dir.st_gid))))
}

/// Gives what root made to somebody.
pub(super) fn give(made: BorrowedFd<'_>, (uid, gid): (Uid, Gid)) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fchown(made, Some(uid), Some(gid)))?)
}

/// Gives `to` the attributes of `from`.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    let own = rustix::fs::fstat(to)?;
    if (own.st_uid, own.st_gid) != (stat.st_uid, stat.st_gid) {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        retry_on_intr(|| rustix::fs::fchown(to, Some(uid), Some(gid)))?;
    }
    copy_xattrs(from, to)?;
    // Last, because a change of owner clears bits and setting an ACL rewrites the group's.
    let mode = Mode::from_raw_mode(stat.st_mode & KEPT_BITS);
    Ok(retry_on_intr(|| rustix::fs::fchmod(to, mode))?)
}

fn copy_xattrs(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let names = names(from)?;
    // A new file inherits the default ACL of its directory, which the old one may not have had.
    if !names.iter().any(|name| **name == *ACCESS_ACL) {
        match retry_on_intr(|| rustix::fs::fremovexattr(to, ACCESS_ACL)) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for name in &names {
        if BOUND_TO_CONTENT.contains(&name.as_c_str()) {
            continue;
        }
        let Some(value) = value(from, name)? else { continue };
        // A label that a new file gets by itself often may not be set, and need not be.
        if value_or_none(to, name).as_ref() != Some(&value) {
            retry_on_intr(|| rustix::fs::fsetxattr(to, &**name, &value, XattrFlags::empty()))?;
        }
    }
    Ok(())
}

/// The names of all attributes; none where the file system has no attributes.
fn names(fd: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut list = vec![0_u8; XATTR_BYTES_MAX];
    let length = match retry_on_intr(|| rustix::fs::flistxattr(fd, &mut list[..])) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = list[..length].split_inclusive(|&byte| byte == 0);
    Ok(names.filter_map(|name| CStr::from_bytes_with_nul(name).ok().map(CStr::to_owned)).collect())
}

/// The value of an attribute, or none when it has gone since it was listed.
fn value(fd: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; XATTR_BYTES_MAX];
    match retry_on_intr(|| rustix::fs::fgetxattr(fd, name, &mut value[..])) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn value_or_none(fd: BorrowedFd<'_>, name: &CStr) -> Option<Vec<u8>> {
    value(fd, name).ok().flatten()
}
