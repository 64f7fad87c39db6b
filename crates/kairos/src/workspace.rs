//! A workspace and where its things are.
//!
//! Owns the layout below `.kairos/`, that its directories outlive a power loss, and the search for the
//! root. Never reads what lies there.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kairos_disk::fs::Identity;
use kairos_disk::{Blobs, Fs, RealFs};

/// The directory a daemon works in.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// Directories the daemon alone may write.
const OWN: [&str; 7] = ["config", "journal", "blobs", "run", "logs", "keys", "checkpoints"];

impl Workspace {
    pub(crate) fn at(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A place below `.kairos/`.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.root.join(".kairos").join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.own("run/kairos.sock")
    }

    /// Makes the directories that are missing. When this returns, all their names are durable: a file
    /// that is synced later cannot be lost with the directory it lies in.
    pub(crate) fn make(&self) -> io::Result<()> {
        for name in [""].into_iter().chain(OWN) {
            let path = self.own(name);
            make_dir(&path).map_err(|error| at(&path, &error))?;
        }
        // Those that were there too: whoever made them may have ended before a sync.
        for parent in [self.own(""), self.root.clone()] {
            sync_dir(&parent).map_err(|error| at(&parent, &error))?;
        }
        Ok(())
    }

    pub(crate) fn open_root(&self) -> io::Result<<RealFs as Fs>::Dir> {
        RealFs.root(&self.root)
    }

    pub(crate) fn open_own(&self, name: &str) -> io::Result<<RealFs as Fs>::Dir> {
        RealFs.root(&self.own(name))
    }

    pub(crate) fn blobs(&self) -> io::Result<Blobs<RealFs>> {
        Ok(Blobs::new(RealFs, self.open_own("blobs")?))
    }

    /// What no file effect may reach, whatever its name is.
    pub(crate) fn protected(&self) -> io::Result<Vec<Identity>> {
        OWN.iter().map(|name| Ok(RealFs.stat_dir(&self.open_own(name)?)?.identity)).collect()
    }
}

/// Makes `root` and the directories above it that are missing. When this returns, their names are
/// durable.
pub(crate) fn make_root(root: &Path) -> io::Result<()> {
    let missing: Vec<_> = root.ancestors().take_while(|path| !is_there(path)).collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Whether there is something at `path`; the empty one is where the process is.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

/// Makes a directory that is missing, for its owner alone.
fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Makes the names in a directory durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
