//! What stands on a disk, for people and comparisons.
//!
//! Owns the list of everything that has a name. Never counted as a call.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::world::{ROOT, World};

/// Everything on a disk by its path.
pub type Listing = BTreeMap<PathBuf, Item>;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Directory,
    File { bytes: Vec<u8>, mode: u32 },
}

pub(crate) fn listing(world: &World) -> Listing {
    let mut listing = Listing::new();
    walk(world, &mut |path, inode| {
        let item = match world.files.get(&inode) {
            None => Item::Directory,
            Some(file) => {
                let length = usize::try_from(file.inode.bytes).expect("it fits into memory");
                let mut bytes = vec![0; length];
                file.sectors.read(&mut bytes, 0);
                Item::File { bytes, mode: file.inode.attributes.mode }
            }
        };
        listing.insert(path, item);
    });
    listing
}

/// The same for the same names, bytes and attributes.
pub(crate) fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    walk(world, &mut |path, inode| {
        path.hash(&mut hasher);
        let Some(file) = world.files.get(&inode) else { return };
        (file.inode.bytes, &file.inode.attributes).hash(&mut hasher);
        for (sector, bytes) in file.sectors.iter() {
            (sector, &bytes[..]).hash(&mut hasher);
        }
    });
    hasher.finish()
}

fn walk(world: &World, each: &mut impl FnMut(PathBuf, u64)) {
    let mut open = vec![(PathBuf::new(), ROOT)];
    while let Some((path, dir)) = open.pop() {
        for (name, inode) in &world.dirs[&dir].names {
            let path = Path::new(&path).join(name);
            if world.dirs.contains_key(inode) {
                open.push((path.clone(), *inode));
            }
            each(path, *inode);
        }
    }
}
