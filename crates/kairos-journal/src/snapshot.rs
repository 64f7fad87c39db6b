//! Snapshots: a fold as it stood behind one frame, so that a start need not read what is before it.
//!
//! Owns their files in `snapshots/`, and which of them is believed. Never folds, and never trusts a
//! snapshot that the journal does not confirm. A start and a follower of old records take the
//! newest; [`crate::refold`] makes the next one.
//!
//! ```text
//! snapshots/00000000000000004711.state
//! kjs1 <kind> <origin> <epoch> <schema> <seq:16> <durable:16> <eventful:16> <link:64 hex> <bytes> <sha256:64 hex>\n
//! <body: one JSON value, so many bytes>\n
//! ```
//!
//! `link` is how frame `seq + 1` names frame `seq`. `sha256` covers everything before it in the head,
//! and the body. A snapshot is of the last frame of a segment, and made only once the first frame of
//! the next one is on disk: where that frame is missing, the journal is older than its snapshot.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use kairos_core::fold::{Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_disk::Fs;
use kairos_disk::fs::{Access, FileKind, Rename, write_full};
use sha2::{Digest as _, Sha256};

use crate::body::{self, FORMAT, SegmentHead};
use crate::frame::{self, HEAD_BYTES, Head, Link};
use crate::open::{cores, read_whole};
use crate::segment;
use crate::walk::Cursor;
use crate::writer::FRAME_BYTES_MAX;

/// Where they lie, within the journal.
pub(crate) const DIR: &str = "snapshots";

/// A snapshot is never longer.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = segment::SEGMENT_BYTES_MAX;

/// The ending of one that is being written.
const TEMP: &str = ".tmp";

const MAGIC: &str = "kjs1";

/// Bytes a head has at most, the newline included.
const HEAD_BYTES_MAX: usize = 512;

/// Why a snapshot is not believed. An older one is taken then, or everything is folded again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it does not begin as a snapshot does")]
    Head,
    #[error("it is cut off, or goes on behind its end")]
    Length,
    #[error("its checksum does not hold")]
    Sum,
    #[error("it is the snapshot `{name}`")]
    Name { name: String },
    #[error("it is of the journal of {found}, and this one is of {expected}")]
    Origin { found: NodeId, expected: NodeId },
    #[error("the frame behind it does not follow from it")]
    Link,
    #[error("the frame behind it is not on disk, and was when it was made")]
    Missing,
    #[error("the segment behind it is gone")]
    Gap,
    #[error("there is none")]
    Absent,
    #[error("its form has version {found}; this kairos knows up to {known}")]
    Schema { found: u32, known: u32 },
    #[error("it holds, but cannot be read: {problem}")]
    Form { problem: String },
    #[error("it is gone")]
    Gone,
    #[error("the disk does not give it: {problem}")]
    Disk { problem: String },
}

/// A snapshot that was not believed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub seq: Seq,
    /// From the journal's directory.
    pub name: String,
    pub flaw: Flaw,
}

/// What a snapshot says of itself and of the frames up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) origin: NodeId,
    /// The highest of the segments up to here.
    pub(crate) epoch: u64,
    pub(crate) cursor: Cursor,
    /// The newest frame that has events.
    pub(crate) eventful: Seq,
}

/// The newest snapshot that holds, and those that were passed over on the way to it.
pub(crate) struct Search<F: Snapshot> {
    pub(crate) found: Option<(Basis, F::Form)>,
    pub(crate) passed_over: Vec<PassedOver>,
}

/// The name of the snapshot of frame `seq`, from the journal's directory.
pub(crate) fn name(seq: Seq, kind: &str) -> String {
    format!("{DIR}/{}", file_name(seq, kind))
}

/// What the names of snapshots of that kind look like, from the journal's directory.
pub(crate) fn pattern(kind: &str) -> String {
    format!("{DIR}/*.{kind}")
}

