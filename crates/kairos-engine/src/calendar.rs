//! Compiled schedules.
//!
//! Owns cron rules and zone data in use, and turns "due" into fates of slots. The state keeps the
//! texts these were compiled from and the cursor; zone data never enters it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kairos_core::event::Loaded;
use kairos_core::input::Input;
use kairos_core::schedule::definition::{Definition, ScheduleName};
use kairos_core::schedule::{Cron, Rule, Unfired, account, pass};
use kairos_core::state::State;
use kairos_core::time::Time;

/// The zone of that name, if there is one.
pub type Zones = fn(&str) -> Option<TimeZone>;

/// The rules by schedule name.
#[derive(Debug, Default)]
pub struct Calendar {
    rules: BTreeMap<ScheduleName, Rule>,
}

impl Calendar {
    /// The next slot of a schedule strictly after `after`; none when it is off or never fires.
    fn next(&self, definition: &Definition, after: Time) -> Option<Time> {
        let rule = self.rules.get(&definition.name).filter(|_| definition.enabled)?;
        rule.next_after(after).map(|slot| slot.at)
    }

    /// Accounts for the due slots of `name` up to the first that fires; `None` when the state or the calendar lacks it.
    pub(crate) fn due(&self, state: &State, name: &ScheduleName, now: Time) -> Option<Input> {
        let loaded = state.schedule(name)?;
        let rule = self.rules.get(name)?;
        let accounted = account(rule, loaded.definition.missed, loaded.cursor, now);
        let accounted = accounted.through_first_fire();
        let next = self.next(&loaded.definition, accounted.cursor);
        let revision = loaded.revision;
        Some(Input::Slots { schedule: name.clone(), revision, accounted, next })
    }

    /// Lets every due slot pass that was due under a rule still in use; none fires.
    pub(crate) fn pass_all(&self, state: &State, now: Time) -> Vec<Input> {
        let passes = |loaded: &Loaded| {
            let name = &loaded.definition.name;
            let rule = self.rules.get(name)?;
            let accounted = pass(rule, loaded.cursor, now, Unfired::Restored);
            let next = self.next(&loaded.definition, accounted.cursor);
            let (schedule, revision) = (name.clone(), loaded.revision);
            Some(Input::Slots { schedule, revision, accounted, next })
        };
        let enabled = state.schedules().filter(|loaded| loaded.definition.enabled);
        enabled.filter_map(passes).collect()
    }

    /// What changes when `schedules` take the place of those in the state: new and changed ones,
    /// and the names of those that went.
    pub fn load(
        &mut self,
        state: &State,
        schedules: Vec<(Definition, Rule)>,
        now: Time,
    ) -> (Vec<Loaded>, Vec<ScheduleName>) {
        let (definitions, rules): (Vec<_>, Vec<_>) = schedules
            .into_iter()
            .map(|(definition, rule)| {
                let name = definition.name.clone();
                (definition, (name, rule))
            })
            .unzip();
        self.rules = rules.into_iter().collect();
        let gone = state.schedules().map(|loaded| &loaded.definition.name);
        let gone = gone.filter(|name| !self.rules.contains_key(*name)).cloned().collect();
        let set = definitions.into_iter().filter_map(|d| self.loaded(state, d, now)).collect();
        (set, gone)
    }

    /// The last fates under the rules that end when `schedules` take the place of those in the state:
    /// slots that came due and were never looked at, as after a time without a daemon. Of a zone
    /// that nobody knows any more, nobody can say which these were.
    pub(crate) fn endings(
        state: &State,
        schedules: &[(Definition, Rule)],
        zones: Zones,
        now: Time,
    ) -> Vec<Input> {
        let stays = |loaded: &Loaded| {
            schedules.iter().any(|(definition, _)| {
                definition.name == loaded.definition.name
                    && definition.same_slots(&loaded.definition)
            })
        };
        let ending = state.schedules().filter(|loaded| loaded.definition.enabled && !stays(loaded));
        let inputs = ending.filter_map(|loaded| {
            let Definition { name, cron, zone, dst, .. } = &loaded.definition;
            let rule = Rule {
                cron: Cron::parse(cron, name.as_str()).ok()?,
                zone: zones(zone)?,
                dst: *dst,
            };
            let accounted = pass(&rule, loaded.cursor, now, Unfired::RuleChanged);
            let (schedule, revision) = (name.clone(), loaded.revision);
            let any = !accounted.fates.is_empty();
            any.then_some(Input::Slots { schedule, revision, accounted, next: None })
        });
        inputs.collect()
    }

    /// The schedule as the state should have it; `None` when it has it so already.
    fn loaded(&self, state: &State, definition: Definition, now: Time) -> Option<Loaded> {
        let before = state.schedule(&definition.name);
        let (revision, cursor) = match before {
            Some(before) if before.definition == definition => return None,
            Some(before) if before.definition.same_slots(&definition) => {
                (before.revision, before.cursor)
            }
            Some(before) => (before.revision + 1, state.begins(&definition.name, now)),
            None => (1, state.begins(&definition.name, now)),
        };
        let next = self.next(&definition, cursor);
        Some(Loaded { definition, revision, cursor, next })
    }
}
