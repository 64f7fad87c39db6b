//! The frames as leaves of the tree.
//!
//! Owns the way over the segments that hands out every frame's hash in order, checked as recovery
//! checks it, and the places at which the tree is known without what came before. Never judges a
//! tail and never writes. [`crate::checkpoint`] and [`crate::proof`] go this way.

use std::fmt;

use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_disk::Fs;
use kairos_disk::fs::Access;

use crate::body;
use crate::checkpoint::Places;
use crate::damage::Damage;
use crate::frame::{self, HEAD_BYTES, Head, Link};
use crate::open::{cores, read_whole};
use crate::reader::{ReadError, cannot};
use crate::recover::{self, Place, Scan};
use crate::segment;
use crate::tree::{Frontier, Hash};
use crate::writer::FRAME_BYTES_MAX;

/// How far the frames of a journal count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upto {
    /// Up to this one: whoever says so knows that it is durable.
    Known(Seq),
    /// A writer is at work: up to the newest that another frame says is durable.
    Live,
    /// Nobody writes: all of them, once they are synced.
    Still,
}

/// A place between two frames: the tree over those before it, and how the next one names the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) frontier: Frontier,
    pub(crate) link: Link,
}

/// The longest text of a standing.
pub(crate) const STANDING_BYTES_MAX: u64 = 8 * 1024;

const FIRST_LINE: &str = "kairos frontier 1";

impl Standing {
    /// Before the first frame.
    pub(crate) fn start() -> Self {
        Self { frontier: Frontier::default(), link: Link::START }
    }

    /// The frame that comes next.
    pub(crate) fn next(&self) -> Seq {
        Seq(self.frontier.size() + 1)
    }

    /// Reads the text; `None` when it is not whole.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let body = text.strip_suffix('\n')?;
        let (body, sum) = body.rsplit_once('\n')?;
        if Hash::read(sum)? != Hash::of_leaf(body.as_bytes()) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let size = lines.next()?.parse().ok()?;
        let last = Hash::read(lines.next()?)?;
        let roots = lines.map(Hash::read).collect::<Option<_>>()?;
        let frontier = Frontier::new(size, roots)?;
        Some(Self { frontier, link: Link::from_bytes(last.bytes()) })
    }

    fn push(&mut self, link: Link) -> Hash {
        let leaf = Hash::from_bytes(link.bytes().expect("the walk compared it with the hash"));
        self.frontier.push(leaf);
        self.link = link;
        leaf
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.link.bytes().expect("a standing is made of hashes");
        let mut lines = vec![FIRST_LINE.to_owned(), self.frontier.size().to_string()];
        lines.push(Hash::from_bytes(last).to_string());
        lines.extend(self.frontier.roots().iter().map(Hash::to_string));
        let body = lines.join("\n");
        writeln!(f, "{body}\n{}", Hash::of_leaf(body.as_bytes()))
    }
}

/// What is met on the way.
pub(crate) enum Step<'a> {
    Leaf(Hash),
    /// The end of a segment that others follow.
    Sealed(&'a Standing),
}

/// Where the way ended.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) standing: Standing,
    /// Whose journal it is, if a segment was read.
    pub(crate) origin: Option<NodeId>,
}

