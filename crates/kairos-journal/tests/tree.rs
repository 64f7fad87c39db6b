//! The Merkle tree beside the definition in RFC 6962, and beside known roots.

use std::collections::HashMap;
use std::ops::Range;

use kairos_journal::tree::{
    Frontier, Gather, Gone, Hash, SIZE_MAX, consistency, consistent, included, inclusion,
};
use sha2::{Digest as _, Sha256};

/// Larger than a power of two by two, so that every shape of the right edge occurs.
const SIZES: u64 = 130;

/// The inputs that Certificate Transparency's own tests use, and the roots of their beginnings.
const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| Hash::of_leaf(&index.to_be_bytes())).collect()
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier
}

/// The largest power of two below `n`, by counting.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// The definition, as it is written in RFC 6962, 2.1; it remembers the roots it has worked out.
#[derive(Default)]
struct Definition {
    leaves: Vec<Hash>,
    roots: HashMap<(usize, usize), Hash>,
}

impl Definition {
    fn of(leaves: &[Hash]) -> Self {
        Self { leaves: leaves.to_vec(), ..Self::default() }
    }

    /// MTH of the leaves from `start` up to `end`.
    fn mth(&mut self, start: usize, end: usize) -> Hash {
        match end - start {
            0 => return Hash::of_nothing(),
            1 => return self.leaves[start],
            _ => {}
        }
        if let Some(root) = self.roots.get(&(start, end)) {
            return *root;
        }
        let k = start + split(end - start);
        let (left, right) = (self.mth(start, k), self.mth(k, end));
        let hash = Sha256::new().chain_update([1]);
        let hash = hash.chain_update(left.bytes()).chain_update(right.bytes());
        let root = Hash::from_bytes(hash.finalize().into());
        self.roots.insert((start, end), root);
        root
    }

    /// PATH for leaf `m` of those from `start` up to `end`.
    fn path(&mut self, m: usize, start: usize, end: usize) -> Vec<Hash> {
        if end - start == 1 {
            return Vec::new();
        }
        let k = start + split(end - start);
        let (mut below, beside) = match m < k {
            true => (self.path(m, start, k), self.mth(k, end)),
            false => (self.path(m, k, end), self.mth(start, k)),
        };
        below.push(beside);
        below
    }

    /// SUBPROOF for the tree that ends at `m` within the leaves from `start` up to `end`.
    fn subproof(&mut self, m: usize, start: usize, end: usize, whole: bool) -> Vec<Hash> {
        if m == end {
            return if whole { Vec::new() } else { vec![self.mth(start, end)] };
        }
        let k = start + split(end - start);
        let (mut below, beside) = match m <= k {
            true => (self.subproof(m, start, k, whole), self.mth(k, end)),
            false => (self.subproof(m, k, end, false), self.mth(start, k)),
        };
        below.push(beside);
        below
    }
}

/// The hash over each part that [`Gather`] makes, whatever is gone, worked out once.
struct Parts {
    /// By how many leaves are gone.
    known: Vec<Frontier>,
    made: HashMap<(usize, u64, u64), Result<Hash, Gone>>,
}

impl Parts {
    fn of(leaves: &[Hash]) -> Self {
        let mut known = vec![Frontier::default()];
        for leaf in leaves {
            let mut next = known[known.len() - 1].clone();
            next.push(*leaf);
            known.push(next);
        }
        Self { known, made: HashMap::new() }
    }

    fn gather(
        &mut self,
        leaves: &[Hash],
        gone: usize,
        parts: Vec<Range<u64>>,
    ) -> Result<Vec<Hash>, Gone> {
        let one = |part: Range<u64>| {
            let made = self.made.entry((gone, part.start, part.end));
            *made.or_insert_with(|| {
                let end = usize::try_from(part.end).expect("a small tree").max(gone);
                let mut gather = Gather::new(&self.known[gone], vec![part])?;
                leaves[gone..end].iter().for_each(|leaf| gather.push(*leaf));
                Ok(gather.finish().expect("every leaf was given")[0])
            })
        };
        parts.into_iter().map(one).collect()
    }
}

/// The hashes over `parts` when the first `gone` leaves are known by their subtree roots only.
fn gather(leaves: &[Hash], gone: usize, parts: Vec<Range<u64>>) -> Result<Vec<Hash>, Gone> {
    let mut gather = Gather::new(&frontier(&leaves[..gone]), parts)?;
    leaves[gone..].iter().for_each(|leaf| gather.push(*leaf));
    Ok(gather.finish().expect("every leaf was given"))
}

#[test]
fn known_entries_have_their_known_roots() {
    let leaves: Vec<_> = ENTRIES.iter().map(|entry| Hash::of_leaf(entry)).collect();
    for (size, root) in ROOTS.iter().enumerate() {
        let found = frontier(&leaves[..size]).root();
        let found: String = found.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, *root, "{size} entries");
    }
}

#[test]
fn every_root_is_that_of_the_definition() {
    let leaves = leaves(SIZES);
    let mut definition = Definition::of(&leaves);
    let mut frontier = Frontier::default();
    for size in 0..=leaves.len() {
        assert_eq!(frontier.root(), definition.mth(0, size), "{size} leaves");
        assert_eq!(frontier.roots().len(), size.count_ones() as usize);
        let again = Frontier::new(frontier.size(), frontier.roots().to_vec());
        assert_eq!(again.as_ref(), Some(&frontier));
        leaves.get(size).iter().for_each(|leaf| frontier.push(**leaf));
    }
}

