//! Which files of the workspace globs name.
//!
//! Owns a bounded, ordered walk, one for each directory that globs lead to before their first
//! wildcard, so that a wide glob takes no room from a narrow one. Follows no link, crosses no mount,
//! never enters what belongs to the daemon, and leaves out directories that hold what tools made,
//! unless a glob leads into them by name.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{Candidate, Glob, GlobBuilder, GlobSet};
use kairos_core::gate::scope::{Classified, Scopes};
use kairos_core::glob::is_deep;
use kairos_core::path::RelPath;
use kairos_disk::Fs;
use kairos_disk::fs::FileKind;

use super::os;

/// The most entries looked at on behalf of one stem.
const ENTRIES_MAX: usize = 20_000;

/// How deep directories may stand in each other.
const DEPTH_MAX: usize = 64;

/// Directories left out by name.
const HEAVY: [&[u8]; 4] = [b".git", b"node_modules", b".venv", b"__pycache__"];

/// The file by which tools mark a directory as one they can make again.
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// What the globs of a mandate name.
pub(super) struct Named {
    stems: BTreeMap<Stem, Below>,
    /// Globs that cannot be read, or can match no path.
    pub(super) unreadable: u32,
}

/// The directory a glob leads to before its first wildcard; `None` is the root.
type Stem = Option<RelPath>;

/// The globs of one stem.
#[derive(Default)]
struct Below {
    globs: Vec<Glob>,
    /// How deep below the stem they can match.
    levels: usize,
}

/// What a walk found, in order.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) files: BTreeSet<RelPath>,
    /// Places that were not looked at: a limit was reached, a directory could not be read, or a
    /// glob leads into what nobody may see.
    pub(super) missed: u32,
}

impl Named {
    pub(super) fn new(globs: &[String]) -> Self {
        let mut named = Self { stems: BTreeMap::new(), unreadable: 0 };
        for text in globs {
            let text = text.strip_prefix("./").unwrap_or(text);
            if is_deep(text) {
                named.unreadable += 1;
                continue;
            }
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            match (glob, stem(text)) {
                (Ok(glob), Some(stem)) => {
                    let levels = levels(&text[stem.as_ref().map_or(0, |s| s.as_bytes().len())..]);
                    let below = named.stems.entry(stem).or_default();
                    below.globs.push(glob);
                    below.levels = below.levels.max(levels);
                }
                _ => named.unreadable += 1,
            }
        }
        named
    }
}

/// The regular files beneath `root` that `named` matches, by path. `entered` has each directory before
/// what is in it is listed, and says whether the walk goes on.
pub(super) fn files<F: Fs>(
    (fs, root): (&F, &F::Dir),
    named: &Named,
    scopes: &Scopes,
    entered: &mut dyn FnMut(&F::Dir) -> bool,
) -> Walked {
    let mut walked = Walked::default();
    for (stem, below) in &named.stems {
        let Ok(set) = GlobSet::new(&below.globs) else {
            walked.missed += 1;
            continue;
        };
        let levels = below.levels;
        let mut walk = Walk { fs, scopes, entered, set, levels, entries: 0, incomplete: false };
        walk.from(root, stem.as_ref(), &mut walked.files);
        walked.missed += u32::from(walk.incomplete);
    }
    walked
}

/// One walk from one stem.
struct Walk<'a, F: Fs> {
    fs: &'a F,
    scopes: &'a Scopes,
    entered: &'a mut dyn FnMut(&F::Dir) -> bool,
    set: GlobSet,
    levels: usize,
    entries: usize,
    incomplete: bool,
}

/// What is in a directory.
struct Listed {
    /// In order, so that a limit cuts the same workspace at the same place. Of more than are looked at,
    /// the first.
    names: Vec<OsString>,
    /// A tool made all of it.
    marked: bool,
}