fn file_name(seq: Seq, kind: &str) -> String {
    format!("{:020}.{kind}", seq.0)
}

fn seq_of(name: &OsStr, kind: &str) -> Option<Seq> {
    let digits = name.to_str()?.strip_suffix(kind)?.strip_suffix('.')?;
    let canonical = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    canonical.then(|| digits.parse().ok().map(Seq)).flatten()
}

/// Whether it is the name of a snapshot of any kind.
fn is_named(name: &OsStr) -> bool {
    let kind = name.to_str().and_then(|name| name.split_once('.')).map(|(_, kind)| kind);
    kind.is_some_and(|kind| seq_of(name, kind).is_some())
}

/// The directory of snapshots; `None` while there is none.
fn open_dir<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Option<D::Dir>> {
    match disk.open_dir(dir, Path::new(DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// The positions of all snapshots of `kind`, the newest first, whether they hold or not.
pub(crate) fn list<D: Fs>(disk: &D, dir: &D::Dir, kind: &str) -> io::Result<Vec<Seq>> {
    let Some(dir) = open_dir(disk, dir)? else { return Ok(Vec::new()) };
    let names = disk.list(&dir)?;
    let mut seqs: Vec<Seq> = names.iter().filter_map(|name| seq_of(name, kind)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(seqs)
}

/// Removes what a crash left half-written, and makes the rest durable before it is read. Only for who
/// holds the journal's lock: what another thread is writing looks the same. What cannot be removed is
/// in the way of the next snapshot, and told then.
pub(crate) fn settle<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<()> {
    let Some(dir) = open_dir(disk, dir)? else { return Ok(()) };
    for name in disk.list(&dir)?.iter().filter(|name| is_named(name)) {
        disk.sync(&disk.open(&dir, name, Access::Read)?)?;
    }
    disk.sync_dir(&dir)
}

/// Removes what a crash left of one that was being made.
pub(crate) fn clear_up<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<()> {
    let Some(dir) = open_dir(disk, dir)? else { return Ok(()) };
    let names = disk.list(&dir)?;
    let left = names.iter().filter(|name| name.as_encoded_bytes().ends_with(TEMP.as_bytes()));
    left.for_each(|name| drop(disk.unlink(&dir, name)));
    Ok(())
}

/// The newest snapshot of `F` that holds, and the frame it stands for with all before it. Needs no
/// lock, and changes nothing.
///
/// # Errors
/// The disk cannot be read.
pub fn newest_snapshot<F: Snapshot, D: Fs>(
    disk: &D,
    dir: &D::Dir,
) -> io::Result<Option<(Seq, F::Form)>> {
    let (firsts, _) = segment::list(disk, dir)?;
    let Search { found, .. } = newest::<F, D>(disk, dir, &firsts)?;
    Ok(found.map(|(basis, form)| (basis.cursor.head, form)))
}

/// Looks for the newest snapshot of `F` that holds, in a journal whose segments begin with `firsts`.
pub(crate) fn newest<F: Snapshot, D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: &[Seq],
) -> io::Result<Search<F>> {
    let mut search = Search { found: None, passed_over: Vec::new() };
    let Some(shelf) = Shelf::open(disk, dir, F::KIND, firsts)? else { return Ok(search) };
    for seq in shelf.seqs.iter().copied() {
        match shelf.read(F::KIND, seq).and_then(|whole| Ok((whole.basis, whole.form::<F>()?))) {
            Ok(found) => {
                search.found = Some(found);
                break;
            }
            Err(flaw) => {
                search.passed_over.push(PassedOver { seq, name: name(seq, F::KIND), flaw })
            }
        }
    }
    Ok(search)
}

/// The positions of the newest snapshots of `F` that hold, at most so many, the newest first.
pub(crate) fn holding<F: Snapshot, D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: &[Seq],
    most: usize,
) -> io::Result<Vec<Seq>> {
    let Some(shelf) = Shelf::open(disk, dir, F::KIND, firsts)? else { return Ok(Vec::new()) };
    let holds = |seq: &Seq| shelf.read(F::KIND, *seq).and_then(|whole| whole.form::<F>()).is_ok();
    Ok(shelf.seqs.iter().copied().filter(holds).take(most).collect())
}

/// Of each kind among the snapshots `named`, those that do not hold, the newest first, down to one that does,
/// and whether there is one; no form is looked at.
pub(crate) fn judged<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: &[Seq],
    named: &[(Seq, String)],
) -> io::Result<Vec<(Vec<PassedOver>, bool)>> {
    let kinds: BTreeSet<_> = named.iter().map(|(_, kind)| kind).collect();
    let mut judged = Vec::new();
    for kind in kinds {
        let Some(shelf) = Shelf::open(disk, dir, kind, firsts)? else { continue };
        let mut seqs: Vec<_> =
            named.iter().filter(|(_, of)| of == kind).map(|(seq, _)| *seq).collect();
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        let (mut over, mut holds) = (Vec::new(), false);
        for seq in seqs {
            let flaw = match shelf.read(kind, seq) {
                Ok(whole) if whole.holds() => {
                    holds = true;
                    break;
                }
                Ok(_) => Flaw::Sum,
                Err(flaw) => flaw,
            };
            over.push(PassedOver { seq, name: name(seq, kind), flaw });
        }
        judged.push((over, holds));
    }
    Ok(judged)
}

/// Whether of each kind that has snapshots one holds below frame `seq`; its form is not looked at.
pub(crate) fn stands_below<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    firsts: &[Seq],
    seq: Seq,
) -> io::Result<bool> {
    let Some(there) = open_dir(disk, dir)? else { return Ok(false) };
    let names = disk.list(&there)?;
    let named = names.iter().filter(|name| is_named(name)).filter_map(|name| name.to_str());
    let kinds: BTreeSet<_> = named.filter_map(|name| Some(name.split_once('.')?.1)).collect();
    for kind in &kinds {
        let shelf = Shelf::open(disk, dir, kind, firsts)?;
        let mut holds = shelf.iter().flat_map(|shelf| shelf.seqs.iter().map(move |at| (shelf, at)));
        let holds = holds
            .any(|(shelf, at)| *at < seq && shelf.read(kind, *at).is_ok_and(|whole| whole.holds()));
        if !holds {
            return Ok(false);
        }
    }
    Ok(!kinds.is_empty())
}

