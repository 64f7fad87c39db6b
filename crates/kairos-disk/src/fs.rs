//! The seam to the file system.
//!
//! Owns the list of everything kairos ever asks of a disk. Never interprets bytes. The journal,
//! the blobs and the file exchange are written against this trait; [`crate::RealFs`] is Linux, and
//! a simulator that forgets un-synced writes is just another implementation.
//!
//! Every call names its place as (directory handle, relative path). Directories are opened beneath
//! another one without following links or crossing mounts (`openat2(2)`, `RESOLVE_BENEATH |
//! RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV`), so a path cannot lead out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Device and inode: which object, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
}

/// What kind of object a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Regular,
    Directory,
    Symlink,
    /// FIFO, socket or device.
    Special,
}

/// `stat(2)`, as far as kairos looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub identity: Identity,
    pub kind: FileKind,
    pub bytes: u64,
    /// Permission bits, setuid, setgid and sticky among them (`0o7777`).
    pub mode: u32,
    pub links: u64,
    pub uid: u32,
    pub gid: u32,
}

/// How an existing file is opened. Never blocks (`O_NONBLOCK`), never follows a final link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

/// What `rename` does when the new name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// The old object at the new name is gone.
    Replace,
    /// Fails with `AlreadyExists` (`RENAME_NOREPLACE`).
    NoReplace,
    /// The two names swap objects (`RENAME_EXCHANGE`); both must exist.
    Exchange,
}

/// Whether somebody else holds a file open for writing, as a read lease tells (`fcntl(2)`,
/// `F_SETLEASE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// A read lease was granted: nobody.
    None,
    /// The lease was refused with `EAGAIN`: somebody.
    Some,
    /// Leases do not work here, or the file is not ours: nobody can say.
    Unknown,
}

/// Room on the file system of a directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free for this process, reserved blocks left out.
    pub available: u64,
    pub total: u64,
}

/// Everything kairos asks of a disk.
///
/// Errors are the system's, unchanged: `NotFound`, `AlreadyExists`, `StorageFull` and
/// `raw_os_error()` mean what they mean. `EINTR` is retried inside. `read_at` and `write_at` may
/// be short, as in POSIX; [`read_full`] and [`write_full`] are not.
pub trait Fs: Send + Sync {
    /// A directory, held open: stays the same directory when it is renamed.
    type Dir: Send + Sync;
    /// An open file. Closed when dropped.
    type File: Send + Sync;

    /// Opens the directory `path` beneath `dir`. The empty path and `.` open `dir` anew.
    fn open_dir(&self, dir: &Self::Dir, path: &Path) -> io::Result<Self::Dir>;
    /// Makes one directory, its permission bits `mode` exactly (`0o777`; no umask); setgid it may
    /// inherit. `AlreadyExists` when the name is taken, by whatever. A failure may leave it behind.
    fn make_dir(&self, dir: &Self::Dir, name: &OsStr, mode: u32) -> io::Result<()>;
    /// The names in a directory, `.` and `..` left out, in no order.
    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<OsString>>;
    /// The same names, one at a time: for a directory of any size.
    fn each_name(&self, dir: &Self::Dir, each: &mut dyn FnMut(&OsStr)) -> io::Result<()> {
        self.list(dir)?.iter().for_each(|name| each(name));
        Ok(())
    }
    /// Makes the directory's entries durable (`fsync(2)` on the directory).
    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()>;
    /// The directory's own identity, whatever its name is now.
    fn stat_dir(&self, dir: &Self::Dir) -> io::Result<Stat>;
    /// Whether all names of one file beneath `dir` show the same identity. In an overlay they do
    /// not, when the file comes from a lower layer.
    fn names_agree(&self, _dir: &Self::Dir) -> io::Result<bool> {
        Ok(true)
    }
    /// Room left where `dir` lies.
    fn space(&self, dir: &Self::Dir) -> io::Result<Space>;

    /// Opens an existing file.
    fn open(&self, dir: &Self::Dir, name: &OsStr, access: Access) -> io::Result<Self::File>;
    /// Creates a file that must not exist, open for reading and writing (`O_EXCL`), mode `mode`
    /// exactly (no umask).
    fn create(&self, dir: &Self::Dir, name: &OsStr, mode: u32) -> io::Result<Self::File>;
    /// Reads at `offset`; 0 at the end.
    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`, growing the file.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Sets the length.
    fn set_len(&self, file: &Self::File, bytes: u64) -> io::Result<()>;
    /// Makes content and what is needed to read it durable (`fdatasync(2)`). Mode, owner and
    /// extended attributes may stay behind.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Makes content and everything about the file durable (`fsync(2)`).
    fn sync_all(&self, file: &Self::File) -> io::Result<()>;
    /// `fstat(2)`.
    fn stat_file(&self, file: &Self::File) -> io::Result<Stat>;
    /// Takes the exclusive advisory lock without waiting (`flock(2)`): `false` when another holds
    /// it. Held until the file is dropped.
    fn lock(&self, file: &Self::File) -> io::Result<bool>;
    /// Asks for a read lease once and gives it back at once.
    fn writers(&self, file: &Self::File) -> io::Result<Writers>;
    /// Copies mode, owner, ACL and extended attributes of one file to another; setuid, setgid and
    /// capabilities are left behind.
    fn copy_attributes(&self, from: &Self::File, to: &Self::File) -> io::Result<()>;
    /// Gives a file that root made in somebody's directory to whose directory it is; else nothing.
    fn give_file(&self, _dir: &Self::Dir, _file: &Self::File) -> io::Result<()> {
        Ok(())
    }
    /// The same of a directory that was just made, and is empty.
    fn give_dir(&self, _dir: &Self::Dir, _name: &OsStr) -> io::Result<()> {
        Ok(())
    }

    /// `stat(2)` of a name, not following a link.
    fn stat(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<Stat>;
    /// When content, names or mode of what stands there last changed (`st_ctime`), by the wall clock;
    /// not following a link.
    fn changed(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<SystemTime>;
    /// Renames between two directories of one file system (`renameat2(2)`).
    fn rename(
        &self,
        from: (&Self::Dir, &OsStr),
        to: (&Self::Dir, &OsStr),
        how: Rename,
    ) -> io::Result<()>;
    /// Gives a file a second name (`link(2)`): `AlreadyExists` when it is taken; a link is not
    /// followed.
    fn link(&self, from: (&Self::Dir, &OsStr), to: (&Self::Dir, &OsStr)) -> io::Result<()>;
    /// Removes a name.
    fn unlink(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<()>;
}

/// Reads `file` from its start to its end, at most `bytes_max` bytes.
///
/// # Errors
/// `FileTooLarge` when there is more than `bytes_max`; else the system's.
pub fn read_full<F: Fs>(fs: &F, file: &F::File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = fs.read_at(file, &mut chunk, bytes.len() as u64)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&chunk[..read]);
        if bytes.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// The system's; `WriteZero` when the disk takes nothing.
pub fn write_full<F: Fs>(fs: &F, file: &F::File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match fs.write_at(file, &bytes[written..], offset + written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => written += n,
        }
    }
    Ok(())
}
