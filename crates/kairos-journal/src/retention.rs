//! The oldest segments, and how they go.
//!
//! Owns which segments at the beginning of a journal may be deleted, what has to be certain before,
//! and the deletion itself: the oldest first, each gone for good before the next, so that a crash
//! leaves a journal that begins later and never one with a hole. Never decides: whoever deletes has
//! recorded it first. The engine looks through here whenever a snapshot was made.
//!
//! What may go lies below the older of two snapshots of every kind ([`older_snapshot`]) and is over a
//! limit ([`excess`]); a signed checkpoint is over it ([`cover`]); it is recorded; its roots are kept
//! and it goes ([`delete`]).

use std::ffi::OsString;
use std::io;

use kairos_core::event::Limit;
use kairos_core::fold::{Seq, Snapshot};
use kairos_core::kind::Kind;
use kairos_core::time::Time;
use kairos_disk::Fs;
use serde::de::IgnoredAny;

use crate::body::{Body, Stamp};
use crate::checkpoint::{self, CheckpointError, Places, Signed, Upto, keep_roots};
use crate::damage::Damage;
use crate::frame;
use crate::note::Signer;
use crate::open::OpenError;
use crate::proof::{self, ProofError};
use crate::reader::{ReadError, cannot};
use crate::segment;
use crate::snapshot::{self, Flaw};

/// What goes at once: the next look takes what is left. All of it is read once more before.
const BATCH_BYTES: u64 = 64 << 20;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is older may go.
    pub oldest: Time,
    /// The oldest may go while all segments take more.
    pub bytes_max: u64,
}

/// Segments that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Where the journal would begin.
    pub first: Seq,
    pub segments: u32,
    pub bytes: u64,
    pub over: Limit,
}

/// Segments that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub segments: u32,
    pub bytes: u64,
}

/// Where a look at the oldest segments begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the older snapshot of every kind stands for.
    pub founded: Seq,
    /// Where the journal begins, as its records say; they are durable.
    pub recorded: Seq,
}

/// What a look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    pub deleted: Deleted,
    /// What may go next. It is covered, and goes once that is recorded.
    pub next: Option<Excess>,
}

/// Deletes what is recorded as given up, and finds what should be given up next.
///
/// # Errors
/// The snapshots no longer stand for what is recorded, the next cannot be covered, or the disk
/// failed. Nothing more is deleted then.
pub fn look<D: Fs>(
    places: &Places<'_, D>,
    signer: &Signer,
    standing: Standing,
    limits: &Limits,
) -> Result<Looked, RetentionError> {
    let Standing { founded, recorded } = standing;
    if recorded > founded.next() {
        return Err(RetentionError::Unfounded { founded, recorded });
    }
    let deleted = delete(places, recorded)?;
    let next = excess(places.disk, places.journal, founded, limits)?;
    let next = next.filter(|next| next.first > recorded);
    if let Some(next) = next {
        cover(places, signer, next.first)?;
    }
    Ok(Looked { deleted, next })
}

/// Whether a look would find anything, whatever the snapshots stand for. Cheap.
///
/// # Errors
/// The journal cannot be read.
pub fn is_due<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    recorded: Seq,
    limits: &Limits,
) -> Result<bool, ReadError> {
    const ALL: Seq = Seq(u64::MAX - 1);
    if listed(disk, dir)?.first().is_some_and(|oldest| *oldest < recorded) {
        return Ok(true);
    }
    Ok(excess(disk, dir, ALL, limits)?.is_some_and(|next| next.first > recorded))
}

/// Nothing more was deleted.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "the journal is recorded to begin with frame {recorded}, and the older snapshot of one kind \
         stands for no more than frame {founded}"
    )]
    Unfounded { founded: Seq, recorded: Seq },
}

impl RetentionError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Checkpoint(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Unfounded { .. } => Kind::Corrupt,
        }
    }
}

/// The older of the two newest snapshots of `F` that hold: the segments up to it are needed for no
/// start, even if the newer one breaks. `None` while there are no two.
///
/// # Errors
/// The disk cannot be read.
pub fn older_snapshot<F: Snapshot, D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Option<Seq>> {
    let (firsts, _) = segment::list(disk, dir)?;
    Ok(snapshot::holding::<F, D>(disk, dir, &firsts, 2)?.get(1).copied())
}

/// Whether a fold of `F` can be made: from the first frame, or from a snapshot that holds.
///
/// # Errors
/// `Unfounded`, or the disk cannot be read.
pub fn founded<F: Snapshot, D: Fs>(disk: &D, dir: &D::Dir) -> Result<(), OpenError> {
    let cannot = |doing| move |source| OpenError::Io { doing, source };
    let (firsts, _) = segment::list(disk, dir).map_err(cannot("list the journal"))?;
    let Some(first) = firsts.first().copied().filter(|first| *first > Seq(1)) else {
        return Ok(());
    };
    let search = snapshot::newest::<F, D>(disk, dir, &firsts).map_err(cannot("read a snapshot"))?;
    if search.found.is_some() {
        return Ok(());
    }
    let over = search.passed_over.into_iter().next();
    let none = || (snapshot::pattern(F::KIND), Flaw::Absent);
    let (snapshot, flaw) = over.map_or_else(none, |over| (over.name, over.flaw));
    Err(Damage::Unfounded { first, snapshot, flaw }.into())
}

