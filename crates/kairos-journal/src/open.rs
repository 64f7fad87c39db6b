//! From files to a journal that can be written on.
//!
//! Owns the order of opening: sync what is there, read it, refuse or recover, put on disk again
//! what nobody ever said was durable. Never skips a frame, and changes nothing before the last
//! reason to refuse is past. [`Ledger::open`](crate::Ledger::open)
//! goes through here once; the findings come from [`crate::recover`].

use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kairos_core::fold::{Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;
use kairos_disk::fs::{Access, read_full, write_full};
use serde::de::DeserializeOwned;

use crate::body::SegmentHead;
use crate::damage::Damage;
use crate::frame::Head;
use crate::recover::{self, Place, Scan, Tail};
use crate::repair::{self, Repaired};
use crate::replay::Replay;
use crate::segment::{self, SEGMENT_BYTES_MAX, Segments};
use crate::snapshot::{self, Flaw, PassedOver, Search};
use crate::walk::{Cursor, Span};

/// What a journal is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The node the journal belongs to; counts only while the journal has no frame yet.
    pub origin: NodeId,
    /// Stands in the segments made from now on, unless the journal already knows a higher one.
    pub epoch: u64,
    /// Highest version of the events this program reads, and the one it writes.
    pub schema: u32,
    pub segments: Segments,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The newest frame.
    pub head: Seq,
    /// The frame whose snapshot stood for all before it, if there was one.
    pub snapshot: Option<Seq>,
    /// Snapshots that were newer and not believed.
    pub passed_over: Vec<PassedOver>,
    /// How many frames were applied, those behind a snapshot only.
    pub frames: u64,
    /// What a crash cut short, if it did; the engine records it.
    pub recovered: Option<Torn>,
    /// Repairs that no start has recorded yet; once they are, [`recorded`](crate::recorded) says so.
    pub repaired: Vec<Repaired>,
    pub origin: NodeId,
    pub epoch: u64,
}

/// The remains of frames that were never acknowledged: saved, then zeroed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where they are kept, from the journal's directory.
    pub saved_as: PathBuf,
    pub bytes: u64,
    /// The newest frame that holds.
    pub after: Seq,
}

/// The journal was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process holds the journal")]
    Locked,
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("frame {seq} holds, but its events cannot be read")]
    Unreadable { seq: Seq, source: serde_json::Error },
    #[error("frame {seq} holds, but `{text}` is not a time")]
    Time { seq: Seq, text: String },
    #[error("applying frame {seq} panicked: {message}")]
    Panicked { seq: Seq, message: String },
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl OpenError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Locked => Kind::Refused(Refused::Conflict),
            Self::Damaged(damage) => damage.kind(),
            Self::Unreadable { .. } | Self::Time { .. } => Kind::Corrupt,
            Self::Panicked { .. } => Kind::Bug,
            Self::Io { .. } => Kind::Unavailable,
        }
    }
}

fn cannot(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}

/// A journal ready to be written on.
pub(crate) struct Journal<D: Fs> {
    /// The segment in use, and the position it begins with.
    pub(crate) file: D::File,
    pub(crate) first: Seq,
    pub(crate) bytes: u64,
    /// Where its last frame ends.
    pub(crate) used: u64,
    pub(crate) cursor: Cursor,
    /// The newest frame that has events.
    pub(crate) eventful: Seq,
    pub(crate) segment_head: SegmentHead,
}

/// What was read, before anything is changed for it.
#[derive(Debug)]
pub struct Inspected<'a, F> {
    pub state: &'a F,
    /// The newest frame.
    pub head: Seq,
    /// As in [`Opened`].
    pub repaired: &'a [Repaired],
}

/// All that is on disk. To find it, things were synced and nothing else.
struct Whole<F: Snapshot, D: Fs> {
    replay: Replay<F>,
    /// `None` while there is no segment.
    last: Option<Last<D>>,
    snapshot: Option<Seq>,
    passed_over: Vec<PassedOver>,
    repaired: Vec<Repaired>,
}