impl<F: Fs> Walk<'_, F> {
    fn from(&mut self, root: &F::Dir, stem: Option<&RelPath>, files: &mut BTreeSet<RelPath>) {
        if stem.is_some_and(|stem| self.is_barred(stem)) {
            self.incomplete = true;
            return;
        }
        let listed = self.fs.open_dir(root, stem.map_or(Path::new(""), os));
        match listed.and_then(|dir| Ok((self.list(&dir)?, dir))) {
            Ok((Some(listed), dir)) => {
                self.directory(&dir, stem.map_or(b"", RelPath::as_bytes), listed.names, 0, files);
            }
            Ok((None, _)) => self.incomplete = true,
            // What is not there, or is no directory, holds nothing that a glob could name.
            Err(error) => {
                let nothing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
                self.incomplete = !nothing.contains(&error.kind());
            }
        }
    }

    /// Files before directories: what stands higher is seen first where a limit cuts.
    fn directory(
        &mut self,
        dir: &F::Dir,
        path: &[u8],
        names: Vec<OsString>,
        depth: usize,
        files: &mut BTreeSet<RelPath>,
    ) {
        let mut directories = Vec::new();
        for name in names {
            if self.entries == ENTRIES_MAX {
                self.incomplete = true;
                break;
            }
            self.entries += 1;
            // What a directory lists is a path; one over the limit cannot be named anyway.
            let Ok(below) = RelPath::from_bytes(&join(path, name.as_bytes())) else { continue };
            match self.fs.stat(dir, &name).map(|stat| stat.kind) {
                Ok(FileKind::Regular) if self.matches(&below) => {
                    files.insert(below);
                }
                Ok(FileKind::Directory) if depth < self.levels && self.enters(&below, &name) => {
                    directories.push((name, below));
                }
                Ok(
                    FileKind::Regular | FileKind::Directory | FileKind::Symlink | FileKind::Special,
                ) => {}
                // Gone since it was listed, or not ours to see.
                Err(error) => self.incomplete |= error.kind() != io::ErrorKind::NotFound,
            }
        }
        for (name, below) in directories {
            if self.entries == ENTRIES_MAX {
                // Nothing in it would be looked at.
                self.incomplete = true;
                return;
            }
            let listed = self.fs.open_dir(dir, Path::new(&name));
            match listed.and_then(|below| Ok((self.list(&below)?, below))) {
                Ok((None, _)) => {
                    self.incomplete = true;
                    return;
                }
                Ok(_) if depth == DEPTH_MAX => self.incomplete = true,
                Ok((Some(Listed { marked: true, .. }), _)) => {}
                Ok((Some(listed), opened)) => {
                    self.directory(&opened, below.as_bytes(), listed.names, depth + 1, files);
                }
                Err(_) => self.incomplete = true,
            }
        }
    }

    /// None where the walk is to end.
    fn list(&mut self, dir: &F::Dir) -> io::Result<Option<Listed>> {
        if !(self.entered)(dir) {
            return Ok(None);
        }
        let (mut names, mut marked) = (BinaryHeap::new(), false);
        self.fs.each_name(dir, &mut |name| {
            marked |= name == CACHE_MARK;
            // One more than are looked at tells that there are more.
            if names.len() > ENTRIES_MAX {
                if names.peek().is_some_and(|last: &OsString| last.as_os_str() <= name) {
                    return;
                }
                names.pop();
            }
            names.push(name.to_owned());
        })?;
        Ok(Some(Listed { names: names.into_sorted_vec(), marked }))
    }

    fn matches(&self, path: &RelPath) -> bool {
        self.set.is_match_candidate(&Candidate::from_bytes(path.as_bytes()))
    }

    fn enters(&self, path: &RelPath, name: &OsString) -> bool {
        !HEAVY.contains(&name.as_bytes()) && !self.is_barred(path)
    }

    /// Whether nothing at or below `path` is for a model: the daemon's own files, and what git
    /// stores, which is no text.
    fn is_barred(&self, path: &RelPath) -> bool {
        let mut names = path.components().skip_while(|name| *name != b".git");
        matches!(self.scopes.classify(path), Classified::Refused { .. })
            || names.any(|name| name == b"objects")
    }
}

