//! A tree of real files, and the changes made to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kairos_disk::exchange::{Applied, Change, Failure, Intent, Target, TempName};
use kairos_disk::fs::{Fs, Identity};
use kairos_disk::tree::MISSING;
use kairos_disk::{RealFs, Tree, digest};
use tempfile::TempDir;

use crate::watched::{Watched, Watcher};

pub(crate) const PRE: &[u8] = b"before\n";
pub(crate) const POST: &[u8] = b"after\n";
pub(crate) const TEMP: &str = ".kairos-00000000000000ab";
pub(crate) const NEW: &str = ".kairos-00000000000000ab.new";

/// How many changes there are.
pub(crate) const CHANGES: usize = 6;

/// `docs/a.md` holds [`PRE`]; `docs/b.md` and `other/a.md` are vacant, and `new` is missing.
pub(crate) struct World {
    temp: TempDir,
}

/// Paths and texts of all files, links and special files left out.
pub(crate) type Files = BTreeMap<String, String>;

/// What a person does to have it as before.
pub(crate) type Undo = fn(&World);

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().unwrap() };
        fs::create_dir(world.path("docs")).unwrap();
        fs::create_dir(world.path("other")).unwrap();
        fs::write(world.path("docs/a.md"), PRE).unwrap();
        world
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn tree(&self) -> Tree<RealFs> {
        Tree::new(RealFs, RealFs.root(self.temp.path()).unwrap(), Vec::new())
    }

    pub(crate) fn protecting(&self, path: &str) -> Tree<RealFs> {
        let root = RealFs.root(self.temp.path()).unwrap();
        Tree::new(RealFs, root, vec![identity(&self.path(path))])
    }

    pub(crate) fn watched(&self, watcher: Watcher) -> Tree<Watched> {
        Tree::new(Watched(watcher), RealFs.root(self.temp.path()).unwrap(), Vec::new())
    }

    pub(crate) fn files(&self) -> Files {
        let mut files = Files::new();
        collect(self.temp.path(), self.temp.path(), &mut files);
        files
    }

    pub(crate) fn parent_inode(&self, path: &str) -> u64 {
        fs::metadata(self.path(path).parent().unwrap()).unwrap().ino()
    }

    pub(crate) fn target<'a>(&self, path: &'a str) -> Target<'a> {
        Target { path: Path::new(path), parent_inode: self.parent_inode(path) }
    }

    pub(crate) fn edit(&self, path: &'static str) -> Intent<'static> {
        intent(Change::Edit { at: self.target(path), pre: digest(PRE), post: POST })
    }

    pub(crate) fn create(&self, path: &'static str) -> Intent<'static> {
        intent(Change::Create { at: self.target(path), post: POST, mode: 0o640 })
    }

    pub(crate) fn relocate(&self, from: &'static str, to: &'static str) -> Intent<'static> {
        let (from, to) = (self.target(from), self.target(to));
        intent(Change::Move { from, to, pre: digest(PRE) })
    }

    pub(crate) fn delete(&self, path: &'static str) -> Intent<'static> {
        intent(Change::Delete { at: self.target(path), pre: digest(PRE) })
    }

    /// In a directory that is missing, and so is the one it lies in.
    pub(crate) fn create_below(&self) -> Intent<'static> {
        intent(Change::Create { at: below("new/deep/b.md"), post: POST, mode: 0o640 })
    }

    /// Into such a directory.
    pub(crate) fn relocate_below(&self) -> Intent<'static> {
        let (from, to) = (self.target("docs/a.md"), below("new/deep/a.md"));
        intent(Change::Move { from, to, pre: digest(PRE) })
    }

    /// The four changes, and two that make directories, each with the files it ends in and what undoes it.
    pub(crate) fn changes(&self) -> Vec<(Intent<'static>, Files, Undo)> {
        vec![
            (self.edit("docs/a.md"), files(&[("docs/a.md", POST)]), |world| {
                fs::write(world.path("docs/a.md"), PRE).unwrap();
            }),
            (
                self.create("docs/b.md"),
                files(&[("docs/a.md", PRE), ("docs/b.md", POST)]),
                |world| fs::remove_file(world.path("docs/b.md")).unwrap(),
            ),
            (self.relocate("docs/a.md", "other/a.md"), files(&[("other/a.md", PRE)]), |world| {
                fs::rename(world.path("other/a.md"), world.path("docs/a.md")).unwrap()
            }),
            (self.delete("docs/a.md"), files(&[]), |world| {
                fs::write(world.path("docs/a.md"), PRE).unwrap();
            }),
            (self.create_below(), files(&[("docs/a.md", PRE), ("new/deep/b.md", POST)]), |world| {
                fs::remove_file(world.path("new/deep/b.md")).unwrap()
            }),
            (self.relocate_below(), files(&[("new/deep/a.md", PRE)]), |world| {
                fs::rename(world.path("new/deep/a.md"), world.path("docs/a.md")).unwrap();
            }),
        ]
    }
}

/// Makes the change, in a time that passes ten times as fast. It must pass, because a process that
/// a test beside this one is just starting holds copies of our own handles for an instant.
pub(crate) fn perform<F: Fs>(tree: &Tree<F>, intent: &Intent<'_>) -> Result<Applied, Failure> {
    tree.perform(intent, &mut |pause: Duration| std::thread::sleep(pause / 10))
}

pub(crate) fn files(files: &[(&str, &[u8])]) -> Files {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    files.iter().map(|(path, bytes)| ((*path).to_owned(), text(bytes))).collect()
}

pub(crate) fn identity(path: &Path) -> Identity {
    let stat = fs::symlink_metadata(path).unwrap();
    Identity { device: stat.dev(), inode: stat.ino() }
}

fn below(path: &'static str) -> Target<'static> {
    Target { path: Path::new(path), parent_inode: MISSING }
}

fn intent(change: Change<'static>) -> Intent<'static> {
    Intent { temp: TempName::new(0xab), change }
}

fn collect(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect(root, &entry.path(), files);
        } else if kind.is_file() {
            let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}
