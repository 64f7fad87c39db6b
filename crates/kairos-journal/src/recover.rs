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
use crate::frame::{Head, MAGIC, VOUCHED_BYTES};
use crate::walk::{self, Cursor, Span, Stop, Walk, is_nul, used};

/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

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
    let Walk { frames, end: offset, cursor: after, stop } = walk::walk(bytes, cursor, cores);
    let head = segment_head(bytes, &frames, segment)
        .map_err(|damage| Box::new(Broken { damage, frames: 0, cursor }))?;
    let (cursor, seq) = (after, after.head.next());
    let tail = match stop {
        Stop::End if place == Place::Sealed && frames.is_empty() => Err(Damage::Empty { segment }),
        Stop::End => Ok(Tail::Clean),
        Stop::Bad(reason) => judge(bytes, offset, seq, reason, place)
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
    let end = used(bytes).max(offset);
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
