//! From files to a journal that can be written on.
//!
//! Owns the order of opening: sync what is there, read it, refuse or recover, put on disk again
//! what nobody ever said was durable. Never skips a frame. [`Ledger::open`](crate::Ledger::open)
//! goes through here once; the findings come from [`crate::recover`].

use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kairos_core::fold::{At, Fold, Seq};
use kairos_core::id::NodeId;
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;
use kairos_disk::fs::{Access, read_full, write_full};
use serde::de::DeserializeOwned;

use crate::body::{Body, FORMAT, SegmentHead, Stamp};
use crate::damage::{Damage, Reason};
use crate::frame::Head;
use crate::recover::{self, Place, Scan, Tail};
use crate::repair::{self, Repaired};
use crate::segment::{self, SEGMENT_BYTES_MAX, Segments};
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
    /// How many frames were applied.
    pub frames: u64,
    /// What a crash cut short, if it did; the engine records it.
    pub recovered: Option<Torn>,
    /// A repair that no start has recorded yet; once it is, [`recorded`](crate::recorded) says so.
    pub repaired: Option<Repaired>,
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
    /// The segment in use.
    pub(crate) file: D::File,
    pub(crate) bytes: u64,
    /// Where its last frame ends.
    pub(crate) used: u64,
    pub(crate) cursor: Cursor,
    /// The newest frame that has events.
    pub(crate) eventful: Seq,
    pub(crate) segment_head: SegmentHead,
}

/// Opens the journal in `dir`, or begins one, and applies every frame to `state`. The caller holds
/// the lock.
pub(crate) fn open<F, D>(
    disk: &D,
    dir: &D::Dir,
    state: &mut F,
    opening: &Opening,
) -> Result<(Journal<D>, Opened), OpenError>
where
    F: Fold,
    F::Event: DeserializeOwned,
    D: Fs,
{
    let firsts = settle(disk, dir, opening.segments)?;
    let mut replay = Replay::new(state, opening);
    let mut bytes = Vec::new();
    let mut last = None;
    for (i, (first, file)) in firsts.iter().enumerate() {
        read_whole(disk, file, &mut bytes, cores()).map_err(cannot("read a segment"))?;
        let place = if i + 1 == firsts.len() { Place::Last } else { Place::Sealed };
        let expected = replay.cursor.head.next();
        if *first != expected {
            return Err(Damage::Gap { expected, found: *first }.into());
        }
        let scan =
            recover::scan(&bytes, replay.cursor, place, cores()).map_err(|broken| broken.damage)?;
        replay.segment(&bytes, *first, &scan)?;
        last = Some((*first, scan));
    }
    let (first, scan) = last.expect("a journal has at least one segment");
    let (_, file) = firsts.into_iter().next_back().expect("and the last one was just read");
    let recovered = mend(disk, dir, (first, &file), &mut bytes, &scan)?;
    let Replay { cursor, eventful, frames, segment_head, .. } = replay;
    let SegmentHead { origin, epoch, .. } = segment_head;
    let used = scan.frames.last().map_or(0, |last| last.range().end as u64);
    let bytes = bytes.len() as u64;
    let journal = Journal { file, bytes, used, cursor, eventful, segment_head };
    let repaired = repair::noted(disk, dir).map_err(cannot("read the note of a repair"))?;
    Ok((journal, Opened { head: cursor.head, frames, recovered, repaired, origin, epoch }))
}

