//! Which files on this machine count as its own.
//!
//! Owns the walk from the root to a program: every directory on the way, and the file, belong to who
//! is trusted and are writable by nobody else; links are read one by one and never followed blindly.
//! Nothing in a workspace counts, and no search path of an environment is ever read.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::kind::Kind;

const LINKS_MAX: usize = 40;
/// Where programs of the system are, in the order they are looked for.
const PREFIXES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
const OTHERS_WRITE: u32 = 0o022;
/// A directory that is meant to be written by others.
const EVERYBODYS: u32 = 0o1000;
const SET_ID: u32 = 0o6000;
const EXECUTE: u32 = 0o111;

/// Opens a directory to look further from; needs no right to list it where there is a way.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = OFlags::RDONLY;

/// Where programs are looked for, and whose they may be.
#[derive(Clone, Debug)]
pub struct Trust {
    root: PathBuf,
    prefixes: Vec<PathBuf>,
    owners: Vec<u32>,
    workspace: PathBuf,
    home: Option<PathBuf>,
}

/// A file that was walked to.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) file: OwnedFd,
    /// Without links.
    pub(crate) path: PathBuf,
}

/// Why a path leads to nothing that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    #[error("`{}` is not there", .path.display())]
    Missing { path: PathBuf },
    #[error("`{}` belongs to user {owner}", .path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("`{}` can be written by others (mode {mode:04o})", .path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("`{}` is in the workspace", .path.display())]
    Workspace { path: PathBuf },
    #[error("`{}` leads through more than {LINKS_MAX} links", .path.display())]
    Links { path: PathBuf },
    #[error("`{}` is no program", .path.display())]
    NoProgram { path: PathBuf },
    #[error("`{}` would change who it runs as", .path.display())]
    SetId { path: PathBuf },
    #[error("`{}` cannot be looked at", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Untrusted {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::Io { .. } => Kind::Unavailable,
            Self::Owner { .. }
            | Self::Writable { .. }
            | Self::Workspace { .. }
            | Self::Links { .. }
            | Self::NoProgram { .. }
            | Self::SetId { .. } => Kind::Refused,
        }
    }
}

impl Untrusted {
    /// What an operator could do, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Writable { mode, .. } if mode & EVERYBODYS != 0 => {
                Some("put the program where nobody else can write".to_owned())
            }
            Self::Writable { path, .. } => Some(format!("chmod go-w {}", path.display())),
            Self::Owner { .. } => {
                Some("where the file is yours, name it by `path:` in `commands:`".to_owned())
            }
            Self::Workspace { .. } => Some(
                "put the program outside of every workspace, and name it by `path:`".to_owned(),
            ),
            Self::Missing { .. }
            | Self::Links { .. }
            | Self::NoProgram { .. }
            | Self::SetId { .. }
            | Self::Io { .. } => None,
        }
    }
}

impl Trust {
    /// Programs of the system, which root owns.
    pub fn system(workspace: impl Into<PathBuf>) -> Self {
        Self::new("/", PREFIXES.map(PathBuf::from).to_vec(), vec![0], workspace)
    }

    /// Programs below `root`, in `prefixes` there, of `owners`. Nothing in `workspace` counts.
    pub fn new(
        root: impl Into<PathBuf>,
        prefixes: Vec<PathBuf>,
        owners: Vec<u32>,
        workspace: impl Into<PathBuf>,
    ) -> Self {
        Self { root: root.into(), prefixes, owners, workspace: workspace.into(), home: None }
    }