/// The snapshots of one kind, beside the journal they are confirmed by.
struct Shelf<'a, D: Fs> {
    disk: &'a D,
    dir: &'a D::Dir,
    there: D::Dir,
    segments: Segments<'a>,
    /// The newest first, whether they hold or not.
    seqs: Vec<Seq>,
}

impl<'a, D: Fs> Shelf<'a, D> {
    /// `None` when there are no snapshots of that kind.
    fn open(
        disk: &'a D,
        dir: &'a D::Dir,
        kind: &str,
        firsts: &'a [Seq],
    ) -> io::Result<Option<Self>> {
        let seqs = list(disk, dir, kind)?;
        if seqs.is_empty() {
            return Ok(None);
        }
        let there = open_dir(disk, dir)?.ok_or(io::ErrorKind::NotFound)?;
        let segments = Segments { firsts, origin: origin(disk, dir, firsts)? };
        Ok(Some(Self { disk, dir, there, segments, seqs }))
    }

    /// One that the journal confirms.
    fn read(&self, kind: &str, seq: Seq) -> Result<Whole, Flaw> {
        let whole = read(self.disk, &self.there, (seq, kind))?;
        match self.segments.confirm(self.disk, self.dir, &whole.basis) {
            Ok(()) => Ok(whole),
            // Only what it really says can be held against it.
            Err(flaw) => Err(if whole.holds() { flaw } else { Flaw::Sum }),
        }
    }
}

