//! The reading of one layer.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::time::Timespec;

use super::{Change, ChangeSet, Node, Refused, Shield, What, Why, below};

/// Bytes of paths looked at in one layer, on both sides; every further directory is one refusal.
const PATH_BYTES_MAX: usize = 64 << 20;

/// A layer above a root, and what is needed to judge it.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    pub(crate) root: &'a Path,
    pub(crate) lower: BorrowedFd<'a>,
    pub(crate) upper: OwnedFd,
    /// Paths below the root that the policy protects.
    pub(crate) shield: Shield,
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
    let mut reader = Reader {
        layer: &layer,
        changes: BTreeMap::new(),
        refused: Vec::new(),
        bytes_left: layer.bytes_max,
        paths_left: PATH_BYTES_MAX,
    };
    reader.walk();
    let (changes, refused) = (reader.changes, reader.refused);
    let changes = renames(changes);
    ChangeSet { root: layer.root.to_owned(), changes, refused, upper: layer.upper }
}

struct Reader<'a> {
    layer: &'a Layer<'a>,
    changes: BTreeMap<PathBuf, What>,
    refused: Vec<Refused>,
    bytes_left: u64,
    paths_left: usize,
}

/// A directory of the layer that is still to be read.
struct Open {
    path: PathBuf,
    /// A directory above hides what was here before. The kernel marks that one only.
    hidden: bool,
}