/// Goes over the frames after `from`, which stands before a segment, as far as they count.
pub(crate) fn grow<D: Fs>(
    places: &Places<'_, D>,
    from: Standing,
    upto: Upto,
    each: &mut dyn FnMut(Step<'_>),
) -> Result<Grown, ReadError> {
    let Places { disk, journal: dir, .. } = *places;
    let (firsts, stranger) = segment::list(disk, dir).map_err(cannot("list the journal"))?;
    if let Some(stranger) = stranger {
        return Err(stranger.into());
    }
    let mut grown = Grown { standing: from, origin: None };
    let Some(oldest) = firsts.first() else { return Ok(grown) };
    if grown.standing.next() < *oldest {
        return Err(ReadError::Pruned { first: *oldest });
    }
    let mut bytes = Vec::new();
    let begin = grown.standing.next();
    for first in firsts.iter().filter(|first| **first >= begin) {
        let (last, next) = (Some(first) == firsts.last(), grown.standing.next());
        if matches!(upto, Upto::Known(limit) if next > limit) {
            break;
        }
        if places.stops() {
            return Err(ReadError::Stopped);
        }
        if *first != next {
            return Err(Damage::Gap { expected: next, found: *first }.into());
        }
        let from = grown.standing.link;
        let scan = read(disk, dir, (*first, from), (last, upto), &mut bytes)?;
        let limit = match upto {
            Upto::Known(limit) => limit,
            Upto::Live if last => scan.cursor.durable,
            Upto::Live | Upto::Still => scan.cursor.head,
        };
        grown.origin = grown.origin.or(scan.head.map(|head| head.origin));
        for link in links(&bytes, &scan) {
            if grown.standing.next() > limit {
                return Ok(grown);
            }
            each(Step::Leaf(grown.standing.push(link)));
        }
        if !last {
            each(Step::Sealed(&grown.standing));
        }
    }
    Ok(grown)
}

/// Reads and checks the segment that begins with frame `first`, which must name `link`.
fn read<D: Fs>(
    disk: &D,
    dir: &D::Dir,
    (first, link): (Seq, Link),
    (last, upto): (bool, Upto),
    bytes: &mut Vec<u8>,
) -> Result<Scan, ReadError> {
    // A writer that overtakes the reading makes old bytes look like damage; damage stays.
    const LOOKS_MAX: usize = 3;
    let place = match (last, upto) {
        (false, _) => Place::Sealed,
        (true, Upto::Still) => Place::Last,
        (true, Upto::Known(_) | Upto::Live) => Place::Live,
    };
    let file =
        segment::open(disk, dir, first, Access::Read).map_err(cannot("open a segment"))??;
    let before = Seq(first.0 - 1);
    let cursor = crate::walk::Cursor { head: before, link, durable: Seq(0) };
    let mut looks = 1;
    loop {
        read_whole(disk, &file, bytes, cores()).map_err(cannot("read a segment"))?;
        if place == Place::Last {
            // A signature outlives a power cut, so what it is over must too. Behind the reading, for
            // a writer that nobody could see may have been at work.
            disk.sync(&file).map_err(cannot("sync a segment"))?;
        }
        match recover::scan(bytes, cursor, place, cores()) {
            Ok(scan) => return Ok(scan),
            Err(_) if place == Place::Live && looks < LOOKS_MAX => looks += 1,
            Err(broken) => return Err(broken.damage.into()),
        }
    }
}

/// The hash of each frame: as the next one names it, so that nothing is hashed twice.
fn links(bytes: &[u8], scan: &Scan) -> impl Iterator<Item = Link> {
    let named = scan.frames.iter().skip(1).map(|frame| Link::in_head(&bytes[frame.range()]));
    named.chain((!scan.frames.is_empty()).then_some(scan.cursor.link))
}

/// Whose journal it is, as its oldest segment says; `None` while it has no frame.
///
/// # Errors
/// The disk cannot be read.
pub fn origin<D: Fs>(disk: &D, dir: &D::Dir) -> Result<Option<NodeId>, ReadError> {
    let (firsts, _) = segment::list(disk, dir).map_err(cannot("list the journal"))?;
    let Some(first) = firsts.first() else { return Ok(None) };
    let file =
        segment::open(disk, dir, *first, Access::Read).map_err(cannot("open a segment"))??;
    let head = beginning(disk, &file, HEAD_BYTES)?;
    let Some(head) = Head::read(&head) else { return Ok(None) };
    if head.frame_bytes as u64 > FRAME_BYTES_MAX {
        return Ok(None);
    }
    let frame = beginning(disk, &file, head.frame_bytes)?;
    let body = (frame.len() == head.frame_bytes).then(|| frame::body(&frame)).flatten();
    let segment = body.and_then(|body| body::segment_head(body).ok().flatten());
    Ok(segment.map(|segment| segment.origin))
}

fn beginning<D: Fs>(disk: &D, file: &D::File, bytes: usize) -> Result<Vec<u8>, ReadError> {
    let mut buffer = vec![0; bytes];
    let mut read = 0;
    while read < bytes {
        match disk.read_at(file, &mut buffer[read..], read as u64) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(source) => return Err(cannot("read a segment")(source)),
        }
    }
    buffer.truncate(read);
    Ok(buffer)
}
