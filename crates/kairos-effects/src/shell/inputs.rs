//! Which files of the workspace a command executes, by content.
//!
//! Owns the walk over what a rule names and the digest of each file, so that a decision about a command
//! is one about what it would execute. Never says "nothing" where it could not look: then nobody can
//! say, and why.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use kairos_disk::fs::{Access, FileKind};
use kairos_disk::{Fs, RealFs};
use kairos_sandbox::catalog::{Grant, Inputs};
use sha2::{Digest as _, Sha256};

use super::resolved::word;

const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 256 << 20;
const ENTRIES_MAX: usize = 200_000;
const DEPTH_MAX: usize = 64;

/// The files of the workspace that a command executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundInputs {
    /// These, with the digest of each, in the order of their paths. A link counts by where it leads,
    /// and by what is there.
    Bound(Vec<(PathBuf, [u8; 32])>),
    /// Nobody can say.
    NotBound { why: String },
}

/// What to look at.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) workspace: &'a Path,
    /// Relative to the workspace.
    pub(super) cwd: &'a Path,
    pub(super) grant: &'a Grant,
}

/// Why nobody can say, in words.
type Why = String;

type Dir = <RealFs as Fs>::Dir;

impl Wanted<'_> {
    pub(super) fn bound(&self) -> BoundInputs {
        match self.found() {
            Ok(found) => BoundInputs::Bound(found.into_iter().collect()),
            Err(why) => BoundInputs::NotBound { why },
        }
    }

    fn found(&self) -> Result<BTreeMap<PathBuf, [u8; 32]>, Why> {
        let (named, globs) = match &self.grant.inputs {
            Inputs::NotBound { why } => return Err(why.clone()),
            Inputs::Bound { named, globs } => (named, globs),
        };
        let unread = |source: io::Error| format!("the workspace cannot be looked at: {source}");
        let root = RealFs.root(self.workspace).map_err(unread)?;
        let mut binding = Binding {
            workspace: self.workspace,
            root: &root,
            found: BTreeMap::new(),
            bytes_left: BYTES_MAX,
        };
        for path in named {
            binding.named(path)?;
        }
        if !globs.is_empty() {
            let nobodys = self.grant.scratch.iter().chain(&self.grant.dropped);
            let left_out = nobodys.map(|dir| self.cwd.join(dir)).chain([".git".into()]).collect();
            let globs = Globs::new(globs, self.cwd)?;
            let mut walk = Walk { binding: &mut binding, globs, left_out, entries: 0 };
            walk.directory(Path::new(""), 0)?;
        }
        Ok(binding.found)
    }
}

/// The globs of a rule, from the workspace's root and from where the command stands.
struct Globs {
    meant: GlobSet,
    not_meant: GlobSet,
}

impl Globs {
    fn new(globs: &[String], cwd: &Path) -> Result<Self, Why> {
        let here = cwd.to_str().ok_or("the working directory's name is no text")?;
        let mut sets = [GlobSetBuilder::new(), GlobSetBuilder::new()];
        for text in globs {
            let (text, set) = match text.strip_prefix('!') {
                Some(text) => (text, &mut sets[1]),
                None => (text.as_str(), &mut sets[0]),
            };
            let text = text.strip_prefix("./").unwrap_or(text);
            let from_here = format!("{}/{text}", globset::escape(here));
            for text in [Some(text), Some(from_here.as_str()).filter(|_| !here.is_empty())] {
                let Some(text) = text else { continue };
                let glob = GlobBuilder::new(text).literal_separator(true).build();
                set.add(glob.map_err(|_| format!("`{text}` is no glob"))?);
            }
        }
        let built = |set: &GlobSetBuilder| set.build().map_err(|error| error.to_string());
        Ok(Self { meant: built(&sets[0])?, not_meant: built(&sets[1])? })
    }

    fn match_one(&self, path: &Path) -> bool {
        self.meant.is_match(path) && !self.not_meant.is_match(path)
    }
}

struct Walk<'a, 'b> {
    binding: &'a mut Binding<'b>,
    globs: Globs,
    /// Relative to the workspace.
    left_out: Vec<PathBuf>,
    entries: usize,
}

