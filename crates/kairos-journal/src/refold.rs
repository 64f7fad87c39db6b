//! The next snapshot, beside a writer.
//!
//! Owns folding the sealed segments behind the newest snapshot and writing another one, and keeping
//! two of each kind. Takes no lock, writes no frame, and reads only what was synced before the next
//! segment came to be. A thread of the engine's works through here whenever a segment is sealed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kairos_core::fold::{Seq, Snapshot};
use kairos_core::kind::Kind;
use kairos_disk::Fs;
use kairos_disk::fs::Access;
use serde::de::DeserializeOwned;

use crate::body;
use crate::damage::{Damage, Reason};
use crate::frame::{HEAD_BYTES, Head};
use crate::open::{OpenError, Opening};
use crate::reader::{ReadError, Reader};
use crate::replay::Replay;
use crate::segment;
use crate::snapshot::{self, Flaw, PassedOver, SNAPSHOT_BYTES_MAX, Search};
use crate::walk::Cursor;

/// No snapshot was made; those there are stay.
#[derive(Debug, thiserror::Error)]
pub enum RefoldError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Fold(#[from] OpenError),
    #[error("the snapshot would be longer than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("the fold cannot be written as JSON")]
    Encode { source: serde_json::Error },
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl RefoldError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Fold(error) => error.kind(),
            Self::TooLarge { .. } | Self::Encode { .. } => Kind::Bug,
            Self::Io { .. } => Kind::Unavailable,
        }
    }
}

fn cannot(doing: &'static str) -> impl FnOnce(io::Error) -> RefoldError {
    move |source| RefoldError::Io { doing, source }
}

/// Folds the sealed segments of the journal in `dir` that the newest snapshot of `F` does not stand
/// for, and makes a snapshot of the frame they end with. Answers its position; nothing when there
/// was none to make, or `stop` was set meanwhile. Of older snapshots the one it began with stays.
///
/// Holds a window of the segment, the fold and its written form in memory. Two at once for one kind
/// get into each other's way.
///
/// # Errors
/// The journal is damaged, or the disk failed; the older snapshots stay.
pub fn refold<F, D>(
    disk: &Arc<D>,
    dir: &D::Dir,
    empty: F,
    opening: &Opening,
    stop: &AtomicBool,
) -> Result<Option<Seq>, RefoldError>
where
    F: Snapshot,
    F::Event: DeserializeOwned,
    D: Fs,
{
    let doing = "list the journal's directory";
    let (firsts, stranger) = segment::list(&**disk, dir).map_err(cannot(doing))?;
    if let Some(stranger) = stranger {
        return Err(ReadError::from(stranger).into());
    }
    let Some(next) = behind_sealed(&**disk, dir, &firsts).map_err(cannot("read a segment"))? else {
        return Ok(None);
    };
    let Search { found, passed_over } =
        snapshot::newest::<F, D>(&**disk, dir, &firsts).map_err(cannot("look for a snapshot"))?;
    let mut replay = match found {
        Some((basis, _)) if basis.cursor.head.next() == next => return Ok(None),
        Some((basis, form)) => Replay::after(&basis, empty, form, opening),
        None => {
            founded(F::KIND, &firsts, passed_over)?;
            Replay::new(empty, opening)
        }
    };
    let before = replay.cursor.head;
    if !fold(disk, dir, &mut replay, &firsts, next, stop)? {
        return Ok(None);
    }
    let Some(text) = written(&replay.fold, stop)? else { return Ok(None) };
    // Then a snapshot is never ahead of its journal, whatever a crash leaves.
    settle(&**disk, dir, next).map_err(cannot("sync the segment behind the snapshot"))?;
    let (basis, seq) = (replay.basis(), replay.cursor.head);
    snapshot::put::<F, D>(&**disk, dir, &basis, &text).map_err(cannot("write the snapshot"))?;
    snapshot::prune(&**disk, dir, F::KIND, [seq, before])
        .map_err(cannot("remove an old snapshot"))?;
    Ok(Some(seq))
}