/// The directory a glob leads to before its first wildcard; `None` where that is no plain path, so
/// that the glob can match none.
fn stem(glob: &str) -> Option<Stem> {
    let literal = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    let Some(end) = glob[..literal].rfind('/') else { return Some(None) };
    let path = RelPath::from_bytes(&glob.as_bytes()[..end]).ok()?;
    (path.as_bytes() == &glob.as_bytes()[..end]).then_some(Some(path))
}

/// How many directories below its stem a glob can match in, `rest` being what follows the stem.
fn levels(rest: &str) -> usize {
    // Alternatives may have slashes of their own.
    let open = rest.contains("**") || rest.contains('{');
    let slashes = rest.trim_start_matches('/').matches('/').count();
    if open { usize::MAX } else { slashes }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_ends_before_the_first_wildcard() {
        for (glob, expected) in [
            ("docs/**/*.md", Some("docs")),
            ("*.md", None),
            ("a/b/c.rs", Some("a/b")),
            ("a/b*/c", Some("a")),
            ("README", None),
        ] {
            let expected = expected.map(|path| path.parse().expect("a path"));
            assert_eq!(stem(glob), Some(expected), "{glob}");
        }
        for glob in ["/etc/*", "../x/*", "a//b/*", "a/./b"] {
            assert_eq!(stem(glob), None, "{glob}");
        }
    }

    /// How many directories are entered, and how many places are missed, where `goes_on` says so.
    fn walked(dir: &Path, goes_on: &mut dyn FnMut(usize) -> bool) -> (usize, u32) {
        let root = kairos_disk::RealFs.root(dir).expect("the root");
        let (named, mut entered) = (Named::new(&["**".to_owned()]), 0);
        let mut enters = |_: &_| {
            entered += 1;
            goes_on(entered)
        };
        let walked = files((&kairos_disk::RealFs, &root), &named, &Scopes::default(), &mut enters);
        (entered, walked.missed)
    }

    #[test]
    fn a_glob_of_many_alternatives_in_each_other_is_not_read() {
        let deep = |n: usize| format!("{}b{}", "{a,".repeat(n), "}".repeat(n));
        let unreadable = |n| Named::new(&[deep(n)]).unreadable;
        assert_eq!([64, 65, 300_000].map(unreadable), [0, 1, 1]);
    }

    #[test]
    fn a_walk_that_is_not_to_go_on_ends_and_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        for n in 0..9 {
            std::fs::create_dir_all(dir.path().join(format!("{n}/a/b"))).expect("made");
        }
        assert_eq!(walked(dir.path(), &mut |_| true), (1 + 3 * 9, 0));
        // The one that says so, and one on the way out.
        assert_eq!(walked(dir.path(), &mut |entered| entered < 4), (5, 1));
    }

    #[test]
    fn beyond_the_entries_that_are_looked_at_no_directory_is_listed() {
        let dir = tempfile::tempdir().expect("a directory");
        for n in 0..ENTRIES_MAX {
            std::fs::write(dir.path().join(format!("b{n}")), "").expect("written");
        }
        assert_eq!(walked(dir.path(), &mut |_| true), (1, 0));
        for n in 0..9 {
            std::fs::create_dir(dir.path().join(format!("a{n}"))).expect("made");
        }
        assert_eq!(walked(dir.path(), &mut |_| true), (1, 1));
    }

    #[test]
    fn a_glob_without_a_double_star_reaches_as_deep_as_it_has_slashes() {
        for (glob, expected) in [
            ("*.md", 0),
            ("docs/install.md", 0),
            ("a/*/c", 1),
            ("a/**", usize::MAX),
            ("a/{b/c,d}", usize::MAX),
        ] {
            let named = Named::new(&[glob.to_owned()]);
            let levels: Vec<usize> = named.stems.values().map(|below| below.levels).collect();
            assert_eq!(levels, [expected], "{glob}");
        }
    }
}
