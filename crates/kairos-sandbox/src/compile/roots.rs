//! The roots of a policy, opened.
//!
//! Owns which paths may be roots at all, and the descriptors that pin them. A root is what its path led
//! to when the policy was compiled; if something else stands there later, the command does not start.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use super::{SCRATCH, Unenforceable};
use crate::policy::{Absent, PathRule, Policy};

/// The kernel's own file systems: never part of a view as the host has them.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What makes a system, where no command writes.
const SYSTEM: [&str; 10] =
    ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/opt"];

/// One root.
#[derive(Debug)]
pub(crate) struct Root {
    /// Without links.
    pub(crate) path: PathBuf,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) owner: (u32, u32),
    pub(crate) is_dir: bool,
    pub(crate) access: Access,
    /// Keeps device and inode from meaning anything else.
    pub(crate) fd: OwnedFd,
}

/// What may be done below a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Overlay,
}

/// Opens every root: outer ones before what they hold, write roots before read roots of the same path,
/// which are dropped.
pub(super) fn open(policy: &Policy) -> Result<Vec<Root>, Unenforceable> {
    let mut roots = Vec::new();
    for rule in &policy.write {
        roots.extend(one(rule, policy.writes.into(), true)?);
    }
    for rule in &policy.read {
        roots.extend(one(rule, Access::Read, false)?);
    }
    roots.sort_by_key(|root| root.path.components().count());
    let mut kept: Vec<Root> = Vec::new();
    for root in roots {
        let same = kept.iter().any(|other| other.path == root.path);
        if !same {
            kept.push(root);
        }
    }
    for rule in &policy.protect {
        let up = rule.path.components().any(|part| matches!(part, Component::ParentDir));
        if up || rule.path.as_os_str().is_empty() {
            let why = "is not below a root";
            return Err(Unenforceable::Protect { path: rule.path.clone(), why });
        }
    }
    Ok(kept)
}

fn one(rule: &PathRule, access: Access, write: bool) -> Result<Option<Root>, Unenforceable> {
    let refuse = |why| Err(Unenforceable::Root { path: rule.path.clone(), why });
    if !rule.path.is_absolute() {
        return refuse("is no absolute path");
    }
    let failed = |source| Unenforceable::Open { path: rule.path.clone(), source };
    let path = match rule.path.canonicalize() {
        Ok(path) => path,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && rule.absent == Absent::Skip =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    if let Some(why) = unfit(&path, write) {
        return refuse(why);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    let found = rustix::fs::fstat(&fd).map_err(|e| failed(e.into()))?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if !kind.is_dir() && (write || !kind.is_file()) {
        return refuse(if write { "is no directory" } else { "is no directory and no file" });
    }
    Ok(Some(Root {
        path,
        dev: found.st_dev,
        ino: found.st_ino,
        owner: (found.st_uid, found.st_gid),
        is_dir: kind.is_dir(),
        access,
        fd,
    }))
}

/// Why a path cannot be a root.
fn unfit(path: &Path, write: bool) -> Option<&'static str> {
    let within = |of: &[&str]| of.iter().any(|dir| path.starts_with(dir));
    let around = |of: &[&str]| of.iter().any(|dir| Path::new(dir).starts_with(path));
    if within(&KERNEL) || around(&KERNEL) {
        return Some("holds the kernel's own files");
    }
    if around(&SCRATCH) {
        return Some("is a directory that every command has for itself");
    }
    (write && (within(&SYSTEM) || around(&SYSTEM))).then_some("is part of the system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_no_place_to_write_and_the_kernel_none_to_look() {
        let fit = |path: &str, write| unfit(Path::new(path), write).is_none();
        for path in ["/", "/proc", "/proc/1", "/sys/fs", "/dev", "/dev/shm", "/tmp", "/agent"] {
            assert_eq!((fit(path, false), fit(path, true)), (false, false), "{path}");
        }
        for path in ["/usr", "/usr/local/lib", "/etc", "/opt/x"] {
            assert_eq!((fit(path, false), fit(path, true)), (true, false), "{path}");
        }
        for path in ["/srv/w", "/tmp/w", "/devel", "/var/lib/w"] {
            assert_eq!((fit(path, false), fit(path, true)), (true, true), "{path}");
        }
    }
}
