//! What the bytes of a segment say.
//!
//! Owns the recovery rule: which frames hold, where they end, and whether what lies behind them is
//! nothing, a write that a crash cut short, or damage. Pure: bytes in, findings out. Opening acts
//! on the findings; `verify` reports them.
//!
//! | behind the last whole frame | finding |
//! |---|---|
//! | NUL to the end | clean |
//! | in the last segment; a whole piece of the bad frame inside one sector is NUL; every piece that is there could have been left by a write; no later head says it was durable | torn |
//! | anything else | damage |
//!
//! No frame contains a NUL, so a piece of one that is NUL never arrived. When the head cannot be
//! read, the frame's length is unknown and only the head's own bytes are judged.

use std::num::NonZero;
use std::ops::Range;

use kairos_core::fold::Seq;

use crate::body::{self, FORMAT, SegmentHead};
use crate::damage::{Damage, Reason};
use crate::frame::{self, HEAD_BYTES, Head, Link, MAGIC, VOUCHED_BYTES};

/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Where a walk over the frames stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The newest frame that holds.
    pub(crate) head: Seq,
    pub(crate) link: Link,
    /// The highest position that any frame says is durable.
    pub(crate) durable: Seq,
}

impl Cursor {
    pub(crate) const START: Self = Self { head: Seq(0), link: Link::START, durable: Seq(0) };

    /// Behind the segment whose last frame is `frame`.
    fn after(self, frame: &[u8]) -> Self {
        let head = Head::read(frame).expect("the walk has read this head before");
        Self { head: head.seq, link: Link::of(frame), durable: head.durable }
    }
}

/// Where the segment that is looked at stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Segments follow it.
    Sealed,
    Last,
    /// It is the last, and a writer may be at work on it: whatever cannot be read yet and is not
    /// proven durable may become a frame.
    Live,
}

/// A frame that holds: its bytes within the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.start + self.bytes
    }

    pub(crate) fn body(self) -> Range<usize> {
        self.start + HEAD_BYTES..self.start + self.bytes - 1
    }
}

/// What lies behind the last frame that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    Clean,
    /// Bytes a crash left of frames that were never acknowledged.
    Torn(Range<usize>),
}

/// A segment that holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) frames: Vec<Span>,
    pub(crate) head: Option<SegmentHead>,
    pub(crate) tail: Tail,
    pub(crate) cursor: Cursor,
}

/// A segment that does not, and how far it did.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) damage: Damage,
    pub(crate) frames: u64,
    pub(crate) cursor: Cursor,
}

/// Reads the segment `bytes` whose first frame comes after `cursor`, on up to `cores` threads.
pub(crate) fn scan(
    bytes: &[u8],
    cursor: Cursor,
    place: Place,
    cores: NonZero<usize>,
) -> Result<Scan, Box<Broken>> {
    let segment = cursor.head.next();
    let (mut frames, mut stop) = walk_heads(bytes, cursor);
    if let Some((good, reason)) = first_bad(bytes, cursor.link, &frames, cores) {
        frames.truncate(good);
        stop = Some(reason);
    }
    let head = segment_head(bytes, &frames, segment)
        .map_err(|damage| Box::new(Broken { damage, frames: 0, cursor }))?;
    let (offset, cursor) = match frames.last() {
        None => (0, cursor),
        Some(last) => (last.range().end, cursor.after(&bytes[last.range()])),
    };
    let seq = cursor.head.next();
    let tail = match stop {
        None if place == Place::Sealed && frames.is_empty() => Err(Damage::Empty { segment }),
        None => Ok(Tail::Clean),
        Some(reason) => judge(bytes, offset, seq, reason, place)
            .map(Tail::Torn)
            .map_err(|reason| Damage::Frame { segment, offset: offset as u64, seq, reason }),
    };
    match tail {
        Ok(tail) => Ok(Scan { frames, head, tail, cursor }),
        Err(damage) => Err(Box::new(Broken { damage, frames: frames.len() as u64, cursor })),
    }
}

/// What the first frame says about its segment; nothing when no frame holds.
fn segment_head(
    bytes: &[u8],
    frames: &[Span],
    segment: Seq,
) -> Result<Option<SegmentHead>, Damage> {
    let Some(first) = frames.first() else { return Ok(None) };
    let unreadable =
        Damage::Frame { segment, offset: 0, seq: segment, reason: Reason::SegmentHead };
    let head = body::segment_head(&bytes[first.body()]).ok().flatten().ok_or(unreadable)?;
    if head.format != FORMAT {
        return Err(Damage::Format { segment, found: head.format });
    }
    if head.bytes != bytes.len() as u64 {
        let (found, expected) = (bytes.len() as u64, head.bytes);
        return Err(Damage::Length { segment, found, expected });
    }
    Ok(Some(head))
}

