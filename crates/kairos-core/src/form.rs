//! The state in writing: the body of its snapshots.
//!
//! Owns which parts of the state are written and how the rest follows from them: every index is made
//! anew, but for places in the queue and keys, which nothing else tells. Never part of a decision.
//! The journal's snapshots write it and a start reads it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::apply;
use crate::budget::Budget;
use crate::clock::Held;
use crate::digest::Digest;
use crate::event::Loaded;
use crate::fold::{Seq, Snapshot};
use crate::id::{MandateId, ProposalId};
use crate::input::Alarm;
use crate::mandate::standing::{Mandate, Standing};
use crate::rules::Rules;
use crate::schedule::definition::ScheduleName;
use crate::schedule::gone::Gone;
use crate::schedule::pause::Fare;
use crate::space::Shortage;
use crate::state::{Index, Kept, State};
use crate::time::Time;

impl Snapshot for State {
    const KIND: &'static str = "state";
    const SCHEMA: u32 = 7;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

// tidy: table
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    rules: Option<Arc<Rules>>,
    budget: Budget,
    day_ends: Option<Time>,
    schedules: Vec<Cow<'a, Loaded>>,
    mandates: Vec<Filed<'a>>,
    keys: Vec<KeyForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<Digest>,
    /// Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<Shortage>,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "is_default")]
    kept_from: Seq,
    /// Since version 4.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    erasing: Cow<'a, BTreeSet<Digest>>,
    #[serde(default, skip_serializing_if = "is_default")]
    gone: Gone,
    /// Since version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<Time>,
    /// Since version 5, and with it what schedules have besides cron and zone.
    #[serde(default, skip_serializing_if = "is_default")]
    fares: BTreeMap<ScheduleName, Fare>,
}

/// What is as it began need not be written: most of what waits never began.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A mandate and where it stands in the queue, if it does.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filed<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<u64>,
    mandate: Cow<'a, Mandate>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    key: Digest,
    request: Digest,
    mandate: MandateId,
    /// When it is forgotten.
    until: Time,
}

/// A form that no state has.
#[derive(Debug, thiserror::Error)]
enum FormError {
    #[error("mandate `{0}` stands there twice")]
    Twice(MandateId),
    #[error("mandate `{0}` queues without a place, or has one and does not queue")]
    Place(MandateId),
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Form::of(self).serialize(s)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let form = Form::deserialize(d)?;
        form.check().map_err(D::Error::custom)?;
        Ok(form.into())
    }
}

impl<'a> Form<'a> {
    fn of(state: &'a State) -> Self {
        let State {
            rules,
            budget,
            day_ends,
            schedules,
            gone,
            fares,
            mandates,
            index,
            machine,
            kept_from,
            low,
            erasing,
            clock,
            newest,
            scopes: _,
        } = state;
        let filed = mandates.values().map(|mandate| {
            let place = index.places.get(&mandate.id).copied();
            Filed { place, mandate: Cow::Borrowed(mandate) }
        });
        let keys = index.keys.iter().map(|(key, kept)| {
            let Kept { request, mandate } = *kept;
            let until = index.set.get(&Alarm::Key(*key)).copied().unwrap_or_default();
            KeyForm { key: *key, request, mandate, until }
        });
        Self {
            rules: rules.clone(),
            budget: *budget,
            day_ends: *day_ends,
            schedules: schedules.values().map(Cow::Borrowed).collect(),
            mandates: filed.collect(),
            keys: keys.collect(),
            machine: *machine,
            low: *low,
            kept_from: *kept_from,
            erasing: Cow::Borrowed(erasing),
            gone: gone.clone(),
            fares: fares.clone(),
            clock: *clock,
            newest: *newest,
        }
    }
}