/// A snapshot that is all there; its checksum is not looked at yet.
struct Whole {
    basis: Basis,
    schema: u32,
    sum: String,
    bytes: Vec<u8>,
    /// Where in `bytes` what is summed of the head ends, and where the body stands.
    summed: usize,
    body: std::ops::Range<usize>,
}

impl Whole {
    fn form<F: Snapshot>(self) -> Result<F::Form, Flaw> {
        // The sum takes a fourth of the reading's time and can be had beside it.
        let (holds, form) = std::thread::scope(|scope| {
            let holds = scope.spawn(|| self.holds());
            let form = self.read::<F>();
            (holds.join().expect("a hash never panics"), form)
        });
        if holds { form } else { Err(Flaw::Sum) }
    }

    fn holds(&self) -> bool {
        sum(&self.bytes[..self.summed], &self.bytes[self.body.clone()]) == self.sum
    }

    fn read<F: Snapshot>(&self) -> Result<F::Form, Flaw> {
        let (found, known) = (self.schema, F::SCHEMA);
        if found > known {
            return Err(Flaw::Schema { found, known });
        }
        // At once, for a string by itself is looked through more slowly.
        let text = std::str::from_utf8(&self.bytes[self.body.clone()]);
        let text = text.map_err(|error| Flaw::Form { problem: error.to_string() })?;
        serde_json::from_str(text).map_err(|error| Flaw::Form { problem: error.to_string() })
    }
}

/// The positions and kinds of all snapshots of every kind, whether they hold or not.
pub(crate) fn all<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Vec<(Seq, String)>> {
    let Some(dir) = open_dir(disk, dir)? else { return Ok(Vec::new()) };
    let parts = |name: &OsString| {
        let kind = name.to_str()?.split_once('.')?.1;
        Some((seq_of(name, kind)?, kind.to_owned()))
    };
    Ok(disk.list(&dir)?.iter().filter_map(parts).collect())
}

/// The text of a snapshot whose checksum holds, the head among it. Whether the journal confirms it is
/// not looked at.
pub(crate) fn text<D: Fs>(disk: &D, dir: &D::Dir, seq: Seq, kind: &str) -> Result<Vec<u8>, Flaw> {
    let there = open_dir(disk, dir).map_err(|error| Flaw::Disk { problem: error.to_string() })?;
    let whole = read(disk, &there.ok_or(Flaw::Gone)?, (seq, kind))?;
    if whole.holds() { Ok(whole.bytes) } else { Err(Flaw::Sum) }
}

fn read<D: Fs>(disk: &D, dir: &D::Dir, (seq, kind): (Seq, &str)) -> Result<Whole, Flaw> {
    let disk_says = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Flaw::Gone,
        _ => Flaw::Disk { problem: error.to_string() },
    };
    let name = file_name(seq, kind);
    let file = disk.open(dir, OsStr::new(&name), Access::Read).map_err(disk_says)?;
    let stat = disk.stat_file(&file).map_err(disk_says)?;
    if stat.kind != FileKind::Regular {
        return Err(Flaw::Head);
    }
    if stat.bytes > SNAPSHOT_BYTES_MAX {
        return Err(Flaw::Length);
    }
    let mut bytes = Vec::new();
    read_whole(disk, &file, &mut bytes, cores()).map_err(disk_says)?;
    let head_bytes = bytes.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n');
    let head_bytes = head_bytes.ok_or(Flaw::Head)?;
    let text = std::str::from_utf8(&bytes[..head_bytes]).map_err(|_| Flaw::Head)?;
    let head = FileHead::read(text).ok_or(Flaw::Head)?;
    let body = head_bytes + 1..bytes.len().saturating_sub(1);
    if body.len() as u64 != head.bytes || bytes.last() != Some(&b'\n') {
        return Err(Flaw::Length);
    }
    let summed = text.len() - head.sum.len();
    let says = file_name(head.basis.cursor.head, head.kind);
    if says != name {
        return Err(Flaw::Name { name: says });
    }
    let FileHead { basis, schema, sum, .. } = head;
    Ok(Whole { basis, schema, sum, bytes, summed, body })
}

