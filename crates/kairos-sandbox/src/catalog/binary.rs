//! One program, verified.
//!
//! Owns the descriptor that pins which file is meant, and its digest. Never decides whether a program
//! may be used.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A program's file, open: as long as this lives the file cannot become another one.
#[derive(Debug)]
pub struct Binary {
    file: File,
    path: PathBuf,
    dev: u64,
    ino: u64,
    sha256: [u8; 32],
}

/// Why a path is no program.
#[derive(Debug, Error)]
pub enum BinaryError {
    #[error("`{path}` cannot be opened as a program")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is no regular file")]
    Kind { path: PathBuf },
}

impl Binary {
    /// Opens the program at an absolute path, links in it resolved first.
    pub fn open(path: &Path) -> Result<Self, BinaryError> {
        let failed = |source: io::Error| BinaryError::Open { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let mut file = File::from(fd);
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(BinaryError::Kind { path: real });
        }
        let sha256 = digest(&mut file).map_err(failed)?;
        Ok(Self { file, path: real, dev: found.dev(), ino: found.ino(), sha256 })
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Device and inode.
    pub fn identity(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }
}

impl AsFd for Binary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn digest(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}
