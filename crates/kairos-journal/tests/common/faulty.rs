//! A disk that fails when told to.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use kairos_disk::fs::{Access, Rename, Space, Stat, Writers};
use kairos_disk::{Fs, RealFs};

/// One kind of call on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    List,
    SyncDir,
    Space,
    Open,
    Create,
    Read,
    Write,
    /// A write of nothing but zeros: a segment in the making.
    Fill,
    Sync,
    Rename,
    Unlink,
}

/// Which calls fail, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Every call of this kind fails so.
    pub(crate) every: Option<(Call, io::ErrorKind)>,
    /// The n-th call of any kind fails; counted from 0, and down.
    pub(crate) nth: Option<usize>,
    /// Once one has failed, all do.
    pub(crate) stays: bool,
    /// A write takes at most so many bytes.
    pub(crate) write_bytes_max: Option<usize>,
    /// What has been called.
    pub(crate) calls: Vec<Call>,
    /// What somebody else does just before each call.
    pub(crate) beside: Option<Beside>,
    failed: bool,
}

/// Given the number of the call, from 0, and what it is.
#[derive(Clone)]
pub(crate) struct Beside(pub(crate) Arc<dyn Fn(usize, Call) + Send + Sync>);

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

/// This machine's disk behind a plan.
#[derive(Clone, Default)]
pub(crate) struct Faulty(Arc<Mutex<Plan>>);

impl Faulty {
    pub(crate) fn plan(&self, edit: impl FnOnce(&mut Plan)) {
        edit(&mut self.0.lock().expect("no test panics with it"));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().expect("no test panics with it").calls.clone()
    }

    fn pass(&self, call: Call) -> io::Result<Option<usize>> {
        let mut plan = self.0.lock().expect("no test panics with it");
        if let Some(Beside(act)) = &plan.beside {
            act(plan.calls.len(), call);
        }
        plan.calls.push(call);
        if let Some((kind, error)) = plan.every
            && kind == call
        {
            return Err(error.into());
        }
        let due = plan.nth == Some(0);
        plan.nth = plan.nth.and_then(|nth| nth.checked_sub(1));
        if due || (plan.failed && plan.stays) {
            plan.failed = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(plan.write_bytes_max)
    }
}

impl Fs for Faulty {
    type Dir = <RealFs as Fs>::Dir;
    type File = <RealFs as Fs>::File;

    fn open_dir(&self, dir: &Self::Dir, path: &Path) -> io::Result<Self::Dir> {
        RealFs.open_dir(dir, path)
    }

    fn make_dir(&self, dir: &Self::Dir, name: &OsStr, mode: u32) -> io::Result<()> {
        RealFs.make_dir(dir, name, mode)
    }

    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<OsString>> {
        self.pass(Call::List)?;
        RealFs.list(dir)
    }

    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()> {
        self.pass(Call::SyncDir)?;
        RealFs.sync_dir(dir)
    }

    fn stat_dir(&self, dir: &Self::Dir) -> io::Result<Stat> {
        RealFs.stat_dir(dir)
    }

    fn space(&self, dir: &Self::Dir) -> io::Result<Space> {
        self.pass(Call::Space)?;
        RealFs.space(dir)
    }

    fn open(&self, dir: &Self::Dir, name: &OsStr, access: Access) -> io::Result<Self::File> {
        self.pass(Call::Open)?;
        RealFs.open(dir, name, access)
    }

    fn create(&self, dir: &Self::Dir, name: &OsStr, mode: u32) -> io::Result<Self::File> {
        self.pass(Call::Create)?;
        RealFs.create(dir, name, mode)
    }

    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.pass(Call::Read)?;
        RealFs.read_at(file, buffer, offset)
    }

    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let zeros = bytes.iter().all(|byte| *byte == 0);
        let call = if zeros { Call::Fill } else { Call::Write };
        let bytes_max = self.pass(call)?.unwrap_or(usize::MAX);
        RealFs.write_at(file, &bytes[..bytes.len().min(bytes_max)], offset)
    }

    fn set_len(&self, file: &Self::File, bytes: u64) -> io::Result<()> {
        RealFs.set_len(file, bytes)
    }

    fn sync(&self, file: &Self::File) -> io::Result<()> {
        self.pass(Call::Sync)?;
        RealFs.sync(file)
    }

    fn sync_all(&self, file: &Self::File) -> io::Result<()> {
        self.pass(Call::Sync)?;
        RealFs.sync_all(file)
    }

    fn stat_file(&self, file: &Self::File) -> io::Result<Stat> {
        RealFs.stat_file(file)
    }

    fn lock(&self, file: &Self::File) -> io::Result<bool> {
        RealFs.lock(file)
    }

    fn writers(&self, file: &Self::File) -> io::Result<Writers> {
        RealFs.writers(file)
    }

    fn copy_attributes(&self, from: &Self::File, to: &Self::File) -> io::Result<()> {
        RealFs.copy_attributes(from, to)
    }

    fn stat(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<Stat> {
        RealFs.stat(dir, name)
    }

    fn changed(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<SystemTime> {
        RealFs.changed(dir, name)
    }

    fn rename(
        &self,
        from: (&Self::Dir, &OsStr),
        to: (&Self::Dir, &OsStr),
        how: Rename,
    ) -> io::Result<()> {
        self.pass(Call::Rename)?;
        RealFs.rename(from, to, how)
    }

    fn link(&self, from: (&Self::Dir, &OsStr), to: (&Self::Dir, &OsStr)) -> io::Result<()> {
        RealFs.link(from, to)
    }

    fn unlink(&self, dir: &Self::Dir, name: &OsStr) -> io::Result<()> {
        self.pass(Call::Unlink)?;
        RealFs.unlink(dir, name)
    }
}