impl Walk<'_, '_> {
    fn directory(&mut self, path: &Path, depth: usize) -> Result<(), Why> {
        let unread = |source: io::Error| format!("`{}` cannot be listed: {source}", path.display());
        let dir = RealFs.open_dir(self.binding.root, path).map_err(unread)?;
        let mut names = Vec::new();
        let room = ENTRIES_MAX - self.entries;
        RealFs
            .each_name(&dir, &mut |name| {
                if names.len() <= room {
                    names.push(name.to_owned());
                }
            })
            .map_err(unread)?;
        if names.len() > room {
            return Err(format!("there are more than {ENTRIES_MAX} files and directories"));
        }
        self.entries += names.len();
        for name in names {
            let below = path.join(&name);
            let Ok(kind) = RealFs.stat(&dir, &name).map(|stat| stat.kind) else { continue };
            match kind {
                FileKind::Regular if self.globs.match_one(&below) => {
                    self.binding.file(&dir, &name, below)?;
                }
                // A linked directory is not entered; what it leads to is bound where it stands.
                FileKind::Symlink => self.binding.link(&below)?,
                FileKind::Directory if self.left_out.contains(&below) => {}
                FileKind::Directory if depth == DEPTH_MAX => {
                    return Err(format!("`{}` lies too deep", below.display()));
                }
                FileKind::Directory => self.directory(&below, depth + 1)?,
                FileKind::Regular | FileKind::Special => {}
            }
        }
        Ok(())
    }
}

struct Binding<'a> {
    workspace: &'a Path,
    root: &'a Dir,
    found: BTreeMap<PathBuf, [u8; 32]>,
    bytes_left: u64,
}

impl Binding<'_> {
    /// A file that the argv names. One that is not there is bound by its absence.
    fn named(&mut self, path: &Path) -> Result<(), Why> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let Some(name) = path.file_name() else {
            return Err(format!("`{}` is no file", path.display()));
        };
        let unread = |error: io::Error| format!("`{}` cannot be read: {error}", path.display());
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let dir = match RealFs.open_dir(self.root, parent) {
            Ok(dir) => dir,
            Err(error) if missing(&error) => return Ok(()),
            Err(error) => return Err(unread(error)),
        };
        match RealFs.stat(&dir, name).map(|stat| stat.kind) {
            Ok(FileKind::Regular) => self.file(&dir, name, path.to_owned()),
            Ok(FileKind::Symlink) => self.link(path),
            Ok(FileKind::Directory | FileKind::Special) => {
                Err(format!("`{}` is no file", path.display()))
            }
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(unread(error)),
        }
    }

    fn file(&mut self, dir: &Dir, name: &OsStr, path: PathBuf) -> Result<(), Why> {
        let mut hash = Sha256::new();
        self.read(dir, name, &mut hash)
            .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        self.add(path, hash)
    }

    /// Where a link leads, and what is there where that is a file of the workspace.
    fn link(&mut self, path: &Path) -> Result<(), Why> {
        let unread = |error: io::Error| format!("`{}` cannot be read: {error}", path.display());
        let whole = self.workspace.join(path);
        let to = std::fs::read_link(&whole).map_err(unread)?;
        let mut hash = Sha256::new();
        hash.update(b"link\0");
        hash.update(to.as_os_str().as_bytes());
        let real = whole.canonicalize().ok();
        let inside = real.as_ref().and_then(|real| real.strip_prefix(self.workspace).ok());
        if let Some((parent, name)) = inside.and_then(|at| Some((at.parent()?, at.file_name()?))) {
            let dir = RealFs.open_dir(self.root, parent).map_err(unread)?;
            if RealFs.stat(&dir, name).is_ok_and(|stat| stat.kind == FileKind::Regular) {
                hash.update(b"\0");
                self.read(&dir, name, &mut hash).map_err(unread)?;
            }
        }
        self.add(path.to_owned(), hash)
    }

    fn read(&mut self, dir: &Dir, name: &OsStr, hash: &mut Sha256) -> io::Result<()> {
        let file = RealFs.open(dir, name, Access::Read)?;
        let (mut chunk, mut at) = (vec![0; 64 << 10], 0_u64);
        loop {
            let read = RealFs.read_at(&file, &mut chunk, at)?;
            if read == 0 {
                return Ok(());
            }
            hash.update(&chunk[..read]);
            at += read as u64;
            let left = self.bytes_left.checked_sub(read as u64);
            self.bytes_left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        }
    }

    fn add(&mut self, path: PathBuf, hash: Sha256) -> Result<(), Why> {
        if self.found.len() == FILES_MAX {
            return Err(format!("it may execute more than {FILES_MAX} files"));
        }
        self.found.insert(path, hash.finalize().into());
        Ok(())
    }
}

