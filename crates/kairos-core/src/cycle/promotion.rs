//! Bringing what a command changed to the tree, one file after the other.
//!
//! Owns how far that is. Never decides which file comes next; `decide::promote` does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::effect::Change;
use crate::gate::risk::Risk;

/// The changes of the command of one step, each of which is an effect of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    pub step: u8,
    /// What the command was let through with; its files are judged by no less.
    pub risk: Risk,
    pub changes: Arc<[Change]>,
    /// Which of them do not stand yet, in their order.
    pub left: Vec<u16>,
}

impl Promotion {
    pub(crate) fn new(step: u8, risk: Risk, changes: &[Change]) -> Self {
        let left = (0..=u16::MAX).zip(changes).map(|(place, _)| place).collect();
        Self { step, risk, changes: changes.into(), left }
    }

    /// The changes that do not stand yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Change> {
        self.left.iter().filter_map(|place| self.changes.get(usize::from(*place)))
    }

    pub(crate) fn stands(&mut self, change: &Change) {
        let changes = &self.changes;
        self.left.retain(|place| changes.get(usize::from(*place)) != Some(change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobRef;
    use crate::effect::Place;

    #[test]
    fn what_stands_is_not_done_again() {
        let create = |path: &str| {
            let at = Place { path: path.parse().expect("a path"), parent: 1 };
            Change::Create { at, post: BlobRef::of(b"x"), mode: None }
        };
        let all = [create("a"), create("b"), create("c")];
        let mut promotion = Promotion::new(0, Risk::Low, &all);
        promotion.stands(&all[1]);
        assert_eq!(promotion.waiting().collect::<Vec<_>>(), [&all[0], &all[2]]);
    }
}
