//! A directory tree that file effects may touch, and the way to a path in it.
//!
//! Owns the rules by which a path is reached: beneath the root, one directory at a time, over no
//! link and no mount, through no protected directory, to a regular file with one name. Never
//! changes anything. Preparing a change ends here; carrying it out ([`crate::exchange`]) walks the
//! same way again.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::digest::{Digest, digest};
use crate::fs::{Access, FileKind, Fs, Identity, Stat, read_full};
use crate::refusal::{Reason, Refusal};

/// The largest file that is read or changed.
pub const TARGET_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The longest path.
pub const PATH_BYTES_MAX: usize = 4096;

/// Stands for the inode of a directory that did not exist.
pub const MISSING: u64 = 0;

/// A root and what must not be touched beneath it.
pub struct Tree<F: Fs> {
    pub(crate) fs: F,
    pub(crate) root: F::Dir,
    protected: Vec<Identity>,
}

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The inode of its directory. Its device is left out: a path never crosses a mount, and the
    /// number may be another one after a restart.
    pub parent_inode: u64,
    pub stat: Stat,
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

/// The end of the way to a path: its directory, held open, and the name in it.
pub(crate) struct Place<F: Fs> {
    pub(crate) path: PathBuf,
    pub(crate) dir: F::Dir,
    pub(crate) identity: Identity,
    pub(crate) name: OsString,
}

/// A regular file with one name, held open for reading.
pub(crate) struct Opened<F: Fs> {
    pub(crate) file: F::File,
    pub(crate) stat: Stat,
}

impl<F: Fs> Tree<F> {
    /// `protected` are directories, or files, that no path may lead through or to, whatever names
    /// they have at that moment.
    pub fn new(fs: F, root: F::Dir, protected: Vec<Identity>) -> Self {
        Self { fs, root, protected }
    }

    /// Reads the file at `path`, at most [`TARGET_BYTES_MAX`] bytes. Never waits for a FIFO.
    ///
    /// # Errors
    /// Every reason why the path may not be touched.
    pub fn read(&self, path: &Path) -> Result<Found, Refusal> {
        let place = self.place(path)?;
        let opened = self.open(&place)?;
        let bytes = self.bytes(&place, &opened)?;
        let digest = digest(&bytes);
        Ok(Found { parent_inode: place.identity.inode, stat: opened.stat, bytes, digest })
    }

    /// Makes sure that nothing stands at `path`, and answers the inode of its directory: [`MISSING`]
    /// when it, or one on the way to it, does not exist.
    ///
    /// # Errors
    /// [`Reason::Occupied`], and every reason why the path may not be touched.
    pub fn vacant(&self, path: &Path) -> Result<u64, Refusal> {
        let place = match self.place(path) {
            Err(Refusal { reason: Reason::Missing, .. }) => return self.missing(path),
            place => place?,
        };
        self.check_vacant(&place)?;
        Ok(place.identity.inode)
    }

    /// What stands at `path`; of a link, that it is one.
    ///
    /// # Errors
    /// Nothing stands there, or the way to it may not be gone.
    pub fn kind(&self, path: &Path) -> Result<FileKind, Refusal> {
        let place = self.place(path)?;
        let stat = self.fs.stat(&place.dir, &place.name);
        stat.map(|stat| stat.kind).map_err(|source| place.refuse(not_opened(source)))
    }

    /// Walks to the directory of `path`.
    pub(crate) fn place(&self, path: &Path) -> Result<Place<F>, Refusal> {
        self.walk(path, |_, _| Ok(()))
    }

    /// The same, with `before` called for each directory on the way before it is opened: with the
    /// one it lies in, which may be touched, and its name.
    pub(crate) fn walk(
        &self,
        path: &Path,
        mut before: impl FnMut(&F::Dir, &OsStr) -> Result<(), Reason>,
    ) -> Result<Place<F>, Refusal> {
        let refuse = |reason| Refusal { path: path.to_owned(), reason };
        let (parents, name) = plain(path).map_err(refuse)?;
        let mut dir = self
            .fs
            .open_dir(&self.root, Path::new(""))
            .map_err(|source| refuse(Reason::Disk { step: "opening the root", source }))?;
        let mut identity = self.unprotected(&dir).map_err(refuse)?;
        for parent in parents {
            before(&dir, parent).map_err(refuse)?;
            dir = self
                .fs
                .open_dir(&dir, Path::new(parent))
                .map_err(|source| refuse(not_opened(source)))?;
            identity = self.unprotected(&dir).map_err(refuse)?;
        }
        Ok(Place { path: path.to_owned(), dir, identity, name: name.to_owned() })
    }

