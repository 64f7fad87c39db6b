//! The end of the journal.
//!
//! Owns the frames of a turn until they are written, the segment they go to and the chain they
//! continue. Never sees the state, an effect or an answer. The ledger appends to it and tells it
//! when to write.

use std::io;
use std::sync::Arc;

use kairos_core::fold::{At, Seq};
use kairos_core::kind::{Kind, Refused};
use kairos_core::time::Time;
use kairos_disk::Fs;
use kairos_disk::fs::write_full;
use serde::Serialize;

use crate::body::{self, SegmentHead, Stamp};
use crate::frame::{self, HEAD_BYTES, Link};
use crate::lock::{Held, Lock};
use crate::open::Journal;
use crate::segment::{Blank, Segments, Supply};

/// A frame is never longer, and never longer than the first segment either: it fits into any.
pub(crate) const FRAME_BYTES_MAX: u64 = 1 << 20;

/// Kept free in that bound for everything that is not events.
const FRAMING_BYTES_MAX: u64 = 1024;

/// Room for frames kept from turn to turn; what a rare long turn took beyond it is given back.
const FRAMES_BYTES_KEPT: usize = 1 << 20;

/// Nothing was recorded, and the ledger stands as it stood before.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the events of one frame take {bytes} bytes, at most {bytes_max} are allowed")]
    Oversize { bytes: u64, bytes_max: u64 },
    #[error("the turn is full; commit it first")]
    TurnFull,
    #[error("the journal's next segment cannot be made")]
    NoRoom { source: Arc<io::Error> },
    #[error("the events cannot be written as JSON")]
    Encode { source: serde_json::Error },
}

impl RecordError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Oversize { .. } | Self::Encode { .. } => Kind::Bug,
            Self::TurnFull | Self::NoRoom { .. } => Kind::Refused(Refused::ForNow),
        }
    }
}

/// The disk failed a commit. The ledger is gone, and with it the state and all that was held;
/// what is true now is what the next opening reads.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct Poisoned {
    pub doing: &'static str,
    pub source: io::Error,
}

impl Poisoned {
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

/// What can still be recorded.
#[derive(Clone, Debug)]
pub enum Room {
    /// A frame of any allowed size.
    Open,
    /// The turn may grow over one segment's end and has; commit, then go on.
    TurnFull,
    /// The next segment cannot be made. Refuse new work: the `bytes` left are for work that has
    /// begun.
    Tight { bytes: u64, source: Arc<io::Error> },
}

/// Where the newest frame stands.
pub(crate) struct Chain {
    pub(crate) head: Seq,
    link: Link,
    /// The newest frame on disk.
    pub(crate) durable: Seq,
    /// The newest frame that has events.
    eventful: Seq,
    /// The highest position that a frame on disk says is durable.
    marked: Seq,
}

/// The segment that frames go to.
struct InUse<D: Fs> {
    file: D::File,
    first: Seq,
    bytes: u64,
    used: u64,
}

pub(crate) struct Writer<D: Fs> {
    disk: Arc<D>,
    dir: Arc<D::Dir>,
    segments: Segments,
    supply: Supply<D>,
    segment: InUse<D>,
    pub(crate) segment_head: SegmentHead,
    pub(crate) chain: Chain,
    stamp: Stamp,
    /// Recorded and not yet written.
    frames: Vec<u8>,
    /// The segment the turn goes over into, and where in `frames` it does.
    over: Option<(usize, Blank<D>)>,
    /// Behind `supply`, so dropped after it: the next writer never meets our thread.
    lock: Arc<Lock<D>>,
}

impl<D: Fs + 'static> Writer<D> {
    pub(crate) fn new(
        disk: Arc<D>,
        dir: D::Dir,
        lock: Lock<D>,
        segments: Segments,
        journal: Journal<D>,
    ) -> Self {
        let dir = Arc::new(dir);
        let Journal { file, first, bytes, used, cursor, eventful, segment_head } = journal;
        let mut supply = Supply::new(disk.clone(), dir.clone(), segments);
        supply.begin(bytes);
        let chain = Chain {
            head: cursor.head,
            link: cursor.link,
            durable: cursor.head,
            eventful,
            marked: cursor.durable,
        };
        Self {
            disk,
            dir,
            segments,
            supply,
            segment: InUse { file, first, bytes, used },
            segment_head,
            chain,
            stamp: Stamp::default(),
            frames: Vec::new(),
            over: None,
            lock: Arc::new(lock),
        }
    }

    /// Takes `events` as the next frame; where it stands, and how long it is.
    pub(crate) fn append<E: Serialize>(
        &mut self,
        time: Time,
        events: &[E],
    ) -> Result<(At, usize), RecordError> {
        let start = self.frames.len();
        if let Err(error) = self.encode(time, events) {
            self.frames.truncate(start);
            return Err(error);
        }
        let chain = &mut self.chain;
        let at = At { seq: chain.head.next(), time };
        let frame = &mut self.frames[start..];
        frame::seal(frame, at.seq, chain.durable, &chain.link);
        chain.link = Link::of(frame);
        let bytes = frame.len();
        chain.head = at.seq;
        if !events.is_empty() {
            chain.eventful = at.seq;
        }
        Ok((at, bytes))
    }

