//! A disk in memory that forgets what was not synced.
//!
//! Owns the translation of each [`Fs`] call into a change of the world behind it, after the plan has
//! had its say. Never decides what survives; [`crate::image`] does.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename, Space, Stat, Writers, write_full};
use rustix::io::Errno;

use crate::file::{Attributes, What};
use crate::image::{Bound, Images};
use crate::listing::{self, Listing};
use crate::plan::{Call, Course, Fate, Harm, Plan, Site, crash};
use crate::world::{DIRECTORY_MODE, ROOT, Rules, World};

/// Attributes that speak about the old content and are not copied.
const BOUND_TO_CONTENT: [&str; 3] = ["security.capability", "security.ima", "security.evm"];
const SETUID_SETGID: u32 = 0o6000;

/// Room that nobody here ever fills; a full disk is a fault.
const SPACE: Space = Space { available: 1 << 40, total: 1 << 40 };

/// A mounted disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimFs {
    mount: Arc<Mount>,
    /// Calls are not counted and do not fail.
    aside: bool,
}

#[derive(Debug)]
struct Mount {
    held: Mutex<Held>,
    handles: AtomicU64,
}

#[derive(Debug)]
struct Held {
    world: World,
    course: Course,
}

/// A directory held open; dead on every other mount.
pub struct SimDir {
    mount: Arc<Mount>,
    inode: u64,
    path: Arc<Path>,
}

/// A file held open; dead on every other mount.
pub struct SimFile {
    mount: Arc<Mount>,
    inode: u64,
    path: Arc<Path>,
    access: Access,
    handle: u64,
}

