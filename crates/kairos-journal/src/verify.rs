//! Whether a journal holds together.
//!
//! Owns the verdict on a whole journal: every checksum, every position, every link, what lies behind
//! the last frame, and whether the snapshots say that there were more. What a start refuses is damaged
//! here too. Never writes, takes no lock, reads no event and no snapshot's form.

use std::fmt;
use std::io;
use std::num::NonZero;

use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_disk::Fs;
use kairos_disk::fs::Access;

use crate::checkpoint::Places;
use crate::damage::Damage;
use crate::open::{self, OpenError, read_whole};
use crate::reader::{ReadError, Tail, cannot};
use crate::recover::{self, Place, Scan};
use crate::repair;
use crate::segment;
use crate::snapshot::{self, Flaw, PassedOver};
use crate::walk::Cursor;

/// What `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Nothing that was acknowledged is damaged.
    pub ok: bool,
    /// Frames before the first that is there: retention deleted them and kept their roots.
    pub deleted: u64,
    /// Whole frames, up to the first that is not.
    pub frames: u64,
    /// The newest of them.
    pub head: Seq,
    pub problem: Option<Problem>,
}

/// What is not as a clean stop leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The next start saves and removes it; nobody was told of it.
    Torn {
        bytes: u64,
    },
    Damaged(Damage),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { bytes } => write!(f, "torn tail, {bytes} bytes"),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}

/// Checks the journal in `dir` on up to `cores` threads.
///
/// # Errors
/// The disk cannot be read; a damaged journal is a verdict.
pub fn verify<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    tail: Tail,
    cores: NonZero<usize>,
) -> Result<Verdict, ReadError> {
    verify_beside(&Places { disk, journal: dir, kept: None, stop: None }, tail, cores)
}

/// The same for a journal whose first segments may have been deleted: what the directory of
/// checkpoints keeps of them says how the first one that is there must begin.
///
/// # Errors
/// As [`verify`].
pub fn verify_beside<D: Fs>(
    places: &Places<'_, D>,
    tail: Tail,
    cores: NonZero<usize>,
) -> Result<Verdict, ReadError> {
    places.settled(|verdict: &Verdict| verdict.ok, || look(places, tail, cores))
}

/// Refuses to begin a journal where something tells of frames that are not there, with the words of
/// [`verify_beside`]; whatever has a segment is for opening to judge.
///
/// # Errors
/// `Damaged`, or the disk cannot be read.
pub fn may_begin<D: Fs>(places: &Places<'_, D>) -> Result<(), OpenError> {
    let doing = "list the journal";
    let (firsts, _) = segment::list(places.disk, places.journal)
        .map_err(|source| OpenError::Io { doing, source })?;
    if !firsts.is_empty() {
        return Ok(());
    }
    match snapshots(places) {
        Ok(_) => Ok(()),
        Err(ReadError::Damaged(damage)) => Err(damage.into()),
        Err(ReadError::Io { doing, source }) => Err(OpenError::Io { doing, source }),
        Err(error) => Err(OpenError::Io { doing, source: io::Error::other(error) }),
    }
}

fn look<D: Fs>(
    places: &Places<'_, D>,
    tail: Tail,
    cores: NonZero<usize>,
) -> Result<Verdict, ReadError> {
    let Places { disk, journal: dir, .. } = *places;
    let base = places.base()?;
    let deleted = base.frontier.size();
    let cursor = Cursor { head: Seq(deleted), link: base.link, durable: Seq(0) };
    let mut check = Check { disk, dir, tail, cores, cursor, frames: 0, origin: None };
    let (_, stranger) = segment::list(disk, dir).map_err(cannot("list the journal"))?;
    let found = snapshots(places).and_then(|missing| {
        let torn_bytes = check.segments(base.next())?;
        open::reaches(check.cursor.head, &missing)?;
        Ok(torn_bytes)
    });
    // It is the first that a start refuses; the frames beside it are counted all the same.
    let found = match (found, stranger) {
        (Ok(_) | Err(ReadError::Damaged(_)), Some(stranger)) => Err(stranger.into()),
        (found, _) => found,
    };
    let problem = match found {
        Ok(torn_bytes) => torn_bytes.map(|bytes| Problem::Torn { bytes }),
        Err(ReadError::Damaged(damage)) => Some(Problem::Damaged(damage)),
        Err(error) => return Err(error),
    };
    let ok = !matches!(problem, Some(Problem::Damaged(_)));
    Ok(Verdict { ok, deleted, frames: check.frames, head: check.cursor.head, problem })
}