/// The segment in use.
struct Last<D: Fs> {
    first: Seq,
    file: D::File,
    bytes: Vec<u8>,
    scan: Scan,
}

/// Opens the journal in `dir`, or begins one, and applies every frame to `empty`, or to the newest
/// snapshot those that come after it. What `admit` refuses, and what does not hold, stays as it is.
/// The caller holds the lock.
pub(crate) fn open<F, D, E>(
    disk: &D,
    dir: &D::Dir,
    empty: F,
    opening: &Opening,
    admit: impl FnOnce(Inspected<'_, F>) -> Result<(), E>,
) -> Result<(F, Journal<D>, Opened), E>
where
    F: Snapshot,
    F::Event: DeserializeOwned,
    D: Fs,
    E: From<OpenError>,
{
    let Whole { replay, last, snapshot, passed_over, repaired } = read(disk, dir, empty, opening)?;
    let head = replay.cursor.head;
    admit(Inspected { state: &replay.fold, head, repaired: &repaired })?;
    snapshot::clear_up(disk, dir).map_err(cannot("clear up the snapshots"))?;
    let mut last = match last {
        Some(last) => last,
        None => begin(disk, dir, opening.segments)?,
    };
    let recovered = mend(disk, dir, &mut last)?;
    let Replay { fold, cursor, eventful, frames, segment_head, .. } = replay;
    let SegmentHead { origin, epoch, .. } = segment_head;
    let Last { first, file, bytes, scan } = last;
    let used = scan.frames.last().map_or(0, |last| last.range().end as u64);
    let bytes = bytes.len() as u64;
    let journal = Journal { file, first, bytes, used, cursor, eventful, segment_head };
    let opened = Opened { head, snapshot, passed_over, frames, recovered, repaired, origin, epoch };
    Ok((fold, journal, opened))
}

/// Reads what is there, and refuses what does not hold.
fn read<F, D>(disk: &D, dir: &D::Dir, empty: F, opening: &Opening) -> Result<Whole<F, D>, OpenError>
where
    F: Snapshot,
    F::Event: DeserializeOwned,
    D: Fs,
{
    let (firsts, stranger) =
        segment::list(disk, dir).map_err(cannot("list the journal's directory"))?;
    if let Some(stranger) = stranger {
        return Err(stranger.into());
    }
    snapshot::settle(disk, dir).map_err(cannot("sync the snapshots"))?;
    let Search { found, passed_over } =
        snapshot::newest::<F, D>(disk, dir, &firsts).map_err(cannot("look for a snapshot"))?;
    let snapshot = found.as_ref().map(|(basis, _)| basis.cursor.head);
    let mut replay = match found {
        Some((basis, form)) => Replay::after(&basis, empty, form, opening),
        None => Replay::new(empty, opening),
    };
    let firsts = if snapshot.is_some() { firsts } else { founded(firsts, &passed_over)? };
    let mut files = settle(disk, dir, firsts)?;
    files.retain(|(first, _)| snapshot.is_none_or(|seq| *first > seq));
    let mut bytes = Vec::new();
    let mut last = None;
    for (i, (first, file)) in files.iter().enumerate() {
        read_whole(disk, file, &mut bytes, cores()).map_err(cannot("read a segment"))?;
        let place = if i + 1 == files.len() { Place::Last } else { Place::Sealed };
        let expected = replay.cursor.head.next();
        if *first != expected {
            return Err(Damage::Gap { expected, found: *first }.into());
        }
        let scan =
            recover::scan(&bytes, replay.cursor, place, cores()).map_err(|broken| broken.damage)?;
        replay.segment(&bytes, *first, &scan)?;
        last = Some(scan);
    }
    let head = replay.cursor.head;
    reaches(head, &passed_over)?;
    let repaired = repair::noted(disk, dir, head).map_err(cannot("read the note of a repair"))?;
    let last = files.pop().zip(last);
    let last = last.map(|((first, file), scan)| Last { first, file, bytes, scan });
    Ok(Whole { replay, last, snapshot, passed_over, repaired })
}

/// Makes the first segment.
fn begin<D: Fs>(disk: &D, dir: &D::Dir, segments: Segments) -> Result<Last<D>, OpenError> {
    let doing = "make the first segment";
    segment::make_first(disk, dir, segments).map_err(cannot(doing))?;
    let (first, file) = settle(disk, dir, vec![Seq(1)])?.pop().expect("it was just made");
    let mut bytes = Vec::new();
    read_whole(disk, &file, &mut bytes, cores()).map_err(cannot("read a segment"))?;
    let scan = recover::scan(&bytes, Cursor::START, Place::Last, cores())
        .map_err(|broken| broken.damage)?;
    Ok(Last { first, file, bytes, scan })
}

/// Passes segments that reach back to the first frame; says why no snapshot stands for those that
/// are gone.
pub(crate) fn founded(firsts: Vec<Seq>, passed_over: &[PassedOver]) -> Result<Vec<Seq>, Damage> {
    let Some(PassedOver { name, flaw, .. }) = passed_over.first() else { return Ok(firsts) };
    match firsts.first() {
        Some(Seq(1)) => Ok(firsts),
        Some(first) if *flaw != Flaw::Missing => {
            Err(Damage::Unfounded { first: *first, snapshot: name.clone(), flaw: flaw.clone() })
        }
        _ => Err(Damage::Older { snapshot: name.clone() }),
    }
}

/// Refuses a journal that ends before a frame which was on disk when a snapshot was made.
pub(crate) fn reaches(head: Seq, passed_over: &[PassedOver]) -> Result<(), Damage> {
    let missing = |over: &&PassedOver| over.flaw == Flaw::Missing && over.seq >= head;
    match passed_over.iter().find(missing) {
        Some(over) => Err(Damage::Older { snapshot: over.name.clone() }),
        None => Ok(()),
    }
}

/// Makes what is there durable before it is read: what a read saw and a later crash took away would
/// have been believed for nothing.
fn settle<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: Vec<Seq>,
) -> Result<Vec<(Seq, D::File)>, OpenError> {
    let mut files = Vec::with_capacity(firsts.len());
    if firsts.is_empty() {
        return Ok(files);
    }
    for first in firsts {
        let file = segment::open(disk, dir, first, Access::ReadWrite)
            .map_err(cannot("open a segment"))??;
        disk.sync(&file).map_err(cannot("sync a segment"))?;
        files.push((first, file));
    }
    disk.sync_dir(dir).map_err(cannot("sync the journal's directory"))?;
    Ok(files)
}

