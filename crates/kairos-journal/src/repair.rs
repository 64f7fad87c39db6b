//! Going on without what is damaged.
//!
//! Owns the one way to give up acknowledged frames: shown first, accepted by position, every byte
//! kept in `torn/`, and noted there until a start has recorded it; what a crash cut short is taken up
//! under the note it was begun with. Never happens by itself and never
//! keeps a frame behind the damage: what follows a frame that does not hold has lost its chain. A
//! crash at any point leaves a journal that is as damaged as before, or less, with nothing gone.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use kairos_core::fold::Seq;
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename, read_full, write_full};
use serde::{Deserialize, Serialize};

use crate::damage::Damage;
use crate::frame::{self, Head, Link, MAGIC};
use crate::lock::Lock;
use crate::open::{cores, read_whole, save};
use crate::reader::{ReadError, cannot};
use crate::recover::{self, Place};
use crate::segment::{self, SEGMENT_BYTES_MAX};
use crate::snapshot;
use crate::walk::{Cursor, used};

/// What says that a repair was made and is not yet recorded.
const NOTE: &str = "repaired.json";
const NOTE_BYTES_MAX: u64 = 4096;

/// What going on would give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The oldest frame there is.
    pub from: Seq,
    /// The newest frame that would stay.
    pub after: Seq,
    pub damage: Damage,
    /// Bytes that would be set aside.
    pub bytes: u64,
    /// Whole segments among them.
    pub segments: u32,
    /// Frames behind the damage that hold by themselves.
    pub readable: u64,
    /// The highest of them.
    pub highest: Option<Seq>,
}

/// A repair that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// The newest frame that stayed.
    pub after: u64,
    pub bytes: u64,
    pub segments: u32,
    /// Who accepted the loss.
    pub by: String,
}

/// A repair that no start has recorded, as it is noted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Noted {
    #[serde(flatten)]
    repaired: Repaired,
    #[serde(default)]
    readable: u64,
    #[serde(default)]
    highest: Option<Seq>,
    /// Whether all of it is set aside. One of before this was told is taken for ended.
    #[serde(default = "ended")]
    ended: bool,
}

const fn ended() -> bool {
    true
}

impl Noted {
    fn of(loss: &Loss, by: &str) -> Self {
        let Loss { after, bytes, segments, readable, highest, .. } = *loss;
        let repaired = Repaired { after: after.0, bytes, segments, by: by.to_owned() };
        Self { repaired, readable, highest, ended: false }
    }

    /// Whether `loss` is what a crash left of this one: what went before is in `torn/` already.
    fn is_rest(&self, loss: &Loss) -> bool {
        let Repaired { after, bytes, segments, .. } = self.repaired;
        !self.ended && after == loss.after.0 && bytes >= loss.bytes && segments >= loss.segments
    }
}

/// Nothing was repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error("another process holds the journal")]
    Locked,
    #[error("the journal is sound up to frame {head}; there is nothing to repair")]
    Sound { head: Seq },
    #[error("frames after {after} would be lost, not those after {accepted}")]
    OtherLoss { after: Seq, accepted: Seq },
    #[error("no repair mends this: {0}")]
    Unrepairable(Damage),
    #[error(
        "{damage}; the segments before `{}` were deleted, and without the frames after {after} no \
         snapshot is left that stands for them",
        segment::name(*.first)
    )]
    Unfounded {
        damage: Damage,
        after: Seq,
        /// The oldest segment there is.
        first: Seq,
    },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl RepairError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Locked | Self::Sound { .. } => Kind::Refused(Refused::Conflict),
            Self::OtherLoss { .. } => Kind::Refused(Refused::BadInput),
            Self::Unrepairable(damage) => damage.kind(),
            Self::Unfounded { .. } => Kind::Corrupt,
            Self::Read(error) => error.kind(),
            Self::Io { .. } => Kind::Unavailable,
        }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> RepairError {
    move |source| RepairError::Io { doing, source }
}

/// What a repair would give up, and of one that a crash cut short, what it gave up before;
/// `Err(Sound)` when that is nothing.
///
/// # Errors
/// `Sound`, `Unrepairable`, or the disk cannot be read.
pub fn examine<D: Fs>(disk: &D, dir: &D::Dir) -> Result<Loss, RepairError> {
    let mut loss = find(disk, dir)?.loss;
    let notes = notes(disk, dir).map_err(failed("read the note of a repair"))?;
    if let Some(Noted { repaired, readable, highest, .. }) =
        notes.into_iter().find(|noted| noted.is_rest(&loss))
    {
        let Repaired { bytes, segments, .. } = repaired;
        loss = Loss { bytes, segments, readable, highest, ..loss };
    }
    Ok(loss)
}

