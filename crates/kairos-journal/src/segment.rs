//! Segments: the files a journal consists of.
//!
//! Owns their names, sizes and how one comes to be: filled with zeros and synced under a temporary
//! name, then put in place by a rename. Never looks at a frame. The ledger takes the next segment
//! from [`Supply`], which has it ready before it is needed: filling 64 MiB takes far longer than a
//! commit may.

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use kairos_core::fold::Seq;
use kairos_core::time::Time;
use kairos_disk::Fs;
use kairos_disk::fs::{Access, FileKind, Rename, write_full};

use crate::damage::Damage;
use crate::lock;
use crate::snapshot;
use crate::walk::is_nul;

/// The next segment while it is being filled, and until it is put in place.
const NEXT: &str = "next.tmp";

/// Where the bytes of frames that never arrived whole are kept.
pub(crate) const TORN: &str = "torn";

/// How long a failed attempt at the next segment stands before another is made ahead.
const RETRY_MS: u64 = 10_000;

/// The length of a segment is a multiple of this.
const GRAIN_BYTES: u64 = 4096;

/// A segment longer than this was not written here.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// How large segments are, and who makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    first_bytes: u64,
    bytes_max: u64,
    ahead: Ahead,
}

/// When the next segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// As soon as the one before it is in use, on a thread of its own.
    Thread,
    /// When it is needed, by the one who needs it: every call on the disk stands in one order.
    OnDemand,
}

impl Default for Segments {
    /// 1 MiB doubling to 64 MiB, made ahead.
    fn default() -> Self {
        Self::new(1 << 20, 64 << 20, Ahead::Thread)
    }
}

impl Segments {
    /// The first segment is `first_bytes` long, each next one twice the one before it, up to
    /// `bytes_max`; both are rounded up to 4 KiB and kept within 4 KiB and 1 GiB.
    #[must_use]
    pub fn new(first_bytes: u64, bytes_max: u64, ahead: Ahead) -> Self {
        let whole = |bytes: u64| bytes.clamp(1, SEGMENT_BYTES_MAX).next_multiple_of(GRAIN_BYTES);
        let first_bytes = whole(first_bytes);
        Self { first_bytes, bytes_max: whole(bytes_max).max(first_bytes), ahead }
    }

    pub(crate) fn first_bytes(self) -> u64 {
        self.first_bytes
    }

    fn bytes_after(self, bytes: u64) -> u64 {
        bytes.saturating_mul(2).clamp(self.first_bytes, self.bytes_max)
    }
}

/// The file name of the segment that begins with frame `first`.
pub(crate) fn name(first: Seq) -> String {
    format!("{:020}.kj", first.0)
}

fn first_of(name: &OsStr) -> Option<Seq> {
    let digits = name.to_str()?.strip_suffix(".kj")?;
    let canonical = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    canonical.then(|| digits.parse().ok().map(Seq)).flatten()
}

/// The first positions of the segments in `dir`, ascending; the first name that does not belong
/// there beside them.
pub(crate) fn list<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<(Vec<Seq>, Option<Damage>)> {
    let mut firsts = Vec::new();
    let mut stranger = None;
    for name in disk.list(dir)? {
        let belongs = [lock::NAME, NEXT, TORN, snapshot::DIR].iter().any(|known| name == *known);
        match first_of(&name) {
            Some(first) => firsts.push(first),
            None if belongs => {}
            None => stranger = Some(Damage::Stranger { name }),
        }
    }
    firsts.sort_unstable();
    Ok((firsts, stranger))
}

/// Opens the segment that begins with frame `first`; a stranger when it is no plain file.
pub(crate) fn open<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    first: Seq,
    access: Access,
) -> io::Result<Result<D::File, Damage>> {
    let name = OsString::from(name(first));
    let file = disk.open(dir, &name, access)?;
    let stat = disk.stat_file(&file)?;
    if stat.kind != FileKind::Regular {
        return Ok(Err(Damage::Stranger { name }));
    }
    let found = stat.bytes;
    let expected = found.clamp(1, SEGMENT_BYTES_MAX).next_multiple_of(GRAIN_BYTES);
    if found != expected {
        return Ok(Err(Damage::Length { segment: first, found, expected }));
    }
    Ok(Ok(file))
}