#[test]
fn roots_that_cannot_be_those_of_a_size_are_refused() {
    let roots = leaves(2);
    assert_eq!(Frontier::new(2, roots.clone()), None);
    assert_eq!(Frontier::new(SIZE_MAX + 1, leaves(u64::from((SIZE_MAX + 1).count_ones()))), None);
    assert_eq!(Frontier::new(0, Vec::new()), Some(Frontier::default()));
    assert!(Frontier::new(3, roots).is_some());
}

#[test]
fn every_inclusion_proof_is_that_of_the_definition_whatever_was_deleted_before_it() {
    let leaves = leaves(SIZES);
    let (mut definition, mut parts) = (Definition::of(&leaves), Parts::of(&leaves));
    for size in 1..=leaves.len() {
        let root = definition.mth(0, size);
        for (index, leaf) in leaves[..size].iter().enumerate() {
            let proof = definition.path(index, 0, size);
            let (at, of) = (index as u64, size as u64);
            assert_eq!(included(*leaf, at, of, &proof), Some(root), "{index} of {size}");
            for gone in 0..=index {
                let made = parts.gather(&leaves, gone, inclusion(at, of));
                assert_eq!(made.as_ref(), Ok(&proof), "{index} of {size}, {gone} gone");
            }
        }
        assert_eq!(inclusion(size as u64, size as u64), []);
        assert_eq!(included(leaves[0], size as u64, size as u64, &[]), None);
    }
}

#[test]
fn every_consistency_proof_is_that_of_the_definition_whatever_was_deleted_before_it() {
    let leaves = leaves(SIZES);
    let (mut definition, mut parts) = (Definition::of(&leaves), Parts::of(&leaves));
    for new in 1..=leaves.len() {
        let second = (new as u64, definition.mth(0, new));
        for old in 1..=new {
            let proof = definition.subproof(old, 0, new, true);
            let first = (old as u64, definition.mth(0, old));
            assert!(consistent(first, second, &proof), "{old} in {new}");
            for gone in 0..=old {
                let made = parts.gather(&leaves, gone, consistency(first.0, second.0));
                assert_eq!(made.as_ref(), Ok(&proof), "{old} in {new}, {gone} gone");
            }
        }
    }
}

#[test]
fn all_hashes_of_a_proof_come_out_of_one_pass() {
    let leaves = leaves(43);
    let mut definition = Definition::of(&leaves);
    for gone in 0..=21 {
        let proof = definition.path(21, 0, 43);
        assert_eq!(gather(&leaves, gone, inclusion(21, 43)), Ok(proof), "{gone} gone");
        let proof = definition.subproof(21, 0, 43, true);
        assert_eq!(gather(&leaves, gone, consistency(21, 43)), Ok(proof), "{gone} gone");
    }
}

#[test]
fn what_is_below_a_kept_root_cannot_be_proven_and_is_said_to_be_gone() {
    let leaves = leaves(11);
    for gone in 1..=11_u64 {
        let known = frontier(&leaves[..usize::try_from(gone).unwrap()]);
        for index in 0..gone {
            let parts = inclusion(index, 11);
            // A leaf that is itself a kept root is still provable.
            let provable = gone % 2 == 1 && index + 1 == gone;
            let made = Gather::new(&known, parts).map(drop);
            let expected = if provable { Ok(()) } else { Err(Gone { size: gone }) };
            assert_eq!(made, expected, "{index} with {gone} gone");
        }
    }
}

#[test]
fn no_changed_proof_holds() {
    let other = Hash::of_leaf(b"another");
    let all = leaves(21);
    let mut definition = Definition::of(&all);
    for size in [1_usize, 2, 3, 8, 13, 21] {
        let (leaves, root) = (&all[..size], definition.mth(0, size));
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = definition.path(index, 0, size);
            let (at, of) = (index as u64, size as u64);
            assert_ne!(included(other, at, of, &proof), Some(root));
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place] = other;
                assert_ne!(included(*leaf, at, of, &changed), Some(root));
            }
            let longer = [&proof[..], &[other]].concat();
            assert_eq!(included(*leaf, at, of, &longer), None);
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(included(*leaf, at, of, shorter), None);
            }
            for wrong in (0..size).filter(|wrong| *wrong != index) {
                assert_ne!(included(*leaf, wrong as u64, of, &proof), Some(root));
            }
        }
        for old in 1..size {
            let proof = definition.subproof(old, 0, size, true);
            let (first, second) = ((old as u64, definition.mth(0, old)), (size as u64, root));
            assert!(!consistent((first.0, other), second, &proof));
            assert!(!consistent(first, (second.0, other), &proof));
            assert!(!consistent(first, second, &proof[1..]));
            assert!(!consistent(second, first, &proof));
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place] = other;
                assert!(!consistent(first, second, &changed), "{old} in {size}, {place}");
            }
        }
    }
    let empty = (0, Hash::of_nothing());
    let three = (3, definition.mth(0, 3));
    assert!(consistent(empty, three, &[]));
    assert!(!consistent((0, other), three, &[]));
}

#[test]
fn missing_leaves_are_no_proof() {
    let leaves = leaves(5);
    let mut gather = Gather::new(&Frontier::default(), inclusion(0, 5)).expect("nothing is gone");
    leaves[..4].iter().for_each(|leaf| gather.push(*leaf));
    assert_eq!(gather.finish(), None);
}

#[test]
fn the_widest_tree_has_a_bounded_proof() {
    assert_eq!(inclusion(0, SIZE_MAX).len(), 54);
    assert!(consistency(SIZE_MAX / 3, SIZE_MAX).len() <= 55);
    assert_eq!(Hash::read(&leaves(1)[0].to_string()), Some(leaves(1)[0]));
    assert_eq!(Hash::read("YQ=="), None);
}