/// Sets everything after frame `accepted` aside.
///
/// # Errors
/// As [`examine`]; `Locked` beside a daemon; `OtherLoss` when the loss is another one. Only `Io` may
/// have changed anything, and doing it again goes on from there.
pub fn repair<D: Fs>(
    disk: &Arc<D>,
    dir: &D::Dir,
    accepted: Seq,
    by: &str,
) -> Result<Repaired, RepairError> {
    let lock = Lock::take(&**disk, dir).map_err(failed("lock the journal"))?;
    let _lock = lock.ok_or(RepairError::Locked)?;
    let found = find(&**disk, dir)?;
    let after = found.loss.after;
    if after != accepted {
        return Err(RepairError::OtherLoss { after, accepted });
    }
    let noting = "note the repair";
    let mut notes = notes(&**disk, dir).map_err(failed(noting))?;
    let nth = notes.iter().position(|noted| noted.is_rest(&found.loss)).unwrap_or_else(|| {
        notes.push(Noted::of(&found.loss, by));
        notes.len() - 1
    });
    note(&**disk, dir, &notes).map_err(failed(noting))?;
    set_snapshots_aside(&**disk, dir, after).map_err(failed("set a snapshot aside"))?;
    // The newest first: what is left is a shorter journal with the same damage at its end.
    for first in found.aside.iter().rev() {
        set_aside(&**disk, dir, *first).map_err(failed("set a segment aside"))?;
    }
    if let Some((first, offset)) = found.cut {
        cut(&**disk, dir, first, offset).map_err(failed("cut off what is damaged"))?;
    }
    notes[nth].ended = true;
    note(&**disk, dir, &notes).map_err(failed(noting))?;
    Ok(notes.swap_remove(nth).repaired)
}

/// The repairs that no start has recorded yet, in the order they were made; `head` is the newest
/// frame there is. One that was begun, and behind which frames stand all the same, was given up.
///
/// # Errors
/// The system's; a note that cannot be read counts as none.
pub(crate) fn noted<D: Fs>(disk: &D, dir: &D::Dir, head: Seq) -> io::Result<Vec<Repaired>> {
    let made = |noted: &Noted| noted.ended || noted.repaired.after >= head.0;
    Ok(notes(disk, dir)?.into_iter().filter(made).map(|noted| noted.repaired).collect())
}

