//! The roots of a policy, opened.
//!
//! Owns which paths may be roots at all, and the descriptors that pin them. A root is what its path led
//! to when the policy was compiled; if something else stands there later, the command does not start.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

use super::{MEMORY, Unenforceable};
use crate::policy::{Absent, PathRule, Policy};

/// The kernel's own file systems: never part of a view as the host has them.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What makes a system, where no command writes.
const SYSTEM: [&str; 10] =
    ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/opt"];

/// File systems that show the kernel, its processes or devices, wherever they are mounted.
const KERNEL_TYPES: [&str; 16] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "configfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "pstore",
    "binfmt_misc",
];

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
    let mut roots: Vec<Root> = Vec::new();
    let mut write: Vec<&PathRule> = policy.write.iter().collect();
    write.sort_by_key(|rule| rule.path.components().count());
    for rule in &write {
        let outer = inside(rule, &write, &roots);
        roots.extend(one(rule, policy.writes.into(), true, outer)?);
    }
    let writable = roots.len();
    for rule in &policy.read {
        let outer = inside(rule, &write, &roots[..writable]);
        roots.extend(one(rule, Access::Read, false, outer)?);
    }
    roots.sort_by_key(|root| root.path.components().count());
    let mut kept: Vec<Root> = Vec::new();
    for root in roots {
        let same = kept.iter().any(|other| other.path == root.path);
        if !same {
            kept.push(root);
        }
    }
    for root in &kept {
        let path = root.path.clone();
        let mounts = std::fs::read("/proc/self/mountinfo")
            .map_err(|source| Unenforceable::Open { path: path.clone(), source })?;
        if shows_kernel(&mounts, &path) {
            let why = "has the kernel's own files mounted below it";
            return Err(Unenforceable::Root { path, why });
        }
    }
    for rule in policy.protect.iter().chain(&policy.hide) {
        let up = rule.path.components().any(|part| matches!(part, Component::ParentDir));
        if up || rule.path.as_os_str().is_empty() {
            let why = "is not below a root";
            return Err(Unenforceable::Protect { path: rule.path.clone(), why });
        }
    }
    Ok(kept)
}

/// Opens where caches are kept: (where it is found inside, the directory).
pub(super) fn caches(
    policy: &Policy,
    roots: &[Root],
) -> Result<Vec<(PathBuf, Root)>, Unenforceable> {
    let mut kept = Vec::new();
    for cache in &policy.caches {
        let refuse = |why| Unenforceable::Cache { path: cache.at.clone(), why };
        let at = PathRule::required(&cache.at);
        let write: Vec<&PathRule> = policy.write.iter().collect();
        let up = cache.at.components().any(|part| matches!(part, Component::ParentDir));
        let Some((outer, below)) = inside(&at, &write, roots).filter(|_| !up) else {
            return Err(refuse("is not below a write root"));
        };
        if outer.access != Access::Overlay {
            continue;
        }
        let rule = PathRule::required(&cache.kept);
        let root = one(&rule, Access::Write, true, None)?.filter(|root| {
            let apart = |other: &Root| {
                !root.path.starts_with(&other.path) && !other.path.starts_with(&root.path)
            };
            roots.iter().all(apart)
        });
        let root = root.ok_or_else(|| refuse("is kept inside a root, or around one"))?;
        kept.push((outer.path.join(below), root));
    }
    Ok(kept)
}

/// The write root around a rule's path, as the caller wrote both, and what is left of the path. What is
/// in there is the command's to change, also while this is looked at: no link in there leads a root.
fn inside<'a>(
    rule: &PathRule,
    write: &[&PathRule],
    roots: &'a [Root],
) -> Option<(&'a Root, PathBuf)> {
    write.iter().find_map(|outer| {
        let below = rule.path.strip_prefix(&outer.path).ok()?;
        let real = outer.path.canonicalize().ok()?;
        let root = roots.iter().find(|root| root.path == real && root.is_dir)?;
        (!below.as_os_str().is_empty()).then(|| (root, below.to_owned()))
    })
}

/// Where a rule's path is, without links.
fn resolve(rule: &PathRule, outer: Option<(&Root, PathBuf)>) -> std::io::Result<PathBuf> {
    let Some((root, below)) = outer else { return rule.path.canonicalize() };
    find(&root.fd, &below)?;
    Ok(root.path.join(below))
}

/// Opens what is there and nothing that a link leads to.
fn find(at: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(at, path, flags, Mode::empty(), resolve)
}

fn one(
    rule: &PathRule,
    access: Access,
    write: bool,
    outer: Option<(&Root, PathBuf)>,
) -> Result<Option<Root>, Unenforceable> {
    let refuse = |why| Err(Unenforceable::Root { path: rule.path.clone(), why });
    let up = rule.path.components().any(|part| matches!(part, Component::ParentDir));
    if !rule.path.is_absolute() || up {
        return refuse("is no absolute path");
    }
    let failed = |source| Unenforceable::Open { path: rule.path.clone(), source };
    let path = match resolve(rule, outer) {
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
    let fd = find(CWD, &path).map_err(|e| failed(e.into()))?;
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

/// Whether such a file system is mounted below `root`. What is mounted there comes along with it, and
/// another place's processes would be a way out.
fn shows_kernel(mounts: &[u8], root: &Path) -> bool {
    mounts.split(|byte| *byte == b'\n').any(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let kind = fields.iter().position(|field| *field == b"-").and_then(|at| fields.get(at + 1));
        let is_kernel = kind.is_some_and(|kind| KERNEL_TYPES.iter().any(|t| t.as_bytes() == *kind));
        is_kernel && fields.get(4).is_some_and(|at| unescape(at).starts_with(root))
    })
}

/// A path as the list of mounts writes it: blanks and the like as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| after.split_at_checked(3)).flatten();
        let code = octal.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, after))
        });
        let (byte, after) = code.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Why a path cannot be a root.
fn unfit(path: &Path, write: bool) -> Option<&'static str> {
    let within = |of: &[&str]| of.iter().any(|dir| path.starts_with(dir));
    let around = |of: &[&str]| of.iter().any(|dir| Path::new(dir).starts_with(path));
    if within(&KERNEL) || around(&KERNEL) {
        return Some("holds the kernel's own files");
    }
    if around(&MEMORY) {
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

    #[test]
    fn another_places_processes_are_found_below_a_root() {
        let mounts = b"1 0 0:1 / / rw - ext4 /dev/x rw\n\
            2 1 0:2 / /srv/a\\040b/proc rw shared:1 - proc proc rw\n\
            3 1 0:3 / /srv/c rw - tmpfs tmpfs rw\n";
        let shows = |root: &str| shows_kernel(mounts, Path::new(root));
        assert!(shows("/srv") && shows("/srv/a b") && shows("/srv/a b/proc"));
        assert!(!shows("/srv/c") && !shows("/srv/a") && !shows("/srv/a b/proc/x"));
    }
}
