//! The reading of one layer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::time::Timespec;

use super::{Change, ChangeSet, Node, Refused, What, Why, below};

/// A layer above a root, and what is needed to judge it.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    pub(crate) root: &'a Path,
    pub(crate) lower: BorrowedFd<'a>,
    pub(crate) upper: OwnedFd,
    /// Paths below the root that the policy protects.
    pub(crate) protect: Vec<PathBuf>,
    /// Paths below the root where something else stood.
    pub(crate) caches: Vec<PathBuf>,
    /// When the command began, by the clock that files are stamped with.
    pub(crate) began: Timespec,
    /// Changes looked at; every further one is one refusal.
    pub(crate) changes_max: usize,
    /// Bytes read at most, of both sides together; what lies beyond is refused.
    pub(crate) bytes_max: u64,
}

/// Reads a layer. Nobody writes to it any more.
pub(crate) fn read(layer: Layer<'_>) -> ChangeSet {
    let (changes, refused) = (BTreeMap::new(), Vec::new());
    let mut reader = Reader { layer: &layer, changes, refused, bytes_left: layer.bytes_max };
    reader.walk(Path::new(""));
    let (changes, refused) = (reader.changes, reader.refused);
    let changes = renames(changes);
    ChangeSet { root: layer.root.to_owned(), changes, refused, upper: layer.upper }
}

struct Reader<'a> {
    layer: &'a Layer<'a>,
    changes: BTreeMap<PathBuf, What>,
    refused: Vec<Refused>,
    bytes_left: u64,
}

impl Reader<'_> {
    /// Every directory of the layer below `path`, `path` first.
    fn walk(&mut self, path: &Path) {
        let mut open = vec![path.to_owned()];
        while let Some(dir) = open.pop() {
            let Some(names) = self.names(self.layer.upper.as_fd(), &dir) else { continue };
            if self.is_opaque(&dir) {
                self.hidden(&dir, &names);
            }
            for name in names {
                let path = dir.join(name);
                if let Some(dir) = self.entry(&path) {
                    open.push(dir);
                }
            }
        }
    }

    /// One entry of the layer. Answers with the path where there is more below it.
    fn entry(&mut self, path: &Path) -> Option<PathBuf> {
        if self.layer.caches.iter().any(|cache| cache == path) {
            return None;
        }
        if self.changes.len() + self.refused.len() >= self.layer.changes_max {
            let full = self.refused.last().is_some_and(|last| last.why == Why::TooMany);
            if !full {
                self.refuse(path, Why::TooMany);
            }
            return None;
        }
        let upper = self.or_refuse(path, below::stat(&self.layer.upper, path))??;
        let lower = self.or_refuse(path, below::stat(self.layer.lower, path))?;
        let kind = FileType::from_raw_mode(upper.st_mode);
        let was_dir = lower.as_ref().is_some_and(is_dir);
        if kind.is_dir() && was_dir {
            let same = permissions(&upper) == lower.as_ref().map_or(0, permissions);
            if !same {
                self.changed(path, &upper, lower.as_ref());
            }
            return Some(path.to_owned());
        }
        if kind == FileType::CharacterDevice && upper.st_rdev == 0 {
            if let Some(lower) = lower {
                self.deleted(path, &lower);
            }
            return None;
        }
        if was_dir && let Some(lower) = &lower {
            self.deleted(path, lower);
        }
        self.changed(path, &upper, lower.as_ref().filter(|_| !was_dir));
        kind.is_dir().then(|| path.to_owned())
    }

    /// Something new, or something else than before.
    fn changed(&mut self, path: &Path, upper: &Stat, lower: Option<&Stat>) {
        if let Some(why) = self.why_not(path, upper, lower) {
            return self.refuse(path, why);
        }
        let Some(after) = self.node(self.layer.upper.as_fd(), path, upper) else { return };
        let what = match lower {
            None => What::Added(after),
            Some(lower) => {
                let Some(before) = self.node(self.layer.lower, path, lower) else { return };
                match (before, after) {
                    (before, after) if before == after => return,
                    (before, after) if is_mode_only(&before, &after) => {
                        What::Mode { before: permissions(lower), after: permissions(upper) }
                    }
                    (before, after) => What::Modified { before, after },
                }
            }
        };
        // A directory that gave way is in the list already, as deleted.
        let what = match (self.changes.remove(path), what) {
            (Some(What::Deleted(before)), What::Added(after)) => What::Modified { before, after },
            (_, what) => what,
        };
        self.changes.insert(path.to_owned(), what);
    }

    /// What the layer hides: one file, or a directory with all it held.
    fn deleted(&mut self, path: &Path, lower: &Stat) {
        if self.changes.len() + self.refused.len() >= self.layer.changes_max {
            return self.refuse(path, Why::TooMany);
        }
        if let Some(why) = self.theirs(path, Some(lower)) {
            return self.refuse(path, why);
        }
        let Some(before) = self.node(self.layer.lower, path, lower) else { return };
        self.changes.insert(path.to_owned(), What::Deleted(before));
        if is_dir(lower) {
            self.hidden(path, &[]);
        }
    }

    /// What a directory held before and the layer has no entry for.
    fn hidden(&mut self, dir: &Path, kept: &[OsString]) {
        let Some(names) = self.names(self.layer.lower, dir) else { return };
        for name in names.iter().filter(|name| !kept.contains(name)) {
            let path = dir.join(name);
            let lower = below::stat(self.layer.lower, &path);
            if let Some(Some(lower)) = self.or_refuse(&path, lower) {
                self.deleted(&path, &lower);
            }
        }
    }

    /// What stands there, if there is room to read it.
    fn node(&mut self, root: BorrowedFd<'_>, path: &Path, stat: &Stat) -> Option<Node> {
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            self.refuse(path, Why::TooMany);
            return None;
        };
        self.bytes_left = left;
        self.or_refuse(path, node(root, path, stat))
    }

    fn why_not(&self, path: &Path, upper: &Stat, lower: Option<&Stat>) -> Option<Why> {
        let kind = FileType::from_raw_mode(upper.st_mode);
        if !kind.is_dir() && !kind.is_file() && !kind.is_symlink() {
            return Some(Why::Special);
        }
        if upper.st_mode & 0o6000 != 0 {
            return Some(Why::Rights);
        }
        if kind.is_symlink() {
            match below::link(&self.layer.upper, path) {
                Ok(to) if leads_out(path, &to) => return Some(Why::LinkOut),
                Ok(_) => {}
                Err(_) => return Some(Why::Unreadable),
            }
        }
        self.theirs(path, lower)
    }

    /// Why a path is not the command's to change.
    fn theirs(&self, path: &Path, lower: Option<&Stat>) -> Option<Why> {
        if self.layer.protect.iter().any(|protected| path.starts_with(protected)) {
            return Some(Why::Protected);
        }
        let began = (self.layer.began.tv_sec, self.layer.began.tv_nsec);
        let changed = |stat: &Stat| {
            let nanoseconds = i64::try_from(stat.st_ctime_nsec).unwrap_or(i64::MAX);
            (stat.st_ctime, nanoseconds) >= began
        };
        // A directory is stamped by whatever happens in it, and that is judged by itself.
        lower.is_some_and(|lower| !is_dir(lower) && changed(lower)).then_some(Why::Conflict)
    }

    fn is_opaque(&mut self, dir: &Path) -> bool {
        let there = below::stat(self.layer.lower, dir);
        let was_dir = matches!(there, Ok(Some(lower)) if is_dir(&lower));
        was_dir && self.or_refuse(dir, below::is_opaque(&self.layer.upper, dir)) == Some(true)
    }

    fn names(&mut self, root: BorrowedFd<'_>, dir: &Path) -> Option<Vec<OsString>> {
        match below::names(root, dir, self.layer.changes_max) {
            Ok(names) => Some(names),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                self.refuse(dir, Why::TooMany);
                None
            }
            Err(_) => {
                self.refuse(dir, Why::Unreadable);
                None
            }
        }
    }

    fn or_refuse<T>(&mut self, path: &Path, found: io::Result<T>) -> Option<T> {
        if found.is_err() {
            self.refuse(path, Why::Unreadable);
        }
        found.ok()
    }

    fn refuse(&mut self, path: &Path, why: Why) {
        if self.refused.len() <= self.layer.changes_max {
            self.refused.push(Refused { path: path.to_owned(), why });
        }
    }
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

