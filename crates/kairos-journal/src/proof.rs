//! What a journal's files prove.
//!
//! Owns recomputing the root at a size, and the proof that one frame is among those a checkpoint is
//! over. Reads everything that is still there and believes only the subtree roots of what was
//! deleted: wrong ones give a wrong root. Never writes, never signs.

use kairos_core::fold::Seq;
use kairos_core::kind::{Kind, Refused};
use kairos_disk::Fs;

use crate::checkpoint::{Places, Upto};
use crate::leaves::{self, Step};
use crate::reader::ReadError;
use crate::tree::{Gather, Gone, Hash, included, inclusion};

/// Nothing can be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("frame {seq} is not among the first {size}")]
    Outside { seq: u64, size: u64 },
    #[error("the journal ends at frame {head}, before {size}")]
    Short { size: u64, head: u64 },
}

impl ProofError {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Gone(_) | Self::Outside { .. } => Kind::Refused(Refused::Unknown),
            Self::Short { .. } => Kind::Corrupt,
        }
    }
}

/// That a frame is one of the first `size`, whose root is `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The frame's position, from 1.
    pub seq: u64,
    pub leaf: Hash,
    pub size: u64,
    pub root: Hash,
    /// From the leaf's neighbour upwards.
    pub path: Vec<Hash>,
}

impl Proof {
    /// Whether the path leads from the leaf to the root. That the root is the right one only a
    /// checkpoint says, and that the leaf is a frame's only the frame.
    #[must_use]
    pub fn holds(&self) -> bool {
        let index = self.seq.checked_sub(1);
        let root = index.and_then(|index| included(self.leaf, index, self.size, &self.path));
        root == Some(self.root)
    }
}

/// The root over the first `size` frames.
///
/// # Errors
/// The journal is damaged or shorter, or frames beyond `size` were deleted.
pub fn root_at<D: Fs>(places: &Places<'_, D>, size: u64) -> Result<Hash, ProofError> {
    places.settled(|_| true, || root(places, size))
}

fn root<D: Fs>(places: &Places<'_, D>, size: u64) -> Result<Hash, ProofError> {
    let base = places.base()?;
    if size < base.frontier.size() {
        return Err(Gone { size: base.frontier.size() }.into());
    }
    let upto = Upto::Known(Seq(size));
    let grown = leaves::grow(places, base, upto, &mut |_| {})?;
    let tree = grown.standing.frontier;
    if tree.size() < size {
        return Err(ProofError::Short { size, head: tree.size() });
    }
    Ok(tree.root())
}

/// How many frames count.
///
/// # Errors
/// The journal cannot be read or is damaged.
pub fn size<D: Fs>(places: &Places<'_, D>, upto: Upto) -> Result<u64, ProofError> {
    places.settled(
        |_| true,
        || {
            let base = places.base()?;
            let grown = leaves::grow(places, base, upto, &mut |_| {})?;
            Ok(grown.standing.frontier.size())
        },
    )
}

/// Proves that frame `seq` is one of the first `size`.
///
/// # Errors
/// It is not, the journal is damaged or shorter, or what the proof needs was deleted.
pub fn prove<D: Fs>(places: &Places<'_, D>, seq: Seq, size: u64) -> Result<Proof, ProofError> {
    places.settled(|_| true, || proven(places, seq, size))
}

fn proven<D: Fs>(places: &Places<'_, D>, seq: Seq, size: u64) -> Result<Proof, ProofError> {
    let outside = ProofError::Outside { seq: seq.0, size };
    let Some(index) = seq.0.checked_sub(1).filter(|index| *index < size) else {
        return Err(outside);
    };
    let base = places.base()?;
    let mut at = base.frontier.size();
    if index < at {
        return Err(Gone { size: at }.into());
    }
    let mut gather = Gather::new(&base.frontier, inclusion(index, size))?;
    let mut leaf = None;
    let mut each = |step: Step<'_>| {
        if let Step::Leaf(hash) = step {
            leaf = leaf.or((at == index).then_some(hash));
            gather.push(hash);
            at += 1;
        }
    };
    let upto = Upto::Known(Seq(size));
    let grown = leaves::grow(places, base, upto, &mut each)?;
    let tree = grown.standing.frontier;
    match (leaf, gather.finish()) {
        (Some(leaf), Some(path)) if tree.size() == size => {
            Ok(Proof { seq: seq.0, leaf, size, root: tree.root(), path })
        }
        _ => Err(ProofError::Short { size, head: tree.size() }),
    }
}