    /// Adds the home of whom commands run as, an absolute path. What stands there may be its owner's:
    /// a toolchain that a person has installed for themselves.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    pub fn prefixes(&self) -> &[PathBuf] {
        &self.prefixes
    }

    /// Walks to `path`, which an operator or a shipped rule named: it may be theirs, whose daemon this
    /// is, or theirs whom commands run as.
    pub(crate) fn named(&self, path: &Path) -> Result<Walked, Untrusted> {
        let mut owners = self.owners.clone();
        owners.push(rustix::process::geteuid().as_raw());
        let below = |home: &PathBuf| self.root.join(home.strip_prefix("/").unwrap_or(home));
        let home = self.home.as_ref().and_then(|home| rustix::fs::stat(below(home)).ok());
        owners.extend(home.map(|home| home.st_uid));
        self.walk(path, &owners)
    }

    /// Walks to `path`, which nobody named.
    pub(crate) fn found(&self, path: &Path) -> Result<Walked, Untrusted> {
        self.walk(path, &self.owners)
    }

    fn walk(&self, path: &Path, owners: &[u32]) -> Result<Walked, Untrusted> {
        // One that is not there holds nothing.
        let workspace = rustix::fs::stat(&self.workspace).ok();
        let dirs = vec![(self.open_root()?, PathBuf::from("/"))];
        let mut way = Way { owners, workspace, dirs };
        way.trust_last()?;
        let mut left = parts(path);
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                if way.dirs.len() > 1 {
                    way.dirs.pop();
                }
                continue;
            }
            let whole = way.path().join(&name);
            let stat = way.stat(&name, &whole)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Untrusted::Links { path: path.to_owned() });
                    }
                    let target = way.read_link(&name, &whole)?;
                    if target.is_absolute() {
                        way.dirs.truncate(1);
                    }
                    left.extend(parts(&target));
                }
                FileType::Directory => way.step(&name, whole)?,
                FileType::RegularFile if left.is_empty() => return way.file(&name, whole),
                _ => return Err(Untrusted::NoProgram { path: whole }),
            }
        }
        Err(Untrusted::NoProgram { path: path.to_owned() })
    }

    fn open_root(&self) -> Result<OwnedFd, Untrusted> {
        let flags = STEP | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.root, flags, Mode::empty()).map_err(io(Path::new("/")))
    }
}

/// The directories walked through, each open.
struct Way<'a> {
    owners: &'a [u32],
    /// Known by its number: a workspace has more names than one.
    workspace: Option<Stat>,
    dirs: Vec<(OwnedFd, PathBuf)>,
}

impl Way<'_> {
    fn last(&self) -> BorrowedFd<'_> {
        self.dirs.last().expect("the root stays").0.as_fd()
    }

    fn path(&self) -> &Path {
        &self.dirs.last().expect("the root stays").1
    }

    fn stat(&self, name: &OsStr, whole: &Path) -> Result<Stat, Untrusted> {
        rustix::fs::statat(self.last(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(
            |errno| match errno {
                Errno::NOENT => Untrusted::Missing { path: whole.to_owned() },
                errno => io(whole)(errno),
            },
        )
    }

    fn read_link(&self, name: &OsStr, whole: &Path) -> Result<PathBuf, Untrusted> {
        let target = rustix::fs::readlinkat(self.last(), name, Vec::new()).map_err(io(whole))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn step(&mut self, name: &OsStr, whole: PathBuf) -> Result<(), Untrusted> {
        let flags = STEP | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir =
            rustix::fs::openat(self.last(), name, flags, Mode::empty()).map_err(io(&whole))?;
        self.dirs.push((dir, whole));
        self.trust_last()
    }

    /// Judges what is open, which nobody can change for another.
    fn trust_last(&self) -> Result<(), Untrusted> {
        let stat = rustix::fs::fstat(self.last()).map_err(io(self.path()))?;
        let same = |other: &Stat| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino);
        if self.workspace.as_ref().is_some_and(same) {
            return Err(Untrusted::Workspace { path: self.path().to_owned() });
        }
        self.trust(&stat, self.path())
    }

    fn trust(&self, stat: &Stat, path: &Path) -> Result<(), Untrusted> {
        let mode = bits(stat.st_mode) & 0o7777;
        if !self.owners.contains(&stat.st_uid) {
            return Err(Untrusted::Owner { path: path.to_owned(), owner: stat.st_uid });
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(Untrusted::Writable { path: path.to_owned(), mode });
        }
        Ok(())
    }

    fn file(&self, name: &OsStr, path: PathBuf) -> Result<Walked, Untrusted> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(self.last(), name, flags, Mode::empty()).map_err(io(&path))?;
        let stat = rustix::fs::fstat(&file).map_err(io(&path))?;
        self.trust(&stat, &path)?;
        let mode = bits(stat.st_mode);
        if mode & SET_ID != 0 {
            return Err(Untrusted::SetId { path });
        }
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || mode & EXECUTE == 0 {
            return Err(Untrusted::NoProgram { path });
        }
        Ok(Walked { file, path })
    }
}

/// A mode, whose type differs between systems.
fn bits<N: Into<u32>>(mode: N) -> u32 {
    mode.into()
}

/// The names on the way, last first, so that they are taken from the end.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    parts.reverse();
    parts
}

fn io(path: &Path) -> impl Fn(Errno) -> Untrusted + use<> {
    let path = path.to_owned();
    move |errno| Untrusted::Io { path: path.clone(), source: errno.into() }
}