fn notes<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Vec<Noted>> {
    let Some(torn) = torn(disk, dir)? else { return Ok(Vec::new()) };
    let file = match disk.open(&torn, OsStr::new(NOTE), Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let text = read_full(disk, &file, NOTE_BYTES_MAX)?;
    // One alone stood there before there could be several.
    let one = || serde_json::from_slice(&text).map(|noted| vec![noted]);
    Ok(serde_json::from_slice(&text).or_else(|_| one()).unwrap_or_default())
}

/// Takes the note away, once its repair is recorded.
///
/// # Errors
/// The system's.
pub fn recorded<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<()> {
    let Some(torn) = torn(disk, dir)? else { return Ok(()) };
    match disk.unlink(&torn, OsStr::new(NOTE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir(&torn),
    }
}

/// The first damage, and what has to go for it.
struct Found {
    loss: Loss,
    /// A segment that keeps its beginning, and where it is cut.
    cut: Option<(Seq, usize)>,
    /// Segments that go whole.
    aside: Vec<Seq>,
}

fn find<D: Fs>(disk: &D, dir: &D::Dir) -> Result<Found, RepairError> {
    let (firsts, stranger) =
        segment::list(disk, dir).map_err(cannot("list the journal")).map_err(RepairError::Read)?;
    if let Some(stranger) = stranger {
        return Err(RepairError::Unrepairable(stranger));
    }
    let before = deleted(disk, dir, &firsts).map_err(failed("look for snapshots"))?;
    let mut found = find_behind(disk, dir, &firsts, before.unwrap_or(Cursor::START))?;
    if let (Some(_), Some(first)) = (before, firsts.first()) {
        let after = found.loss.after;
        let stands = snapshot::stands_below(disk, dir, &firsts, after);
        if !stands.map_err(failed("look for snapshots"))? {
            let (damage, first) = (found.loss.damage, *first);
            return Err(RepairError::Unfounded { damage, after, first });
        }
        found.loss.from = *first;
    }
    Ok(found)
}

/// Where a journal begins whose first segments were deleted, as its first frame has it; `None` for
/// one that is to begin with frame 1. That they were deleted, and not lost, its snapshots say.
fn deleted<D: Fs>(disk: &D, dir: &D::Dir, firsts: &[Seq]) -> io::Result<Option<Cursor>> {
    let Some(first) = firsts.first().filter(|first| **first > Seq(1)) else { return Ok(None) };
    if snapshots_after(disk, dir, Seq(0))?.is_empty() {
        return Ok(None);
    }
    // One that cannot be read is damage all the same.
    let frame = snapshot::first_frame(disk, dir, *first)?;
    let link = frame.map_or(Link::START, |(frame, _)| Link::in_head(&frame));
    Ok(Some(Cursor { head: Seq(first.0 - 1), link, durable: Seq(0) }))
}

/// The first damage behind `cursor`.
fn find_behind<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: &[Seq],
    mut cursor: Cursor,
) -> Result<Found, RepairError> {
    let (mut origin, mut bytes) = (None, Vec::new());
    for (i, first) in firsts.iter().enumerate() {
        let expected = cursor.head.next();
        if *first != expected {
            let damage = Damage::Gap { expected, found: *first };
            return without(disk, dir, damage, cursor.head, None, &firsts[i..]);
        }
        let file = match segment::open(disk, dir, *first, Access::Read) {
            Ok(Ok(file)) => file,
            Ok(Err(damage @ Damage::Length { .. })) => {
                return without(disk, dir, damage, cursor.head, None, &firsts[i..]);
            }
            Ok(Err(damage)) => return Err(RepairError::Unrepairable(damage)),
            Err(error) => return Err(failed("open a segment")(error)),
        };
        read_whole(disk, &file, &mut bytes, cores()).map_err(failed("read a segment"))?;
        let place = if i + 1 == firsts.len() { Place::Last } else { Place::Sealed };
        let (before, later) = (cursor.head, &firsts[i + 1..]);
        match recover::scan(&bytes, cursor, place, cores()) {
            Ok(scan) => {
                if let Some(head) = scan.head
                    && head.origin != *origin.get_or_insert(head.origin)
                {
                    let expected = origin.unwrap_or(head.origin);
                    let damage = Damage::Origin { segment: *first, found: head.origin, expected };
                    return without(disk, dir, damage, before, None, &firsts[i..]);
                }
                cursor = scan.cursor;
            }
            Err(broken) => match broken.damage {
                Damage::Frame { offset, seq, .. } => {
                    let at = usize::try_from(offset).unwrap_or(usize::MAX);
                    let after = Seq(seq.0.saturating_sub(1));
                    let cut = Some((*first, at, &bytes[..]));
                    return without(disk, dir, broken.damage, after, cut, later);
                }
                Damage::Empty { .. } => {
                    return without(disk, dir, broken.damage, before, None, later);
                }
                Damage::Length { .. } => {
                    return without(disk, dir, broken.damage, before, None, &firsts[i..]);
                }
                damage => return Err(RepairError::Unrepairable(damage)),
            },
        }
    }
    match snapshots_after(disk, dir, cursor.head).map_err(failed("list the snapshots"))?.pop() {
        None => Err(RepairError::Sound { head: cursor.head }),
        Some((_, snapshot)) => {
            without(disk, dir, Damage::Older { snapshot }, cursor.head, None, &[])
        }
    }
}

/// Snapshots that stand for frames behind `after`, or for it as the last of a full segment.
fn snapshots_after<D: Fs>(disk: &D, dir: &D::Dir, after: Seq) -> io::Result<Vec<(Seq, String)>> {
    let snapshots = match disk.open_dir(dir, Path::new(snapshot::DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let names = disk.list(&snapshots)?;
    let names = names.iter().filter_map(|name| name.to_str());
    let seqs = names.filter_map(|name| Some((Seq(name.get(..20)?.parse().ok()?), name.to_owned())));
    Ok(seqs.filter(|(seq, _)| *seq >= after).collect())
}

/// Counts what goes.
fn without<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    damage: Damage,
    after: Seq,
    cut: Option<(Seq, usize, &[u8])>,
    aside: &[Seq],
) -> Result<Found, RepairError> {
    let segments = u32::try_from(aside.len()).unwrap_or(u32::MAX);
    let from = Seq(1);
    let mut loss = Loss { from, after, damage, bytes: 0, segments, readable: 0, highest: None };
    if let Some((_, at, bytes)) = cut {
        loss.count(&bytes[at.min(bytes.len())..]);
    }
    let mut bytes = Vec::new();
    for first in aside {
        let file = disk.open(dir, OsStr::new(&segment::name(*first)), Access::Read);
        file.and_then(|file| read_whole(disk, &file, &mut bytes, cores()))
            .map_err(failed("read a segment"))?;
        loss.count(&bytes);
    }
    let cut = cut.map(|(first, at, _)| (first, at));
    Ok(Found { loss, cut, aside: aside.to_vec() })
}

impl Loss {
    fn count(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..used(bytes)];
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == MAGIC[0]) {
            rest = &rest[at..];
            let head = rest.starts_with(MAGIC).then(|| Head::read(rest)).flatten();
            let whole = head.filter(|head| {
                rest.get(..head.frame_bytes).is_some_and(|frame| frame::body(frame).is_some())
            });
            if let Some(head) = whole {
                self.readable += 1;
                self.highest = self.highest.max(Some(head.seq));
            }
            rest = &rest[whole.map_or(1, |head| head.frame_bytes)..];
        }
    }
}