/// A segment filled with zeros, not yet in place.
pub(crate) struct Blank<D: Fs> {
    pub(crate) file: D::File,
    pub(crate) bytes: u64,
}

impl<D: Fs> Blank<D> {
    /// Puts the segment in place as the one that begins with frame `first`.
    pub(crate) fn place(&self, disk: &D, dir: &D::Dir, first: Seq) -> io::Result<()> {
        let name = OsString::from(name(first));
        disk.rename((dir, OsStr::new(NEXT)), (dir, &name), Rename::Replace)?;
        disk.sync_dir(dir)
    }
}

/// Makes the first segment of a journal and puts it in place.
pub(crate) fn make_first<D: Fs>(disk: &D, dir: &D::Dir, segments: Segments) -> io::Result<()> {
    let go_on = AtomicBool::new(false);
    make(disk, dir, segments.first_bytes, &go_on)?.place(disk, dir, Seq(1))
}

/// Makes the next segment, or takes the one that an earlier start left.
fn make<D: Fs>(disk: &D, dir: &D::Dir, bytes: u64, stop: &AtomicBool) -> io::Result<Blank<D>> {
    let name = OsStr::new(NEXT);
    match disk.open(dir, name, Access::ReadWrite) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(file) => {
            if is_blank(disk, &file, bytes)? {
                disk.sync(&file)?;
                return Ok(Blank { file, bytes });
            }
            disk.unlink(dir, name)?;
        }
    }
    let space = disk.space(dir)?;
    if space.total > 0 && space.available < bytes {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let file = disk.create(dir, name, 0o600)?;
    if let Err(error) = fill(disk, &file, bytes, stop) {
        // What was filled is room that others could use. The first error is the one to tell.
        let _ = disk.unlink(dir, name);
        return Err(error);
    }
    Ok(Blank { file, bytes })
}

const CHUNK_BYTES: usize = 64 * 1024;

fn is_blank<D: Fs>(disk: &D, file: &D::File, bytes: u64) -> io::Result<bool> {
    if disk.stat_file(file)?.bytes != bytes {
        return Ok(false);
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut read = 0;
    loop {
        match disk.read_at(file, &mut chunk, read)? {
            0 => return Ok(read == bytes),
            n if !is_nul(&chunk[..n]) => return Ok(false),
            n => read += n as u64,
        }
    }
}

fn fill<D: Fs>(disk: &D, file: &D::File, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
    let zeros = vec![0; CHUNK_BYTES];
    let mut filled = 0;
    while filled < bytes {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = usize::try_from(bytes - filled).unwrap_or(CHUNK_BYTES);
        let chunk = &zeros[..left.min(CHUNK_BYTES)];
        write_full(disk, file, chunk, filled)?;
        filled += chunk.len() as u64;
    }
    disk.sync(file)
}

/// The next segment, made ahead.
pub(crate) struct Supply<D: Fs> {
    disk: Arc<D>,
    dir: Arc<D::Dir>,
    segments: Segments,
    stop: Arc<AtomicBool>,
    next: Next<D>,
    /// The last attempt failed so, and when that was seen.
    failed: Option<(Arc<io::Error>, Option<Time>)>,
}

enum Failed {
    Not,
    Lately(Arc<io::Error>),
    Due(Arc<io::Error>),
}

impl From<Failed> for Result<(), Arc<io::Error>> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Not => Ok(()),
            Failed::Lately(error) | Failed::Due(error) => Err(error),
        }
    }
}

enum Next<D: Fs> {
    Unmade,
    Filling(JoinHandle<io::Result<Blank<D>>>),
    Ready(Blank<D>),
}

