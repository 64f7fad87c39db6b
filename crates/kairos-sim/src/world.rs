//! Everything on the disk, as it is seen and as it is durable.
//!
//! Owns files, directories and the changes of names that a crash may still take back, with the rule
//! which of them drag others along. Never counts or fails a call; [`crate::fs`] does, and
//! [`crate::image`] makes of it what a crash leaves.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;

use kairos_disk::fs::{FileKind, Identity, Rename, Stat};
use rustix::io::Errno;

use crate::file::{Attributes, File, What};

pub(crate) const ROOT: u64 = 1;
const DEVICE: u64 = 1;
/// Of the root, and of what a person makes.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;
const PERMISSION_BITS: u32 = 0o777;

/// How the file system keeps what was not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub order: Order,
    /// Syncing a file makes its names durable too, as ext4 does and nobody promises.
    pub names_with_sync: bool,
}

/// Which changes of names survive without which others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Only what is about the same name stays in order, and a rename is whole: all that is promised
    /// anywhere. So a file may lose its old name before it durably has its new one.
    #[default]
    Free,
    /// Only what is about the same name or the same file stays in order.
    Loose,
    /// A crash keeps the beginning of what was done to a directory, as a journaling file system
    /// does; between directories, only what is about the same file stays in order.
    Journaled,
}

pub(crate) type Names = BTreeMap<OsString, u64>;

#[derive(Clone, Debug)]
pub(crate) struct Dir {
    /// As durable as the directory itself.
    pub(crate) mode: u32,
    pub(crate) names: Names,
    pub(crate) durable: Names,
}

impl Dir {
    fn empty(mode: u32) -> Self {
        Self { mode: mode & PERMISSION_BITS, names: Names::new(), durable: Names::new() }
    }
}

/// A change of names that happens whole or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What each name stands for afterwards; none when it is free.
    pub(crate) sets: Vec<(u64, OsString, Option<u64>)>,
    /// Whose names change.
    inodes: Vec<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) files: BTreeMap<u64, Arc<File>>,
    pub(crate) dirs: BTreeMap<u64, Arc<Dir>>,
    /// Not durable yet, in order.
    pub(crate) changes: Vec<Change>,
    pub(crate) inodes: u64,
    pub(crate) stamps: u64,
    /// Which handle holds the lock of a file.
    pub(crate) locks: BTreeMap<u64, u64>,
    /// How many handles may write to a file.
    pub(crate) writers: BTreeMap<u64, usize>,
}

impl Change {
    fn depends_on(&self, earlier: &Self, order: Order) -> bool {
        let same_inode = self.inodes.iter().any(|inode| earlier.inodes.contains(inode));
        let same_name = self.sets.iter().any(|(dir, name, _)| {
            earlier
                .sets
                .iter()
                .any(|set| set.0 == *dir && (order == Order::Journaled || set.1 == *name))
        });
        same_name || (same_inode && order != Order::Free)
    }

    pub(crate) fn apply(&self, names: &mut impl FnMut(u64, &OsStr, Option<u64>)) {
        for (dir, name, inode) in &self.sets {
            names(*dir, name, *inode);
        }
    }
}

fn set(names: &mut Names, name: &OsStr, inode: Option<u64>) {
    match inode {
        Some(inode) => drop(names.insert(name.to_owned(), inode)),
        None => drop(names.remove(name)),
    }
}

