//! Files of a workspace that are somewhere else too.
//!
//! Owns the search for them before a command that writes directly: a file with a second name outside of
//! what may be written would be changed there as well, and no mount and no access rule sees names. Every
//! name is counted once, where the command could use it to write. Follows no link; changes nothing.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::RunError;
use crate::compile::{Access, Inner, Root};

/// Files and directories looked at; in a workspace with more nothing is written directly.
const ENTRIES_MAX: usize = 500_000;

/// Refuses a command of `uid` that could change a file outside by its name inside.
pub(super) fn search(inner: &Inner, uid: u32, until: Instant) -> Result<(), RunError> {
    let mut search = Search { inner, uid, until, left: ENTRIES_MAX, shared: HashMap::new() };
    let direct = |root: &&Root| root.access == Access::Write;
    for root in inner.roots.iter().filter(direct) {
        let outer = |other: &Root| other.path != root.path && root.path.starts_with(&other.path);
        if !inner.roots.iter().filter(direct).any(outer) {
            search
                .walk(root)
                .map_err(|why| RunError::Unsearched { path: root.path.clone(), why })?;
        }
    }
    let outside = search.shared.into_values().filter(|shared| shared.seen < shared.names);
    match outside.map(|shared| shared.path).min() {
        Some(path) => Err(RunError::HardLink { path }),
        None => Ok(()),
    }
}

/// A file with more than one name.
struct Shared {
    names: u64,
    seen: u64,
    path: PathBuf,
}

struct Search<'a> {
    inner: &'a Inner,
    uid: u32,
    until: Instant,
    left: usize,
    shared: HashMap<(u64, u64), Shared>,
}

impl Search<'_> {
    fn walk(&mut self, root: &Root) -> Result<(), &'static str> {
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let dir = match directory(&root.fd, &below) {
                Ok(dir) => dir,
                // It went away, or is closed to the command as it is to us.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => continue,
                Err(Errno::NAMETOOLONG) => return Err("is deeper than a path is long"),
                Err(_) => return Err("cannot be read"),
            };
            self.entries(root, &below, dir, &mut open)?;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        root: &Root,
        below: &Path,
        mut dir: Dir,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), &'static str> {
        let mut names = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(|_| "cannot be read")?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.left = self.left.checked_sub(1).ok_or("holds more files than can be looked at")?;
            if entry.file_type() != FileType::Symlink {
                names.push(name.to_owned());
            }
        }
        if Instant::now() > self.until {
            return Err("could not be looked through in time");
        }
        for name in names {
            let path = below.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            if self.is_beyond_reach(&root.path.join(&path)) {
                continue;
            }
            let at = dir.fd().map_err(|_| "cannot be read")?;
            match rustix::fs::statat(at, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) if FileType::from_raw_mode(found.st_mode).is_dir() => open.push(path),
                Ok(found) => self.file(&found, || root.path.join(path)),
                Err(Errno::NOENT) => {}
                Err(_) => return Err("cannot be read"),
            }
        }
        Ok(())
    }

    fn file(&mut self, found: &rustix::fs::Stat, path: impl FnOnce() -> PathBuf) {
        let may_write = found.st_uid == self.uid || found.st_mode & 0o022 != 0;
        let is_link = FileType::from_raw_mode(found.st_mode).is_symlink();
        if found.st_nlink > 1 && may_write && !is_link {
            let new = || Shared { names: found.st_nlink, seen: 0, path: path() };
            self.shared.entry((found.st_dev, found.st_ino)).or_insert_with(new).seen += 1;
        }
    }

    /// Whether the command cannot write by this name: it is protected, hidden, or only to be read.
    fn is_beyond_reach(&self, path: &Path) -> bool {
        let protected = &self.inner.skeleton.protect;
        protected
            .iter()
            .any(|rule| path.strip_prefix(&rule.root).is_ok_and(|below| below == rule.below))
            || self.inner.roots.iter().any(|r| r.access == Access::Read && r.path == path)
    }
}

fn directory(root: &OwnedFd, below: &Path) -> rustix::io::Result<Dir> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Dir::new(rustix::fs::openat2(root, below, flags, Mode::empty(), resolve)?)
}
