//! One program, verified.
//!
//! Owns the descriptor that pins which file is meant, what the file was when it was opened, and the
//! digest of its bytes. Whoever executes it takes the descriptor: a file put in its place later is
//! another one. Never decides whether a program may be used.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::trust::Walked;
use crate::kind::Kind;

/// Larger programs are refused.
const PROGRAM_BYTES_MAX: u64 = 1 << 30;

/// A program's file, open: as long as this lives the file cannot become another one.
#[derive(Debug)]
pub struct Binary {
    file: File,
    path: PathBuf,
    stamp: Stamp,
    sha256: [u8; 32],
}

/// What a file was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When the file, or what is said of it, last changed; nobody can set it back.
    pub changed: (i64, i64),
}

/// Why a path is no program.
#[derive(Debug, Error)]
pub enum BinaryError {
    #[error("`{}` cannot be opened as a program", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is no regular file", .path.display())]
    Kind { path: PathBuf },
    #[error("`{}` is larger than {PROGRAM_BYTES_MAX} bytes", .path.display())]
    Large { path: PathBuf },
    #[error("`{}` changed since it was first looked at", .path.display())]
    Changed { path: PathBuf },
}

impl BinaryError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Open { .. } | Self::Changed { .. } => Kind::Unavailable,
            Self::Kind { .. } | Self::Large { .. } => Kind::Refused,
        }
    }
}

impl Binary {
    /// Opens the program at an absolute path that the caller vouches for, links in it resolved first.
    /// What a step names goes through [`Catalog::resolve`](super::Catalog::resolve) instead.
    pub fn open(path: &Path) -> Result<Self, BinaryError> {
        let failed = |source: io::Error| BinaryError::Open { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        Self::pin(fd.into(), real)
    }

    /// Takes the file that a walk led to.
    pub(crate) fn walked(walked: Walked) -> Result<Self, BinaryError> {
        Self::pin(walked.file.into(), walked.path)
    }

    fn pin(file: File, path: PathBuf) -> Result<Self, BinaryError> {
        let failed = |source: io::Error| BinaryError::Open { path: path.clone(), source };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(BinaryError::Kind { path });
        }
        let stat = || rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()));
        let stamp = Stamp::of(&stat()?);
        if stamp.size > PROGRAM_BYTES_MAX {
            return Err(BinaryError::Large { path });
        }
        let sha256 = digest(&file).map_err(failed)?;
        if Stamp::of(&stat()?) != stamp {
            return Err(BinaryError::Changed { path });
        }
        Ok(Self { file, path, stamp, sha256 })
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
        (self.stamp.device, self.stamp.inode)
    }

    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether the open file still is what was read, and still has a name.
    pub fn is_unchanged(&self) -> bool {
        rustix::fs::fstat(&self.file)
            .is_ok_and(|stat| Stamp::of(&stat) == self.stamp && stat.st_nlink > 0)
    }

    /// A second handle on the same open file, once it is seen that the file still is what was read.
    /// Cheap, so that a program is read at the start and looked at again for each command.
    pub fn again(&self) -> Result<Self, BinaryError> {
        if !self.is_unchanged() {
            return Err(BinaryError::Changed { path: self.path.clone() });
        }
        let failed = |source| BinaryError::Open { path: self.path.clone(), source };
        let file = self.file.try_clone().map_err(failed)?;
        Ok(Self { file, path: self.path.clone(), stamp: self.stamp, sha256: self.sha256 })
    }

    /// The first bytes, as many as there are.
    pub(crate) fn head(&self, bytes: &mut [u8]) -> Result<usize, BinaryError> {
        let mut read = 0;
        while read < bytes.len() {
            let more = self
                .file
                .read_at(&mut bytes[read..], wide(read))
                .map_err(|source| BinaryError::Open { path: self.path.clone(), source })?;
            if more == 0 {
                break;
            }
            read += more;
        }
        Ok(read)
    }
}

impl AsFd for Binary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            device: wide(stat.st_dev),
            inode: wide(stat.st_ino),
            size: wide(stat.st_size),
            modified: (stat.st_mtime, wide_signed(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, wide_signed(stat.st_ctime_nsec)),
        }
    }
}

/// The kernel's counts, whose types differ between systems; none is negative or wider.
fn wide<N: TryInto<u64>>(count: N) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}

fn wide_signed<N: TryInto<i64>>(count: N) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn digest(file: &File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut left = file.take(PROGRAM_BYTES_MAX + 1);
    loop {
        match left.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}