impl World {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            files: BTreeMap::new(),
            dirs: BTreeMap::from([(ROOT, Arc::new(Dir::empty(DIRECTORY_MODE)))]),
            changes: Vec::new(),
            inodes: ROOT,
            stamps: 0,
            locks: BTreeMap::new(),
            writers: BTreeMap::new(),
        }
    }

    pub(crate) fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }

    pub(crate) fn dir(&self, dir: u64) -> io::Result<&Dir> {
        Ok(self.dirs.get(&dir).ok_or(Errno::NOTDIR)?)
    }

    pub(crate) fn file(&self, inode: u64) -> io::Result<&File> {
        Ok(self.files.get(&inode).ok_or(Errno::ISDIR)?)
    }

    pub(crate) fn file_mut(&mut self, inode: u64) -> io::Result<&mut File> {
        Ok(Arc::make_mut(self.files.get_mut(&inode).ok_or(Errno::ISDIR)?))
    }

    pub(crate) fn find(&self, dir: u64, name: &OsStr) -> io::Result<u64> {
        Ok(*self.dir(dir)?.names.get(name).ok_or(Errno::NOENT)?)
    }

    pub(crate) fn stat(&self, inode: u64) -> Stat {
        let identity = Identity { device: DEVICE, inode };
        let names = self.dirs.values().flat_map(|dir| dir.names.values());
        let links = names.filter(|named| **named == inode).count() as u64;
        match self.files.get(&inode) {
            Some(file) => Stat {
                identity,
                kind: FileKind::Regular,
                bytes: file.inode.bytes,
                mode: file.inode.attributes.mode,
                links,
                uid: file.inode.attributes.uid,
                gid: file.inode.attributes.gid,
            },
            None => Stat {
                identity,
                kind: FileKind::Directory,
                bytes: 0,
                mode: self.dirs.get(&inode).map_or(0, |dir| dir.mode),
                links: 2,
                uid: 0,
                gid: 0,
            },
        }
    }

    pub(crate) fn make_dir(&mut self, dir: u64, name: &OsStr, mode: u32) -> io::Result<()> {
        self.check_free(dir, name)?;
        self.inodes += 1;
        self.dirs.insert(self.inodes, Arc::new(Dir::empty(mode)));
        self.change([(dir, name, Some(self.inodes))], &[self.inodes]);
        Ok(())
    }

    pub(crate) fn create(&mut self, dir: u64, name: &OsStr, mode: u32) -> io::Result<u64> {
        self.check_free(dir, name)?;
        self.inodes += 1;
        let file = File::new(Attributes { mode, ..Attributes::default() });
        self.files.insert(self.inodes, Arc::new(file));
        self.change([(dir, name, Some(self.inodes))], &[self.inodes]);
        Ok(self.inodes)
    }

    pub(crate) fn link(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> io::Result<()> {
        let inode = self.find(from.0, from.1)?;
        self.check_free(to.0, to.1)?;
        if self.dirs.contains_key(&inode) {
            return Err(Errno::PERM.into());
        }
        self.change([(to.0, to.1, Some(inode))], &[inode]);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, dir: u64, name: &OsStr) -> io::Result<()> {
        let inode = self.find(dir, name)?;
        self.file(inode)?;
        self.change([(dir, name, None)], &[inode]);
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        (from, old): (u64, &OsStr),
        (to, new): (u64, &OsStr),
        how: Rename,
    ) -> io::Result<()> {
        let moved = self.find(from, old)?;
        let there = self.dir(to)?.names.get(new).copied();
        match (how, there) {
            (Rename::NoReplace, Some(_)) => Err(Errno::EXIST.into()),
            (Rename::Exchange, None) => Err(Errno::NOENT.into()),
            // Two names of one file: nothing is done, and that is success.
            (_, Some(there)) if there == moved => Ok(()),
            (Rename::Exchange, Some(there)) => {
                let sets = [(from, old, Some(there)), (to, new, Some(moved))];
                self.change(sets, &[moved, there]);
                Ok(())
            }
            (Rename::Replace | Rename::NoReplace, there) => {
                if let Some(there) = there {
                    self.check_replaceable(moved, there)?;
                }
                let inodes: Vec<u64> = there.into_iter().chain([moved]).collect();
                self.change([(from, old, None), (to, new, Some(moved))], &inodes);
                Ok(())
            }
        }
    }

    fn check_replaceable(&self, moved: u64, there: u64) -> io::Result<()> {
        match (self.dirs.get(&moved), self.dirs.get(&there)) {
            (None, None) => Ok(()),
            (Some(_), Some(dir)) if dir.names.is_empty() => Ok(()),
            (Some(_), Some(_)) => Err(Errno::NOTEMPTY.into()),
            (Some(_), None) => Err(Errno::NOTDIR.into()),
            (None, Some(_)) => Err(Errno::ISDIR.into()),
        }
    }

    fn check_free(&self, dir: u64, name: &OsStr) -> io::Result<()> {
        if self.dir(dir)?.names.contains_key(name) { Err(Errno::EXIST.into()) } else { Ok(()) }
    }

    fn change<const N: usize>(&mut self, sets: [(u64, &OsStr, Option<u64>); N], inodes: &[u64]) {
        let sets = sets.map(|(dir, name, inode)| (dir, name.to_owned(), inode)).to_vec();
        let change = Change { sets, inodes: inodes.to_vec() };
        change.apply(&mut |dir, name, inode| {
            let dir = self.dirs.get_mut(&dir).expect("names change only in directories");
            set(&mut Arc::make_mut(dir).names, name, inode);
        });
        self.changes.push(change);
    }

    /// Makes the names in a directory durable, and what cannot be without them.
    pub(crate) fn sync_dir(&mut self, dir: u64) {
        self.keep_changes(|change| change.sets.iter().any(|(of, ..)| *of == dir));
    }

    /// Makes a file durable.
    pub(crate) fn sync(&mut self, inode: u64, what: What) -> io::Result<()> {
        if self.dirs.contains_key(&inode) {
            self.sync_dir(inode);
            return Ok(());
        }
        self.file_mut(inode)?.sync(what);
        if self.rules.names_with_sync {
            self.keep_changes(|change| change.inodes.contains(&inode));
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn settle(&mut self) {
        for file in self.files.values_mut() {
            Arc::make_mut(file).sync(What::All);
        }
        self.keep_changes(|_| true);
    }

    fn keep_changes(&mut self, wanted: impl Fn(&Change) -> bool) {
        let mut kept: Vec<bool> = self.changes.iter().map(wanted).collect();
        for (later, change) in self.changes.iter().enumerate().rev() {
            if kept[later] {
                for (earlier, kept) in self.changes.iter().zip(&mut kept[..later]) {
                    *kept |= change.depends_on(earlier, self.rules.order);
                }
            }
        }
        let mut kept = kept.into_iter();
        for change in std::mem::take(&mut self.changes) {
            if kept.next() == Some(true) {
                change.apply(&mut |dir, name, inode| {
                    let dir = self.dirs.get_mut(&dir).expect("names change only in directories");
                    set(&mut Arc::make_mut(dir).durable, name, inode);
                });
            } else {
                self.changes.push(change);
            }
        }
    }

    /// Takes back every change whose ground is gone: `kept` says which a crash would keep.
    pub(crate) fn close(&self, kept: &mut [bool]) {
        for later in 0..kept.len() {
            let stands = |earlier: usize| {
                kept[earlier]
                    || !self.changes[later].depends_on(&self.changes[earlier], self.rules.order)
            };
            if !(0..later).all(stands) {
                kept[later] = false;
            }
        }
    }

    /// The names of every directory that can be reached when those changes are kept.
    pub(crate) fn names(&self, kept: &[bool]) -> BTreeMap<u64, Names> {
        let mut all: BTreeMap<u64, Names> =
            self.dirs.iter().map(|(dir, names)| (*dir, names.durable.clone())).collect();
        for (change, _) in self.changes.iter().zip(kept).filter(|(_, kept)| **kept) {
            change.apply(&mut |dir, name, inode| {
                set(all.get_mut(&dir).expect("names change only in directories"), name, inode);
            });
        }
        let mut reached = BTreeMap::new();
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            if let Some(names) = all.remove(&dir) {
                open.extend(names.values().filter(|inode| self.dirs.contains_key(inode)));
                reached.insert(dir, names);
            }
        }
        reached
    }
}