/// The journal a snapshot is to be confirmed by.
struct Segments<'a> {
    firsts: &'a [Seq],
    /// `None` while no frame tells.
    origin: Option<NodeId>,
}

fn origin<D: Fs>(disk: &D, dir: &D::Dir, firsts: &[Seq]) -> io::Result<Option<NodeId>> {
    for first in firsts.iter().rev() {
        if let Some((_, segment)) = first_frame(disk, dir, *first)? {
            return Ok(Some(segment.origin));
        }
    }
    Ok(None)
}

impl Segments<'_> {
    fn confirm<D: Fs>(&self, disk: &D, dir: &D::Dir, basis: &Basis) -> Result<(), Flaw> {
        let (found, next) = (basis.origin, basis.cursor.head.next());
        if let Some(expected) = self.origin.filter(|origin| *origin != found) {
            return Err(Flaw::Origin { found, expected });
        }
        if self.firsts.binary_search(&next).is_err() {
            let ends = self.firsts.last().is_none_or(|last| *last < next);
            return Err(if ends { Flaw::Missing } else { Flaw::Gap });
        }
        let first = first_frame(disk, dir, next)
            .map_err(|error| Flaw::Disk { problem: error.to_string() })?;
        match first {
            Some((frame, _)) if basis.cursor.link.is_in_head(&frame) => Ok(()),
            Some(_) => Err(Flaw::Link),
            None => Err(Flaw::Missing),
        }
    }
}

/// The first frame of the segment `first`, and what it says of the segment; `None` when none stands
/// there whole.
pub(crate) fn first_frame<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    first: Seq,
) -> io::Result<Option<(Vec<u8>, SegmentHead)>> {
    let Ok(file) = segment::open(disk, dir, first, Access::Read)? else { return Ok(None) };
    let mut bytes = vec![0; HEAD_BYTES];
    if !fill(disk, &file, &mut bytes, 0)? {
        return Ok(None);
    }
    let Some(head) = Head::read(&bytes).filter(|head| head.seq == first) else { return Ok(None) };
    if head.frame_bytes as u64 > FRAME_BYTES_MAX {
        return Ok(None);
    }
    bytes.resize(head.frame_bytes, 0);
    if !fill(disk, &file, &mut bytes[HEAD_BYTES..], HEAD_BYTES as u64)? {
        return Ok(None);
    }
    let segment = frame::body(&bytes).and_then(|body| body::segment_head(body).ok().flatten());
    let segment = segment.filter(|segment| segment.format == FORMAT);
    Ok(segment.map(|segment| (bytes, segment)))
}

/// Fills `bytes` from `offset` on; `false` when the file ends before.
fn fill<D: Fs>(disk: &D, file: &D::File, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut filled = 0;
    while filled < bytes.len() {
        match disk.read_at(file, &mut bytes[filled..], offset + filled as u64)? {
            0 => return Ok(false),
            read => filled += read,
        }
    }
    Ok(true)
}

/// The head of a snapshot's file.
struct FileHead<'a> {
    kind: &'a str,
    basis: Basis,
    schema: u32,
    /// Of the body.
    bytes: u64,
    /// The digits of the checksum.
    sum: String,
}

impl<'a> FileHead<'a> {
    /// Reads what [`text`](Self::text) and a checksum make; one number has one spelling.
    fn read(text: &'a str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [MAGIC, kind, origin, epoch, schema, seq, durable, eventful, link, bytes, sum] =
            words[..]
        else {
            return None;
        };
        let basis = Basis {
            origin: origin.parse().ok()?,
            epoch: epoch.parse().ok()?,
            cursor: Cursor {
                head: Seq(seq.parse().ok()?),
                link: Link::read(link)?,
                durable: Seq(durable.parse().ok()?),
            },
            eventful: Seq(eventful.parse().ok()?),
        };
        let (schema, bytes) = (schema.parse().ok()?, bytes.parse().ok()?);
        let head = Self { kind, basis, schema, bytes, sum: sum.to_owned() };
        (head.text() + sum == text).then_some(head)
    }

