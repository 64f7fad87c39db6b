//! The body of a frame: one JSON object.
//!
//! Owns the three keys `t`, `seg` and `ev` and how time is written. Never knows what an event
//! means: it hands them to serde. The ledger writes bodies, recovery and reader read them.

use kairos_core::id::NodeId;
use kairos_core::time::Time;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The number of the format this code writes, and the only one it reads.
pub(crate) const FORMAT: u32 = 1;

/// What the first frame of each segment says about its journal and its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentHead {
    pub(crate) origin: NodeId,
    pub(crate) epoch: u64,
    pub(crate) format: u32,
    pub(crate) schema: u32,
    /// Length of the segment's file: one that was cut is told from one that is empty at its end.
    pub(crate) bytes: u64,
}

/// A body as it is read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "E: Deserialize<'de>"))]
pub(crate) struct Body<'a, E> {
    pub(crate) t: &'a str,
    #[serde(default)]
    pub(crate) seg: Option<SegmentHead>,
    pub(crate) ev: Vec<E>,
}

impl<'a, E: Deserialize<'a>> Body<'a, E> {
    pub(crate) fn read(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// The segment head in a body, events unread.
pub(crate) fn segment_head(bytes: &[u8]) -> serde_json::Result<Option<SegmentHead>> {
    Body::<IgnoredAny>::read(bytes).map(|body| body.seg)
}

/// Appends a body to `out`; answers how many bytes of it are events.
pub(crate) fn write<E: Serialize>(
    out: &mut Vec<u8>,
    time: &str,
    segment: Option<&SegmentHead>,
    events: &[E],
) -> serde_json::Result<usize> {
    out.extend_from_slice(br#"{"t":""#);
    out.extend_from_slice(time.as_bytes());
    out.push(b'"');
    if let Some(segment) = segment {
        out.extend_from_slice(br#","seg":"#);
        serde_json::to_writer(&mut *out, segment)?;
    }
    out.extend_from_slice(br#","ev":["#);
    let start = out.len();
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, event)?;
    }
    let events_bytes = out.len() - start;
    out.extend_from_slice(b"]}");
    Ok(events_bytes)
}

/// An instant beside its text: the frames of a turn, and often whole stretches of a journal, share
/// one, and the calendar is slower than the checksum.
#[derive(Debug)]
pub(crate) struct Stamp {
    time: Time,
    text: String,
}

impl Default for Stamp {
    fn default() -> Self {
        Self { time: Time::EPOCH, text: Time::EPOCH.to_string() }
    }
}

impl Stamp {
    pub(crate) fn text(&mut self, time: Time) -> &str {
        if self.time != time {
            *self = Self { time, text: time.to_string() };
        }
        &self.text
    }

    /// `None` when `text` is not an instant.
    pub(crate) fn time(&mut self, text: &str) -> Option<Time> {
        if self.text != text {
            *self = Self { time: text.parse().ok()?, text: text.to_owned() };
        }
        Some(self.time)
    }
}
