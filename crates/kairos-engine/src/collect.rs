//! Collecting the blobs that nothing names any more.
//!
//! Owns the order of a collection: list what stands there, strike whatever a record, a snapshot or what
//! was set aside may name, remove the rest. Never knows what an event means: every 64 lower-case
//! hexadecimal digits in a row are taken for a name, so a form that is yet to come keeps its blobs
//! too. What the state needs is among it, for the state follows from the snapshots and the frames
//! behind them. What is stored meanwhile `kairos_disk::blob` leaves alone, and says why. The thread of
//! [`crate::upkeep`] works through here.
//!
//! No record tells of a removal: nothing that is kept names what goes, so nobody can ask for it. The
//! log has the count and the bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use kairos_core::fold::{Seq, Snapshot};
use kairos_core::kind::Kind;
use kairos_disk::blob::{Collection, Crowded, Removal};
use kairos_disk::{Blobs, Digest, Fs};
use kairos_journal::{MentionsError, mentions};

/// Blobs that are looked at in one reading of the journal: 8 MiB of digests. Where there are more, it
/// is read again for the next ones.
pub const AT_ONCE_MAX: usize = 1 << 18;

/// Digits of a name.
const NAME_DIGITS: usize = 64;

/// What a collection came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that were there.
    pub looked_at: u64,
    pub removed: u64,
    /// Of those removed.
    pub bytes: u64,
    /// Nothing names them, but they are recent.
    pub recent: u64,
}

/// Nothing more is removed now.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error("it cannot be told what is named")]
    Mentions(#[from] MentionsError),
    #[error("cannot {doing}")]
    Io { doing: &'static str, source: io::Error },
}

impl CollectError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Crowded(_) => Kind::Refused(kairos_core::kind::Refused::ForNow),
            Self::Mentions(error) => error.kind(),
            Self::Io { .. } => Kind::Unavailable,
        }
    }
}

/// When a collection is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub instant: Instant,
    /// By the clock that the disk stamps files with.
    pub time: SystemTime,
}

impl Moment {
    #[must_use]
    pub fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }
}

/// Removes every blob that nothing in the journal `dir` names and that is not recent. `head` says which
/// frame is durable when it is asked; a snapshot of `F` stands for frames that are gone; `blobs` is the value that everybody puts through. Holds
/// [`AT_ONCE_MAX`] digests in memory. Told to `stop`, it removes nothing more.
///
/// # Errors
/// The journal cannot be read whole, too much was stored lately, or the disk failed. What nothing
/// names may be gone then in part; nothing else is.
pub fn collect<F: Snapshot, D: Fs, B: Fs>(
    blobs: &Blobs<B>,
    (disk, dir): (&Arc<D>, &D::Dir),
    head: &dyn Fn() -> Seq,
    moment: Moment,
    stop: &AtomicBool,
) -> Result<Collected, CollectError> {
    let collection = blobs.collection(moment.instant)?;
    let (mut collected, mut after) = (Collected::default(), None);
    loop {
        let page = collection.page(after.as_ref(), AT_ONCE_MAX);
        let mut page = Page::of(page.map_err(cannot("list the blobs"))?);
        let Some(last) = page.digests.last().copied() else { break };
        mentions::<F, D>(disk, dir, head(), stop, &mut |text| page.strike(text))?;
        after = Some(last);
        collected.looked_at += page.digests.len() as u64;
        let removed = remove(&collection, &page, moment.time, stop, &mut collected);
        removed.map_err(cannot("remove a blob"))?;
    }
    if collected.removed > 0 {
        collection.close().map_err(cannot("sync the blobs' directory"))?;
    }
    Ok(collected)
}

fn cannot(doing: &'static str) -> impl FnOnce(io::Error) -> CollectError {
    move |source| CollectError::Io { doing, source }
}

fn remove<B: Fs>(
    collection: &Collection<'_, B>,
    page: &Page,
    now: SystemTime,
    stop: &AtomicBool,
    collected: &mut Collected,
) -> io::Result<()> {
    for digest in page.unnamed().take_while(|_| !stop.load(Ordering::Relaxed)) {
        match collection.remove(digest, now)? {
            Removal::Gone { bytes } => {
                collected.removed += 1;
                collected.bytes += bytes;
            }
            Removal::Recent => collected.recent += 1,
            Removal::None => {}
        }
    }
    Ok(())
}

/// Some blobs and which of them are named.
struct Page {
    /// Ascending.
    digests: Vec<Digest>,
    named: Vec<bool>,
}

impl Page {
    fn of(digests: Vec<Digest>) -> Self {
        Self { named: vec![false; digests.len()], digests }
    }

    /// Strikes every blob that `text` names.
    fn strike(&mut self, text: &[u8]) {
        each_name(text, |digest| {
            if let Ok(place) = self.digests.binary_search(&digest) {
                self.named[place] = true;
            }
        });
    }

    fn unnamed(&self) -> impl Iterator<Item = &Digest> {
        let all = self.digests.iter().zip(&self.named);
        all.filter(|(_, named)| !**named).map(|(digest, _)| digest)
    }
}

/// Calls `found` with whatever 64 digits in a row say, also where more follow.
fn each_name(text: &[u8], mut found: impl FnMut(Digest)) {
    let mut start = 0;
    while let Some(digits) = text.get(start..start + NAME_DIGITS) {
        // From behind, because most places are none and the last byte tells how many to pass over.
        match digits.iter().rposition(|byte| digit(*byte).is_none()) {
            Some(other) => start += other + 1,
            None => {
                found(read(digits));
                start += 1;
            }
        }
    }
}

fn read(digits: &[u8]) -> Digest {
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().filter_map(|byte| digit(*byte)).fold(0, |high, low| high << 4 | low);
    }
    digest
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Digest> {
        let mut names = Vec::new();
        each_name(text.as_bytes(), |name| names.push(name));
        names
    }

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let name = kairos_disk::digest(b"text");
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let short = &hex[1..];
        for before in 1..130 {
            let before = "g".repeat(before);
            let text = format!("{before}{short}\"{before}{hex}\"{short}{before}{hex}");
            assert_eq!(names(&text), [name; 2], "{text}");
        }
        assert_eq!(names(short), Vec::<Digest>::new());
        assert_eq!(names(&hex.to_uppercase()), Vec::<Digest>::new());
    }

    #[test]
    fn digits_on_either_side_hide_no_name() {
        let name = kairos_disk::digest(b"text");
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = names(&format!("0{hex}abc"));
        assert_eq!((found.len(), found[1]), (5, name));
    }
}