    /// Everything before the checksum.
    fn text(&self) -> String {
        let Basis { origin, epoch, cursor, eventful } = &self.basis;
        let (seq, durable, link) = (cursor.head.0, cursor.durable.0, cursor.link.text());
        let (kind, schema, bytes) = (self.kind, self.schema, self.bytes);
        format!(
            "{MAGIC} {kind} {origin} {epoch} {schema} {seq:016} {durable:016} {:016} {link} {bytes} ",
            eventful.0
        )
    }
}

/// The checksum, in digits.
fn sum(head: &[u8], body: &[u8]) -> String {
    let hash = Sha256::new().chain_update(head).chain_update(body).finalize();
    hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

/// Puts a snapshot in place: written under a name of its own, synced, renamed. `body` is the fold as
/// it stood at `basis`.
pub(crate) fn put<F: Snapshot, D: Fs>(
    disk: &D,
    dir: &D::Dir,
    basis: &Basis,
    body: &[u8],
) -> io::Result<()> {
    let there = make_dir(disk, dir)?;
    let bytes = body.len() as u64;
    let head =
        FileHead { kind: F::KIND, basis: *basis, schema: F::SCHEMA, bytes, sum: String::new() };
    let mut head = head.text();
    head += &sum(head.as_bytes(), body);
    head.push('\n');
    let temp = OsString::from(format!("{}{TEMP}", F::KIND));
    match disk.unlink(&there, &temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // What an attempt left that failed.
        _ => {}
    }
    let file = disk.create(&there, &temp, 0o600)?;
    let name = OsString::from(file_name(basis.cursor.head, F::KIND));
    let written = write(disk, &file, [head.as_bytes(), body, b"\n"])
        .and_then(|()| disk.rename((&there, &temp), (&there, &name), Rename::Replace));
    if written.is_err() {
        // The first failure is the one to tell; what stays is swept at the next start.
        drop(disk.unlink(&there, &temp));
    }
    written?;
    disk.sync_dir(&there)
}

/// Writes `parts` one behind the other, and syncs them. A little at a time: whoever else waits for a
/// sync of this disk, the engine first of all, never waits behind all of it.
fn write<D: Fs>(disk: &D, file: &D::File, parts: [&[u8]; 3]) -> io::Result<()> {
    const AT_A_TIME: usize = 128 * 1024;
    let mut offset = 0;
    for piece in parts.into_iter().flat_map(|part| part.chunks(AT_A_TIME)) {
        write_full(disk, file, piece, offset)?;
        offset += piece.len() as u64;
        if piece.len() == AT_A_TIME {
            disk.sync(file)?;
        }
    }
    disk.sync(file)
}

fn make_dir<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<D::Dir> {
    if let Some(there) = open_dir(disk, dir)? {
        return Ok(there);
    }
    disk.make_dir(dir, OsStr::new(DIR), 0o700)?;
    disk.sync_dir(dir)?;
    disk.open_dir(dir, Path::new(DIR))
}

/// Removes every snapshot of `kind` but those of the frames `kept`.
pub(crate) fn prune<D: Fs>(disk: &D, dir: &D::Dir, kind: &str, kept: [Seq; 2]) -> io::Result<()> {
    let Some(there) = open_dir(disk, dir)? else { return Ok(()) };
    for seq in list(disk, dir, kind)?.into_iter().filter(|seq| !kept.contains(seq)) {
        disk.unlink(&there, OsStr::new(&file_name(seq, kind)))?;
    }
    Ok(())
}
