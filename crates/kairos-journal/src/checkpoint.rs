//! Signed checkpoints of a journal.
//!
//! Owns when one may be signed, and the directory they are kept in: the notes by size, the place
//! behind the last sealed segment (so that the next checkpoint reads only what is new), and the
//! subtree roots of segments that were deleted. Never publishes. Any thread may call it: it reads
//! the journal's files and touches nothing in their directory.
//!
//! A tree that was signed is never signed away: a journal that is shorter than the newest note, or
//! has another root at its size, gets no signature.
//!
//! | name | what |
//! |---|---|
//! | `00000000000000004711.note` | the checkpoint at that size; the newest 1000 are kept, and as many of another key above them |
//! | `sealed.frontier` | the tree where the last segment begins; may be deleted |
//! | `deleted.frontier` | the tree where the oldest kept segment begins; nothing replaces it |

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename, read_full, write_full};

use crate::damage::{Damage, Reason};
use crate::leaves::{self, STANDING_BYTES_MAX, Standing, Step};
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note, Signer, Verifier};
use crate::reader::ReadError;
use crate::segment;

pub use crate::leaves::{Upto, origin};

/// How many notes are kept up to the newest. As many more may lie above it: a key of before signed
/// those, over frames that were given up since.
pub const KEPT_MAX: usize = 1000;

const SEALED: &str = "sealed.frontier";
const DELETED: &str = "deleted.frontier";
/// The ending of what is being written.
const TEMP: &str = ".tmp";

/// No checkpoint was made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the journal has no frame yet")]
    NoFrames,
    #[error("the journal ends at frame {head}, and a checkpoint over {signed} frames was signed")]
    Shrunk { signed: u64, head: u64 },
    #[error("the first {signed} frames are not those that a checkpoint was signed over")]
    Rewritten { signed: u64 },
    #[error(
        "the newest checkpoint that holds is over {signed} frames, and those up to {deleted} are \
         deleted: there is nothing to compare it with"
    )]
    Incomparable { signed: u64, deleted: u64 },
    #[error("the key signs for `{key}`, and this journal is of node `{journal}`")]
    OtherJournal { key: String, journal: NodeId },
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl CheckpointError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read(error) => error.kind(),
            Self::NoFrames => Kind::Refused(Refused::ForNow),
            Self::OtherJournal { .. } => Kind::Refused(Refused::Conflict),
            Self::Shrunk { .. } | Self::Rewritten { .. } | Self::Incomparable { .. } => {
                Kind::Corrupt
            }
            Self::Io { .. } => Kind::Unavailable,
        }
    }
}

fn cannot(doing: &'static str) -> impl FnOnce(io::Error) -> CheckpointError {
    move |source| CheckpointError::Io { doing, source }
}

/// What the key of a node's journal is called, and with it the journal: `kairos/` and the node.
#[must_use]
pub fn name(node: NodeId) -> String {
    format!("kairos/{node}")
}

/// A checkpoint and its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub note: Note,
    pub checkpoint: Checkpoint,
}

/// Where a checkpoint's tree comes from, and where it is kept.
#[derive(Debug)]
pub struct Places<'a, D: Fs> {
    pub disk: &'a D,
    /// The journal's directory.
    pub journal: &'a D::Dir,
    /// The directory of the checkpoints; without one nothing is known and all is read.
    pub kept: Option<&'a D::Dir>,
    /// Once it is set, reading ends before the next segment ([`ReadError::Stopped`]): after at most
    /// one, which is 64 MiB at most.
    pub stop: Option<&'a AtomicBool>,
}

/// Signs the journal as it stands, and keeps nothing.
///
/// # Errors
/// There is nothing to sign, or what was signed before is no longer there.
pub fn sign<D: Fs>(
    places: &Places<'_, D>,
    signer: &Signer,
    upto: Upto,
) -> Result<Signed, CheckpointError> {
    Ok(Signing::over(places, signer, upto)?.signed)
}

