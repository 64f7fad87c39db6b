//! The fold of all records: what is open, and nothing of what is over.
//!
//! Owns the one state. Never decides, and no behaviour but folding and looking up lives here. A
//! function of open work and schedules, never of history: a finished mandate leaves in its last
//! event, a schedule keeps one cursor, also when it goes, and a key goes after 24 hours.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::budget::Budget;
use crate::clock::Held;
use crate::digest::Digest;
use crate::event::Loaded;
use crate::fold::Seq;
use crate::gate::scope::Scopes;
use crate::id::{EffectId, MandateId, ProposalId};
use crate::input::Alarm;
use crate::mandate::standing::{Mandate, Standing};
use crate::rules::Rules;
use crate::schedule::definition::ScheduleName;
use crate::schedule::gone::Gone;
use crate::schedule::pause::Fare;
use crate::space::Shortage;
use crate::time::Time;

/// How long an idempotency key is remembered.
pub const KEY_KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Something that becomes due, and when; in the order it is taken.
pub type Due = (Time, Alarm);

// tidy: table
/// Everything the rules know.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) scopes: Arc<Scopes>,
    pub(crate) budget: Budget,
    pub(crate) day_ends: Option<Time>,
    pub(crate) schedules: BTreeMap<ScheduleName, Loaded>,
    pub(crate) gone: Gone,
    /// By identity; those of which there is something to say.
    pub(crate) fares: BTreeMap<ScheduleName, Fare>,
    /// Boxed: a mandate is large, and a tree moves what it holds.
    pub(crate) mandates: BTreeMap<MandateId, Box<Mandate>>,
    /// The machine it was last worked on at.
    pub(crate) machine: Option<Digest>,
    /// Texts that are to go and may still be there.
    pub(crate) erasing: BTreeSet<Digest>,
    /// What was recorded last of the room on the disk; decisions go by what they are told.
    pub(crate) low: Option<Shortage>,
    pub(crate) kept_from: Seq,
    /// The wall clock, while it is not believed.
    pub(crate) clock: Option<Held>,
    /// The time of the newest record.
    pub(crate) newest: Option<Time>,
    pub(crate) index: Index,
}

/// What is found by something else than its own id; all of it follows from the rest.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Queued and ready mandates by the position that queued them.
    pub(crate) queue: BTreeSet<(u64, MandateId)>,
    /// Where in `queue` a mandate stands.
    pub(crate) places: BTreeMap<MandateId, u64>,
    pub(crate) running: BTreeSet<MandateId>,
    /// Undecided proposals.
    pub(crate) proposals: BTreeMap<ProposalId, MandateId>,
    /// Effects begun and without outcome.
    pub(crate) effects: BTreeMap<EffectId, MandateId>,
    /// Open mandates of a schedule, by its identity.
    pub(crate) fires: BTreeSet<(ScheduleName, MandateId)>,
    /// The names of schedules whose identity is another text.
    pub(crate) names: BTreeMap<ScheduleName, ScheduleName>,
    pub(crate) keys: BTreeMap<Digest, Kept>,
    pub(crate) alarms: BTreeSet<Due>,
    /// The one alarm each alarmed thing has in `alarms`.
    pub(crate) set: BTreeMap<Alarm, Time>,
}

/// An idempotency key in its 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) request: Digest,
    pub(crate) mandate: MandateId,
}

