//! Conditions of schedules: what is asked, and what was found.
//!
//! Owns which looks are under way. A look is asked for by a slot that is due, taken elsewhere, and
//! decided with by a later turn; until then the schedule stays due. Nothing of it is recorded: a crash
//! in between only looks again. Never looks itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_core::event::Loaded;
use kairos_core::gate::scope::Scopes;
use kairos_core::schedule::condition::{Condition, Found};
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::{Accounted, Contents};
use kairos_core::state::State;
use kairos_core::time::Time;

/// How long an answer is waited for, whichever comes: then nobody can tell. Looks are taken one after
/// the other, so as long as there are answers each has its turn. Longer than one look may take.
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
pub(crate) struct Probes {
    stages: RefCell<BTreeMap<ScheduleName, Stage>>,
    /// When an answer came last, to whatever was asked.
    heard: Cell<Time>,
    /// Whose look did not end in time, to be told.
    overdue: RefCell<Vec<ScheduleName>>,
}

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
        let mut stages = self.stages.borrow_mut();
        let found = match stages.remove(name) {
            Some(Stage::Done { probed, at }) if probed.answers(loaded, condition, at, now) => {
                probed.found
            }
            Some(Stage::UnderWay { since }) if self.may_come(since, now) => {
                stages.insert(name.clone(), Stage::UnderWay { since });
                return None;
            }
            Some(Stage::UnderWay { .. }) => {
                self.overdue.borrow_mut().push(name.clone());
                Found::Unknown
            }
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

    /// Whether the schedule's slots wait for a look, and there is nothing to decide with yet.
    pub(crate) fn waits(&self, name: &ScheduleName, now: Time) -> bool {
        match self.stages.borrow().get(name) {
            Some(Stage::Wanted(_)) => true,
            Some(Stage::UnderWay { since }) => self.may_come(*since, now),
            Some(Stage::Done { .. }) | None => false,
        }
    }

    /// Whether the answer to what was asked then may still come.
    fn may_come(&self, since: Time, now: Time) -> bool {
        now.ms_since(since.max(self.heard.get())) <= WAIT_MAX_MS
    }

    /// Hands out what is wanted.
    pub(crate) fn ask(&self, now: Time, ask: &mut dyn FnMut(Probe)) {
        for stage in self.stages.borrow_mut().values_mut() {
            if matches!(stage, Stage::Wanted(_))
                && let Stage::Wanted(look) =
                    std::mem::replace(stage, Stage::UnderWay { since: now })
            {
                ask(look);
            }
        }
    }

    /// Whose looks did not end in time, and why nobody can tell what they would have found.
    pub(crate) fn overdue(&self) -> impl Iterator<Item = (ScheduleName, String)> + use<> {
        let why = || format!("no look at files was answered for {} s", WAIT_MAX_MS / 1_000);
        self.overdue.take().into_iter().map(move |schedule| (schedule, why()))
    }

    /// Takes an answer; one that nobody waits for any more is dropped.
    pub(crate) fn told(&self, probed: Probed, now: Time) {
        self.heard.set(now);
        let mut stages = self.stages.borrow_mut();
        if let Some(stage @ Stage::UnderWay { .. }) = stages.get_mut(&probed.look.schedule) {
            *stage = Stage::Done { probed, at: now };
        }
    }

    /// The same for other schedules: what is under way for one that stays is not asked again.
    pub(crate) fn kept(self, stays: impl Fn(&ScheduleName) -> bool) -> Self {
        self.stages.borrow_mut().retain(|name, _| stays(name));
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

#[cfg(test)]
mod tests {
    use kairos_core::fold::{At, Fold as _, Seq};
    use kairos_core::schedule::condition::Test;
    use kairos_core::schedule::{Fate, Slot, Unmet};

    use super::*;

    const DEFINITION: &str = r#"{"definition":{"name":"tick","cron":"* * * * *","zone":"UTC",
        "condition":{"test":{"exists":"ready"}},"enabled":true,"missed":"skip","concurrency":"queue",
        "spec":{"goal":{"sha256":"GOAL","bytes":1},"files":[],"verify":[],"max_cycles":1,
        "risk_budget":"low","project_scope":"","allowed_actions":null,"upload":["l2"],"hints":null,
        "model":null,"timeout_ms":null}},"revision":1,"cursor":"2026-11-21T08:00:00.000Z"}"#;

    fn at(ms: u64) -> Time {
        "2026-11-21T08:01:00.000Z".parse::<Time>().expect("a time").plus_ms(ms)
    }

    fn slot() -> Slot {
        Slot { civil: jiff::civil::date(2026, 11, 21).at(8, 1, 0, 0), fold: 0, at: at(0) }
    }

    fn loaded() -> Loaded {
        let text = DEFINITION.replace("GOAL", &"a".repeat(64));
        serde_json::from_str(&text).expect("a schedule")
    }

    /// What became of the slot at that time, if that is known.
    fn fate(probes: &Probes, loaded: &Loaded, ms: u64) -> Option<Fate> {
        let mut state = State::empty();
        let (set, gone, renamed) = (vec![loaded.clone()], Vec::new(), Vec::new());
        let loading = kairos_core::event::Event::SchedulesLoaded { set, gone, renamed };
        state.apply(At { seq: Seq(1), time: at(0) }, &loading, &mut Vec::new());
        let condition = loaded.definition.condition.as_ref().expect("it has one");
        let due = Accounted { fates: vec![Fate::Fires(slot())], cursor: at(0) };
        let judged = probes.judge(&state, (loaded, condition), due, at(ms));
        judged.map(|(accounted, _)| accounted.fates[0])
    }

    fn asked(probes: &Probes, ms: u64) -> Vec<Probe> {
        let mut asked = Vec::new();
        probes.ask(at(ms), &mut |probe| asked.push(probe));
        asked
    }

    #[test]
    fn a_look_is_asked_for_once_and_decided_with_once() {
        let (probes, loaded) = (Probes::default(), loaded());
        assert_eq!(fate(&probes, &loaded, 0), None);
        let look = asked(&probes, 0).pop().expect("it is asked for");
        assert_eq!(look.condition.test, Test::Exists("ready".parse().expect("a path")));
        assert_eq!(fate(&probes, &loaded, 1_000), None);
        assert_eq!(asked(&probes, 1_000).len(), 0, "it is under way");
        probes.told(Probed { look, found: Found::Is(false) }, at(2_000));
        assert_eq!(fate(&probes, &loaded, 2_000), Some(Fate::Unmet(slot(), Unmet::False)));
        assert_eq!(fate(&probes, &loaded, 2_000), None, "another slot has another look");
    }

    #[test]
    fn an_answer_for_another_slot_or_of_long_ago_is_none() {
        let (probes, before) = (Probes::default(), loaded());
        for (cursor, ms) in [(before.cursor, GOOD_MS + 1), (at(0), 0)] {
            assert_eq!(fate(&probes, &before, 0), None);
            let look = asked(&probes, 0).pop().expect("it is asked for");
            probes.told(Probed { look, found: Found::Is(true) }, at(0));
            assert_eq!(fate(&probes, &Loaded { cursor, ..before.clone() }, ms), None);
            probes.stages.borrow_mut().clear();
        }
    }

    #[test]
    fn a_look_that_does_not_end_is_given_up_and_told() {
        let (probes, loaded) = (Probes::default(), loaded());
        assert_eq!(fate(&probes, &loaded, 0), None);
        let look = asked(&probes, 0).pop().expect("it is asked for");
        assert_eq!(fate(&probes, &loaded, WAIT_MAX_MS), None);
        let unknown = Some(Fate::Unmet(slot(), Unmet::Unknown));
        assert_eq!(fate(&probes, &loaded, WAIT_MAX_MS + 1), unknown);
        let why = "no look at files was answered for 120 s".to_owned();
        assert_eq!(probes.overdue().collect::<Vec<_>>(), [(loaded.definition.name, why)]);
        probes.told(Probed { look, found: Found::Is(true) }, at(WAIT_MAX_MS + 2));
        assert!(probes.stages.borrow().is_empty(), "nobody waits for it any more");
    }

    #[test]
    fn a_look_behind_many_others_is_waited_for_as_long_as_these_are_answered() {
        let (probes, last) = (Probes::default(), loaded());
        let mut first = loaded();
        first.definition.name = "first".parse().expect("a name");
        assert_eq!([&first, &last].map(|loaded| fate(&probes, loaded, 0)), [None; 2]);
        let asked = asked(&probes, 0);
        let [look, behind] = asked.try_into().expect("both are asked for");
        assert_eq!(behind.schedule, last.definition.name);
        probes.told(Probed { look, found: Found::Is(true) }, at(WAIT_MAX_MS));
        assert_eq!(fate(&probes, &last, WAIT_MAX_MS + 1), None);
        probes.told(Probed { look: behind, found: Found::Is(true) }, at(2 * WAIT_MAX_MS));
        let fires = Some(Fate::Fires(slot()));
        assert_eq!(fate(&probes, &last, 2 * WAIT_MAX_MS), fires);
    }
}