fn torn<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Option<D::Dir>> {
    match disk.open_dir(dir, Path::new(segment::TORN)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn make_torn<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<D::Dir> {
    match disk.make_dir(dir, OsStr::new(segment::TORN), 0o700) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    disk.sync_dir(dir)?;
    disk.open_dir(dir, Path::new(segment::TORN))
}

fn note<D: Fs>(disk: &D, dir: &D::Dir, notes: &[Noted]) -> io::Result<()> {
    let torn = make_torn(disk, dir)?;
    let text = serde_json::to_vec(notes).map_err(io::Error::other)?;
    if text.len() as u64 > NOTE_BYTES_MAX {
        // More than a dozen without a start in between.
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let temp = OsString::from(format!("{NOTE}.tmp"));
    match disk.unlink(&torn, &temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&torn, &temp, 0o600)?;
    write_full(disk, &file, &text, 0)?;
    disk.sync(&file)?;
    disk.rename((&torn, &temp), (&torn, OsStr::new(NOTE)), Rename::Replace)?;
    disk.sync_dir(&torn)
}

/// Moves the snapshots away that stand for frames which go: they would say that the journal is too
/// short.
fn set_snapshots_aside<D: Fs>(disk: &D, dir: &D::Dir, after: Seq) -> io::Result<()> {
    for (_, name) in snapshots_after(disk, dir, after)? {
        let snapshots = disk.open_dir(dir, Path::new(snapshot::DIR))?;
        move_aside(disk, dir, &snapshots, &name)?;
    }
    Ok(())
}

fn set_aside<D: Fs>(disk: &D, dir: &D::Dir, first: Seq) -> io::Result<()> {
    move_aside(disk, dir, dir, &segment::name(first))
}

/// Moves a file into `torn/`, under a name that is free there.
fn move_aside<D: Fs>(disk: &D, dir: &D::Dir, from: &D::Dir, file: &str) -> io::Result<()> {
    const COPIES_MAX: u32 = 1000;
    let torn = make_torn(disk, dir)?;
    for copy in 0..COPIES_MAX {
        let kept = OsString::from(format!("{file}.{copy}"));
        match disk.rename((from, OsStr::new(file)), (&torn, &kept), Rename::NoReplace) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => {
                disk.sync_dir(&torn)?;
                return disk.sync_dir(from);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Keeps what stands behind `offset` in `torn/`, then zeroes it.
fn cut<D: Fs>(disk: &D, dir: &D::Dir, first: Seq, offset: usize) -> io::Result<()> {
    let file = disk.open(dir, OsStr::new(&segment::name(first)), Access::ReadWrite)?;
    let mut bytes = read_full(disk, &file, SEGMENT_BYTES_MAX)?;
    let end = used(&bytes).max(offset);
    save(disk, dir, (first, offset), &bytes[offset..end])?;
    bytes[offset..end].fill(0);
    write_full(disk, &file, &bytes[offset..end], offset as u64)?;
    disk.sync(&file)
}