impl Reader<'_> {
    /// Every directory of the layer.
    fn walk(&mut self) {
        let mut open = vec![Open { path: PathBuf::new(), hidden: false }];
        while let Some(Open { path: dir, hidden }) = open.pop() {
            let Some(names) = self.names(self.layer.upper.as_fd(), &dir) else { continue };
            let hidden = hidden || self.is_opaque(&dir);
            if hidden {
                self.hidden(&dir, &names);
            }
            for name in names {
                let path = dir.join(name);
                if self.entry(&path) {
                    open.push(Open { path, hidden });
                }
            }
        }
    }

    /// One entry of the layer. Answers whether it is a directory to be read.
    fn entry(&mut self, path: &Path) -> bool {
        if self.layer.caches.iter().any(|cache| cache == path) {
            return false;
        }
        if self.is_full() {
            let full = self.refused.last().is_some_and(|last| last.why == Why::TooMany);
            if !full {
                self.refuse(path, Why::TooMany);
            }
            return false;
        }
        let upper = self.or_refuse(path, below::stat(&self.layer.upper, path)).flatten();
        let Some(upper) = upper else { return false };
        let lower = below::stat(self.layer.lower, path);
        let Some(lower) = self.or_refuse(path, lower) else { return false };
        let kind = FileType::from_raw_mode(upper.st_mode);
        let gone = kind == FileType::CharacterDevice && upper.st_rdev == 0;
        let was_dir = lower.as_ref().is_some_and(is_dir);
        let stays_dir = (kind.is_dir() || gone) && (was_dir || lower.is_none());
        if !stays_dir && self.layer.shield.is_on_the_way(path) {
            self.refuse(path, Why::Protected);
            return false;
        }
        if gone {
            if let Some(lower) = lower {
                self.deleted(path, &lower);
            }
            return false;
        }
        if kind.is_dir() && was_dir {
            self.changed(path, &upper, lower.as_ref());
            return true;
        }
        if let Some(why) = self.why_not(path, &upper, lower.as_ref()) {
            self.refuse(path, why);
            // What is protected is named to its last file; else the directory stands for what it holds.
            return why == Why::Protected && kind.is_dir();
        }
        if was_dir && let Some(lower) = &lower {
            self.deleted(path, lower);
        }
        self.changed(path, &upper, lower.as_ref().filter(|_| !was_dir));
        kind.is_dir()
    }

    fn is_full(&self) -> bool {
        self.changes.len() + self.refused.len() >= self.layer.changes_max
    }

    /// Something new, or something else than before.
    fn changed(&mut self, path: &Path, upper: &Stat, lower: Option<&Stat>) {
        let both_dirs = is_dir(upper) && lower.is_some_and(is_dir);
        let same_mode = lower.is_some_and(|lower| permissions(lower) == permissions(upper));
        let marks = self.marks(path, upper, lower);
        let Some(marks) = self.or_refuse(path, marks) else { return };
        if both_dirs && same_mode && marks != Marks::Changed {
            return;
        }
        if let Some(why) = self.why_not(path, upper, lower) {
            return self.refuse(path, why);
        }
        if marks == Marks::Changed {
            return self.refuse(path, Why::Attributes);
        }
        let Some(after) = self.node(self.layer.upper.as_fd(), path, upper) else { return };
        let what = match lower {
            None => What::Added(after),
            Some(lower) => {
                let Some(before) = self.node(self.layer.lower, path, lower) else { return };
                match (before, after) {
                    (before, after) if before == after => return,
                    // A file that takes its place would be without them.
                    _ if marks == Marks::Kept && !both_dirs => {
                        return self.refuse(path, Why::Attributes);
                    }
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
        let mut open = vec![(path.to_owned(), *lower)];
        while let Some((path, lower)) = open.pop() {
            if self.is_full() {
                return self.refuse(&path, Why::TooMany);
            }
            let way = !is_dir(&lower) && self.layer.shield.is_on_the_way(&path);
            let why = way.then_some(Why::Protected);
            if let Some(why) = why.or_else(|| self.theirs(&path, Some(&lower))) {
                self.refuse(&path, why);
                continue;
            }
            let Some(before) = self.node(self.layer.lower, &path, &lower) else { continue };
            self.changes.insert(path.clone(), What::Deleted(before));
            if is_dir(&lower) {
                open.extend(self.lower_entries(&path, &[]));
            }
        }
    }

    /// What a directory held before and the layer has no entry for.
    fn hidden(&mut self, dir: &Path, kept: &[OsString]) {
        for (path, lower) in self.lower_entries(dir, kept) {
            self.deleted(&path, &lower);
        }
    }

    /// What a directory held before, but for these.
    fn lower_entries(&mut self, dir: &Path, but: &[OsString]) -> Vec<(PathBuf, Stat)> {
        let was_dir = matches!(below::stat(self.layer.lower, dir), Ok(Some(at)) if is_dir(&at));
        let names = was_dir.then(|| self.names(self.layer.lower, dir)).flatten();
        let mut found = Vec::new();
        for name in names.unwrap_or_default() {
            if but.binary_search(&name).is_ok() {
                continue;
            }
            let path = dir.join(name);
            let lower = below::stat(self.layer.lower, &path);
            if let Some(Some(lower)) = self.or_refuse(&path, lower) {
                found.push((path, lower));
            }
        }
        found
    }

    /// What its attributes are beside what they were.
    fn marks(&self, path: &Path, upper: &Stat, lower: Option<&Stat>) -> io::Result<Marks> {
        let after = below::attributes(&self.layer.upper, path, upper)?;
        let lower = lower.filter(|lower| is_dir(lower) == is_dir(upper));
        let before = match lower {
            Some(lower) => below::attributes(self.layer.lower, path, lower)?,
            None => below::Attributes::default(),
        };
        if before != after {
            let above = path.parent().unwrap_or(Path::new(""));
            // Whatever is made there gets them from the directory, here as there.
            let inherited = lower.is_none() && below::hands_down(&self.layer.upper, above)?;
            return Ok(if inherited { Marks::None } else { Marks::Changed });
        }
        Ok(if after == below::Attributes::default() { Marks::None } else { Marks::Kept })
    }

    /// What stands there, if there is room to read it.
    fn node(&mut self, root: BorrowedFd<'_>, path: &Path, stat: &Stat) -> Option<Node> {
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            self.refuse(path, Why::TooMany);
            return None;
        };
        self.bytes_left = left;
        match node(root, path, stat) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.refuse(path, Why::Conflict);
                None
            }
            found => self.or_refuse(path, found),
        }
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
        if self.layer.shield.covers(path) {
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
            Ok(names) => {
                let one = |name: &OsString| dir.as_os_str().len() + name.len() + 1;
                let bytes = names.iter().map(one).sum();
                let Some(left) = self.paths_left.checked_sub(bytes) else {
                    self.refuse(dir, Why::TooMany);
                    return None;
                };
                self.paths_left = left;
                Some(names)
            }
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

/// What became of the attributes that say more than a mode does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    None,
    Kept,
    Changed,
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
            Ok(Node::File { mode, bytes, sha256: below::digest(root, path, bytes)? })
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

/// Whether a link at `path` may lead outside the root. Steps up are counted where they stand first, in
/// directories that are known; after a name they would start from wherever that name leads.
fn leads_out(path: &Path, to: &Path) -> bool {
    let mut depth = path.components().count() - 1;
    let mut named = false;
    for part in to.components() {
        match part {
            Component::Normal(_) => named = true,
            Component::ParentDir if depth > 0 && !named => depth -= 1,
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
    let from: BTreeSet<PathBuf> = moved.values().cloned().collect();
    let stays = changes.into_iter().filter(|(path, _)| !from.contains(path));
    stays
        .map(|(path, what)| match (moved.remove(&path), what) {
            (Some(from), What::Added(node)) => Change { path, what: What::Renamed { from, node } },
            (_, what) => Change { path, what },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_out_by_its_words() {
        let out = |path: &str, to: &str| leads_out(Path::new(path), Path::new(to));
        for (path, to) in [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("a", "./b")] {
            assert!(!out(path, to), "{path} {to}");
        }
        for (path, to) in [("a", "/etc"), ("a", ".."), ("d/a", "../../b"), ("a", "b/../c")] {
            assert!(out(path, to), "{path} {to}");
        }
    }
}
