//! What can be wrong with a journal.
//!
//! Owns the words for it: where, and why a journal is refused. Never decides whether it is; the
//! walk in [`crate::recover`] and the listing in [`crate::segment`] do. Recovery, reader and
//! `verify` all speak these.

use std::ffi::OsString;

use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_core::kind::{Kind, Refused};

use crate::segment;
use crate::snapshot::Flaw;

/// A journal that does not hold together. Nothing is skipped and nothing guessed: it is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("frame {seq} at offset {offset} of `{}`: {reason}", segment::name(*.segment))]
    Frame {
        segment: Seq,
        /// Bytes from the start of the segment's file.
        offset: u64,
        /// The position the frame should have had.
        seq: Seq,
        reason: Reason,
    },
    #[error("`{}` stands where `{}` should", segment::name(*.found), segment::name(*.expected))]
    Gap { expected: Seq, found: Seq },
    #[error("`{}` is {found} bytes long, not {expected}", segment::name(*.segment))]
    Length { segment: Seq, found: u64, expected: u64 },
    #[error("`{}` holds no frame, and segments follow it", segment::name(*.segment))]
    Empty { segment: Seq },
    #[error("`{}` does not belong in a journal", .name.display())]
    Stranger { name: OsString },
    #[error("`{}` is in format {found}; this kairos reads format 1", segment::name(*.segment))]
    Format { segment: Seq, found: u32 },
    #[error("`{}` was written with schema {found}; this kairos knows up to {known}",
        segment::name(*.segment))]
    Schema { segment: Seq, found: u32, known: u32 },
    #[error(
        "`{snapshot}` was made when the frame behind it was on disk, and it is not: the journal \
        was restored or copied from an earlier time"
    )]
    Older { snapshot: String },
    #[error("the segments before `{}` are gone, and `{snapshot}`, which stands for them, does not \
        hold: {flaw}", segment::name(*.first))]
    Unfounded { first: Seq, snapshot: String, flaw: Flaw },
    #[error("there is no segment, and `{kept}` is of a journal that had frames")]
    Vanished {
        /// In the directory of checkpoints.
        kept: String,
    },
    #[error("`{}` is of the journal of {found}; the segments before it are of {expected}",
        segment::name(*.segment))]
    Origin { segment: Seq, found: NodeId, expected: NodeId },
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("its head's checksum does not hold")]
    Head,
    #[error("its body's checksum does not hold")]
    Body,
    #[error("it says it is frame {found}")]
    Seq { found: Seq },
    #[error("it does not follow from the frame before it")]
    Link,
    #[error("it says frame {found} was durable before it was written")]
    Durable { found: Seq },
    #[error("it says it ends after its segment")]
    Length,
    #[error("its segment head is missing, misplaced or unreadable")]
    SegmentHead,
    #[error("it never reached the disk whole, yet frame {later} was written after it was durable")]
    Acknowledged { later: Seq },
    #[error("what is left of it is not what a write cut short leaves")]
    Scattered,
    #[error("it is cut off, and segments follow it")]
    Sealed,
}

impl Damage {
    /// Corrupt; refused when it is whole but newer than this program.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Format { .. } | Self::Schema { .. } => Kind::Refused(Refused::Conflict),
            Self::Frame { .. }
            | Self::Gap { .. }
            | Self::Length { .. }
            | Self::Empty { .. }
            | Self::Stranger { .. }
            | Self::Older { .. }
            | Self::Unfounded { .. }
            | Self::Vanished { .. }
            | Self::Origin { .. } => Kind::Corrupt,
        }
    }

    /// The command that shows what going on without it would give up, where there is such a way.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Frame { .. }
            | Self::Gap { .. }
            | Self::Length { .. }
            | Self::Empty { .. }
            | Self::Older { .. }
            | Self::Origin { .. } => Some("kairos journal repair"),
            Self::Stranger { .. }
            | Self::Format { .. }
            | Self::Schema { .. }
            | Self::Unfounded { .. }
            | Self::Vanished { .. } => None,
        }
    }
}
