//! What was erased and not put since.
//!
//! Owns a bounded memory of it, so that who has put a text can be told that it went before a record
//! named it. Never asks a disk.

use std::collections::VecDeque;

use crate::digest::Digest;

/// Erased texts that are remembered, the oldest forgotten first: far more than can be erased between
/// a put and the record that names it. 128 KiB.
const ERASED_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Erased(VecDeque<Digest>);

impl Erased {
    pub(super) fn add(&mut self, digest: &Digest) {
        if !self.holds(digest) {
            if self.0.len() >= ERASED_MAX {
                self.0.pop_front();
            }
            self.0.push_back(*digest);
        }
    }

    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.0.contains(digest)
    }

    /// It was put again.
    pub(super) fn remove(&mut self, digest: &Digest) {
        self.0.retain(|erased| erased != digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut erased = Erased::default();
        let digest = |n: usize| crate::digest(&n.to_be_bytes());
        (0..=ERASED_MAX).for_each(|n| erased.add(&digest(n)));
        erased.add(&digest(ERASED_MAX));
        assert_eq!(erased.0.len(), ERASED_MAX);
        assert_eq!([0, 1, ERASED_MAX].map(|n| erased.holds(&digest(n))), [false, true, true]);
    }
}
