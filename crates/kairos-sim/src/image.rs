//! What a crash may leave.
//!
//! Owns the choice of un-synced units: all of them when there are few, seeded samples when there are
//! many. Never changes the disk it looks at; an image is mounted as a disk of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::file::{File, SECTOR_BYTES};
use crate::fs::SimFs;
use crate::plan::Plan;
use crate::world::{Dir, Names, World};

/// How many images are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Up to so many un-synced units, every subset is tried; at most 20.
    pub units_max: u32,
    /// Above, so many samples, and besides them nothing, everything, and each unit alone and
    /// missing alone.
    pub samples: usize,
}

impl Default for Bound {
    /// All subsets of 12 units, 256 samples.
    fn default() -> Self {
        Self { units_max: 12, samples: 256 }
    }
}

/// The distinct disks a crash may leave.
#[derive(Debug)]
pub struct Images {
    world: Arc<World>,
    axes: Arc<Vec<Axis>>,
    choices: std::vec::IntoIter<Choice>,
}

/// One of them.
#[derive(Clone)]
pub struct Image {
    world: Arc<World>,
    axes: Arc<Vec<Axis>>,
    choice: Choice,
}

/// Something of which a crash keeps one version; 0 is the durable one.
#[derive(Clone, Copy, Debug)]
struct Axis {
    of: Of,
    /// How many versions there are beyond the durable one.
    versions: u16,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    /// A change of names, by its place among them.
    Change(usize),
    Inode(u64),
    Sector(u64, u64),
}

/// How many versions of each axis have reached the disk.
type Choice = Box<[u16]>;

impl Images {
    pub(crate) fn of(world: &World, bound: Bound, seed: u64) -> Self {
        let axes = axes(world);
        let mut chosen = Chosen { world, axes: &axes, seen: BTreeSet::new(), choices: Vec::new() };
        let all =
            axes.iter().try_fold(1_u64, |all, axis| all.checked_mul(u64::from(axis.versions) + 1));
        match all {
            Some(all) if all <= 1 << bound.units_max.min(20) => chosen.every(),
            Some(_) | None => chosen.sampled(bound.samples, seed),
        }
        let choices = chosen.choices.into_iter();
        Self { world: Arc::new(world.clone()), axes: Arc::new(axes), choices }
    }
}

impl Iterator for Images {
    type Item = Image;

    fn next(&mut self) -> Option<Image> {
        let choice = self.choices.next()?;
        Some(Image { world: self.world.clone(), axes: self.axes.clone(), choice })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.choices.size_hint()
    }
}

impl ExactSizeIterator for Images {}

impl Image {
    /// A disk that starts from here: nothing is locked, open or un-synced, and no plan stands.
    #[must_use]
    pub fn mount(&self) -> SimFs {
        let (names, kept) = (names(&self.world, &self.axes, &self.choice), self.kept());
        let mut world = World::new(self.world.rules);
        (world.inodes, world.stamps) = (self.world.inodes, self.world.stamps);
        for (dir, names) in names {
            for inode in names.values() {
                let Some(file) = self.world.files.get(inode) else { continue };
                let sectors = kept.sectors.get(inode);
                let choice =
                    |sector| sectors.and_then(|sectors| sectors.get(&sector)).copied().unwrap_or(0);
                let inodes = kept.inodes.get(inode).copied().unwrap_or(0);
                let (kept, sectors) = file.keep(inodes, choice);
                world.files.insert(*inode, Arc::new(File::durable(kept, sectors)));
            }
            let mode = self.world.dirs[&dir].mode;
            world.dirs.insert(dir, Arc::new(Dir { mode, durable: names.clone(), names }));
        }
        SimFs::of(world, Plan::default())
    }

    fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        for (axis, version) in self.axes.iter().zip(&self.choice) {
            match axis.of {
                Of::Change(_) => {}
                Of::Inode(inode) => drop(kept.inodes.insert(inode, usize::from(*version))),
                Of::Sector(inode, sector) => {
                    let sectors = kept.sectors.entry(inode).or_default();
                    sectors.insert(sector, usize::from(*version));
                }
            }
        }
        kept
    }
}

#[derive(Default)]
struct Kept {
    inodes: BTreeMap<u64, usize>,
    sectors: BTreeMap<u64, BTreeMap<u64, usize>>,
}

