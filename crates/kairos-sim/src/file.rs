//! One file: what is durable, what is seen, and every version between.
//!
//! Owns the bytes by sector and the rule which of them a sync makes durable. Never knows a name: who
//! calls it stands in [`crate::world`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// One sector's bytes; none stands for zeros.
pub(crate) type Sector = Option<Arc<[u8; SECTOR_BYTES]>>;

/// What an inode itself holds; it reaches the disk whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) bytes: u64,
    pub(crate) attributes: Arc<Attributes>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) extended: BTreeMap<OsString, Vec<u8>>,
}

/// The sectors that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sectors(Arc<BTreeMap<u64, Arc<[u8; SECTOR_BYTES]>>>);

/// A change that is not durable yet.
#[derive(Clone, Debug)]
pub(crate) struct Version<T> {
    /// When it was made, among all changes of the disk.
    pub(crate) stamp: u64,
    pub(crate) value: T,
    /// A sync failed over it and called it clean: a crash may keep it, no later sync will.
    pub(crate) stray: bool,
}

/// What a sync makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The bytes and the length: `fdatasync`, of which nobody promises more.
    Content,
    All,
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) inode: Inode,
    pub(crate) sectors: Sectors,
    durable: (Inode, Sectors),
    /// In order; a crash keeps one of them, or none.
    pub(crate) inodes: Vec<Version<Inode>>,
    /// The same for each sector.
    pub(crate) written: BTreeMap<u64, Vec<Version<Sector>>>,
}

impl Sectors {
    pub(crate) fn get(&self, sector: u64) -> Sector {
        self.0.get(&sector).cloned()
    }

    fn set(&mut self, sector: u64, bytes: Sector) {
        if self.0.get(&sector) == bytes.as_ref() {
            return;
        }
        let sectors = Arc::make_mut(&mut self.0);
        match bytes {
            Some(bytes) => drop(sectors.insert(sector, bytes)),
            None => drop(sectors.remove(&sector)),
        }
    }

    /// Fills `buffer` with what stands from `offset` on.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        for (sector, bytes) in self.0.range(offset / SECTOR..end.div_ceil(SECTOR)) {
            let start = sector * SECTOR;
            let (from, to) = (start.max(offset), (start + SECTOR).min(end));
            buffer[within(from, offset)..within(to, offset)]
                .copy_from_slice(&bytes[within(from, start)..within(to, start)]);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&u64, &Arc<[u8; SECTOR_BYTES]>)> {
        self.0.iter()
    }

    /// Forgets what lies behind `bytes`.
    fn cut(&mut self, bytes: u64) {
        let behind: Vec<u64> = self.0.range(bytes / SECTOR..).map(|(sector, _)| *sector).collect();
        for sector in behind {
            let cut = cut(&self.get(sector), sector, bytes);
            self.set(sector, cut);
        }
    }
}

/// How far `at` lies behind `start`, within one buffer.
fn within(at: u64, start: u64) -> usize {
    usize::try_from(at - start).expect("both lie within one buffer")
}

/// What is left of a sector when its file ends at `bytes`.
fn cut(content: &Sector, sector: u64, bytes: u64) -> Sector {
    let content = content.as_ref()?;
    let kept = bytes.saturating_sub(sector * SECTOR).min(SECTOR);
    let mut rest = [0; SECTOR_BYTES];
    rest[..within(kept, 0)].copy_from_slice(&content[..within(kept, 0)]);
    sector_of(rest)
}

fn sector_of(bytes: [u8; SECTOR_BYTES]) -> Sector {
    (bytes != [0; SECTOR_BYTES]).then(|| Arc::new(bytes))
}

impl File {
    /// An empty one; that it exists becomes durable with its name.
    pub(crate) fn new(attributes: Attributes) -> Self {
        let inode = Inode { bytes: 0, attributes: Arc::new(attributes) };
        Self::durable(inode, Sectors::default())
    }

    /// One with nothing to lose.
    pub(crate) fn durable(inode: Inode, sectors: Sectors) -> Self {
        Self {
            durable: (inode.clone(), sectors.clone()),
            inode,
            sectors,
            inodes: Vec::new(),
            written: BTreeMap::new(),
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.inodes.is_empty() || !self.written.is_empty()
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64, stamp: u64) {
        let end = offset + bytes.len() as u64;
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let (from, to) = (start.max(offset), (start + SECTOR).min(end));
            let mut content = self.sectors.get(sector).map_or([0; SECTOR_BYTES], |bytes| *bytes);
            content[within(from, start)..within(to, start)]
                .copy_from_slice(&bytes[within(from, offset)..within(to, offset)]);
            self.write_sector(sector, sector_of(content), stamp);
        }
        if end > self.inode.bytes {
            self.set_inode(Inode { bytes: end, ..self.inode.clone() }, stamp);
        }
    }

