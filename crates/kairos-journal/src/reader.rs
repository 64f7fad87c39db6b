//! Reading beside a writer.
//!
//! Owns going through the frames from a position on, without the lock and without repairing
//! anything. Never writes, never waits. Followers of old positions and verbs that need no daemon
//! read through here; frames a live writer has not synced yet may be among them, so whoever must
//! not tell of those stops at the durable position.

use std::io;
use std::sync::Arc;

use kairos_core::fold::{At, Seq};
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;
use kairos_disk::fs::Access;
use serde::de::DeserializeOwned;

use crate::body::{Body, FORMAT, Stamp};
use crate::damage::{Damage, Reason};
use crate::frame::{self, HEAD_BYTES, Head, Link};
use crate::ledger::Record;
use crate::open::{cores, read_whole};
use crate::recover::{self, Place};
use crate::segment;
use crate::walk::{self, Cursor};
use crate::writer::FRAME_BYTES_MAX;

/// What may stand behind the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// A writer may be at work: whatever is there may become a frame at any moment.
    Live,
    /// Nobody writes: it is nothing, or torn, or damage.
    Still,
}

/// The journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("frame {seq} holds, but its events cannot be read")]
    Unreadable { seq: Seq, source: serde_json::Error },
    #[error("frame {seq} holds, but `{text}` is not a time")]
    Time { seq: Seq, text: String },
    #[error("the journal begins with frame {first}")]
    Pruned { first: Seq },
    #[error("segments were deleted during each of {looks} looks")]
    Changing { looks: u32 },
    #[error("told to stop")]
    Stopped,
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl ReadError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Damaged(damage) => damage.kind(),
            Self::Unreadable { .. } | Self::Time { .. } => Kind::Corrupt,
            Self::Pruned { .. } => Kind::Refused(Refused::Unknown),
            Self::Changing { .. } | Self::Stopped | Self::Io { .. } => Kind::Unavailable,
        }
    }
}

pub(crate) fn cannot(doing: &'static str) -> impl FnOnce(io::Error) -> ReadError {
    move |source| ReadError::Io { doing, source }
}

/// Goes through the frames of a journal, and further when there are more.
pub struct Reader<D: Fs> {
    disk: Arc<D>,
    dir: D::Dir,
    tail: Tail,
    from: Seq,
    /// The frame that stands at the window's start.
    next: Seq,
    /// How it must name the one before it, once that was read.
    link: Option<Link>,
    segment: Option<(Seq, D::File)>,
    window: Window,
    stamp: Stamp,
}

/// Some bytes of the segment, from the next frame on.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    start: usize,
    /// Where in the file `bytes[start]` stands.
    offset: u64,
}

/// What stands where the next frame should.
enum Standing {
    Frame { bytes: usize },
    Nothing,
    Bad(Reason),
}

impl<D: Fs> Reader<D> {
    /// Begins at frame `from`; at the first when that is 0.
    pub fn new(disk: Arc<D>, dir: D::Dir, from: Seq, tail: Tail) -> Self {
        Self {
            disk,
            dir,
            tail,
            from: from.max(Seq(1)),
            next: Seq(0),
            link: None,
            segment: None,
            window: Window::default(),
            stamp: Stamp::default(),
        }
    }

    /// Begins behind frame `seq`, which the next one must name as `link`.
    pub(crate) fn behind(disk: Arc<D>, dir: D::Dir, seq: Seq, link: Link) -> Self {
        Self { link: Some(link), ..Self::new(disk, dir, seq.next(), Tail::Live) }
    }

    /// Where it stands, given what the frames so far say is durable.
    pub(crate) fn cursor(&self, durable: Seq) -> Cursor {
        let link = self.link.unwrap_or(Link::START);
        Cursor { head: Seq(self.next.0.saturating_sub(1)), link, durable }
    }