impl<D: Fs + 'static> Supply<D> {
    pub(crate) fn new(disk: Arc<D>, dir: Arc<D::Dir>, segments: Segments) -> Self {
        Self { disk, dir, segments, stop: Arc::default(), next: Next::Unmade, failed: None }
    }

    /// Starts on the segment after one of `bytes`, if segments are made ahead.
    pub(crate) fn begin(&mut self, bytes: u64) {
        if self.segments.ahead == Ahead::OnDemand || !matches!(self.next, Next::Unmade) {
            return;
        }
        let bytes = self.segments.bytes_after(bytes);
        let (disk, dir, stop) = (self.disk.clone(), self.dir.clone(), self.stop.clone());
        let thread = std::thread::Builder::new().name("journal-next".to_owned());
        match thread.spawn(move || make(&*disk, &dir, bytes, &stop)) {
            Ok(thread) => self.next = Next::Filling(thread),
            Err(error) => self.failed = Some((Arc::new(error), None)),
        }
    }

    /// Why the segment after one of `bytes` cannot be made, as far as is known without waiting.
    pub(crate) fn look(&mut self, bytes: u64, now: Time) -> Result<(), Arc<io::Error>> {
        if matches!(&self.next, Next::Filling(thread) if thread.is_finished()) {
            self.join();
        }
        let failed = self.failed(now);
        if let Failed::Due(_) = failed {
            self.begin(bytes);
        }
        failed.into()
    }

    /// Waits until the segment after one of `bytes` is ready; makes it here when nobody does.
    pub(crate) fn wait(&mut self, bytes: u64, now: Time) -> Result<(), Arc<io::Error>> {
        self.join();
        match self.failed(now) {
            Failed::Lately(error) => Err(error),
            Failed::Due(_) | Failed::Not => self.ready(bytes),
        }
    }

    /// How the last attempt ended. One that failed stands for a while: with little room left,
    /// another may cost as much as a segment.
    fn failed(&mut self, now: Time) -> Failed {
        let Some((error, seen)) = &mut self.failed else { return Failed::Not };
        let error = error.clone();
        let first_seen = *seen.get_or_insert(now);
        if first_seen.as_ms().abs_diff(now.as_ms()) < RETRY_MS {
            return Failed::Lately(error);
        }
        *seen = Some(now);
        Failed::Due(error)
    }

    fn ready(&mut self, bytes: u64) -> Result<(), Arc<io::Error>> {
        self.join();
        if matches!(self.next, Next::Unmade) {
            let bytes = self.segments.bytes_after(bytes);
            self.made(make(&*self.disk, &self.dir, bytes, &self.stop));
        }
        match &self.failed {
            Some((error, _)) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Takes the segment after one of `bytes`, waiting for it.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<Blank<D>, Arc<io::Error>> {
        self.ready(bytes)?;
        match std::mem::replace(&mut self.next, Next::Unmade) {
            Next::Ready(blank) => Ok(blank),
            Next::Unmade | Next::Filling(_) => unreachable!("`ready` made it or failed"),
        }
    }

    /// Takes back what was not used.
    pub(crate) fn give_back(&mut self, blank: Blank<D>) {
        self.next = Next::Ready(blank);
    }

    fn join(&mut self) {
        match std::mem::replace(&mut self.next, Next::Unmade) {
            Next::Filling(thread) => {
                let panicked = |_| Err(io::Error::other("the filling thread panicked"));
                let made = thread.join().unwrap_or_else(panicked);
                self.made(made);
            }
            next => self.next = next,
        }
    }

    fn made(&mut self, made: io::Result<Blank<D>>) {
        match made {
            Ok(blank) => {
                self.next = Next::Ready(blank);
                self.failed = None;
            }
            Err(error) => self.failed = Some((Arc::new(error), None)),
        }
    }
}

impl<D: Fs> Drop for Supply<D> {
    /// Waits for the thread, at most one write and one sync long.
    fn drop(&mut self) {
        if let Next::Filling(thread) = std::mem::replace(&mut self.next, Next::Unmade) {
            self.stop.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
    }
}
