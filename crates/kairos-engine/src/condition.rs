//! Conditions of schedules: what is asked, and what was found.
//!
//! Owns which looks are under way. A look is asked for by a slot that is due, taken elsewhere, and
//! decided with by a later turn; until then the schedule stays due. Nothing of it is recorded: a crash
//! in between only looks again. Never looks itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_core::event::Loaded;
use kairos_core::gate::scope::Scopes;
use kairos_core::schedule::condition::{Condition, Found};
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::{Accounted, Contents};
use kairos_core::state::State;
use kairos_core::time::Time;

/// How long an answer is waited for: then nobody can tell. Longer than a look may take, because looks
/// are taken one after the other.
const WAIT_MAX_MS: u64 = 120_000;

/// How long an answer is good, where the slot could not be decided with it at once.
const GOOD_MS: u64 = 60_000;

/// What somebody is to look at.
#[derive(Clone, Debug)]
pub struct Probe {
    pub schedule: ScheduleName,
    pub condition: Condition,
    /// How paths are protected.
    pub scopes: Arc<Scopes>,
    /// Up to where slots were accounted for when it was asked.
    cursor: Time,
}

/// What came of a look.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) look: Probe,
    pub(crate) found: Found,
}

/// The looks under way and what came of those that are not decided with yet: one for each schedule.
#[derive(Debug, Default)]
pub(crate) struct Probes(RefCell<BTreeMap<ScheduleName, Stage>>);

#[derive(Debug)]
enum Stage {
    Wanted(Probe),
    UnderWay { since: Time },
    Done { probed: Probed, at: Time },
}

impl Probes {
    /// What becomes of a slot that would fire, and what its files hold; `None` while that has to be
    /// looked at.
    pub(crate) fn judge(
        &self,
        state: &State,
        (loaded, condition): (&Loaded, &Condition),
        accounted: Accounted,
        now: Time,
    ) -> Option<(Accounted, Option<Contents>)> {
        let name = &loaded.definition.name;
        let mut stages = self.0.borrow_mut();
        let found = match stages.remove(name) {
            Some(Stage::Done { probed, at }) if probed.answers(loaded, condition, at, now) => {
                probed.found
            }
            Some(Stage::UnderWay { since }) if now.ms_since(since) <= WAIT_MAX_MS => {
                stages.insert(name.clone(), Stage::UnderWay { since });
                return None;
            }
            Some(Stage::UnderWay { .. }) => Found::Unknown,
            Some(Stage::Wanted(_) | Stage::Done { .. }) | None => {
                let (schedule, condition, scopes) =
                    (name.clone(), condition.clone(), state.scopes());
                let look = Probe { schedule, condition, scopes, cursor: loaded.cursor };
                stages.insert(name.clone(), Stage::Wanted(look));
                return None;
            }
        };
        let fare = state.fare(loaded.definition.identity());
        let seen = fare.map(|fare| fare.seen).unwrap_or_default();
        Some(match condition.unmet(found, seen) {
            None => (accounted.through_first_fire(), found.files()),
            Some(why) => (accounted.unmet(why), None),
        })
    }

    /// Hands out what is wanted.
    pub(crate) fn ask(&self, now: Time, ask: &mut dyn FnMut(Probe)) {
        for stage in self.0.borrow_mut().values_mut() {
            if matches!(stage, Stage::Wanted(_))
                && let Stage::Wanted(look) =
                    std::mem::replace(stage, Stage::UnderWay { since: now })
            {
                ask(look);
            }
        }
    }

    /// Takes an answer; one that nobody waits for any more is dropped.
    pub(crate) fn told(&self, probed: Probed, now: Time) {
        let mut stages = self.0.borrow_mut();
        if let Some(stage @ Stage::UnderWay { .. }) = stages.get_mut(&probed.look.schedule) {
            *stage = Stage::Done { probed, at: now };
        }
    }

    /// The same for other schedules: what is under way for one that stays is not asked again.
    pub(crate) fn kept(self, stays: impl Fn(&ScheduleName) -> bool) -> Self {
        self.0.borrow_mut().retain(|name, _| stays(name));
        self
    }
}

impl Probed {
    /// Whether what was found, told `at`, answers for this schedule now. Whatever else happened to it
    /// meanwhile moved its cursor.
    fn answers(&self, loaded: &Loaded, condition: &Condition, at: Time, now: Time) -> bool {
        self.look.condition == *condition
            && self.look.cursor == loaded.cursor
            && now.ms_since(at).max(at.ms_since(now)) <= GOOD_MS
    }
}