impl Form<'_> {
    fn check(&self) -> Result<(), FormError> {
        for pair in self.mandates.windows(2) {
            if pair[0].mandate.id >= pair[1].mandate.id {
                return Err(FormError::Twice(pair[1].mandate.id));
            }
        }
        let misplaced = |filed: &&Filed<'_>| {
            let queues = matches!(filed.mandate.standing, Standing::Queued | Standing::Ready);
            queues != filed.place.is_some()
        };
        match self.mandates.iter().find(misplaced) {
            Some(filed) => Err(FormError::Place(filed.mandate.id)),
            None => Ok(()),
        }
    }

    /// What follows from the rest. Collected, because a tree of what is sorted is made at once.
    fn index(&self) -> Index {
        let of_each = || self.mandates.iter().map(|filed| &*filed.mandate);
        let placed = || {
            let queued = self.mandates.iter();
            queued.filter_map(|filed| filed.place.map(|place| (place, filed.mandate.id)))
        };
        let running = of_each().filter(|mandate| mandate.standing == Standing::Running);
        let effects =
            of_each().filter_map(|mandate| Some((mandate.open.as_ref()?.effect, mandate)));
        let fires = of_each().filter_map(|mandate| {
            let identity = mandate.origin.schedule()?;
            Some((identity.clone(), mandate.id))
        });
        let definitions = self.schedules.iter().map(|loaded| &loaded.definition);
        let names = definitions
            .filter_map(|definition| Some((definition.id.clone()?, definition.name.clone())));
        let kept = |form: &KeyForm| {
            let KeyForm { key, request, mandate, .. } = *form;
            (key, Kept { request, mandate })
        };
        let set = self.set();
        Index {
            queue: placed().collect(),
            places: placed().map(|(place, id)| (id, place)).collect(),
            running: running.map(|mandate| mandate.id).collect(),
            proposals: of_each().flat_map(undecided).collect(),
            effects: effects.map(|(effect, mandate)| (effect, mandate.id)).collect(),
            fires: fires.collect(),
            names: names.collect(),
            keys: self.keys.iter().map(kept).collect(),
            alarms: set.iter().map(|(alarm, at)| (*at, alarm.clone())).collect(),
            set,
        }
    }

    /// The alarm of each thing that has one.
    fn set(&self) -> BTreeMap<Alarm, Time> {
        let day = self.day_ends.map(|ends| (Alarm::Day, ends));
        let mandates = self.mandates.iter().filter_map(|filed| {
            let due = filed.mandate.due()?;
            Some((Alarm::Mandate(filed.mandate.id), due))
        });
        let paused = |loaded: &Loaded| {
            let fare = self.fares.get(loaded.definition.identity());
            fare.is_some_and(|fare| fare.paused().is_some())
        };
        let schedules = self.schedules.iter().filter(|loaded| !paused(loaded));
        let schedules = schedules.filter_map(|loaded| {
            let name = loaded.definition.name.clone();
            Some((Alarm::Schedule(name), loaded.next?))
        });
        let keys = self.keys.iter().map(|form| (Alarm::Key(form.key), form.until));
        day.into_iter().chain(mandates).chain(schedules).chain(keys).collect()
    }
}

/// The proposals of a mandate that wait for a person.
fn undecided(mandate: &Mandate) -> impl Iterator<Item = (ProposalId, MandateId)> {
    let plan = mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    let held = plan.into_iter().flat_map(|plan| &plan.held);
    held.filter(|held| held.decision.is_none()).map(|held| (held.proposal, mandate.id))
}

impl From<Form<'_>> for State {
    fn from(form: Form<'_>) -> Self {
        let index = form.index();
        let Form { rules, budget, day_ends, schedules, mandates, gone, fares, .. } = form;
        let schedules = schedules.into_iter().map(Cow::into_owned);
        let mandates = mandates.into_iter().map(|filed| Box::new(filed.mandate.into_owned()));
        Self {
            scopes: rules.as_deref().map(apply::scopes).unwrap_or_default(),
            rules,
            budget,
            day_ends,
            schedules: schedules.map(|loaded| (loaded.definition.name.clone(), loaded)).collect(),
            mandates: mandates.map(|mandate| (mandate.id, mandate)).collect(),
            gone,
            fares,
            index,
            machine: form.machine,
            kept_from: form.kept_from,
            low: form.low,
            erasing: form.erasing.into_owned(),
            clock: form.clock,
            newest: form.newest,
        }
    }
}