fn node(root: impl AsFd, path: &Path, stat: &Stat) -> io::Result<Node> {
    let mode = permissions(stat);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Node::Dir { mode }),
        FileType::Symlink => Ok(Node::Link { to: below::link(root, path)? }),
        FileType::RegularFile => {
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            Ok(Node::File { mode, bytes, sha256: below::digest(root, path)? })
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn is_mode_only(before: &Node, after: &Node) -> bool {
    match (before, after) {
        (Node::File { sha256: a, .. }, Node::File { sha256: b, .. }) => a == b,
        (Node::Dir { .. }, Node::Dir { .. }) => true,
        _ => false,
    }
}

/// Whether a link at `path` leads, by its words alone, to somewhere outside the root.
fn leads_out(path: &Path, to: &Path) -> bool {
    let mut depth = path.components().count() - 1;
    for part in to.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// A file that is gone and one that is new, with the same content and no other of it, are one file
/// that moved.
fn renames(changes: BTreeMap<PathBuf, What>) -> Vec<Change> {
    let mut gone: BTreeMap<[u8; 32], Vec<PathBuf>> = BTreeMap::new();
    let mut new: BTreeMap<[u8; 32], Vec<PathBuf>> = BTreeMap::new();
    for (path, what) in &changes {
        match what {
            What::Deleted(Node::File { sha256, bytes: 1.., .. }) => {
                gone.entry(*sha256).or_default().push(path.clone());
            }
            What::Added(Node::File { sha256, bytes: 1.., .. }) => {
                new.entry(*sha256).or_default().push(path.clone());
            }
            _ => {}
        }
    }
    let mut moved = BTreeMap::new();
    for (sha256, to) in new {
        if let ([to], Some([from])) = (&to[..], gone.get(&sha256).map(Vec::as_slice)) {
            moved.insert(to.clone(), from.clone());
        }
    }
    let from: Vec<&PathBuf> = moved.values().collect();
    changes
        .iter()
        .filter(|(path, _)| !from.contains(path))
        .map(|(path, what)| {
            let what = match (moved.get(path), what) {
                (Some(from), What::Added(node)) => {
                    What::Renamed { from: from.clone(), node: node.clone() }
                }
                _ => what.clone(),
            };
            Change { path: path.clone(), what }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_out_by_its_words() {
        let out = |path: &str, to: &str| leads_out(Path::new(path), Path::new(to));
        for (path, to) in [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/../c"), ("a", "./b")] {
            assert!(!out(path, to), "{path} {to}");
        }
        for (path, to) in [("a", "/etc"), ("a", ".."), ("d/a", "../../b"), ("a", "b/../../c")] {
            assert!(out(path, to), "{path} {to}");
        }
    }
}