impl BoundInputs {
    /// In lines for people: how many, and the first of them.
    pub(super) fn lines(&self) -> Vec<String> {
        const SHOWN_MAX: usize = 20;
        match self {
            Self::NotBound { why } => vec![format!("inputs: not bound: {why}")],
            Self::Bound(files) if files.is_empty() => {
                vec!["inputs: executes no file of the workspace".to_owned()]
            }
            Self::Bound(files) => {
                let count = match files.len() {
                    1 => "1 file".to_owned(),
                    n => format!("{n} files"),
                };
                let head = format!("inputs: {count}, bound by content");
                let shown = files.iter().take(SHOWN_MAX);
                let shown = shown
                    .map(|(path, sha256)| format!("  {} {}", hex(sha256), word(path.as_os_str())));
                let more = files.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0);
                let more = more.map(|more| format!("  and {more} more"));
                [head].into_iter().chain(shown).chain(more).collect()
            }
        }
    }
}

pub(super) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn bound(dir: &Path, cwd: &str, inputs: Inputs) -> BoundInputs {
        let grant = Grant { inputs, scratch: vec!["target".into()], ..Grant::default() };
        Wanted { workspace: dir, cwd: Path::new(cwd), grant: &grant }.bound()
    }

    fn globs(globs: &[&str]) -> Inputs {
        Inputs::Bound { named: Vec::new(), globs: globs.iter().map(|g| (*g).to_owned()).collect() }
    }

    fn names(bound: &BoundInputs) -> Vec<&str> {
        match bound {
            BoundInputs::Bound(files) => files.iter().map(|f| f.0.to_str().unwrap()).collect(),
            BoundInputs::NotBound { why } => panic!("{why}"),
        }
    }

    fn tree(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn what_a_rule_names_is_bound_by_content_and_scratch_is_not_looked_at() {
        let files = ["Cargo.toml", "src/a.rs", "src/b.txt", "target/c.rs", ".git/d.rs", "x/e.rs"];
        let (_dir, root) = tree(&files);
        let rust = globs(&["**/*.rs", "Cargo.toml", "!x/**"]);
        let before = bound(&root, "", rust.clone());
        assert_eq!(names(&before), ["Cargo.toml", "src/a.rs"]);
        let BoundInputs::Bound(list) = &before else { panic!() };
        assert_eq!(list[1].1, <[u8; 32]>::from(Sha256::digest("src/a.rs")));
        fs::write(root.join("src/b.txt"), "other").unwrap();
        assert_eq!(bound(&root, "", rust.clone()), before);
        fs::write(root.join("src/a.rs"), "other").unwrap();
        assert_ne!(bound(&root, "", rust), before);
    }

    #[test]
    fn globs_hold_from_the_root_and_from_where_the_command_stands() {
        let (_dir, root) =
            tree(&["Makefile", "sub/Makefile", "sub/sub/Makefile", "other/Makefile"]);
        assert_eq!(names(&bound(&root, "", globs(&["Makefile"]))), ["Makefile"]);
        assert_eq!(names(&bound(&root, "sub", globs(&["Makefile"]))), ["Makefile", "sub/Makefile"]);
    }

    #[test]
    fn a_link_is_bound_by_where_it_leads_and_by_what_is_there() {
        let (_dir, root) = tree(&["real/a.sh", "b.sh"]);
        symlink("real", root.join("linked")).unwrap();
        symlink("real/a.sh", root.join("c.sh")).unwrap();
        let all = globs(&["*.sh"]);
        let before = bound(&root, "", all.clone());
        assert_eq!(names(&before), ["b.sh", "c.sh", "linked"]);
        fs::write(root.join("real/a.sh"), "other").unwrap();
        let after = bound(&root, "", all.clone());
        assert_ne!(after, before);
        fs::remove_file(root.join("linked")).unwrap();
        symlink("/etc", root.join("linked")).unwrap();
        assert_ne!(bound(&root, "", all), after);
    }

    #[test]
    fn a_named_file_is_bound_also_by_not_being_there() {
        let (_dir, root) = tree(&["tools/check.py"]);
        let named = |path: &str| Inputs::Bound { named: vec![path.into()], globs: Vec::new() };
        assert_eq!(names(&bound(&root, "", named("tools/check.py"))), ["tools/check.py"]);
        assert_eq!(bound(&root, "", named("x/y.py")), BoundInputs::Bound(Vec::new()));
        let why = "`tools` is no file".to_owned();
        assert_eq!(bound(&root, "", named("tools")), BoundInputs::NotBound { why });
        let why = "nobody knows".to_owned();
        let not_bound = Inputs::NotBound { why: why.clone() };
        assert_eq!(bound(&root, "", not_bound), BoundInputs::NotBound { why });
    }
}
