//! Linux.
//!
//! Owns the translation of each [`Fs`] call into system calls. Never decides anything: no checks
//! beyond what the trait promises, no retries but `EINTR`. The journal, the blobs and the exchange
//! reach the disk only through here.

mod attributes;
mod lease;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::fs::{Access, FileKind, Fs, Identity, Rename, Space, Stat, Writers};

/// The file systems of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

/// A directory held open.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A file held open.
#[derive(Debug)]
pub struct File(OwnedFd);

/// Permission bits of `st_mode`.
const MODE_BITS: u32 = 0o7777;

/// Those of them that say who may do what.
const PERMISSION_BITS: u32 = 0o777;

/// How a name beneath a directory is opened: never out of it, over a link or onto another mount.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// `OVERLAYFS_SUPER_MAGIC` of `linux/magic.h`.
const OVERLAY: rustix::fs::FsWord = 0x794c_7630;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `O_NONBLOCK` so that a FIFO or a leased file cannot hold up the caller.
const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

impl RealFs {
    /// Opens a directory to start from, wherever it is: the path is the operator's own word, so
    /// links and mounts on the way are followed.
    ///
    /// # Errors
    /// The system's.
    pub fn root(self, path: &Path) -> io::Result<Dir> {
        let open = || rustix::fs::open(path, DIRECTORY, Mode::empty());
        Ok(Dir(retry_on_intr(open)?))
    }
}

impl Fs for RealFs {
    type Dir = Dir;
    type File = File;