/// Signs the journal as it stands, and keeps the note; the one that is kept when nothing is new.
///
/// # Errors
/// As [`sign`], and when it cannot be kept.
pub fn make<D: Fs>(
    places: &Places<'_, D>,
    signer: &Signer,
    upto: Upto,
) -> Result<Signed, CheckpointError> {
    let Signing { signed, sealed, new } = Signing::over(places, signer, upto)?;
    if let Some(kept) = places.kept {
        let keep = || {
            if new {
                let name = note_name(signed.checkpoint.size);
                write(places.disk, kept, &name, &signed.note.to_string())?;
                forget_old(places.disk, kept, signed.checkpoint.size)?;
            }
            sealed.map_or(Ok(()), |at| write(places.disk, kept, SEALED, &at.to_string()))
        };
        keep().map_err(cannot("keep the checkpoint"))?;
    }
    Ok(signed)
}

/// The newest note in `kept` that holds.
///
/// # Errors
/// The disk's.
pub fn newest<D: Fs>(disk: &D, kept: &D::Dir, key: &Verifier) -> io::Result<Option<Signed>> {
    for size in sizes(disk, kept)?.into_iter().rev() {
        if let Some(signed) = read(disk, kept, size, key)? {
            return Ok(Some(signed));
        }
    }
    Ok(None)
}

/// The kept note of that size, if it holds.
fn read<D: Fs>(disk: &D, kept: &D::Dir, size: u64, key: &Verifier) -> io::Result<Option<Signed>> {
    let file = disk.open(kept, OsStr::new(&note_name(size)), Access::Read)?;
    let bytes = match read_full(disk, &file, NOTE_BYTES_MAX as u64) {
        // No note is so long.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
        read => read?,
    };
    let checked = Note::read(&bytes).and_then(|note| Ok((key.check(&note)?, note)));
    Ok(checked.ok().map(|(checkpoint, note)| Signed { note, checkpoint }))
}

