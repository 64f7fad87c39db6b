//! That `next` is what happens next.
//!
//! Owns the instants that were announced: each time a schedule is accounted for or loaded, the journal
//! says when its next slot is let go, and that is what people are shown. The next slot that has a fate
//! must be that one, whatever happened between; only another configuration takes its place.

use std::collections::BTreeMap;

use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::SlotState;
use kairos_core::time::Time;

use super::reign::Fate;

/// What was announced, by identity, and had no fate yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    open: BTreeMap<ScheduleName, Option<Time>>,
    pub(super) kept: u64,
    pub(super) broken: Vec<String>,
}

impl Promises {
    /// With another configuration anything may come next.
    pub(super) fn loaded(&mut self, identity: &ScheduleName, next: Option<Time>) {
        self.open.insert(identity.clone(), next);
    }

    /// Without a fate since it was announced, what comes next is what it was: jitter, too, is the same
    /// whenever it is asked for.
    pub(super) fn accounted(&mut self, identity: &ScheduleName, next: Option<Time>) {
        let before = self.open.insert(identity.clone(), next);
        if before.is_some_and(|before| before != next) {
            self.broken
                .push(format!("{identity}: next was {before:?}, and without a fate {next:?}"));
        }
    }

    pub(super) fn gone(&mut self, identity: &ScheduleName) {
        self.open.remove(identity);
    }

    /// The first fate since the last announcement keeps it; `jitter_ms` is how much later than its slot
    /// the instant may be.
    pub(super) fn fate(
        &mut self,
        identity: &ScheduleName,
        fate: &Fate,
        (jitter_ms, now): (u64, Time),
    ) {
        let Some(announced) = self.open.remove(identity) else { return };
        let keeps = |next: Time| {
            let early = matches!(fate.what.0, SlotState::Fired | SlotState::Refused) && now < next;
            fate.from <= next && next.ms_since(fate.from) <= jitter_ms && !early
        };
        if !announced.is_some_and(keeps) {
            self.broken.push(format!("{identity}: next was {announced:?}, then came {fate:?}"));
        }
        self.kept += 1;
    }
}