    /// Opens what stands at `place`.
    pub(crate) fn open(&self, place: &Place<F>) -> Result<Opened<F>, Refusal> {
        self.open_checked(place).map_err(|reason| place.refuse(reason))
    }

    pub(crate) fn bytes(&self, place: &Place<F>, opened: &Opened<F>) -> Result<Vec<u8>, Refusal> {
        let bytes = read_full(&self.fs, &opened.file, TARGET_BYTES_MAX);
        bytes.map_err(|source| match source.kind() {
            io::ErrorKind::FileTooLarge => {
                place.refuse(Reason::TooLarge { bytes_max: TARGET_BYTES_MAX })
            }
            _ => place.refuse(Reason::Disk { step: "reading it", source }),
        })
    }

    pub(crate) fn check_vacant(&self, place: &Place<F>) -> Result<(), Refusal> {
        match self.fs.stat(&place.dir, &place.name) {
            Ok(_) => Err(place.refuse(Reason::Occupied)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(place.refuse(Reason::Disk { step: "looking at it", source })),
        }
    }

    /// Makes sure that the directories to `path` may be made.
    fn missing(&self, path: &Path) -> Result<u64, Refusal> {
        let refuse = |reason| Refusal { path: path.to_owned(), reason };
        let (parents, _) = plain(path).map_err(refuse)?;
        if parents.into_iter().any(crate::exchange::is_reserved) {
            return Err(refuse(Reason::Reserved));
        }
        Ok(MISSING)
    }

    fn open_checked(&self, place: &Place<F>) -> Result<Opened<F>, Reason> {
        // Looked at first, because opening a device may already do something.
        let stat = self.fs.stat(&place.dir, &place.name).map_err(not_opened)?;
        self.check_file(&stat)?;
        let file = self.fs.open(&place.dir, &place.name, Access::Read).map_err(not_opened)?;
        let stat = self
            .fs
            .stat_file(&file)
            .map_err(|source| Reason::Disk { step: "looking at it", source })?;
        self.check_file(&stat)?;
        Ok(Opened { file, stat })
    }

    fn check_file(&self, stat: &Stat) -> Result<(), Reason> {
        match stat.kind {
            FileKind::Regular => {}
            FileKind::Symlink => return Err(Reason::Symlink),
            FileKind::Directory | FileKind::Special => return Err(Reason::NotRegular),
        }
        if self.protected.contains(&stat.identity) {
            return Err(Reason::Protected);
        }
        if stat.links > 1 {
            return Err(Reason::HardLinks { links: stat.links });
        }
        if stat.bytes > TARGET_BYTES_MAX {
            return Err(Reason::TooLarge { bytes_max: TARGET_BYTES_MAX });
        }
        Ok(())
    }

    fn unprotected(&self, dir: &F::Dir) -> Result<Identity, Reason> {
        let stat = self.fs.stat_dir(dir);
        let stat =
            stat.map_err(|source| Reason::Disk { step: "looking at a directory", source })?;
        if self.protected.contains(&stat.identity) {
            return Err(Reason::Protected);
        }
        Ok(stat.identity)
    }
}

impl<F: Fs> Place<F> {
    pub(crate) fn refuse(&self, reason: Reason) -> Refusal {
        Refusal { path: self.path.clone(), reason }
    }
}

impl<F: Fs> fmt::Debug for Tree<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("protected", &self.protected).finish_non_exhaustive()
    }
}

/// Splits a path into the directories that lead to it and its name. Only the one plain spelling is
/// taken, because scopes are judged by the text of a path.
fn plain(path: &Path) -> Result<(Vec<&OsStr>, &OsStr), Reason> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > PATH_BYTES_MAX || bytes.contains(&0) {
        return Err(Reason::NotBeneath);
    }
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => return Err(Reason::NotBeneath),
        }
    }
    // `components` hides doubled slashes and inner dots.
    if names.join(OsStr::new("/")).as_os_str() != path.as_os_str() {
        return Err(Reason::NotBeneath);
    }
    let name = names.pop().ok_or(Reason::NotBeneath)?;
    if crate::exchange::is_reserved(name) {
        return Err(Reason::Reserved);
    }
    Ok((names, name))
}

/// What the refusal of an open beneath a directory says about the path.
fn not_opened(source: io::Error) -> Reason {
    match source.kind() {
        io::ErrorKind::NotFound => Reason::Missing,
        io::ErrorKind::NotADirectory => Reason::NotDirectory,
        io::ErrorKind::CrossesDevices => Reason::OtherMount,
        _ if source.raw_os_error() == Some(libc::ELOOP) => Reason::Symlink,
        _ => Reason::Disk { step: "opening it", source },
    }
}