/// Reads all of `file` into `bytes`, whose room is used again, on up to `cores` threads: what is
/// cached is copied no faster than it is hashed.
pub(crate) fn read_whole<D: Fs>(
    disk: &D,
    file: &D::File,
    bytes: &mut Vec<u8>,
    cores: NonZero<usize>,
) -> io::Result<()> {
    // Below this a thread costs more than it saves.
    const SHARE_BYTES_MIN: usize = 1 << 20;
    let length = disk.stat_file(file)?.bytes.min(SEGMENT_BYTES_MAX);
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    if bytes.capacity() < length {
        // Fresh from the system it is zero already, and need not be written twice.
        *bytes = vec![0; length];
    } else {
        bytes.resize(length, 0);
    }
    let share = bytes.len().div_ceil(cores.get()).max(SHARE_BYTES_MIN);
    std::thread::scope(|scope| {
        let mut shares = bytes.chunks_mut(share).zip((0..).step_by(share));
        let first = shares.next();
        let others: Vec<_> = shares
            .map(|(share, offset)| scope.spawn(move || read_exact(disk, file, share, offset)))
            .collect();
        let first = first.map_or(Ok(()), |(share, offset)| read_exact(disk, file, share, offset));
        let others = others.into_iter().map(|share| share.join().expect("a read never panics"));
        std::iter::once(first).chain(others).collect()
    })
}

