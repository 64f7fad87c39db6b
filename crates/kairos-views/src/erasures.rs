//! Texts that were erased: who wanted it, why, and when.
//!
//! Owns the newest 10,000. Whoever shows a text that is gone asks here before it is called lost.

use std::collections::{BTreeMap, VecDeque};

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::principal::Principal;
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

/// Erasures that are kept.
pub const ERASURES_MAX: usize = 10_000;

/// All erasures that are shown.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Erasures {
    all: BTreeMap<Digest, ErasureView>,
    /// The oldest first.
    order: VecDeque<Digest>,
}

/// The latest erasure of one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureView {
    pub blob: Digest,
    pub at: Time,
    pub by: Principal,
    pub reason: BlobRef,
    /// What became of it, and when; `None` while it is under way.
    pub end: Option<(ErasureEnd, Time)>,
}

impl Erasures {
    #[must_use]
    pub fn get(&self, blob: Digest) -> Option<&ErasureView> {
        self.all.get(&blob)
    }

    /// By digest.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<Digest, ErasureView> {
        &self.all
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::BlobErased { blob, reason, by } => {
                let (blob, reason, by) = (*blob, *reason, by.clone());
                let view = ErasureView { blob, at: at.time, by, reason, end: None };
                if self.all.insert(blob, view).is_some() {
                    self.order.retain(|other| *other != blob);
                }
                self.order.push_back(blob);
                if self.order.len() > ERASURES_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.all.remove(&oldest);
                }
            }
            Event::ErasureSettled { blob, end } => {
                if let Some(view) = self.all.get_mut(blob) {
                    view.end = Some((*end, at.time));
                }
            }
            _ => {}
        }
    }
}