/// The first pass: from head to head, without touching a body. Answers the frames whose heads hold
/// and why the walk ended; `None` when only NUL follows.
fn walk_heads(bytes: &[u8], cursor: Cursor) -> (Vec<Span>, Option<Reason>) {
    let mut frames = Vec::new();
    let (mut seq, mut durable, mut start) = (cursor.head.next(), cursor.durable, 0);
    let stop = loop {
        let rest = &bytes[start..];
        let Some(head) = Head::read(rest) else {
            break (!is_nul(rest)).then_some(Reason::Head);
        };
        if head.seq != seq {
            break Some(Reason::Seq { found: head.seq });
        }
        if head.durable >= seq || head.durable < durable {
            break Some(Reason::Durable { found: head.durable });
        }
        if head.frame_bytes > rest.len() {
            break Some(Reason::Length);
        }
        frames.push(Span { start, bytes: head.frame_bytes });
        durable = head.durable;
        seq = seq.next();
        start += head.frame_bytes;
    };
    (frames, stop)
}

/// The second pass: the first frame whose link or body does not hold.
fn first_bad(
    bytes: &[u8],
    link: Link,
    frames: &[Span],
    cores: NonZero<usize>,
) -> Option<(usize, Reason)> {
    // Below this a thread costs more than it saves.
    const FRAMES_PER_CORE: usize = 4096;
    let share = frames.len().div_ceil(cores.get()).max(FRAMES_PER_CORE);
    if frames.len() <= share {
        return first_bad_of(bytes, link, frames);
    }
    std::thread::scope(|scope| {
        let check = |(i, chunk): (usize, _)| {
            let before = (i * share).checked_sub(1).map(|last| frames[last].range());
            scope.spawn(move || {
                let link = before.map_or(link, |range| Link::of(&bytes[range]));
                first_bad_of(bytes, link, chunk).map(|(at, reason)| (i * share + at, reason))
            })
        };
        let shares: Vec<_> = frames.chunks(share).enumerate().map(check).collect();
        shares.into_iter().find_map(|share| share.join().expect("the check never panics"))
    })
}

fn first_bad_of(bytes: &[u8], mut link: Link, frames: &[Span]) -> Option<(usize, Reason)> {
    for (index, span) in frames.iter().enumerate() {
        let frame = &bytes[span.range()];
        if !frame::follows(frame, &link) {
            return Some((index, Reason::Link));
        }
        if frame::body(frame).is_none() {
            return Some((index, Reason::Body));
        }
        link = Link::of(frame);
    }
    None
}

/// Whether the bad frame `seq` at `offset` is one that a crash cut short: the bytes it and its like
/// left behind, or why it is damage.
pub(crate) fn judge(
    bytes: &[u8],
    offset: usize,
    seq: Seq,
    reason: Reason,
    place: Place,
) -> Result<Range<usize>, Reason> {
    if !matches!(reason, Reason::Head | Reason::Body) {
        return Err(reason);
    }
    let frame_bytes = Head::read(&bytes[offset..]).map_or(VOUCHED_BYTES, |head| head.frame_bytes);
    let frame = offset..offset.saturating_add(frame_bytes).min(bytes.len());
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(offset, |last| last + 1);
    if place != Place::Live {
        if !pieces(frame.clone()).any(|piece| is_nul(&bytes[piece])) {
            return Err(reason);
        }
        if place == Place::Sealed {
            return Err(Reason::Sealed);
        }
        if !left_by_a_write(bytes, offset..end) {
            return Err(Reason::Scattered);
        }
    }
    let behind = if reason == Reason::Head { offset + 1 } else { frame.end };
    match later_proof(&bytes[behind..], seq) {
        Some(later) => Err(Reason::Acknowledged { later }),
        None => Ok(offset..end),
    }
}

/// Whether `range` looks like frames of which whole sectors are missing, or of which only the
/// beginning arrived. A stray byte in what was NUL does not.
fn left_by_a_write(bytes: &[u8], range: Range<usize>) -> bool {
    let there = &bytes[range.clone()];
    let prefix = there.iter().position(|byte| *byte == 0).unwrap_or(there.len());
    let magic = prefix.min(MAGIC.len());
    if there[..magic] != MAGIC[..magic] {
        return false;
    }
    if prefix == there.len() {
        return true;
    }
    // Every piece arrived whole or not at all; the one in which the write ends ends as frames do.
    (range.end.is_multiple_of(SECTOR_BYTES) || there.ends_with(b"\n"))
        && pieces(range).all(|piece| {
            let piece = &bytes[piece];
            is_nul(piece) || !piece.contains(&0)
        })
}

/// A later head that could only be written once `seq` was durable.
fn later_proof(bytes: &[u8], seq: Seq) -> Option<Seq> {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == MAGIC[0]) {
        rest = &rest[at..];
        if rest.starts_with(MAGIC)
            && let Some(head) = Head::read(rest)
            && head.seq > seq
            && head.durable >= seq
        {
            return Some(head.seq);
        }
        rest = &rest[1..];
    }
    None
}

/// The parts of `range` that lie within one sector each.
fn pieces(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let end = (start / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES).min(range.end);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Whether there is nothing but NUL.
pub(crate) fn is_nul(bytes: &[u8]) -> bool {
    let mut chunks = bytes.chunks_exact(64);
    chunks.all(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0)
        && chunks.remainder().iter().all(|byte| *byte == 0)
}
