//! From frames to a fold.
//!
//! Owns applying what is on disk: each frame read, its time taken from it, its events folded in and
//! the effects they ask for dropped. Never reads a file. A start and [`crate::refold`] fold through
//! here, so that a snapshot is what a start would have made.

use std::panic::AssertUnwindSafe;

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use serde::de::DeserializeOwned;

use crate::body::{Body, FORMAT, SegmentHead, Stamp};
use crate::damage::{Damage, Reason};
use crate::open::{OpenError, Opening};
use crate::recover::Scan;
use crate::snapshot::Basis;
use crate::walk::Cursor;

/// The fold of what is on disk.
pub(crate) struct Replay<F: Fold> {
    pub(crate) fold: F,
    pub(crate) cursor: Cursor,
    /// The newest frame that has events.
    pub(crate) eventful: Seq,
    /// How many were applied.
    pub(crate) frames: u64,
    /// Of the newest segment that has a frame; as the opening says before there is one.
    pub(crate) segment_head: SegmentHead,
    schema: u32,
    stamp: Stamp,
    dropped: Vec<F::Effect>,
}

impl<F: Fold> Replay<F>
where
    F::Event: DeserializeOwned,
{
    /// Before the first frame.
    pub(crate) fn new(empty: F, opening: &Opening) -> Self {
        let Opening { origin, epoch, schema, .. } = *opening;
        Self {
            fold: empty,
            cursor: Cursor::START,
            eventful: Seq(0),
            frames: 0,
            segment_head: SegmentHead { origin, epoch, format: FORMAT, schema, bytes: 0 },
            schema,
            stamp: Stamp::default(),
            dropped: Vec::new(),
        }
    }

    /// Behind the frames that `form` stands for.
    pub(crate) fn after(basis: &Basis, mut empty: F, form: F::Form, opening: &Opening) -> Self
    where
        F: Snapshot,
    {
        empty.restore(form);
        let Basis { origin, epoch, cursor, eventful } = *basis;
        let opening = Opening { origin, epoch: opening.epoch.max(epoch), ..*opening };
        Self { cursor, eventful, ..Self::new(empty, &opening) }
    }

    /// What a snapshot taken here says.
    pub(crate) fn basis(&self) -> Basis {
        let SegmentHead { origin, epoch, .. } = self.segment_head;
        Basis { origin, epoch, cursor: self.cursor, eventful: self.eventful }
    }

    /// Applies a whole segment.
    pub(crate) fn segment(
        &mut self,
        bytes: &[u8],
        first: Seq,
        scan: &Scan,
    ) -> Result<(), OpenError> {
        if let Some(head) = scan.head {
            self.enter(first, &head)?;
        }
        for (i, span) in scan.frames.iter().enumerate() {
            self.frame(Seq(first.0 + i as u64), span.start as u64, &bytes[span.body()])?;
        }
        self.frames += scan.frames.len() as u64;
        self.cursor = scan.cursor;
        Ok(())
    }

    /// Goes over into a segment that begins with `segment`.
    pub(crate) fn enter(&mut self, segment: Seq, head: &SegmentHead) -> Result<(), Damage> {
        let expected = self.segment_head.origin;
        if self.cursor != Cursor::START && head.origin != expected {
            return Err(Damage::Origin { segment, found: head.origin, expected });
        }
        if head.schema > self.schema {
            return Err(Damage::Schema { segment, found: head.schema, known: self.schema });
        }
        self.segment_head.origin = head.origin;
        self.segment_head.epoch = self.segment_head.epoch.max(head.epoch);
        Ok(())
    }

    /// Applies the events of frame `seq`, which begins at `offset` of its segment.
    pub(crate) fn frame(&mut self, seq: Seq, offset: u64, body: &[u8]) -> Result<(), OpenError> {
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
                self.fold.apply(at, event, &mut self.dropped);
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