    /// The next record; `None` at the end. Ask again when there may be more.
    ///
    /// # Errors
    /// The journal is damaged here, or does not reach back so far, or the disk cannot be read.
    pub fn next_record<E: DeserializeOwned>(&mut self) -> Result<Option<Record<E>>, ReadError> {
        let Some((seq, span)) = self.advance()? else { return Ok(None) };
        let frame = &self.window.bytes[span];
        let bytes = frame.len();
        let body = Body::<E>::read(&frame[HEAD_BYTES..frame.len() - 1])
            .map_err(|source| ReadError::Unreadable { seq, source })?;
        if let Some(head) = body.seg
            && head.format != FORMAT
        {
            return Err(Damage::Format { segment: seq, found: head.format }.into());
        }
        let time = self.stamp.time(body.t);
        let time = time.ok_or_else(|| ReadError::Time { seq, text: body.t.to_owned() })?;
        Ok(Some(Record { at: At { seq, time }, events: body.ev, bytes }))
    }

    /// The next frame as it stands on disk, newline and all.
    ///
    /// # Errors
    /// As [`next_record`](Self::next_record).
    pub fn next_frame(&mut self) -> Result<Option<(Seq, &[u8])>, ReadError> {
        let found = self.advance()?;
        Ok(found.map(|(seq, span)| (seq, &self.window.bytes[span])))
    }

