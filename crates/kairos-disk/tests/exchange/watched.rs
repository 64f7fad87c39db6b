//! `RealFs`, with somebody told before and after every call that changes something.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use kairos_disk::fs::{Access, Rename, Space, Stat, Writers};
use kairos_disk::{Fs, RealFs, real};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    MakeDir,
    Create,
    Write,
    Sync,
    SyncDir,
    CopyAttributes,
    Rename(Rename),
    Link,
    Unlink,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before(Call),
    After(Call),
}

/// Answers an error to make the call fail (before it, so that it does nothing).
pub(crate) type Watcher = Box<dyn Fn(Moment) -> io::Result<()> + Send + Sync>;

pub(crate) struct Watched(pub(crate) Watcher);

impl Watched {
    fn around<T>(&self, call: Call, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        (self.0)(Moment::Before(call))?;
        let answer = act()?;
        (self.0)(Moment::After(call))?;
        Ok(answer)
    }
}

impl Fs for Watched {
    type Dir = real::Dir;
    type File = real::File;

    fn open_dir(&self, dir: &real::Dir, path: &Path) -> io::Result<real::Dir> {
        RealFs.open_dir(dir, path)
    }

    fn make_dir(&self, dir: &real::Dir, name: &OsStr, mode: u32) -> io::Result<()> {
        self.around(Call::MakeDir, || RealFs.make_dir(dir, name, mode))
    }

    fn list(&self, dir: &real::Dir) -> io::Result<Vec<OsString>> {
        RealFs.list(dir)
    }

    fn sync_dir(&self, dir: &real::Dir) -> io::Result<()> {
        self.around(Call::SyncDir, || RealFs.sync_dir(dir))
    }

    fn stat_dir(&self, dir: &real::Dir) -> io::Result<Stat> {
        RealFs.stat_dir(dir)
    }

    fn space(&self, dir: &real::Dir) -> io::Result<Space> {
        RealFs.space(dir)
    }

    fn open(&self, dir: &real::Dir, name: &OsStr, access: Access) -> io::Result<real::File> {
        RealFs.open(dir, name, access)
    }

    fn create(&self, dir: &real::Dir, name: &OsStr, mode: u32) -> io::Result<real::File> {
        self.around(Call::Create, || RealFs.create(dir, name, mode))
    }

    fn read_at(&self, file: &real::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        RealFs.read_at(file, buffer, offset)
    }

    fn write_at(&self, file: &real::File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.around(Call::Write, || RealFs.write_at(file, bytes, offset))
    }

    fn set_len(&self, file: &real::File, bytes: u64) -> io::Result<()> {
        RealFs.set_len(file, bytes)
    }

    fn sync(&self, file: &real::File) -> io::Result<()> {
        self.around(Call::Sync, || RealFs.sync(file))
    }

    fn sync_all(&self, file: &real::File) -> io::Result<()> {
        self.around(Call::Sync, || RealFs.sync_all(file))
    }

    fn stat_file(&self, file: &real::File) -> io::Result<Stat> {
        RealFs.stat_file(file)
    }

    fn lock(&self, file: &real::File) -> io::Result<bool> {
        RealFs.lock(file)
    }

    fn writers(&self, file: &real::File) -> io::Result<Writers> {
        RealFs.writers(file)
    }

    fn copy_attributes(&self, from: &real::File, to: &real::File) -> io::Result<()> {
        self.around(Call::CopyAttributes, || RealFs.copy_attributes(from, to))
    }

    fn stat(&self, dir: &real::Dir, name: &OsStr) -> io::Result<Stat> {
        RealFs.stat(dir, name)
    }

    fn changed(&self, dir: &real::Dir, name: &OsStr) -> io::Result<SystemTime> {
        RealFs.changed(dir, name)
    }

    fn rename(
        &self,
        from: (&real::Dir, &OsStr),
        to: (&real::Dir, &OsStr),
        how: Rename,
    ) -> io::Result<()> {
        self.around(Call::Rename(how), || RealFs.rename(from, to, how))
    }

    fn link(&self, from: (&real::Dir, &OsStr), to: (&real::Dir, &OsStr)) -> io::Result<()> {
        self.around(Call::Link, || RealFs.link(from, to))
    }

    fn unlink(&self, dir: &real::Dir, name: &OsStr) -> io::Result<()> {
        self.around(Call::Unlink, || RealFs.unlink(dir, name))
    }
}
