//! A decision in the making.
//!
//! Owns the list of events of one decision, and a copy of the mandate and the budget with those
//! events folded in, so that the next question sees the last answer. Never touches the state.

use crate::budget::{Amounts, Budget};
use crate::effect::Intent;
use crate::event::Event;
use crate::id::{EffectId, IdSource, MandateId};
use crate::input::{Now, Pace};
use crate::mandate::standing::Mandate;
use crate::state::State;

/// A decision about one mandate.
pub(super) struct Draft<'a> {
    pub(super) state: &'a State,
    pub(super) now: &'a Now,
    pub(super) mandate: Mandate,
    pub(super) budget: Budget,
    /// Undecided proposals of all mandates.
    pub(super) proposals: usize,
    ids: IdSource,
    events: Vec<Event>,
    finished: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn of(state: &'a State, now: &'a Now, mandate: &Mandate) -> Self {
        Self {
            budget: state.budget,
            proposals: state.index.proposals.len(),
            ids: IdSource::new(now.time, now.seed),
            events: Vec::new(),
            finished: false,
            state,
            now,
            // Cloned in place: a mandate is too large to be handed from caller to caller.
            mandate: mandate.clone(),
        }
    }

    pub(super) const fn id(&self) -> MandateId {
        self.mandate.id
    }

    pub(super) fn ids(&mut self) -> &mut IdSource {
        &mut self.ids
    }

    /// Whether new effects may begin.
    pub(super) fn may_begin(&self) -> bool {
        self.now.pace != Pace::Draining && !self.finished
    }

    pub(super) fn emit(&mut self, event: Event) {
        match &event {
            Event::DayBegan { day, .. } => {
                self.budget.roll(*day);
            }
            Event::BudgetReserved { amounts, .. } => self.budget.hold(*amounts),
            Event::BudgetSettled { used, .. } => self.budget.settle(self.mandate.spent.held, *used),
            Event::ProposalOpened { .. } => self.proposals += 1,
            Event::MandateFinished { .. } => self.finished = true,
            _ => {}
        }
        self.mandate.apply(self.now.time, &event);
        self.events.push(event);
    }

    pub(super) fn begin(&mut self, intent: Intent) {
        let effect = self.ids.effect();
        self.begin_as(effect, intent);
    }

    pub(super) fn begin_as(&mut self, effect: EffectId, intent: Intent) {
        let mandate = self.id();
        self.emit(Event::EffectBegun { mandate, effect, intent });
    }

    /// What the mandate's own cap leaves, in millionths of a USD.
    pub(super) fn usd_micros_left(&self) -> u64 {
        let cap = self.state.rules.as_ref().map_or(0, |rules| rules.mandate_usd_micros_max);
        let Amounts { usd_micros, .. } = self.mandate.spent.used.plus(self.mandate.spent.held);
        cap.saturating_sub(usd_micros)
    }

    pub(super) fn done(self) -> Vec<Event> {
        self.events
    }
}