fn read_exact<D: Fs>(disk: &D, file: &D::File, bytes: &mut [u8], offset: usize) -> io::Result<()> {
    let mut read = 0;
    while read < bytes.len() {
        match disk.read_at(file, &mut bytes[read..], (offset + read) as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => read += n,
        }
    }
    Ok(())
}

/// Threads worth checking on. Asked once: an answer reads a dozen files of the system, more than a
/// small segment costs.
pub(crate) fn cores() -> NonZero<usize> {
    const CORES_MAX: NonZero<usize> = NonZero::new(4).expect("four is not zero");
    static CORES: OnceLock<NonZero<usize>> = OnceLock::new();
    *CORES.get_or_init(|| {
        std::thread::available_parallelism()
            .map_or(NonZero::<usize>::MIN, |cores| cores.min(CORES_MAX))
    })
}

/// Saves and zeroes what is torn, and writes again every frame above the durable mark: after a
/// failed sync it may be readable and yet not be on disk.
///
/// **Invariant:** such frames stand in the last segment only, because a segment is put in place
/// once the one before it is synced.
fn mend<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    Last { first, file, bytes, scan }: &mut Last<D>,
) -> Result<Option<Torn>, OpenError> {
    let mut unsure = unmarked(bytes, scan);
    let recovered = match &scan.tail {
        Tail::Clean => None,
        Tail::Torn(torn) => {
            let after = scan.cursor.head;
            let saved_as = save(disk, dir, (*first, torn.start), &bytes[torn.clone()])
                .map_err(cannot("save the torn bytes"))?;
            bytes[torn.clone()].fill(0);
            unsure.end = torn.end;
            Some(Torn { saved_as, bytes: torn.len() as u64, after })
        }
    };
    if !unsure.is_empty() {
        write_full(disk, file, &bytes[unsure.clone()], unsure.start as u64)
            .and_then(|()| disk.sync(file))
            .map_err(cannot("write the unmarked frames again"))?;
    }
    Ok(recovered)
}

/// The bytes of the frames that no frame says are durable.
fn unmarked(bytes: &[u8], scan: &Scan) -> Range<usize> {
    let end = scan.frames.last().map_or(0, |last| last.range().end);
    let above = |span: &&Span| {
        Head::read(&bytes[span.range()]).is_some_and(|head| head.seq > scan.cursor.durable)
    };
    let start = scan.frames.iter().rev().take_while(above).last().map_or(end, |span| span.start);
    start..end
}

/// Keeps `bytes` under a name of their own in `torn/`, synced.
pub(crate) fn save<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    (segment, offset): (Seq, usize),
    bytes: &[u8],
) -> io::Result<PathBuf> {
    const COPIES_MAX: u32 = 1000;
    match disk.make_dir(dir, segment::TORN.as_ref(), 0o700) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let torn = disk.open_dir(dir, Path::new(segment::TORN))?;
    for copy in 0..COPIES_MAX {
        let name = OsString::from(format!("{:020}-{offset}.{copy}", segment.0));
        let file = match disk.create(&torn, &name, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A crash after saving and before zeroing comes by here again.
                let file = disk.open(&torn, &name, Access::Read)?;
                if read_full(disk, &file, SEGMENT_BYTES_MAX)? != bytes {
                    continue;
                }
                file
            }
            created => {
                let file = created?;
                write_full(disk, &file, bytes, 0)?;
                file
            }
        };
        disk.sync(&file)?;
        disk.sync_dir(&torn)?;
        disk.sync_dir(dir)?;
        return Ok(Path::new(segment::TORN).join(name));
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