/// Without a snapshot everything has to be there. One that the disk did not give may be read another time.
fn founded(kind: &str, firsts: &[Seq], over: Vec<PassedOver>) -> Result<(), RefoldError> {
    let Some(first) = firsts.first().copied().filter(|first| *first > Seq(1)) else {
        return Ok(());
    };
    for PassedOver { flaw, .. } in &over {
        if let Flaw::Disk { problem } = flaw {
            return Err(cannot("read a snapshot")(io::Error::other(problem.clone())));
        }
    }
    let newest = over.into_iter().next().map(|over| (over.name, over.flaw));
    let (snapshot, flaw) = newest.unwrap_or_else(|| (snapshot::pattern(kind), Flaw::Absent));
    Err(ReadError::from(Damage::Unfounded { first, snapshot, flaw }).into())
}

/// The first position behind the sealed segments: of the newest segment, but the first, that has a
/// whole frame.
fn behind_sealed<D: Fs>(disk: &D, dir: &D::Dir, firsts: &[Seq]) -> io::Result<Option<Seq>> {
    for first in firsts.iter().skip(1).rev() {
        if snapshot::first_frame(disk, dir, *first)?.is_some() {
            return Ok(Some(*first));
        }
    }
    Ok(None)
}

/// Applies every frame before `next`; `false` when told to stop.
fn fold<F, D>(
    disk: &Arc<D>,
    dir: &D::Dir,
    replay: &mut Replay<F>,
    firsts: &[Seq],
    next: Seq,
    stop: &AtomicBool,
) -> Result<bool, RefoldError>
where
    F: Snapshot,
    F::Event: DeserializeOwned,
    D: Fs,
{
    let again =
        disk.open_dir(dir, Path::new(".")).map_err(cannot("open the journal's directory"))?;
    let Cursor { head, link, .. } = replay.cursor;
    let mut reader = Reader::behind(disk.clone(), again, head, link);
    while replay.cursor.head.next() < next {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let expected = replay.cursor.head.next();
        let gone = || ReadError::from(Damage::Gap { expected, found: next });
        let (seq, frame) = reader.next_frame()?.ok_or_else(gone)?;
        let body = &frame[HEAD_BYTES..frame.len() - 1];
        let begins = firsts.binary_search(&seq).is_ok();
        if begins {
            let (segment, reason) = (seq, Reason::SegmentHead);
            let unreadable = Damage::Frame { segment, offset: 0, seq, reason };
            let head = body::segment_head(body).ok().flatten().ok_or(unreadable);
            replay.enter(seq, &head.map_err(ReadError::from)?).map_err(ReadError::from)?;
        }
        replay.frame(seq, u64::from(!begins), body)?;
        let durable = Head::read(frame).map_or(Seq(0), |head| head.durable);
        replay.cursor = reader.cursor(durable.max(replay.cursor.durable));
    }
    Ok(true)
}

/// The fold as JSON; `None` when told to stop.
fn written<F: Snapshot>(fold: &F, stop: &AtomicBool) -> Result<Option<Vec<u8>>, RefoldError> {
    let mut text = Text { bytes: Vec::new(), full: false, stop };
    match serde_json::to_writer(&mut text, fold.form()) {
        Ok(()) => Ok(Some(text.bytes)),
        Err(_) if text.full => Err(RefoldError::TooLarge { bytes_max: SNAPSHOT_BYTES_MAX }),
        Err(_) if stop.load(Ordering::Relaxed) => Ok(None),
        Err(source) => Err(RefoldError::Encode { source }),
    }
}

/// Takes as much as a snapshot may have, and nothing more once told to stop.
struct Text<'a> {
    bytes: Vec<u8>,
    full: bool,
    stop: &'a AtomicBool,
}

impl io::Write for Text<'_> {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        const HEAD_ROOM: u64 = 1024;
        self.full = (self.bytes.len() + more.len()) as u64 + HEAD_ROOM > SNAPSHOT_BYTES_MAX;
        if self.full || self.stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settle<D: Fs>(disk: &D, dir: &D::Dir, next: Seq) -> io::Result<()> {
    let file = segment::open(disk, dir, next, Access::Read)?.map_err(io::Error::other)?;
    disk.sync(&file)?;
    disk.sync_dir(dir)
}