impl AsRef<Self> for State {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl State {
    /// The state before the first record.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// When something becomes due next; while the wall clock is not believed, only what running
    /// mandates wait for does.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        match self.clock {
            Some(_) => self.running_waits().map(|(at, _)| at).min(),
            None => self.index.alarms.first().map(|(at, _)| *at),
        }
    }

    /// What is due at `now` and comes behind `after`: the earliest of it, `slots` of schedules among it
    /// or not. While the wall clock is not believed, that is what running mandates wait for.
    #[must_use]
    pub fn due_after(&self, after: Option<&Due>, now: Time, slots: bool) -> Option<Due> {
        if self.clock.is_some() {
            let waits = self.running_waits().filter(|due| after.is_none_or(|after| after < due));
            return waits.filter(|(at, _)| *at <= now).min();
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.index.alarms.range((from, Bound::Unbounded));
        let mut due = due.take_while(|(at, _)| *at <= now);
        due.find(|(_, alarm)| slots || !matches!(alarm, Alarm::Schedule(_))).cloned()
    }

    /// What running mandates wait for before they go on, in no order.
    fn running_waits(&self) -> impl Iterator<Item = Due> {
        let waits = |id: &MandateId| Some((self.mandates.get(id)?.delayed()?, Alarm::Mandate(*id)));
        self.index.running.iter().filter_map(waits)
    }

    /// The same besides schedules, whose slots may have to wait.
    #[must_use]
    pub fn next_due_of_work(&self) -> Option<Time> {
        if self.clock.is_some() {
            return self.next_due();
        }
        let mut alarms = self.index.alarms.iter();
        alarms.find(|(_, alarm)| !matches!(alarm, Alarm::Schedule(_))).map(|(at, _)| *at)
    }

    /// When something of one mandate becomes due.
    #[must_use]
    pub fn due_of(&self, mandate: MandateId) -> Option<Time> {
        self.index.set.get(&Alarm::Mandate(mandate)).copied()
    }

    /// The machine that last worked on this, where it could be told.
    #[must_use]
    pub const fn machine(&self) -> Option<Digest> {
        self.machine
    }

    /// The shortage of room that is recorded as not over.
    #[must_use]
    pub const fn low(&self) -> Option<Shortage> {
        self.low
    }

    /// The wall clock that was set, while it is not believed.
    #[must_use]
    pub const fn clock(&self) -> Option<Held> {
        self.clock
    }

    /// The time of the newest record, as the wall clock then was.
    #[must_use]
    pub const fn newest(&self) -> Option<Time> {
        self.newest
    }

    /// Where the journal begins: what stands before was given up by retention.
    #[must_use]
    pub fn kept_from(&self) -> Seq {
        self.kept_from.max(Seq(1))
    }

    #[must_use]
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.clone()
    }

    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How paths are protected under the rules in force.
    #[must_use]
    pub fn scopes(&self) -> Arc<Scopes> {
        Arc::clone(&self.scopes)
    }

    /// When the budget's day ends.
    #[must_use]
    pub const fn day_ends(&self) -> Option<Time> {
        self.day_ends
    }

    /// An open mandate.
    #[must_use]
    pub fn mandate(&self, id: MandateId) -> Option<&Mandate> {
        self.mandates.get(&id).map(Box::as_ref)
    }

    /// All open mandates, oldest id first.
    pub fn mandates(&self) -> impl Iterator<Item = &Mandate> {
        self.mandates.values().map(Box::as_ref)
    }

    /// The open mandate whose undecided proposal this is.
    #[must_use]
    pub fn proposal(&self, id: ProposalId) -> Option<&Mandate> {
        self.mandate(*self.index.proposals.get(&id)?)
    }

    /// The open mandate whose open effect this is.
    #[must_use]
    pub fn effect(&self, id: EffectId) -> Option<&Mandate> {
        self.mandate(*self.index.effects.get(&id)?)
    }

    #[must_use]
    pub fn schedule(&self, name: &ScheduleName) -> Option<&Loaded> {
        self.schedules.get(name)
    }

    /// All schedules by name.
    pub fn schedules(&self) -> impl Iterator<Item = &Loaded> {
        self.schedules.values()
    }

    /// The schedule of that identity, whatever it is called.
    #[must_use]
    pub fn identified(&self, identity: &ScheduleName) -> Option<&Loaded> {
        let name = self.index.names.get(identity).unwrap_or(identity);
        self.schedules.get(name).filter(|loaded| loaded.definition.identity() == identity)
    }

    /// How the schedule of that identity fares, where there is something to say.
    #[must_use]
    pub fn fare(&self, identity: &ScheduleName) -> Option<&Fare> {
        self.fares.get(identity)
    }

    /// Where a schedule of that identity begins when it comes, or comes with another rule, at `now`:
    /// no slot that may have had its fate has another, also when the clock was set back meanwhile.
    #[must_use]
    pub fn begins(&self, identity: &ScheduleName, now: Time) -> Time {
        let known = self.identified(identity).map(|loaded| loaded.cursor);
        known.unwrap_or_else(|| self.gone.cursor(identity)).max(now)
    }

    /// The mandate an idempotency key made.
    #[must_use]
    pub fn keyed(&self, key: Digest) -> Option<MandateId> {
        self.index.keys.get(&key).map(|kept| kept.mandate)
    }

    /// How many mandates run, queue (ready ones among them), and wait.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let running = self.index.running.len();
        let queued = self.index.queue.len();
        Counts { running, queued, waiting: self.mandates.len() - running - queued }
    }

    /// The mandates that run.
    pub fn running(&self) -> impl Iterator<Item = MandateId> {
        self.index.running.iter().copied()
    }

    /// The running mandate that started first.
    #[must_use]
    pub fn longest_running(&self) -> Option<MandateId> {
        let running = self.index.running.iter().filter_map(|id| self.mandates.get(id));
        running.min_by_key(|mandate| mandate.started).map(|mandate| mandate.id)
    }

    /// Open mandates of the schedule of that identity.
    pub(crate) fn fires(&self, identity: &ScheduleName) -> impl Iterator<Item = &Mandate> {
        let first = (identity.clone(), MandateId::from_u128(0));
        let last = (identity.clone(), MandateId::from_u128(u128::MAX));
        self.index.fires.range(first..=last).filter_map(|(_, id)| self.mandate(*id))
    }

    pub(crate) fn is_scope_taken(&self, project_scope: &str) -> bool {
        let running = self.index.running.iter().filter_map(|id| self.mandates.get(id));
        running.into_iter().any(|mandate| mandate.spec.project_scope == project_scope)
    }
}

/// How many mandates stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub running: usize,
    pub queued: usize,
    pub waiting: usize,
}

impl Index {
    /// Sets, moves or clears the one alarm of a thing.
    pub(crate) fn alarm(&mut self, alarm: Alarm, at: Option<Time>) {
        let before = match at {
            Some(at) => self.set.insert(alarm.clone(), at),
            None => self.set.remove(&alarm),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.alarms.remove(&(before, alarm.clone()));
        }
        if let Some(at) = at {
            self.alarms.insert((at, alarm));
        }
    }

    /// Files an open mandate under where it stands.
    pub(crate) fn file(&mut self, position: u64, mandate: &Mandate) {
        match mandate.standing {
            Standing::Queued | Standing::Ready => {
                self.running.remove(&mandate.id);
                let place = *self.places.entry(mandate.id).or_insert(position);
                self.queue.insert((place, mandate.id));
            }
            Standing::Running => {
                self.unqueue(mandate.id);
                self.running.insert(mandate.id);
            }
            Standing::Parked { .. } => {
                self.unqueue(mandate.id);
                self.running.remove(&mandate.id);
            }
        }
    }

    pub(crate) fn unqueue(&mut self, mandate: MandateId) {
        if let Some(place) = self.places.remove(&mandate) {
            self.queue.remove(&(place, mandate));
        }
    }
}