impl fmt::Debug for Image {
    /// What of the un-synced was kept, and what lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, version) in self.axes.iter().zip(&self.choice) {
            match axis.of {
                Of::Change(at) => write!(f, "{:?}", self.world.changes[at].sets)?,
                Of::Inode(inode) => write!(f, "inode {inode}")?,
                Of::Sector(inode, sector) => write!(f, "inode {inode} sector {sector}")?,
            }
            writeln!(f, ": {version} of {}", axis.versions)?;
        }
        Ok(())
    }
}

fn axes(world: &World) -> Vec<Axis> {
    let versions = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let changes = (0..world.changes.len()).map(|at| Axis { of: Of::Change(at), versions: 1 });
    let files = world.files.iter().filter(|(_, file)| file.is_dirty()).flat_map(|(inode, file)| {
        let inodes = Axis { of: Of::Inode(*inode), versions: versions(file.inodes.len()) };
        let sectors = file.written.iter().map(|(sector, written)| Axis {
            of: Of::Sector(*inode, *sector),
            versions: versions(written.len()),
        });
        [inodes].into_iter().chain(sectors)
    });
    changes.chain(files).filter(|axis| axis.versions > 0).collect()
}

fn names(world: &World, axes: &[Axis], choice: &[u16]) -> BTreeMap<u64, Names> {
    let mut kept = vec![false; world.changes.len()];
    for (axis, version) in axes.iter().zip(choice) {
        if let Of::Change(at) = axis.of {
            kept[at] = *version > 0;
        }
    }
    world.names(&kept)
}

/// Choices, each made once.
struct Chosen<'a> {
    world: &'a World,
    axes: &'a [Axis],
    seen: BTreeSet<Choice>,
    choices: Vec<Choice>,
}

impl Chosen<'_> {
    fn every(&mut self) {
        let mut choice: Choice = vec![0; self.axes.len()].into();
        loop {
            self.add(choice.clone());
            let versions = choice.iter_mut().zip(self.axes);
            let mut more = false;
            for (version, axis) in versions {
                if *version < axis.versions {
                    *version += 1;
                    more = true;
                    break;
                }
                *version = 0;
            }
            if !more {
                return;
            }
        }
    }

    fn sampled(&mut self, samples: usize, seed: u64) {
        let newest: Choice = self.axes.iter().map(|axis| axis.versions).collect();
        let oldest: Choice = vec![0; self.axes.len()].into();
        self.add(oldest.clone());
        self.add(newest.clone());
        for at in 0..self.axes.len() {
            for (from, other) in [(&oldest, &newest), (&newest, &oldest)] {
                let mut choice = from.clone();
                choice[at] = other[at];
                self.add(choice);
            }
        }
        let mut random = fastrand::Rng::with_seed(seed);
        // A sample that was there already is not made up for: there may be no others.
        for _ in 0..samples {
            let eighths = [1, 4, 7][random.usize(..3)];
            let version = |axis: &Axis| match random.u8(..8) < eighths {
                true => random.u16(1..=axis.versions),
                false => 0,
            };
            let choice = self.axes.iter().map(version).collect();
            self.add(choice);
        }
    }

    /// Takes a choice, made legal and without what cannot be seen.
    fn add(&mut self, mut choice: Choice) {
        let mut kept = vec![false; self.world.changes.len()];
        for (axis, version) in self.axes.iter().zip(&choice) {
            if let Of::Change(at) = axis.of {
                kept[at] = *version > 0;
            }
        }
        self.world.close(&mut kept);
        let dirs = self.world.names(&kept);
        let reached: BTreeSet<u64> =
            dirs.values().flat_map(|names| names.values().copied()).collect();
        // An inode's axis stands before those of its sectors.
        let mut inodes = 0;
        let mut of = None;
        for (axis, version) in self.axes.iter().zip(&mut *choice) {
            match axis.of {
                Of::Change(at) => {
                    // What happened in a directory that is gone cannot be told from what did not.
                    let mut sets = self.world.changes[at].sets.iter();
                    let is_seen = sets.any(|(dir, ..)| dirs.contains_key(dir));
                    *version = u16::from(kept[at] && is_seen);
                }
                Of::Inode(inode) if !reached.contains(&inode) => *version = 0,
                Of::Inode(inode) => (of, inodes) = (Some(inode), *version),
                Of::Sector(inode, sector) => {
                    let inodes = if of == Some(inode) { inodes } else { 0 };
                    let file = &self.world.files[&inode];
                    let bytes = file.bytes_of(usize::from(inodes));
                    if !reached.contains(&inode) || sector * SECTOR_BYTES as u64 >= bytes {
                        *version = 0;
                    }
                }
            }
        }
        if self.seen.insert(choice.clone()) {
            self.choices.push(choice);
        }
    }
}