    /// Goes over the next frame that is wanted: its place in the window.
    fn advance(&mut self) -> Result<Option<(Seq, std::ops::Range<usize>)>, ReadError> {
        if self.segment.is_none() && !self.find()? {
            return Ok(None);
        }
        loop {
            match self.standing().map_err(cannot("read a segment"))? {
                Standing::Frame { bytes } => {
                    let (seq, start) = (self.next, self.window.start);
                    let span = start..start + bytes;
                    self.next = seq.next();
                    self.window.pass(bytes);
                    if seq >= self.from {
                        self.link = Some(Link::of(&self.window.bytes[span.clone()]));
                        return Ok(Some((seq, span)));
                    }
                }
                Standing::Nothing => {
                    if !self.go_on(None)? {
                        return Ok(None);
                    }
                }
                Standing::Bad(reason) => {
                    if !self.go_on(Some(reason))? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Finds the segment that holds `from`; `false` while there is none at all.
    fn find(&mut self) -> Result<bool, ReadError> {
        let (firsts, _) =
            segment::list(&*self.disk, &self.dir).map_err(cannot("list the journal"))?;
        let Some(oldest) = firsts.first() else { return Ok(false) };
        let holds = firsts.partition_point(|first| *first <= self.from).checked_sub(1);
        let holds = holds.ok_or(ReadError::Pruned { first: *oldest })?;
        self.enter(firsts[holds])?;
        Ok(true)
    }

    fn enter(&mut self, first: Seq) -> Result<(), ReadError> {
        let file = match segment::open(&*self.disk, &self.dir, first, Access::Read) {
            // It may have gone since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (firsts, _) =
                    segment::list(&*self.disk, &self.dir).map_err(cannot("list the journal"))?;
                let oldest = firsts.first().filter(|oldest| **oldest > first);
                return Err(oldest.map_or(cannot("open a segment")(error), |oldest| {
                    ReadError::Pruned { first: *oldest }
                }));
            }
            opened => opened.map_err(cannot("open a segment"))??,
        };
        self.segment = Some((first, file));
        self.next = first;
        self.window = Window::default();
        Ok(())
    }

    fn standing(&mut self) -> io::Result<Standing> {
        let (_, file) = self.segment.as_ref().expect("`find` has entered one");
        let head = self.window.reach(&*self.disk, file, HEAD_BYTES)?;
        if head.first().is_none_or(|byte| *byte == 0) {
            return Ok(Standing::Nothing);
        }
        let Some(head) = Head::read(head) else { return Ok(Standing::Bad(Reason::Head)) };
        if head.seq != self.next {
            return Ok(Standing::Bad(Reason::Seq { found: head.seq }));
        }
        let bytes = head.frame_bytes;
        if bytes as u64 > FRAME_BYTES_MAX {
            return Ok(Standing::Bad(Reason::Length));
        }
        if self.next < self.from {
            return Ok(Standing::Frame { bytes });
        }
        let there = self.window.reach(&*self.disk, file, bytes)?;
        let Some(frame) = there.get(..bytes) else { return Ok(Standing::Bad(Reason::Length)) };
        if self.link.is_some_and(|link| !link.is_in_head(frame)) {
            return Ok(Standing::Bad(Reason::Link));
        }
        Ok(match frame::body(frame) {
            Some(_) => Standing::Frame { bytes },
            None => Standing::Bad(Reason::Body),
        })
    }

    /// No whole frame stands here: into the next segment, or to where a second look finds one.
    /// `false` at the end of the journal.
    fn go_on(&mut self, bad: Option<Reason>) -> Result<bool, ReadError> {
        let (current, _) = self.segment.as_ref().expect("`find` has entered one");
        let current = *current;
        let (firsts, _) =
            segment::list(&*self.disk, &self.dir).map_err(cannot("list the journal"))?;
        let oldest = firsts.first().copied();
        let later = firsts.into_iter().find(|first| *first > current);
        if later == Some(self.next) && bad.is_none() {
            self.enter(self.next)?;
            return Ok(true);
        }
        // What was read may be older than what was listed.
        self.window.forget();
        let standing = self.standing().map_err(cannot("read a segment"))?;
        let reason = match (standing, later) {
            (Standing::Frame { .. }, _) => return Ok(true),
            // What was read went meanwhile, and with it what follows.
            (Standing::Nothing, Some(_)) if oldest.is_some_and(|oldest| oldest > self.next) => {
                return Err(ReadError::Pruned { first: oldest.unwrap_or_default() });
            }
            (Standing::Nothing, Some(found)) if found != self.next => {
                return Err(Damage::Gap { expected: self.next, found }.into());
            }
            (Standing::Nothing, Some(_)) => return Ok(true),
            (Standing::Nothing, None) => Reason::Head,
            (Standing::Bad(reason), _) => reason,
        };
        if later.is_none() && self.ends(reason)? {
            return Ok(false);
        }
        let (offset, seq) = (self.window.offset, self.next);
        Err(Damage::Frame { segment: current, offset, seq, reason }.into())
    }

    /// Whether what stands at the end of the last segment may stand there.
    fn ends(&self, reason: Reason) -> Result<bool, ReadError> {
        if self.tail == Tail::Live {
            return Ok(matches!(reason, Reason::Head | Reason::Body));
        }
        let (_, file) = self.segment.as_ref().expect("`find` has entered one");
        let mut bytes = Vec::new();
        read_whole(&*self.disk, file, &mut bytes, cores()).map_err(cannot("read a segment"))?;
        let offset = usize::try_from(self.window.offset).expect("a segment is at most 1 GiB");
        let clean = walk::is_nul(&bytes[offset..]);
        Ok(clean || recover::judge(&bytes, offset, self.next, reason, Place::Last).is_ok())
    }
}

impl Window {
    /// Room for one read.
    const BYTES: usize = 256 * 1024;

    /// The bytes that are there from the window's start on, at least `wanted` unless the file ends.
    fn reach<D: Fs>(&mut self, disk: &D, file: &D::File, wanted: usize) -> io::Result<&[u8]> {
        if self.bytes.len() - self.start < wanted {
            self.bytes.drain(..self.start);
            self.start = 0;
            let mut there = self.bytes.len();
            self.bytes.resize(wanted.max(Self::BYTES), 0);
            while there < self.bytes.len() {
                match disk.read_at(file, &mut self.bytes[there..], self.offset + there as u64)? {
                    0 => break,
                    read => there += read,
                }
            }
            self.bytes.truncate(there);
        }
        Ok(&self.bytes[self.start..])
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
        if self.start > self.bytes.len() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }
}

impl<D: Fs> std::fmt::Debug for Reader<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The frame `seq` as it stands on disk, newline and all; `None` when the journal is shorter.
///
/// # Errors
/// As [`Reader::next_record`].
pub fn raw_frame<D: Fs>(
    disk: Arc<D>,
    dir: D::Dir,
    seq: Seq,
    tail: Tail,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut reader = Reader::new(disk, dir, seq, tail);
    Ok(reader.next_frame()?.map(|(_, frame)| frame.to_vec()))
}