/// Where the journal begins: its first frame, or 1 while there is none.
///
/// # Errors
/// The disk cannot be read.
pub fn begin<D: Fs>(disk: &D, dir: &D::Dir) -> io::Result<Seq> {
    Ok(segment::list(disk, dir)?.0.first().copied().unwrap_or(Seq(1)))
}

/// The segments that are over a limit, as far as they lie below frame `founded`, the older snapshot
/// of the kind that has the oldest.
///
/// # Errors
/// The journal cannot be read.
pub fn excess<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    founded: Seq,
    limits: &Limits,
) -> Result<Option<Excess>, ReadError> {
    let firsts = listed(disk, dir)?;
    let sizes = firsts.iter().map(|first| bytes_of(disk, dir, *first));
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    let mut left: u64 = sizes.iter().sum();
    let mut excess: Option<Excess> = None;
    for (next, bytes) in firsts.iter().skip(1).zip(sizes) {
        let taken = excess.map_or(0, |excess| excess.bytes);
        if *next > founded.next() || (taken > 0 && taken + bytes > BATCH_BYTES) {
            break;
        }
        let over = if is_older(disk, dir, *next, limits.oldest)? {
            Limit::Days
        } else if left > limits.bytes_max {
            Limit::Bytes
        } else {
            break;
        };
        left -= bytes;
        let before = excess.unwrap_or(Excess { first: *next, segments: 0, bytes: 0, over });
        excess = Some(Excess {
            first: *next,
            segments: before.segments + 1,
            bytes: before.bytes + bytes,
            over,
        });
    }
    Ok(excess)
}

/// Makes sure that a kept note is over every frame before `first`, and that they are those it was
/// signed over; signs one when none is.
///
/// # Errors
/// As [`checkpoint::make`]; `Rewritten` when they are others. Nothing may be deleted then.
pub fn cover<D: Fs>(
    places: &Places<'_, D>,
    signer: &Signer,
    first: Seq,
) -> Result<Signed, CheckpointError> {
    let last = Seq(first.0.saturating_sub(1));
    let kept = || checkpoint::covering(places, signer.verifier(), last);
    let signed = match kept()? {
        Some(signed) => signed,
        None => {
            checkpoint::make(places, signer, Upto::Known(last))?;
            kept()?.ok_or(CheckpointError::NoFrames)?
        }
    };
    let size = signed.checkpoint.size;
    match proof::root_at(places, size) {
        Ok(root) if root == signed.checkpoint.root => Ok(signed),
        Ok(_) | Err(ProofError::Gone(_) | ProofError::Outside { .. }) => {
            Err(CheckpointError::Rewritten { signed: size })
        }
        Err(ProofError::Short { size, head }) => {
            Err(CheckpointError::Shrunk { signed: size, head })
        }
        Err(ProofError::Read(error)) => Err(error.into()),
    }
}

/// Deletes the segments before frame `first`, with which another begins, once their roots are kept.
/// What was begun by an earlier call is ended.
///
/// # Errors
/// The roots cannot be kept: nothing is deleted. Or the disk failed: what is left is whole, and
/// doing it again goes on from there.
pub fn delete<D: Fs>(places: &Places<'_, D>, first: Seq) -> Result<Deleted, CheckpointError> {
    let Places { disk, journal, .. } = *places;
    let firsts = listed(disk, journal)?;
    let mut deleted = Deleted::default();
    if firsts.first().is_none_or(|oldest| *oldest >= first) {
        return Ok(deleted);
    }
    keep_roots(places, first)?;
    for old in firsts.into_iter().filter(|old| *old < first) {
        let bytes = bytes_of(disk, journal, old)?;
        let name = OsString::from(segment::name(old));
        disk.unlink(journal, &name)
            // Then no later name goes before this one, whatever a crash leaves.
            .and_then(|()| disk.sync_dir(journal))
            .map_err(|source| CheckpointError::Io { doing: "delete a segment", source })?;
        deleted.segments += 1;
        deleted.bytes += bytes;
    }
    Ok(deleted)
}

fn listed<D: Fs>(disk: &D, dir: &D::Dir) -> Result<Vec<Seq>, ReadError> {
    let (firsts, stranger) = segment::list(disk, dir).map_err(cannot("list the journal"))?;
    stranger.map_or(Ok(firsts), |stranger| Err(stranger.into()))
}

fn bytes_of<D: Fs>(disk: &D, dir: &D::Dir, first: Seq) -> Result<u64, ReadError> {
    let name = OsString::from(segment::name(first));
    Ok(disk.stat(dir, &name).map_err(cannot("look at a segment"))?.bytes)
}

/// Whether everything before the segment `next` is older than `oldest`: its own first frame was
/// written behind the last one there.
fn is_older<D: Fs>(disk: &D, dir: &D::Dir, next: Seq, oldest: Time) -> Result<bool, ReadError> {
    let first = snapshot::first_frame(disk, dir, next).map_err(cannot("read a segment"))?;
    let body = first.as_ref().and_then(|(bytes, _)| frame::body(bytes));
    let body = body.and_then(|body| Body::<IgnoredAny>::read(body).ok());
    let time = body.and_then(|body| Stamp::default().time(body.t));
    Ok(time.is_some_and(|time| time < oldest))
}