    fn open_dir(&self, dir: &Dir, path: &Path) -> io::Result<Dir> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // No `O_NOFOLLOW`: it would hide a link as `ENOTDIR`, where `BENEATH` says `ELOOP`.
        Ok(Dir(open_beneath(dir, path, DIRECTORY, Mode::empty())?))
    }

    fn make_dir(&self, dir: &Dir, name: &OsStr, mode: u32) -> io::Result<()> {
        let (name, mode) = (component(name)?, mode & PERMISSION_BITS);
        retry_on_intr(|| rustix::fs::mkdirat(&dir.0, name, Mode::from_raw_mode(mode)))?;
        let made = open_beneath(dir, Path::new(name), DIRECTORY, Mode::empty())?;
        // The umask and the directory's default ACL have changed what was asked for.
        let inherited = stat_open(made.as_fd())?.mode & !PERMISSION_BITS;
        let mode = Mode::from_raw_mode(inherited | mode);
        Ok(retry_on_intr(|| rustix::fs::fchmod(&made, mode))?)
    }

    fn list(&self, dir: &Dir) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        self.each_name(dir, &mut |name| names.push(name.to_owned()))?;
        Ok(names)
    }

    fn each_name(&self, dir: &Dir, each: &mut dyn FnMut(&OsStr)) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&dir.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(OsStr::from_bytes(name));
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Dir) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(&dir.0))?)
    }

    fn stat_dir(&self, dir: &Dir) -> io::Result<Stat> {
        stat_open(dir.0.as_fd())
    }

    fn names_agree(&self, dir: &Dir) -> io::Result<bool> {
        let stat = retry_on_intr(|| rustix::fs::fstatfs(&dir.0))?;
        Ok(stat.f_type != OVERLAY)
    }

    fn space(&self, dir: &Dir) -> io::Result<Space> {
        let stat = retry_on_intr(|| rustix::fs::fstatvfs(&dir.0))?;
        Ok(Space {
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    fn open(&self, dir: &Dir, name: &OsStr, access: Access) -> io::Result<File> {
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let name = Path::new(component(name)?);
        Ok(File(open_beneath(dir, name, FILE | access, Mode::empty())?))
    }

    fn create(&self, dir: &Dir, name: &OsStr, mode: u32) -> io::Result<File> {
        let mode = Mode::from_raw_mode(mode & MODE_BITS);
        let flags = FILE | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = File(open_beneath(dir, Path::new(component(name)?), flags, mode)?);
        // The umask and the directory's default ACL have changed what was asked for.
        match retry_on_intr(|| rustix::fs::fchmod(&file.0, mode)) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.unlink(dir, name)?;
                Err(error.into())
            }
        }
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&file.0, &mut *buffer, offset))?)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pwrite(&file.0, bytes, offset))?)
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&file.0, bytes))?)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fdatasync(&file.0))?)
    }

    fn sync_all(&self, file: &File) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(&file.0))?)
    }

    fn stat_file(&self, file: &File) -> io::Result<Stat> {
        stat_open(file.0.as_fd())
    }

    fn lock(&self, file: &File) -> io::Result<bool> {
        let how = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        match retry_on_intr(|| rustix::fs::flock(&file.0, how)) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn writers(&self, file: &File) -> io::Result<Writers> {
        lease::writers(file.0.as_fd())
    }

    fn copy_attributes(&self, from: &File, to: &File) -> io::Result<()> {
        attributes::copy(from.0.as_fd(), to.0.as_fd())
    }

    fn give_file(&self, dir: &Dir, file: &File) -> io::Result<()> {
        let heir = attributes::heir(dir.0.as_fd())?;
        heir.map_or(Ok(()), |heir| attributes::give(file.0.as_fd(), heir))
    }

    fn give_dir(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        let Some(heir) = attributes::heir(dir.0.as_fd())? else { return Ok(()) };
        let made = open_beneath(dir, Path::new(component(name)?), DIRECTORY, Mode::empty())?;
        // Whoever owns the directory may have put another of root's there meanwhile: of one that is
        // empty nobody gains anything.
        for entry in rustix::fs::Dir::read_from(&made)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Ok(());
            }
        }
        attributes::give(made.as_fd(), heir)
    }

    fn stat(&self, dir: &Dir, name: &OsStr) -> io::Result<Stat> {
        statx(dir.0.as_fd(), component(name)?, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn changed(&self, dir: &Dir, name: &OsStr) -> io::Result<SystemTime> {
        let (name, flags) = (component(name)?, AtFlags::SYMLINK_NOFOLLOW);
        let stat = retry_on_intr(|| rustix::fs::statx(&dir.0, name, flags, StatxFlags::CTIME))?;
        // A file system may be older than the epoch it counts from; that is old enough.
        let seconds = u64::try_from(stat.stx_ctime.tv_sec).unwrap_or_default();
        Ok(SystemTime::UNIX_EPOCH + Duration::new(seconds, stat.stx_ctime.tv_nsec))
    }

    fn rename(
        &self,
        (from, old): (&Dir, &OsStr),
        (to, new): (&Dir, &OsStr),
        how: Rename,
    ) -> io::Result<()> {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        let (old, new) = (component(old)?, component(new)?);
        Ok(retry_on_intr(|| rustix::fs::renameat_with(&from.0, old, &to.0, new, flags))?)
    }

    fn link(&self, (from, old): (&Dir, &OsStr), (to, new): (&Dir, &OsStr)) -> io::Result<()> {
        let (old, new) = (component(old)?, component(new)?);
        Ok(retry_on_intr(|| rustix::fs::linkat(&from.0, old, &to.0, new, AtFlags::empty()))?)
    }

    fn unlink(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        let name = component(name)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&dir.0, name, AtFlags::empty()))?)
    }
}

/// A name that stands for an entry of its directory and nothing else. Only opening has the kernel's
/// `RESOLVE_BENEATH`; rename, unlink and stat would follow a slash.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    match name.as_bytes() {
        b"" | b"." | b".." => Err(io::ErrorKind::InvalidInput.into()),
        bytes if bytes.contains(&b'/') => Err(io::ErrorKind::InvalidInput.into()),
        _ => Ok(name),
    }
}

fn open_beneath(dir: &Dir, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| rustix::fs::openat2(&dir.0, path, flags, mode, BENEATH))?)
}

fn stat_open(fd: BorrowedFd<'_>) -> io::Result<Stat> {
    statx(fd, OsStr::new(""), AtFlags::EMPTY_PATH)
}

fn statx(fd: BorrowedFd<'_>, name: &OsStr, flags: AtFlags) -> io::Result<Stat> {
    let stat = retry_on_intr(|| rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS))?;
    let mode = u32::from(stat.stx_mode);
    Ok(Stat {
        identity: Identity {
            device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
        },
        kind: match FileType::from_raw_mode(mode) {
            FileType::RegularFile => FileKind::Regular,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => FileKind::Special,
        },
        bytes: stat.stx_size,
        mode: mode & MODE_BITS,
        links: u64::from(stat.stx_nlink),
        uid: stat.stx_uid,
        gid: stat.stx_gid,
    })
}