impl SimFs {
    /// An empty disk.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self::of(World::new(rules), Plan::default())
    }

    pub(crate) fn of(world: World, plan: Plan) -> Self {
        let held = Mutex::new(Held { world, course: Course::new(plan) });
        Self { mount: Arc::new(Mount { held, handles: AtomicU64::new(0) }), aside: false }
    }

    #[must_use]
    pub fn root(&self) -> SimDir {
        SimDir { mount: self.mount.clone(), inode: ROOT, path: Path::new("").into() }
    }

    /// Counts from 0 again, and from now on by `plan`.
    pub fn plan(&self, plan: Plan) {
        self.held().course = Course::new(plan);
    }

    /// How many calls there were since the plan was set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.held().course.calls
    }

    /// The calls since then, if the plan has them traced.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        self.held().course.sites.clone()
    }

    /// Whether the machine has stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.held().course.stopped
    }

    /// The same disk as somebody else uses it.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { aside: true, ..self.clone() }
    }

    /// What a power loss in this moment may leave.
    #[must_use]
    pub fn crash_images(&self, bound: Bound, seed: u64) -> Images {
        Images::of(&self.held().world, bound, seed)
    }

    /// The same disk after the end of the process, which loses nothing but handles and locks: what
    /// was not synced is still seen, and can still be lost.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut world = self.held().world.clone();
        world.locks.clear();
        world.writers.clear();
        Self::of(world, Plan::default())
    }

    /// A copy with everything durable.
    #[must_use]
    pub fn settled(&self) -> Self {
        let settled = self.kill();
        settled.held().world.settle();
        settled
    }

    /// Everything that is seen.
    #[must_use]
    pub fn listing(&self) -> Listing {
        listing::listing(&self.held().world)
    }

    /// A number that is the same for the same names, bytes and attributes seen.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        listing::fingerprint(&self.held().world)
    }

    /// Makes the file at `path` hold `bytes`, in place if it is there, and the directories to it.
    /// Nothing is synced.
    ///
    /// # Errors
    /// As the calls it is made of.
    pub fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let aside = self.aside();
        let mut dir = aside.root();
        for parent in path.parent().into_iter().flat_map(Path::components) {
            let name = parent.as_os_str();
            match aside.make_dir(&dir, name, DIRECTORY_MODE) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => dir = aside.open_dir(&dir, Path::new(name))?,
            }
        }
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let file = match aside.open(&dir, name, Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                aside.create(&dir, name, mode)?
            }
            opened => opened?,
        };
        aside.set_len(&file, 0)?;
        write_full(&aside, &file, bytes, 0)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.mount.held()
    }

    /// Lets the plan have its say, then acts.
    fn call<T>(
        &self,
        mount: &Arc<Mount>,
        call: Call,
        path: impl FnOnce() -> PathBuf,
        act: impl FnOnce(&mut World, Way) -> io::Result<T>,
    ) -> io::Result<T> {
        if !Arc::ptr_eq(mount, &self.mount) {
            return Err(Errno::STALE.into());
        }
        if !self.aside {
            let person = self.held().course.person();
            if let Some(person) = person {
                (person.act)(&self.aside());
            }
        }
        let mut held = self.held();
        let fate = match self.aside {
            true if held.course.stopped => Fate::StopsBefore,
            true => Fate::Passes,
            false => held.course.next(call, path),
        };
        let world = &mut held.world;
        match fate {
            Fate::Passes => act(world, Way::WHOLE),
            Fate::StopsBefore => Err(crash()),
            Fate::StopsAfter => {
                // Nobody learns how it went.
                drop(act(world, Way::WHOLE));
                Err(crash())
            }
            Fate::Harmed(Harm::Fails(error)) => Err(error.into()),
            Fate::Harmed(Harm::FailsDone(error)) => {
                act(world, Way::WHOLE).and_then(|_| Err(error.into()))
            }
            Fate::Harmed(Harm::Short(bytes)) => {
                act(world, Way { bytes_max: bytes.max(1), ..Way::WHOLE })
            }
            Fate::Harmed(Harm::ShortTo(grain)) => {
                act(world, Way { grain: Some(grain.max(1)), ..Way::WHOLE })
            }
            Fate::Harmed(Harm::Lies) if matches!(call, Call::Sync | Call::SyncAll) => {
                act(world, Way { lies: true, ..Way::WHOLE })
            }
            Fate::Harmed(Harm::Lies) => Err(Errno::IO.into()),
        }
    }

    fn sync_file(&self, file: &SimFile, call: Call, what: What) -> io::Result<()> {
        self.call(
            &file.mount,
            call,
            || file.path.to_path_buf(),
            |world, way| {
                if way.lies {
                    world.file_mut(file.inode)?.lie();
                    return Err(Errno::IO.into());
                }
                world.sync(file.inode, what)
            },
        )
    }

    fn handle(&self, dir: &SimDir, name: &OsStr, inode: u64, access: Access) -> SimFile {
        if access == Access::ReadWrite {
            *self.held().world.writers.entry(inode).or_default() += 1;
        }
        SimFile {
            mount: self.mount.clone(),
            inode,
            path: dir.path.join(name).into(),
            access,
            handle: self.mount.handles.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// How a call acts.
#[derive(Clone, Copy)]
struct Way {
    bytes_max: usize,
    grain: Option<u64>,
    lies: bool,
}

impl Way {
    const WHOLE: Self = Self { bytes_max: usize::MAX, grain: None, lies: false };

    /// How many of `bytes` bytes from `offset` on are moved.
    fn bytes(self, bytes: usize, offset: u64) -> usize {
        let to_grain = self.grain.map(|grain| (offset + 1).next_multiple_of(grain) - offset);
        let to_grain = to_grain.and_then(|bytes| usize::try_from(bytes).ok());
        bytes.min(self.bytes_max).min(to_grain.unwrap_or(usize::MAX))
    }
}

impl Mount {
    fn held(&self) -> MutexGuard<'_, Held> {
        // A test that failed while it held the lock has said so already.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let world = &mut self.mount.held().world;
        if world.locks.get(&self.inode) == Some(&self.handle) {
            world.locks.remove(&self.inode);
        }
        if self.access == Access::ReadWrite
            && let Some(writers) = world.writers.get_mut(&self.inode)
        {
            *writers -= 1;
        }
    }
}

impl Fs for SimFs {
    type Dir = SimDir;
    type File = SimFile;

    fn open_dir(&self, dir: &SimDir, path: &Path) -> io::Result<SimDir> {
        let there = dir.path.join(path);
        let inode = self.call(
            &dir.mount,
            Call::OpenDir,
            || there.clone(),
            |world, _| {
                let mut inode = dir.inode;
                for component in path.components() {
                    match component {
                        Component::CurDir => {}
                        Component::Normal(name) => inode = world.find(inode, name)?,
                        Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                            return Err(Errno::XDEV.into());
                        }
                    }
                    world.dir(inode)?;
                }
                Ok(inode)
            },
        )?;
        Ok(SimDir { mount: self.mount.clone(), inode, path: there.into() })
    }

    fn make_dir(&self, dir: &SimDir, name: &OsStr, mode: u32) -> io::Result<()> {
        let name = plain(name)?;
        self.call(
            &dir.mount,
            Call::MakeDir,
            || dir.path.join(name),
            |world, _| world.make_dir(dir.inode, name, mode),
        )
    }

    fn list(&self, dir: &SimDir) -> io::Result<Vec<OsString>> {
        self.call(
            &dir.mount,
            Call::List,
            || dir.path.to_path_buf(),
            |world, _| Ok(world.dir(dir.inode)?.names.keys().cloned().collect()),
        )
    }

    fn sync_dir(&self, dir: &SimDir) -> io::Result<()> {
        self.call(
            &dir.mount,
            Call::SyncDir,
            || dir.path.to_path_buf(),
            |world, _| {
                world.sync_dir(dir.inode);
                Ok(())
            },
        )
    }

    fn stat_dir(&self, dir: &SimDir) -> io::Result<Stat> {
        self.call(
            &dir.mount,
            Call::StatDir,
            || dir.path.to_path_buf(),
            |world, _| Ok(world.stat(dir.inode)),
        )
    }

    fn space(&self, dir: &SimDir) -> io::Result<Space> {
        self.call(&dir.mount, Call::Space, || dir.path.to_path_buf(), |_, _| Ok(SPACE))
    }

    fn open(&self, dir: &SimDir, name: &OsStr, access: Access) -> io::Result<SimFile> {
        let name = plain(name)?;
        let inode = self.call(
            &dir.mount,
            Call::Open,
            || dir.path.join(name),
            |world, _| {
                let inode = world.find(dir.inode, name)?;
                // A directory opens for reading, and is then not read.
                if access == Access::ReadWrite {
                    world.file(inode)?;
                }
                Ok(inode)
            },
        )?;
        Ok(self.handle(dir, name, inode, access))
    }

    fn create(&self, dir: &SimDir, name: &OsStr, mode: u32) -> io::Result<SimFile> {
        let name = plain(name)?;
        let inode = self.call(
            &dir.mount,
            Call::Create,
            || dir.path.join(name),
            |world, _| world.create(dir.inode, name, mode),
        )?;
        Ok(self.handle(dir, name, inode, Access::ReadWrite))
    }

    fn read_at(&self, file: &SimFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(
            &file.mount,
            Call::Read,
            || file.path.to_path_buf(),
            |world, way| {
                let there = world.file(file.inode)?;
                let left = usize::try_from(there.inode.bytes.saturating_sub(offset));
                let bytes = way.bytes(left.unwrap_or(usize::MAX).min(buffer.len()), offset);
                there.sectors.read(&mut buffer[..bytes], offset);
                Ok(bytes)
            },
        )
    }

    fn write_at(&self, file: &SimFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.call(
            &file.mount,
            Call::Write,
            || file.path.to_path_buf(),
            |world, way| {
                writable(file)?;
                let bytes = &bytes[..way.bytes(bytes.len(), offset)];
                let stamp = world.stamp();
                world.file_mut(file.inode)?.write(bytes, offset, stamp);
                Ok(bytes.len())
            },
        )
    }

    fn set_len(&self, file: &SimFile, bytes: u64) -> io::Result<()> {
        self.call(
            &file.mount,
            Call::SetLen,
            || file.path.to_path_buf(),
            |world, _| {
                writable(file)?;
                let stamp = world.stamp();
                world.file_mut(file.inode)?.set_len(bytes, stamp);
                Ok(())
            },
        )
    }

    fn sync(&self, file: &SimFile) -> io::Result<()> {
        self.sync_file(file, Call::Sync, What::Content)
    }

    fn sync_all(&self, file: &SimFile) -> io::Result<()> {
        self.sync_file(file, Call::SyncAll, What::All)
    }

    fn stat_file(&self, file: &SimFile) -> io::Result<Stat> {
        self.call(
            &file.mount,
            Call::StatFile,
            || file.path.to_path_buf(),
            |world, _| Ok(world.stat(file.inode)),
        )
    }

    fn lock(&self, file: &SimFile) -> io::Result<bool> {
        self.call(
            &file.mount,
            Call::Lock,
            || file.path.to_path_buf(),
            |world, _| {
                let holder = world.locks.entry(file.inode).or_insert(file.handle);
                Ok(*holder == file.handle)
            },
        )
    }

    fn writers(&self, file: &SimFile) -> io::Result<Writers> {
        self.call(
            &file.mount,
            Call::Writers,
            || file.path.to_path_buf(),
            |world, _| {
                let writers = world.writers.get(&file.inode).copied().unwrap_or(0);
                Ok(if writers == 0 { Writers::None } else { Writers::Some })
            },
        )
    }

    fn copy_attributes(&self, from: &SimFile, to: &SimFile) -> io::Result<()> {
        self.call(
            &to.mount,
            Call::CopyAttributes,
            || to.path.to_path_buf(),
            |world, _| {
                let mut attributes = Attributes::clone(&world.file(from.inode)?.inode.attributes);
                attributes.mode &= !SETUID_SETGID;
                attributes
                    .extended
                    .retain(|name, _| BOUND_TO_CONTENT.iter().all(|bound| name != bound));
                let stamp = world.stamp();
                world.file_mut(to.inode)?.set_attributes(attributes, stamp);
                Ok(())
            },
        )
    }

    fn stat(&self, dir: &SimDir, name: &OsStr) -> io::Result<Stat> {
        let name = plain(name)?;
        self.call(
            &dir.mount,
            Call::Stat,
            || dir.path.join(name),
            |world, _| Ok(world.stat(world.find(dir.inode, name)?)),
        )
    }

    /// There is no clock here: everything is as old as can be.
    fn changed(&self, dir: &SimDir, name: &OsStr) -> io::Result<SystemTime> {
        self.stat(dir, name).map(|_| SystemTime::UNIX_EPOCH)
    }

    fn rename(
        &self,
        (from, old): (&SimDir, &OsStr),
        (to, new): (&SimDir, &OsStr),
        how: Rename,
    ) -> io::Result<()> {
        let (old, new) = (plain(old)?, plain(new)?);
        self.call(
            &from.mount,
            Call::Rename,
            || from.path.join(old),
            |world, _| world.rename((from.inode, old), (to.inode, new), how),
        )
    }

    fn link(&self, (from, old): (&SimDir, &OsStr), (to, new): (&SimDir, &OsStr)) -> io::Result<()> {
        let (old, new) = (plain(old)?, plain(new)?);
        self.call(
            &from.mount,
            Call::Link,
            || from.path.join(old),
            |world, _| world.link((from.inode, old), (to.inode, new)),
        )
    }

    fn unlink(&self, dir: &SimDir, name: &OsStr) -> io::Result<()> {
        let name = plain(name)?;
        self.call(
            &dir.mount,
            Call::Unlink,
            || dir.path.join(name),
            |world, _| world.unlink(dir.inode, name),
        )
    }
}

/// A name as the system calls take it: one component.
fn plain(name: &OsStr) -> io::Result<&OsStr> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(name),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn writable(file: &SimFile) -> io::Result<()> {
    match file.access {
        Access::ReadWrite => Ok(()),
        Access::Read => Err(Errno::BADF.into()),
    }
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFs").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SimDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimDir").field(&self.path).finish()
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimFile").field(&self.path).finish()
    }
}
