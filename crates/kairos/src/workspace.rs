//! A workspace and where its things are.
//!
//! Owns the layout below `.kairos/` and the search for the root. Never reads what lies there.

use std::fs::DirBuilder;
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

    /// Makes the directories that are missing.
    pub(crate) fn make(&self) -> io::Result<()> {
        for name in [""].into_iter().chain(OWN) {
            let made = DirBuilder::new().mode(0o700).create(self.own(name));
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    let path = self.own(name);
                    let text = format!("`{}`: {error}", path.display());
                    return Err(io::Error::new(error.kind(), text));
                }
                _ => {}
            }
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
