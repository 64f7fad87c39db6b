//! Conditions of schedules: what is asked, and what was found.
//!
//! Owns which looks are under way. A look is asked for by a slot that is due, taken elsewhere, and
//! decided with by a later turn; until then the schedule stays due. Nothing of it is recorded: a crash
//! in between only looks again. Never looks itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_core::digest::Digest;
use kairos_core::event::Loaded;
use kairos_core::gate::scope::Scopes;
use kairos_core::schedule::Accounted;
use kairos_core::schedule::condition::{Condition, Found};
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::state::State;
use kairos_core::time::Time;

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
    UnderWay,
    Done(Probed),
}

impl Probes {
    /// What becomes of a slot that would fire, and what its files hold; `None` while that has to be
    /// looked at.
    pub(crate) fn judge(
        &self,
        state: &State,
        loaded: &Loaded,
        condition: &Condition,
        accounted: Accounted,
    ) -> Option<(Accounted, Option<Digest>)> {
        let name = &loaded.definition.name;
        let mut stages = self.0.borrow_mut();
        match stages.remove(name) {
            // Whatever else happened to the schedule meanwhile moved its cursor.
            Some(Stage::Done(Probed { look, found }))
                if look.condition == *condition && look.cursor == loaded.cursor =>
            {
                let fare = state.fare(loaded.definition.identity());
                let seen = fare.and_then(|fare| fare.seen);
                if condition.holds(found, seen) {
                    Some((accounted.through_first_fire(), found.files()))
                } else {
                    Some((accounted.unmet(), None))
                }
            }
            Some(Stage::UnderWay) => {
                stages.insert(name.clone(), Stage::UnderWay);
                None
            }
            Some(Stage::Wanted(_) | Stage::Done(_)) | None => {
                let (schedule, condition, scopes) =
                    (name.clone(), condition.clone(), state.scopes());
                let look = Probe { schedule, condition, scopes, cursor: loaded.cursor };
                stages.insert(name.clone(), Stage::Wanted(look));
                None
            }
        }
    }

    /// Hands out what is wanted.
    pub(crate) fn ask(&self, ask: &mut dyn FnMut(Probe)) {
        for stage in self.0.borrow_mut().values_mut() {
            if matches!(stage, Stage::Wanted(_))
                && let Stage::Wanted(look) = std::mem::replace(stage, Stage::UnderWay)
            {
                ask(look);
            }
        }
    }

    /// Takes an answer; one that nobody waits for any more is dropped.
    pub(crate) fn told(&self, looked: Probed) {
        let mut stages = self.0.borrow_mut();
        if let Some(stage @ Stage::UnderWay) = stages.get_mut(&looked.look.schedule) {
            *stage = Stage::Done(looked);
        }
    }
}
