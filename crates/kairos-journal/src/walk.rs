//! From frame to frame.
//!
//! Owns the walk over the bytes of a segment: each frame must hold and follow from the one before
//! it. Pure, and never says what it means that a frame does not; [`crate::recover`] does. A large
//! segment is walked in parts, one a core, that must meet.

use std::num::NonZero;
use std::ops::Range;

use kairos_core::fold::Seq;

use crate::damage::Reason;
use crate::frame::{self, HEAD_BYTES, Head, Link, MAGIC};

/// Where a walk stands.
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

    /// Steps over the frame at the start of `rest` and answers its length; nothing when only NUL
    /// follows.
    fn step(&mut self, rest: &[u8]) -> Result<Option<usize>, Reason> {
        let Some(head) = Head::read(rest) else {
            return if is_nul(rest) { Ok(None) } else { Err(Reason::Head) };
        };
        if head.seq != self.head.next() {
            return Err(Reason::Seq { found: head.seq });
        }
        if head.durable >= head.seq || head.durable < self.durable {
            return Err(Reason::Durable { found: head.durable });
        }
        let frame = rest.get(..head.frame_bytes).ok_or(Reason::Length)?;
        if !self.link.is_in_head(frame) {
            return Err(Reason::Link);
        }
        if frame::body(frame).is_none() {
            return Err(Reason::Body);
        }
        *self = Self { head: head.seq, link: Link::of(frame), durable: head.durable };
        Ok(Some(head.frame_bytes))
    }
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

/// How far a walk came.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) frames: Vec<Span>,
    /// Where the last of them ends.
    pub(crate) end: usize,
    pub(crate) cursor: Cursor,
    pub(crate) stop: Stop,
}

/// Why it went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Only NUL follows, or nothing.
    End,
    Bad(Reason),
}

/// Walks over the segment `bytes` whose first frame comes after `cursor`, on up to `cores` threads.
pub(crate) fn walk(bytes: &[u8], cursor: Cursor, cores: NonZero<usize>) -> Walk {
    let begun = Walk { frames: Vec::new(), end: 0, cursor, stop: Stop::End };
    let parts = parts(bytes, cores);
    if parts.is_empty() {
        return begun.on(bytes, bytes.len());
    }
    std::thread::scope(|scope| {
        let first_end = parts[0].end;
        let ends = parts[1..].iter().map(|part| part.end).chain([bytes.len()]);
        let ends: Vec<_> = ends.collect();
        let walks: Vec<_> = parts
            .into_iter()
            .zip(ends)
            .map(|(part, end)| {
                let (start, before) = (part.end, part.cursor);
                (start, before, scope.spawn(move || part.on(bytes, end)))
            })
            .collect();
        let mut whole = begun.on(bytes, first_end);
        for (start, before, part) in walks {
            let part = part.join().expect("a walk never panics");
            // A part that began at what only looked like a frame is walked over once more.
            let meets = whole.stop == Stop::End
                && whole.end == start
                && (whole.cursor.head, whole.cursor.link) == (before.head, before.link)
                && whole.cursor.durable <= before.durable;
            whole = if meets { whole.and(part) } else { whole };
        }
        match whole.stop {
            Stop::End => whole.on(bytes, bytes.len()),
            Stop::Bad(_) => whole,
        }
    })
}

/// Where further cores may begin: at the first head behind each share of the bytes, believed for
/// now.
fn parts(bytes: &[u8], cores: NonZero<usize>) -> Vec<Walk> {
    // Below this a thread costs more than it saves.
    const PART_BYTES_MIN: usize = 1 << 18;
    if cores.get() == 1 {
        return Vec::new();
    }
    let used = used(bytes);
    let share = (used / cores).max(PART_BYTES_MIN);
    let mut parts: Vec<Walk> = Vec::new();
    for boundary in (1..cores.get()).map(|core| core * share).take_while(|at| *at < used) {
        let heads = bytes[boundary..used].windows(MAGIC.len()).enumerate();
        let mut heads = heads.filter(|(_, text)| text == MAGIC).map(|(at, _)| boundary + at);
        let Some(start) = heads.find(|at| Head::read(&bytes[*at..]).is_some()) else { break };
        if parts.last().is_none_or(|last| last.end < start)
            && let Some(head) = Head::read(&bytes[start..])
            && let Some(before) = head.seq.0.checked_sub(1)
        {
            let link = Link::in_head(&bytes[start..]);
            let cursor = Cursor { head: Seq(before), link, durable: head.durable };
            parts.push(Walk { frames: Vec::new(), end: start, cursor, stop: Stop::End });
        }
    }
    parts
}

impl Walk {
    /// Goes on until a frame does not hold or ends at or behind `until`.
    fn on(mut self, bytes: &[u8], until: usize) -> Self {
        while self.end < until {
            match self.cursor.step(&bytes[self.end..]) {
                Ok(None) => break,
                Ok(Some(frame_bytes)) => {
                    self.frames.push(Span { start: self.end, bytes: frame_bytes });
                    self.end += frame_bytes;
                }
                Err(reason) => {
                    self.stop = Stop::Bad(reason);
                    break;
                }
            }
        }
        self
    }

    fn and(mut self, next: Self) -> Self {
        self.frames.extend(next.frames);
        Self { frames: self.frames, ..next }
    }
}

/// Whether there is nothing but NUL.
pub(crate) fn is_nul(bytes: &[u8]) -> bool {
    used(bytes) == 0
}

/// How many bytes there are before nothing but NUL follows.
pub(crate) fn used(bytes: &[u8]) -> usize {
    // In blocks, because the compiler makes wide compares of them.
    let blank = |block: &[u8]| block.iter().fold(0, |any, byte| any | byte) == 0;
    let blocks = bytes.rchunks(256).take_while(|block| blank(block));
    let nul: usize = blocks.map(<[u8]>::len).sum();
    let rest = &bytes[..bytes.len() - nul];
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_ends_with_the_last_byte_that_is_not_nul() {
        for length in [0, 1, 255, 256, 257, 1000] {
            let mut bytes = vec![0; length];
            assert_eq!(used(&bytes), 0);
            for last in 0..length {
                bytes[last] = 1;
                assert_eq!(used(&bytes), last + 1);
                bytes[last] = 0;
            }
        }
    }
}