    /// Writes and syncs everything taken.
    pub(crate) fn write(&mut self) -> Result<(), Poisoned> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let over = self.over.take();
        let here = over.as_ref().map_or(self.frames.len(), |(at, _)| *at);
        if here > 0 {
            self.segment.write(&*self.disk, &self.frames[..here])?;
        }
        if let Some((at, blank)) = over {
            // Only now: whatever stands in a later segment proves this one whole.
            let first = frame::Head::read(&self.frames[at..]).expect("`append` sealed it").seq;
            let doing = "put the next segment in place";
            blank
                .place(&*self.disk, &self.dir, first)
                .map_err(|source| Poisoned { doing, source })?;
            self.segment = InUse { file: blank.file, first, bytes: blank.bytes, used: 0 };
            self.segment.write(&*self.disk, &self.frames[at..])?;
            self.supply.begin(self.segment.bytes);
        }
        // Any frame of the turn carries the mark of its beginning.
        self.chain.marked = self.chain.durable;
        self.chain.durable = self.chain.head;
        self.frames.clear();
        self.frames.shrink_to(FRAMES_BYTES_KEPT);
        Ok(())
    }

    pub(crate) fn held(&self) -> Held<D> {
        Held { _lock: Arc::clone(&self.lock) }
    }

    /// The last frame before the segment in use.
    pub(crate) fn sealed(&self) -> Seq {
        Seq(self.segment.first.0 - 1)
    }

    /// What can still be taken; near the end of the segment it waits for the next one.
    pub(crate) fn room(&mut self, now: Time) -> Room {
        let bytes = self.left(self.frames.len());
        let enough = bytes >= self.frame_bytes_max();
        match self.over {
            Some(_) if enough => Room::Open,
            Some(_) => Room::TurnFull,
            None => {
                let next = match enough {
                    true => self.supply.look(self.segment.bytes, now),
                    false => self.supply.wait(self.segment.bytes, now),
                };
                next.map_or_else(|source| Room::Tight { bytes, source }, |()| Room::Open)
            }
        }
    }

    /// Whether frames with events stand on disk that no mark there covers.
    pub(crate) fn mark_lags(&self) -> bool {
        self.chain.eventful > self.chain.marked
    }

    /// Appends the frame of `events`, its head still blank, and finds its segment.
    fn encode<E: Serialize>(&mut self, time: Time, events: &[E]) -> Result<(), RecordError> {
        let start = self.frames.len();
        let here = self.over.as_ref().map_or(self.segment.bytes, |(_, blank)| blank.bytes);
        let left = self.left(start);
        self.encode_for((left == here).then_some(here), time, events)?;
        if (self.frames.len() - start) as u64 <= left {
            return Ok(());
        }
        if self.over.is_some() {
            return Err(RecordError::TurnFull);
        }
        let blank = self
            .supply
            .take(self.segment.bytes)
            .map_err(|source| RecordError::NoRoom { source })?;
        self.frames.truncate(start);
        match self.encode_for(Some(blank.bytes), time, events) {
            Ok(()) => self.over = Some((start, blank)),
            Err(error) => {
                self.supply.give_back(blank);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Appends a frame; `fresh` is the length of the segment it is the first of.
    fn encode_for<E: Serialize>(
        &mut self,
        fresh: Option<u64>,
        time: Time,
        events: &[E],
    ) -> Result<(), RecordError> {
        self.frames.extend_from_slice(&[0; HEAD_BYTES]);
        let head = fresh.map(|bytes| SegmentHead { bytes, ..self.segment_head });
        let time = self.stamp.text(time);
        let events_bytes = body::write(&mut self.frames, time, head.as_ref(), events)
            .map_err(|source| RecordError::Encode { source })?;
        self.frames.push(b'\n');
        let (bytes, bytes_max) = (events_bytes as u64, self.frame_bytes_max() - FRAMING_BYTES_MAX);
        if bytes > bytes_max {
            return Err(RecordError::Oversize { bytes, bytes_max });
        }
        Ok(())
    }

    /// Bytes left in the segment that the frame at `start` of the turn would go to.
    fn left(&self, start: usize) -> u64 {
        match &self.over {
            None => self.segment.bytes - self.segment.used - start as u64,
            Some((at, blank)) => blank.bytes - (start - at) as u64,
        }
    }

    fn frame_bytes_max(&self) -> u64 {
        FRAME_BYTES_MAX.min(self.segments.first_bytes())
    }
}

impl<D: Fs> InUse<D> {
    fn write(&mut self, disk: &D, frames: &[u8]) -> Result<(), Poisoned> {
        let poisoned = |doing| move |source| Poisoned { doing, source };
        write_full(disk, &self.file, frames, self.used).map_err(poisoned("write the journal"))?;
        disk.sync(&self.file).map_err(poisoned("sync the journal"))?;
        self.used += frames.len() as u64;
        Ok(())
    }
}
