//! Which files of the workspace globs name.
//!
//! Owns a bounded, ordered walk that enters only directories some glob can match in. Follows no
//! link, crosses no mount, and leaves out directories that hold what tools made, unless a glob leads
//! into them by name.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use kairos_core::path::RelPath;
use kairos_disk::Fs;
use kairos_disk::fs::FileKind;

/// The most entries looked at.
const ENTRIES_MAX: usize = 20_000;

/// How deep directories may stand in each other.
const DEPTH_MAX: usize = 64;

/// Directories left out by name.
const HEAVY: [&[u8]; 4] = [b".git/objects", b"node_modules", b".venv", b"__pycache__"];

/// The file by which tools mark a directory as one they can make again.
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// What the globs of a mandate name.
pub(super) struct Named {
    set: GlobSet,
    /// The directories the globs lead to before their first wildcard; empty for the root.
    stems: Vec<Vec<u8>>,
    /// Globs that cannot be read.
    pub(super) unreadable: u32,
}

/// What a walk found, in order.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) files: Vec<RelPath>,
    /// Something was not looked at: a limit was reached, or a directory could not be read.
    pub(super) incomplete: bool,
}

impl Named {
    pub(super) fn new(globs: &[String]) -> Self {
        let mut set = GlobSetBuilder::new();
        let mut stems = Vec::new();
        let mut unreadable = 0;
        for text in globs {
            let text = text.strip_prefix("./").unwrap_or(text);
            match GlobBuilder::new(text).literal_separator(true).build() {
                Ok(glob) => {
                    set.add(glob);
                    stems.push(stem(text));
                }
                Err(_) => unreadable += 1,
            }
        }
        // Each glob was read above; only all of them together can still be too large.
        let set = set.build().unwrap_or_else(|_| {
            unreadable = u32::try_from(globs.len()).unwrap_or(u32::MAX);
            GlobSet::empty()
        });
        Self { set, stems, unreadable }
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.set.is_match_candidate(&Candidate::from_bytes(path))
    }

    /// Whether something in the directory `path` could match.
    fn enters(&self, path: &[u8]) -> bool {
        self.stems.iter().any(|stem| is_in(stem, path) || is_in(path, stem))
    }

    /// Whether a glob names the directory `path`, or one in it, without a wildcard.
    fn leads_into(&self, path: &[u8]) -> bool {
        self.stems.iter().any(|stem| is_in(stem, path))
    }
}

/// The regular files beneath `root` that `named` matches, by path.
pub(super) fn files<F: Fs>(fs: &F, root: &F::Dir, named: &Named) -> io::Result<Walked> {
    let mut walk = Walk { fs, named, entries: 0, walked: Walked::default() };
    if !named.set.is_empty() {
        let root = fs.open_dir(root, Path::new(""))?;
        let names = fs.list(&root)?;
        walk.directory(&root, &[], names, 0);
    }
    walk.walked.files.sort_unstable();
    Ok(walk.walked)
}

struct Walk<'a, F: Fs> {
    fs: &'a F,
    named: &'a Named,
    entries: usize,
    walked: Walked,
}

impl<F: Fs> Walk<'_, F> {
    fn directory(&mut self, dir: &F::Dir, path: &[u8], mut names: Vec<OsString>, depth: usize) {
        // In order, so that a limit cuts the same workspace at the same place.
        names.sort_unstable();
        for name in names {
            if self.entries == ENTRIES_MAX {
                self.walked.incomplete = true;
                return;
            }
            self.entries += 1;
            let below = join(path, name.as_bytes());
            match self.fs.stat(dir, &name).map(|stat| stat.kind) {
                Ok(FileKind::Regular) if self.named.matches(&below) => {
                    // What a directory lists is a path; one over the limit cannot be named anyway.
                    self.walked.files.extend(RelPath::from_bytes(&below).ok());
                }
                Ok(FileKind::Directory) if self.named.enters(&below) => {
                    self.enter(dir, &name, &below, depth + 1);
                }
                Ok(
                    FileKind::Regular | FileKind::Directory | FileKind::Symlink | FileKind::Special,
                ) => {}
                // Gone since it was listed, or not ours to see.
                Err(error) => self.walked.incomplete |= error.kind() != io::ErrorKind::NotFound,
            }
        }
    }

    fn enter(&mut self, dir: &F::Dir, name: &OsStr, path: &[u8], depth: usize) {
        let led = self.named.leads_into(path);
        if !led && HEAVY.iter().any(|heavy| is_called(path, heavy)) {
            return;
        }
        let listed = self.fs.open_dir(dir, Path::new(name));
        let listed = listed.and_then(|below| Ok((self.fs.list(&below)?, below)));
        match listed {
            Ok(_) if depth > DEPTH_MAX => self.walked.incomplete = true,
            Ok((names, _)) if !led && names.iter().any(|name| name == CACHE_MARK) => {}
            Ok((names, below)) => self.directory(&below, path, names, depth),
            Err(_) => self.walked.incomplete = true,
        }
    }
}

/// The directories of a glob before its first wildcard.
fn stem(glob: &str) -> Vec<u8> {
    let literal = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    let end = glob[..literal].rfind('/').unwrap_or(0);
    glob.as_bytes()[..end].to_vec()
}

/// Whether the last components of `path` are `name`.
fn is_called(path: &[u8], name: &[u8]) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
}

/// Whether `path` is the directory `dir` or stands in it.
fn is_in(path: &[u8], dir: &[u8]) -> bool {
    let rest = path.strip_prefix(dir);
    rest.is_some_and(|rest| dir.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
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
            ("docs/**/*.md", "docs"),
            ("*.md", ""),
            ("a/b/c.rs", "a/b"),
            ("a/b*/c", "a"),
            ("README", ""),
        ] {
            assert_eq!(stem(glob), expected.as_bytes(), "{glob}");
        }
    }
}