/// The smallest note in the kept that holds and is over frame `last`.
pub(crate) fn covering<D: Fs>(
    places: &Places<'_, D>,
    key: &Verifier,
    last: Seq,
) -> Result<Option<Signed>, CheckpointError> {
    let Some(kept) = places.kept else { return Ok(None) };
    let find = || {
        for size in sizes(places.disk, kept)?.into_iter().filter(|size| *size >= last.0) {
            if let Some(signed) = read(places.disk, kept, size, key)? {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    };
    find().map_err(cannot("read the kept checkpoints"))
}

/// Keeps what the tree needs of the segments that end before frame `first`, where another begins:
/// call it before they are deleted.
///
/// # Errors
/// They cannot be read or are damaged, or the roots cannot be kept: then nothing may be deleted.
pub fn keep_roots<D: Fs>(places: &Places<'_, D>, first: Seq) -> Result<(), CheckpointError> {
    let nowhere = || cannot("keep the roots of the deleted")(io::ErrorKind::NotFound.into());
    let kept = places.kept.ok_or_else(nowhere)?;
    let upto = Upto::Known(Seq(first.0.saturating_sub(1)));
    let grown = leaves::grow(places, places.base()?, upto, &mut |_| {})?;
    if grown.standing.next() != first {
        return Err(
            ReadError::from(Damage::Gap { expected: grown.standing.next(), found: first }).into()
        );
    }
    let text = grown.standing.to_string();
    write(places.disk, kept, DELETED, &text).map_err(cannot("keep the roots of the deleted"))
}

impl<D: Fs> Places<'_, D> {
    /// Where reading must begin when nothing but the deleted is taken on trust.
    pub(crate) fn base(&self) -> Result<Standing, ReadError> {
        let firsts = self.firsts()?;
        if firsts.first().is_none_or(|first| *first == Seq(1)) {
            return Ok(Standing::start());
        }
        Ok(self.known(DELETED, &firsts).unwrap_or_else(Standing::start))
    }

    /// Where signing may begin: behind what was read for an earlier checkpoint, and not behind the
    /// first `signed` frames, whose root is compared.
    fn latest(&self, signed: u64) -> Result<Standing, ReadError> {
        let sealed = self.known(SEALED, &self.firsts()?);
        match sealed.filter(|standing| standing.frontier.size() <= signed) {
            Some(standing) => Ok(standing),
            None => self.base(),
        }
    }

    /// Looks again at what segments went from meanwhile, unless what was found is `sound`: of those
    /// that went, what was listed before tells nothing.
    pub(crate) fn settled<T, E: From<ReadError>>(
        &self,
        sound: impl Fn(&T) -> bool,
        mut look: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        const LOOKS_MAX: u32 = 3;
        let begin = || Ok::<_, ReadError>(self.firsts()?.first().copied());
        for _ in 0..LOOKS_MAX {
            let began = begin()?;
            let found = look();
            if found.as_ref().is_ok_and(&sound) || self.stops() || begin()? == began {
                return found;
            }
        }
        Err(ReadError::Changing { looks: LOOKS_MAX }.into())
    }

    /// What is kept of a journal that had frames, if anything is.
    pub(crate) fn remembers(&self) -> io::Result<Option<String>> {
        let Some(kept) = self.kept else { return Ok(None) };
        let names = self.disk.list(kept)?;
        let tells = |name: &&OsString| size_of(name).is_some() || **name == *DELETED;
        Ok(names.iter().filter(tells).max().map(|name| name.display().to_string()))
    }

    /// Whether reading is to end.
    pub(crate) fn stops(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn firsts(&self) -> Result<Vec<Seq>, ReadError> {
        let listed = segment::list(self.disk, self.journal);
        Ok(listed.map_err(crate::reader::cannot("list the journal"))?.0)
    }

    /// The standing kept under `name`, if it is whole and a segment begins there.
    fn known(&self, name: &str, firsts: &[Seq]) -> Option<Standing> {
        let file = self.disk.open(self.kept?, OsStr::new(name), Access::Read).ok()?;
        let bytes = read_full(self.disk, &file, STANDING_BYTES_MAX).ok()?;
        let standing = Standing::read(std::str::from_utf8(&bytes).ok()?)?;
        firsts.contains(&standing.next()).then_some(standing)
    }
}

/// A checkpoint on its way.
struct Signing {
    signed: Signed,
    /// The last place between segments that was passed.
    sealed: Option<Standing>,
    new: bool,
}

impl Signing {
    /// Of the journal as it stands, though segments go meanwhile.
    fn over<D: Fs>(
        places: &Places<'_, D>,
        signer: &Signer,
        upto: Upto,
    ) -> Result<Self, CheckpointError> {
        places.settled(|_| true, || Self::of(places, signer, upto))
    }

    fn of<D: Fs>(
        places: &Places<'_, D>,
        signer: &Signer,
        upto: Upto,
    ) -> Result<Self, CheckpointError> {
        let before = places.kept.map(|kept| newest(places.disk, kept, signer.verifier()));
        let before = before.transpose().map_err(cannot("read the kept checkpoints"))?.flatten();
        let signed = before.as_ref().map_or(0, |before| before.checkpoint.size);
        if let Some(before) = &before
            && matches!(upto, Upto::Known(limit) if limit.0 <= signed)
        {
            // Whoever asks was overtaken.
            return Ok(Self { signed: before.clone(), sealed: None, new: false });
        }
        // What nobody signed with this key, it has not read before either.
        let begin = places.latest(signed)?;
        let (began, deleted) = (begin.next(), begin.frontier.size());
        let (mut tree, mut sealed) = (begin.frontier.clone(), None);
        let mut at_signed = (tree.size() == signed).then(|| tree.root());
        let mut each = |step: Step<'_>| match step {
            Step::Leaf(leaf) => {
                tree.push(leaf);
                if tree.size() == signed {
                    at_signed = Some(tree.root());
                }
            }
            Step::Sealed(standing) => sealed = Some(standing.clone()),
        };
        let grown = leaves::grow(places, begin, upto, &mut each)
            .map_err(|error| rewritten(error, began))?;
        let key = signer.verifier().name();
        if let Some(journal) = grown.origin.filter(|node| name(*node) != key) {
            return Err(CheckpointError::OtherJournal { key: key.to_owned(), journal });
        }
        let tree = grown.standing.frontier;
        match before {
            _ if tree.size() == 0 && signed == 0 => Err(CheckpointError::NoFrames),
            _ if tree.size() < signed => Err(CheckpointError::Shrunk { signed, head: tree.size() }),
            Some(_) if at_signed.is_none() => {
                Err(CheckpointError::Incomparable { signed, deleted })
            }
            Some(before) if at_signed.is_some_and(|root| root != before.checkpoint.root) => {
                Err(CheckpointError::Rewritten { signed })
            }
            Some(before) if tree.size() == signed => {
                Ok(Self { signed: before, sealed, new: false })
            }
            Some(_) | None => {
                let (size, root) = (tree.size(), tree.root());
                let note = signer.sign(size, root);
                let checkpoint = Checkpoint::read(note.text()).expect("it was just written");
                Ok(Self { signed: Signed { note, checkpoint }, sealed, new: true })
            }
        }
    }
}

/// A segment that does not follow from what was read before it, though it did then.
fn rewritten(error: ReadError, began: Seq) -> CheckpointError {
    match error {
        ReadError::Damaged(Damage::Frame { seq, reason: Reason::Link, .. })
            if seq == began && began > Seq(1) =>
        {
            CheckpointError::Rewritten { signed: began.0 - 1 }
        }
        other => other.into(),
    }
}

fn note_name(size: u64) -> String {
    format!("{size:020}.note")
}

fn size_of(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(".note")?;
    let canonical = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// The sizes of the notes in `kept`, ascending.
fn sizes<D: Fs>(disk: &D, kept: &D::Dir) -> io::Result<Vec<u64>> {
    let names = disk.list(kept)?;
    let mut sizes: Vec<_> = names.iter().filter_map(|name| size_of(name)).collect();
    sizes.sort_unstable();
    Ok(sizes)
}

fn forget_old<D: Fs>(disk: &D, kept: &D::Dir, newest: u64) -> io::Result<()> {
    let sizes = sizes(disk, kept)?;
    let (own, above) = sizes.split_at(sizes.partition_point(|size| *size <= newest));
    let old = |sizes: &[u64]| sizes.len().saturating_sub(KEPT_MAX);
    let old = own[..old(own)].iter().chain(&above[..old(above)]);
    old.copied().try_for_each(|size| disk.unlink(kept, OsStr::new(&note_name(size))))?;
    // What a crash left half-written.
    let names = disk.list(kept)?;
    let left = |name: &&OsString| {
        let note = name.to_str().and_then(|name| name.strip_suffix(TEMP));
        note.and_then(|note| size_of(OsStr::new(note))).is_some_and(|size| size < newest)
    };
    names.iter().filter(left).try_for_each(|name| disk.unlink(kept, name))
}

/// Writes a file whole or not at all. Each has a temporary name of its own: whoever was still at it
/// when its daemon was taken for gone puts nothing of one in place of another.
fn write<D: Fs>(disk: &D, dir: &D::Dir, name: &str, text: &str) -> io::Result<()> {
    let temp = OsString::from(format!("{name}{TEMP}"));
    match disk.unlink(dir, &temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(dir, &temp, 0o600)?;
    write_full(disk, &file, text.as_bytes(), 0)?;
    disk.sync(&file)?;
    let to = OsString::from(name);
    disk.rename((dir, &temp), (dir, &to), Rename::Replace)?;
    disk.sync_dir(dir)
}
