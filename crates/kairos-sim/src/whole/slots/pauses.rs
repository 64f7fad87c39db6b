//! That nothing fires in a pause.
//!
//! Owns the pauses in the journal and which fates go with them: what came due in one is skipped for
//! that reason, and nothing else is.

use std::collections::BTreeMap;

use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;

use super::reign::Fate;

/// Pauses by identity, with their ends where they have one. An ended one stays until its slots are
/// accounted for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    open: BTreeMap<ScheduleName, Option<Time>>,
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) broken: Vec<String>,
}

impl Pauses {
    pub(super) fn paused(&mut self, identity: &ScheduleName) {
        self.begun += 1;
        self.open.insert(identity.clone(), None);
    }

    pub(super) fn resumed(&mut self, identity: &ScheduleName, now: Time) {
        self.ended += 1;
        if let Some(pause) = self.open.get_mut(identity) {
            pause.get_or_insert(now);
        }
    }

    pub(super) fn accounted(&mut self, identity: &ScheduleName) {
        if self.open.get(identity).is_some_and(Option::is_some) {
            self.open.remove(identity);
        }
    }

    pub(super) fn gone(&mut self, identity: &ScheduleName) {
        self.open.remove(identity);
    }

    /// `jitter_ms`: what is due at the end of a pause may be let go after it.
    pub(super) fn fate(&mut self, identity: &ScheduleName, fate: &Fate, jitter_ms: u64) {
        let pause = self.open.get(identity);
        let swallowed = pause
            .is_some_and(|ended| ended.is_none_or(|ended| fate.from.plus_ms(jitter_ms) <= ended));
        let (paused, changed) = (Some(SlotReason::Paused), Some(SlotReason::RuleChanged));
        let sound = match fate.what {
            (SlotState::Skipped, reason) if reason == paused => pause.is_some(),
            // Its rule ended before anybody looked at what the pause left.
            (SlotState::Skipped, reason) if reason == changed => true,
            _ => !swallowed,
        };
        if !sound {
            self.broken.push(format!("{identity}: {fate:?}, the pause was {pause:?}"));
        }
    }
}