/// The snapshots that a start would pass over; damage when they stand for what is gone.
///
/// They are judged before a frame is read, and listed before the segments: what was on disk when one
/// was made is still there then, unless it was deleted and with it the snapshot.
fn snapshots<D: Fs>(places: &Places<'_, D>) -> Result<Vec<PassedOver>, ReadError> {
    // Beside a writer those that were listed may be replaced before they are read.
    const LOOKS_MAX: usize = 3;
    let Places { disk, journal, .. } = *places;
    let reading = "read the snapshots";
    let mut looks = 1;
    loop {
        let before = snapshot::all(disk, journal).map_err(cannot(reading))?;
        let (firsts, _) = segment::list(disk, journal).map_err(cannot("list the journal"))?;
        // A repair that found nothing to keep accounts for it.
        let repaired = || repair::noted(disk, journal, Seq(0)).map(|noted| !noted.is_empty());
        if firsts.is_empty()
            && !repaired().map_err(cannot("read the note of a repair"))?
            && let Some(kept) = places.remembers().map_err(cannot("list the checkpoints"))?
        {
            return Err(Damage::Vanished { kept }.into());
        }
        let judged = snapshot::judged(disk, journal, &firsts, &before).map_err(cannot(reading))?;
        let gone = |over: &PassedOver| over.flaw == Flaw::Gone;
        if looks < LOOKS_MAX && judged.iter().any(|(over, _)| over.iter().any(gone)) {
            looks += 1;
            continue;
        }
        if judged.is_empty()
            && let Some(first) = firsts.first().copied().filter(|first| *first > Seq(1))
        {
            let snapshot = snapshot::pattern("*");
            return Err(Damage::Unfounded { first, snapshot, flaw: Flaw::Absent }.into());
        }
        for (over, holds) in &judged {
            if !holds {
                open::founded(firsts.clone(), over)?;
            }
        }
        return Ok(judged.into_iter().flat_map(|(over, _)| over).collect());
    }
}

struct Check<'a, D: Fs> {
    disk: &'a D,
    dir: &'a D::Dir,
    tail: Tail,
    cores: NonZero<usize>,
    cursor: Cursor,
    frames: u64,
    origin: Option<NodeId>,
}

impl<D: Fs> Check<'_, D> {
    /// Bytes of a torn tail, if there is one. Segments before `begin` are on their way out.
    fn segments(&mut self, begin: Seq) -> Result<Option<u64>, ReadError> {
        let (mut firsts, _) =
            segment::list(self.disk, self.dir).map_err(cannot("list the journal"))?;
        firsts.retain(|first| *first >= begin);
        let mut bytes = Vec::new();
        let mut torn_bytes = None;
        for (i, first) in firsts.iter().enumerate() {
            torn_bytes = self.segment(*first, i + 1 == firsts.len(), &mut bytes)?;
        }
        Ok(torn_bytes)
    }

    fn segment(
        &mut self,
        first: Seq,
        last: bool,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<u64>, ReadError> {
        // A writer that overtakes the reading makes old bytes look like damage; damage stays.
        const LOOKS_MAX: usize = 3;
        let expected = self.cursor.head.next();
        if first != expected {
            return Err(Damage::Gap { expected, found: first }.into());
        }
        let place = match (last, self.tail) {
            (false, _) => Place::Sealed,
            (true, Tail::Still) => Place::Last,
            (true, Tail::Live) => Place::Live,
        };
        let file = segment::open(self.disk, self.dir, first, Access::Read)
            .map_err(cannot("open a segment"))??;
        let mut looks = 1;
        loop {
            read_whole(self.disk, &file, bytes, self.cores).map_err(cannot("read a segment"))?;
            match recover::scan(bytes, self.cursor, place, self.cores) {
                Ok(scan) => return Ok(self.passed(first, &scan)?.filter(|_| place == Place::Last)),
                Err(_) if place == Place::Live && looks < LOOKS_MAX => looks += 1,
                Err(broken) => {
                    self.frames += broken.frames;
                    self.cursor = broken.cursor;
                    return Err(broken.damage.into());
                }
            }
        }
    }

    fn passed(&mut self, segment: Seq, scan: &Scan) -> Result<Option<u64>, Damage> {
        if let Some(head) = scan.head {
            let expected = *self.origin.get_or_insert(head.origin);
            if head.origin != expected {
                return Err(Damage::Origin { segment, found: head.origin, expected });
            }
        }
        self.frames += scan.frames.len() as u64;
        self.cursor = scan.cursor;
        Ok(match &scan.tail {
            recover::Tail::Clean => None,
            recover::Tail::Torn(torn) => Some(torn.len() as u64),
        })
    }
}
