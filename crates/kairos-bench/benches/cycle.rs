//! A whole cycle beside what it asks of the disk.
//!
//! Owns the control: the same calls in one thread by hand, without an engine, a decision, a thread to
//! hand anything to, or JSON. What a cycle asks is looked up in what one has left: the blobs it
//! stored and the frames it wrote. The edit itself is the exchange of `kairos-disk`.
//! `cargo bench -p kairos-bench --bench cycle [-- --json]`.

use std::collections::BTreeMap;
use std::path::Path;

use kairos_bench::raw::Raw;
use kairos_bench::row::{Row, print};
use kairos_bench::slices::{Side, alternate, micros, quantile};
use kairos_bench::whole::{EDITED, Whole};
use kairos_bench::{Done, temporary};
use kairos_disk::exchange::{Change, Intent, Target, TempName};
use kairos_disk::{Blobs, Fs as _, RealFs, Tree};

/// How often a cycle reads a blob that stands already: goal, files, answers, old and new. This and
/// the next are as `strace` counts them.
const BLOBS_READ: usize = 16;
/// How often it stores what stands already, which is synced once more: the file as it was.
const STORED_AGAIN: usize = 2;

fn main() -> Done<()> {
    let root = temporary()?;
    let mut whole = Whole::start(root.path())?;
    for _ in 0..20 {
        whole.mandate()?;
    }
    let before = Left::by(root.path())?;
    whole.mandate()?;
    let asked = Left::by(root.path())?.since(&before);
    let place = temporary()?;
    let mut by_hand = ByHand::new(place.path(), asked)?;
    let (mut ours, mut bare, mut out) = (Side::default(), Side::default(), Vec::new());
    alternate(&mut [
        &mut || {
            whole.prepare()?;
            ours.slice(|| {
                out.push(micros(whole.mandate()?));
                Ok(())
            })
        },
        &mut || bare.slice(|| by_hand.cycle()),
    ])?;
    whole.stop()?;
    let cycle = Row::new("cycle, one edit", ours.within(0.5) / 1e3, "ms");
    let cycle = cycle.beside(bare.within(0.5) / 1e3).ratio(1.0 / ours.rate_to(&bare));
    let out = Row::new("command to dispatch, p99", quantile(&out, 0.99) / 1e3, "ms").at_most(5.0);
    print(&[cycle.at_most_times(1.5), out])
}

/// What cycles have left on disk.
struct Left {
    /// By name.
    blobs: BTreeMap<String, usize>,
    /// Bytes of each write, by the position known to be durable when it was made.
    writes: BTreeMap<u64, usize>,
}

impl Left {
    fn by(root: &Path) -> Done<Self> {
        let mut blobs = BTreeMap::new();
        for entry in std::fs::read_dir(root.join("blobs"))? {
            let entry = entry?;
            let bytes = usize::try_from(entry.metadata()?.len())?;
            blobs.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
        let mut writes = BTreeMap::new();
        for entry in std::fs::read_dir(root.join("journal"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "kj") {
                let text = std::fs::read(path)?;
                for frame in text.split_inclusive(|byte| *byte == b'\n') {
                    // All frames of one write carry the same mark.
                    if let Some(durable) = frame.get(30..46).filter(|_| frame[0] != 0) {
                        let durable = std::str::from_utf8(durable)?.parse()?;
                        *writes.entry(durable).or_insert(0) += frame.len();
                    }
                }
            }
        }
        Ok(Self { blobs, writes })
    }

    fn since(mut self, before: &Self) -> Self {
        self.blobs.retain(|name, _| !before.blobs.contains_key(name));
        self.writes.retain(|durable, _| !before.writes.contains_key(durable));
        self
    }
}

/// The same calls without a daemon.
struct ByHand {
    blobs: Blobs<RealFs>,
    tree: Tree<RealFs>,
    journal: Raw,
    /// Bytes of what is stored in a cycle.
    stored: Vec<usize>,
    /// Bytes of its writes.
    writes: Vec<usize>,
    n: u64,
}

impl ByHand {
    fn new(root: &Path, asked: Left) -> Done<Self> {
        for name in ["blobs", "docs"] {
            std::fs::create_dir(root.join(name))?;
        }
        std::fs::write(root.join(EDITED), vec![b'x'; 4096])?;
        let dir = RealFs.root(root)?;
        let stored: Vec<usize> = asked.blobs.into_values().collect();
        let writes: Vec<usize> = asked.writes.into_values().collect();
        Ok(Self {
            blobs: Blobs::new(RealFs, RealFs.open_dir(&dir, Path::new("blobs"))?),
            tree: Tree::new(RealFs, dir, Vec::new()),
            journal: Raw::new()?,
            stored,
            writes,
            n: 0,
        })
    }

    fn cycle(&mut self) -> Done<()> {
        self.n += 1;
        let mut text = Vec::new();
        for bytes in &self.stored {
            text = format!("{:x}-{bytes:x}", self.n).into_bytes();
            text.resize(*bytes, b'x');
            self.blobs.put(&text)?;
        }
        for _ in 0..STORED_AGAIN {
            self.blobs.put(&text)?;
        }
        let last = kairos_disk::digest(&text);
        for _ in 0..BLOBS_READ {
            self.blobs.get(&last, u64::MAX)?;
        }
        for bytes in &self.writes {
            self.journal.write(&vec![b'x'; *bytes])?;
        }
        let path = Path::new(EDITED);
        self.tree.read(path)?;
        let found = self.tree.read(path)?;
        let mut post = found.bytes;
        post[..8].copy_from_slice(&self.n.to_be_bytes());
        let at = Target { path, parent_inode: found.parent_inode };
        let change = Change::Edit { at, pre: found.digest, post: &post };
        let intent = Intent { temp: TempName::new(self.n), change };
        self.tree.perform(&intent, &mut std::thread::sleep)?;
        self.tree.finish(&intent)?;
        Ok(())
    }
}
