//! The Merkle tree over the frames (RFC 6962).
//!
//! Owns the arithmetic of it: the root of any length, the subtree roots that stand in for leaves
//! that are gone, and the two proofs (one frame is in the tree; one tree is the beginning of
//! another) with their checks. Pure, and it never reads a frame: a leaf is the hash by which the
//! next frame names this one, so the chain and the tree share it. [`crate::checkpoint`] feeds it.
//!
//! A tree is never kept whole. What is kept is a [`Frontier`]: the roots of the full subtrees that
//! make up its leaves from left to right, one for each bit of their number.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

/// The most leaves a tree has: a position has 16 decimal digits.
pub const SIZE_MAX: u64 = 9_999_999_999_999_999;

/// A hash of the tree: of a leaf, or of two hashes below it. Shown and read as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads base64 with its padding; `None` when it is not of 32 bytes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        BASE64.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The leaf of `entry`; of a frame it is also its link.
    #[must_use]
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The root of a tree without leaves.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }

    fn over(left: Self, right: Self) -> Self {
        let hash = Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

/// The roots of the full subtrees that make up a tree's leaves, the largest first: at most 54.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Takes the roots of a tree of `size` leaves; `None` when they cannot be that.
    #[must_use]
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        let fits = size <= SIZE_MAX && u32::try_from(roots.len()) == Ok(size.count_ones());
        fits.then_some(Self { size, roots })
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut root = leaf;
        for _ in 0..self.size.trailing_zeros() {
            let left = self.roots.pop().expect("a full subtree stands for each bit below");
            root = Hash::over(left, root);
        }
        self.roots.push(root);
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let from_the_right = self.roots.iter().rev().copied();
        from_the_right
            .reduce(|right, left| Hash::over(left, right))
            .unwrap_or_else(Hash::of_nothing)
    }

    /// The subtrees, each with the leaves it stands for.
    fn subtrees(&self) -> impl Iterator<Item = (Range<u64>, Hash)> {
        let mut start = 0;
        self.roots.iter().map(move |root| {
            let left = self.size - start;
            let end = start + (1 << left.ilog2());
            (std::mem::replace(&mut start, end)..end, *root)
        })
    }
}

/// The proof needs subtrees that are no longer known one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the leaves up to {size} are gone, and only their subtree roots are kept")]
pub struct Gone {
    pub size: u64,
}

/// The leaves under each hash of the proof that leaf `index` (from 0) is in a tree of `size`, from
/// the leaf's neighbour upwards. Nothing when it is not.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, size);
    while index < size && end - start > 1 {
        let middle = start + left_of(end - start);
        if index < middle {
            parts.push(middle..std::mem::replace(&mut end, middle));
        } else {
            parts.push(std::mem::replace(&mut start, middle)..middle);
        }
    }
    parts.reverse();
    parts
}

/// The leaves under each hash of the proof that the tree of `old` leaves is the beginning of that
/// of `new`. Nothing when there is nothing to prove: `old` is 0 or not below `new`.
#[must_use]
pub fn consistency(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    if old == 0 || old >= new {
        return parts;
    }
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + left_of(end - start);
        if old <= middle {
            parts.push(middle..std::mem::replace(&mut end, middle));
        } else {
            parts.push(std::mem::replace(&mut start, middle)..middle);
        }
    }
    // The old tree's own root is known to whoever checks.
    if start > 0 {
        parts.push(start..end);
    }
    parts.reverse();
    parts
}

/// How many of `size` leaves (2 or more) stand under the left child of the root.
const fn left_of(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The hashes of a proof, made in one pass over the leaves.
#[derive(Clone, Debug)]
pub struct Gather {
    next: u64,
    parts: Vec<(Range<u64>, Frontier)>,
}

impl Gather {
    /// Begins at the leaf after `known`, for the hashes over `parts`.
    ///
    /// # Errors
    /// A part begins or ends within a subtree of which only the root is known.
    pub fn new(known: &Frontier, parts: Vec<Range<u64>>) -> Result<Self, Gone> {
        let gone = Gone { size: known.size };
        let begun = |part: Range<u64>| {
            let mut frontier = Frontier::default();
            for (leaves, root) in known.subtrees() {
                if leaves.start >= part.start && leaves.end <= part.end {
                    frontier.size += leaves.end - leaves.start;
                    frontier.roots.push(root);
                } else if leaves.start < part.end && leaves.end > part.start {
                    return Err(gone);
                }
            }
            Ok((part, frontier))
        };
        let parts = parts.into_iter().map(begun).collect::<Result<_, _>>()?;
        Ok(Self { next: known.size, parts })
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let part = self.parts.iter_mut().find(|(part, _)| part.contains(&self.next));
        if let Some((_, frontier)) = part {
            frontier.push(leaf);
        }
        self.next += 1;
    }

    /// The hashes; `None` when leaves are missing.
    #[must_use]
    pub fn finish(self) -> Option<Vec<Hash>> {
        let hash = |(part, frontier): (Range<u64>, Frontier)| {
            (part.end - part.start == frontier.size).then(|| frontier.root())
        };
        self.parts.into_iter().map(hash).collect()
    }
}

/// The root that follows from a proof of inclusion; `None` when the proof has the wrong length for
/// leaf `index` (from 0) of `size`. Compare it with a root that is trusted.
#[must_use]
pub fn included(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let parts = inclusion(index, size);
    if index >= size || parts.len() != path.len() {
        return None;
    }
    let join = |hash, (part, beside): (Range<u64>, Hash)| match part.end <= index {
        true => Hash::over(beside, hash),
        false => Hash::over(hash, beside),
    };
    Some(parts.into_iter().zip(path.iter().copied()).fold(leaf, join))
}

/// Whether `path` proves that the tree (`old`, its root) is the beginning of the tree (`new`, its
/// root).
#[must_use]
pub fn consistent(old: (u64, Hash), new: (u64, Hash), path: &[Hash]) -> bool {
    let parts = consistency(old.0, new.0);
    if parts.len() != path.len() || old.0 > new.0 {
        return false;
    }
    if old.0 == 0 {
        return old.1 == Hash::of_nothing();
    }
    if old.0 == new.0 {
        return old.1 == new.1;
    }
    // The first hash ends where the old tree ends; where none does, the old root itself stands
    // there.
    let mut hashes = parts.into_iter().zip(path.iter().copied());
    let (mut first, mut second) = match old.0.is_power_of_two() {
        true => (old.1, old.1),
        false => match hashes.next() {
            Some((_, hash)) => (hash, hash),
            None => return false,
        },
    };
    for (part, hash) in hashes {
        if part.end <= old.0 {
            first = Hash::over(hash, first);
            second = Hash::over(hash, second);
        } else {
            second = Hash::over(second, hash);
        }
    }
    (first, second) == (old.1, new.1)
}