/// Makes what is there durable before it is read, or makes the first segment: what a read saw and
/// a later crash took away would have been believed for nothing.
fn settle<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    segments: Segments,
) -> Result<Vec<(Seq, D::File)>, OpenError> {
    let (mut firsts, stranger) =
        segment::list(disk, dir).map_err(cannot("list the journal's directory"))?;
    if let Some(stranger) = stranger {
        return Err(stranger.into());
    }
    if firsts.is_empty() {
        let doing = "make the first segment";
        segment::make_first(disk, dir, segments).map_err(cannot(doing))?;
        firsts.push(Seq(1));
    }
    let mut files = Vec::with_capacity(firsts.len());
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
    bytes.resize(usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?, 0);
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

/// The fold of what is on disk.
struct Replay<'a, F: Fold> {
    state: &'a mut F,
    schema: u32,
    cursor: Cursor,
    eventful: Seq,
    frames: u64,
    /// Of the newest segment that has a frame; as the opening says before there is one.
    segment_head: SegmentHead,
    stamp: Stamp,
    dropped: Vec<F::Effect>,
}

impl<'a, F: Fold> Replay<'a, F>
where
    F::Event: DeserializeOwned,
{
    fn new(state: &'a mut F, opening: &Opening) -> Self {
        let Opening { origin, epoch, schema, .. } = *opening;
        Self {
            state,
            schema,
            cursor: Cursor::START,
            eventful: Seq(0),
            frames: 0,
            segment_head: SegmentHead { origin, epoch, format: FORMAT, schema, bytes: 0 },
            stamp: Stamp::default(),
            dropped: Vec::new(),
        }
    }

    fn segment(&mut self, bytes: &[u8], first: Seq, scan: &Scan) -> Result<(), OpenError> {
        if let Some(head) = scan.head {
            self.belongs(first, &head)?;
            self.segment_head.origin = head.origin;
            self.segment_head.epoch = self.segment_head.epoch.max(head.epoch);
        }
        for (i, span) in scan.frames.iter().enumerate() {
            self.frame(Seq(first.0 + i as u64), span.start as u64, &bytes[span.body()])?;
        }
        self.frames += scan.frames.len() as u64;
        self.cursor = scan.cursor;
        Ok(())
    }

    fn belongs(&self, segment: Seq, head: &SegmentHead) -> Result<(), Damage> {
        let expected = self.segment_head.origin;
        if self.frames > 0 && head.origin != expected {
            return Err(Damage::Origin { segment, found: head.origin, expected });
        }
        if head.schema > self.schema {
            return Err(Damage::Schema { segment, found: head.schema, known: self.schema });
        }
        Ok(())
    }

    fn frame(&mut self, seq: Seq, offset: u64, body: &[u8]) -> Result<(), OpenError> {
        let body =
            Body::<F::Event>::read(body).map_err(|source| OpenError::Unreadable { seq, source })?;
        if body.seg.is_some() != (offset == 0) {
            let (segment, reason) = (self.cursor.head.next(), Reason::SegmentHead);
            return Err(Damage::Frame { segment, offset, seq, reason }.into());
        }
        let time = self.stamp.time(body.t);
        let time = time.ok_or_else(|| OpenError::Time { seq, text: body.t.to_owned() })?;
        let at = At { seq, time };
        if !body.ev.is_empty() {
            self.eventful = seq;
        }
        let apply = AssertUnwindSafe(|| {
            for event in &body.ev {
                self.state.apply(at, event, &mut self.dropped);
                self.dropped.clear();
            }
        });
        std::panic::catch_unwind(apply).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let message = text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no message");
            OpenError::Panicked { seq, message: message.to_owned() }
        })
    }
}

/// Saves and zeroes what is torn, and writes again every frame above the durable mark: after a
/// failed sync it may be readable and yet not be on disk.
///
/// **Invariant:** such frames stand in the last segment only, because a segment is put in place
/// once the one before it is synced.
fn mend<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    (first, file): (Seq, &D::File),
    bytes: &mut [u8],
    scan: &Scan,
) -> Result<Option<Torn>, OpenError> {
    let mut unsure = unmarked(bytes, scan);
    let recovered = match &scan.tail {
        Tail::Clean => None,
        Tail::Torn(torn) => {
            let after = scan.cursor.head;
            let saved_as = save(disk, dir, (first, torn.start), &bytes[torn.clone()])
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
    match disk.make_dir(dir, segment::TORN.as_ref()) {
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