    fn write_sector(&mut self, sector: u64, content: Sector, stamp: u64) {
        let newest = self.written.get(&sector).and_then(|versions| versions.last());
        // The same bytes once more make no difference, unless a sync lied about the ones before.
        let same = self.sectors.get(sector) == content;
        if same && newest.is_none_or(|newest| !newest.stray) {
            return;
        }
        self.sectors.set(sector, content.clone());
        let version = Version { stamp, value: content, stray: false };
        self.written.entry(sector).or_default().push(version);
    }

    pub(crate) fn set_len(&mut self, bytes: u64, stamp: u64) {
        self.sectors.cut(bytes);
        self.set_inode(Inode { bytes, ..self.inode.clone() }, stamp);
    }

    pub(crate) fn set_attributes(&mut self, attributes: Attributes, stamp: u64) {
        let attributes = Arc::new(attributes);
        self.set_inode(Inode { attributes, ..self.inode.clone() }, stamp);
    }

    fn set_inode(&mut self, inode: Inode, stamp: u64) {
        if self.inode != inode {
            self.inode = inode.clone();
            self.inodes.push(Version { stamp, value: inode, stray: false });
        }
    }

    /// Makes `what` durable, but for what is stray.
    pub(crate) fn sync(&mut self, what: What) {
        let newest = |versions: &Vec<Version<Sector>>| match versions.last() {
            Some(newest) if !newest.stray => versions.len(),
            Some(_) | None => 0,
        };
        let choice = |sector| self.written.get(&sector).map_or(0, newest);
        let mut durable = self.keep(self.inodes.len(), choice);
        let cuts = self.cuts(self.inodes.len());
        self.written.retain(|_, versions| newest(versions) == 0);
        for (sector, versions) in &mut self.written {
            for version in versions {
                version.value = cut_since(version.value.clone(), *sector, version.stamp, &cuts);
            }
        }
        match what {
            What::All => self.inodes.clear(),
            What::Content => durable.0.attributes = self.keep_attributes(),
        }
        self.durable = durable;
    }

    /// Leaves of the inode's versions only what they say of attributes, and answers the durable ones.
    fn keep_attributes(&mut self) -> Arc<Attributes> {
        let durable = self.durable.0.attributes.clone();
        let mut before = durable.clone();
        let bytes = self.inode.bytes;
        self.inodes.retain_mut(|version| {
            let changed = version.value.attributes != before;
            before = version.value.attributes.clone();
            version.value.bytes = bytes;
            changed
        });
        durable
    }

    /// What a sync does that fails and then lies: the bytes are still seen, and no later sync will
    /// write them. The inode goes its own way, through the file system's journal.
    pub(crate) fn lie(&mut self) {
        for version in self.written.values_mut().flatten() {
            version.stray = true;
        }
    }

    /// The file of which the first `inodes` versions of the inode, and of each sector as many as
    /// `choice` says, have reached the disk.
    pub(crate) fn keep(&self, inodes: usize, choice: impl Fn(u64) -> usize) -> (Inode, Sectors) {
        let cuts = self.cuts(inodes);
        let (inode, mut sectors) = self.durable.clone();
        for (_, bytes) in &cuts {
            sectors.cut(*bytes);
        }
        for (sector, versions) in &self.written {
            if let Some(kept) = choice(*sector).checked_sub(1) {
                let version = &versions[kept];
                let content = cut_since(version.value.clone(), *sector, version.stamp, &cuts);
                sectors.set(*sector, content);
            }
        }
        let inode = inodes.checked_sub(1).map_or(inode, |last| self.inodes[last].value.clone());
        // What was written behind the end is not there when the file grows again.
        sectors.cut(inode.bytes);
        (inode, sectors)
    }

    /// How long the file is when so many versions of its inode have reached the disk.
    pub(crate) fn bytes_of(&self, inodes: usize) -> u64 {
        inodes.checked_sub(1).map_or(self.durable.0.bytes, |last| self.inodes[last].value.bytes)
    }

    /// When the file became shorter, and how long it then was.
    fn cuts(&self, inodes: usize) -> Vec<(u64, u64)> {
        let mut before = self.durable.0.bytes;
        let mut cuts = Vec::new();
        for version in &self.inodes[..inodes] {
            if version.value.bytes < before {
                cuts.push((version.stamp, version.value.bytes));
            }
            before = version.value.bytes;
        }
        cuts
    }
}

fn cut_since(content: Sector, sector: u64, stamp: u64, cuts: &[(u64, u64)]) -> Sector {
    let later = cuts.iter().filter(|(at, _)| *at > stamp);
    later.fold(content, |content, (_, bytes)| cut(&content, sector, *bytes))
}
