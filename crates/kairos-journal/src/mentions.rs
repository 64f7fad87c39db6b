//! Everything in which a stored blob may be named.
//!
//! Owns the way over all that is kept: every frame of every segment, then every snapshot, and what was
//! set aside. Never knows how a blob is named; whoever collects blobs reads through here. What cannot
//! be read, or does not hold, is an error: then nobody knows what is named.
//!
//! Frames come first. A snapshot made meanwhile is of the one before it and of frames that were read;
//! segments that are deleted meanwhile stand in a snapshot that is read after them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kairos_core::fold::{Seq, Snapshot};
use kairos_core::kind::Kind;
use kairos_disk::Fs;
use kairos_disk::fs::{Access, FileKind};

use crate::frame::HEAD_BYTES;
use crate::reader::{ReadError, Reader, Tail, cannot};
use crate::segment;
use crate::snapshot::{self, Flaw};

/// A name is never longer, so that one across two pieces of what was set aside is found.
const NAME_BYTES_MAX: usize = 64;

/// Bytes of what was set aside that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Nobody knows what is named.
#[derive(Debug, thiserror::Error)]
pub enum MentionsError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the journal was read up to frame {reached}, and frame {head} is on disk")]
    Short { reached: Seq, head: Seq },
    #[error("the snapshot `{name}` does not hold: {flaw}")]
    Snapshot { name: String, flaw: Flaw },
    #[error(
        "the journal begins with frame {first}, and no {kind} snapshot stands for those before it"
    )]
    NoSnapshot { first: Seq, kind: &'static str },
    #[error("told to stop")]
    Stopped,
}

impl MentionsError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Short { .. } | Self::Snapshot { .. } | Self::NoSnapshot { .. } => Kind::Corrupt,
            Self::Stopped => Kind::Unavailable,
        }
    }
}

/// Hands out every text of the journal in `dir` that may name a blob: all frames that are there, at
/// least up to `head`, all snapshots, and what was set aside. Where the first frames are gone, one of
/// `F` has to stand for them: what it names is what is still needed of them. Takes no lock. Holds one
/// snapshot or a window of a segment in memory.
///
/// # Errors
/// Something cannot be read or does not hold, or `stop` was set.
pub fn mentions<F: Snapshot, D: Fs>(
    disk: &Arc<D>,
    dir: &D::Dir,
    head: Seq,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), MentionsError> {
    let first = frames(disk, dir, head, stop, each)?;
    let snapshots = snapshots(&**disk, dir, stop, each)?;
    let stands = |(seq, kind): &(Seq, String)| kind == F::KIND && seq.next() >= first;
    if first > Seq(1) && !snapshots.iter().any(stands) {
        return Err(MentionsError::NoSnapshot { first, kind: F::KIND });
    }
    set_aside(&**disk, dir, stop, each)
}

/// The bodies of all frames; the position of the first.
fn frames<D: Fs>(
    disk: &Arc<D>,
    dir: &D::Dir,
    head: Seq,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Seq, MentionsError> {
    let (firsts, stranger) = segment::list(&**disk, dir).map_err(cannot("list the journal"))?;
    if let Some(stranger) = stranger {
        return Err(ReadError::from(stranger).into());
    }
    let first = firsts.first().copied().unwrap_or(Seq(1));
    let again = disk.open_dir(dir, Path::new(".")).map_err(cannot("open the journal"))?;
    let mut reader = Reader::new(Arc::clone(disk), again, first, Tail::Live);
    let mut reached = Seq(0);
    while let Some((seq, frame)) = reader.next_frame()? {
        check(stop)?;
        reached = seq;
        each(&frame[HEAD_BYTES..]);
    }
    if reached < head { Err(MentionsError::Short { reached, head }) } else { Ok(first) }
}

/// The texts of all snapshots; which there are.
fn snapshots<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Vec<(Seq, String)>, MentionsError> {
    // Those that are listed may have made place for newer ones.
    const LOOKS_MAX: usize = 3;
    let mut looks = 1;
    loop {
        let all = snapshot::all(disk, dir).map_err(cannot("list the snapshots"))?;
        match all.iter().try_for_each(|name| whole(disk, dir, name, stop, each)) {
            Ok(()) => return Ok(all),
            Err(MentionsError::Snapshot { flaw: Flaw::Gone, .. }) if looks < LOOKS_MAX => {
                looks += 1
            }
            Err(error) => return Err(error),
        }
    }
}

fn whole<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    (seq, kind): &(Seq, String),
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), MentionsError> {
    check(stop)?;
    let flawed = |flaw| MentionsError::Snapshot { name: snapshot::name(*seq, kind), flaw };
    each(&snapshot::text(disk, dir, *seq, kind).map_err(flawed)?);
    Ok(())
}

/// What a crash or a person gave up: nobody decides by it, but nothing of it was to be lost.
fn set_aside<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), MentionsError> {
    if !disk.list(dir).map_err(cannot("list the journal"))?.iter().any(|name| name == segment::TORN)
    {
        return Ok(());
    }
    let torn = disk.open_dir(dir, Path::new(segment::TORN));
    let torn = torn.map_err(cannot("open what was set aside"))?;
    for name in disk.list(&torn).map_err(cannot("list what was set aside"))? {
        let stat = disk.stat(&torn, &name).map_err(cannot("look at what was set aside"))?;
        if stat.kind == FileKind::Regular {
            let file = disk.open(&torn, &name, Access::Read);
            let file = file.map_err(cannot("open what was set aside"))?;
            pieces(disk, &file, stop, each)?;
        }
    }
    Ok(())
}

/// A file piece by piece, each with the end of the one before it.
fn pieces<D: Fs>(
    disk: &D,
    file: &D::File,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), MentionsError> {
    let mut bytes = vec![0; PIECE_BYTES];
    let (mut kept, mut offset) = (0, 0);
    loop {
        check(stop)?;
        let read = disk.read_at(file, &mut bytes[kept..], offset);
        let read = read.map_err(cannot("read what was set aside"))?;
        if read == 0 {
            return Ok(());
        }
        let there = kept + read;
        each(&bytes[..there]);
        offset += read as u64;
        kept = there.min(NAME_BYTES_MAX - 1);
        bytes.copy_within(there - kept..there, 0);
    }
}

fn check(stop: &AtomicBool) -> Result<(), MentionsError> {
    if stop.load(Ordering::Relaxed) { Err(MentionsError::Stopped) } else { Ok(()) }
}
