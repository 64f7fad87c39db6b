//! That `next` is what happens next.
//!
//! Owns the instants that were announced: each time a schedule is accounted for or loaded, the journal
//! says when its next slot is let go, and that is what people are shown. The next slot that has a fate
//! must be that one, whatever happened between; only another announcement takes its place.

use std::collections::BTreeMap;

use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::SlotState;
use kairos_core::time::Time;

use super::reign::Fate;
use super::walk::Name;

/// What was announced, by identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    open: BTreeMap<ScheduleName, Option<Time>>,
    /// When a slot with jitter was to be let go: the same whenever it is asked.
    delays: BTreeMap<(ScheduleName, u32, Name), Time>,
    pub(super) kept: u64,
    pub(super) broken: Vec<String>,
}

impl Promises {
    pub(super) fn announced(&mut self, identity: &ScheduleName, next: Option<Time>) {
        self.open.insert(identity.clone(), next);
    }

    pub(super) fn gone(&mut self, identity: &ScheduleName) {
        self.open.remove(identity);
    }

    /// The first fate since the last announcement keeps it; `jitter_ms` is how much later than its slot
    /// the instant may be.
    pub(super) fn fate(
        &mut self,
        (identity, revision): (&ScheduleName, u32),
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
        let (Some(next), Some(name)) = (announced, fate.name) else { return };
        if jitter_ms > 0 {
            let before = self.delays.insert((identity.clone(), revision, name), next);
            if before.is_some_and(|before| before != next) {
                self.broken.push(format!("{identity}: {fate:?} was put off, and otherwise before"));
            }
        }
    }
}
