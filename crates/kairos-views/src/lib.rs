//! Folds of records for people.
//!
//! Owns what is shown: mandates with their history, proposals, effects that wait, schedules. Never
//! feeds a decision; it may forget, as the journal does not. A pure fold: the doors keep one beside
//! the engine, and a reader without a daemon makes one from the files.

mod effects;
mod erasures;
mod mandates;
mod past;
mod prefix;
mod proposals;
mod schedules;
mod troubles;

use std::convert::Infallible;

use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::rules::Rules;
use serde::{Deserialize, Serialize};

pub use effects::{EffectView, Effects};
pub use erasures::{ERASURES_MAX, ErasureView, Erasures};
pub use mandates::{EditView, MandateView, Mandates, ObservedView, StateView};
pub use past::Past;
pub use prefix::{Found, find};
pub use proposals::{ProposalState, ProposalView, Proposals};
pub use schedules::{ScheduleView, Schedules, SlotView};
pub use troubles::{TROUBLES_MAX, Trouble, Troubles};

/// Everything people look at.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Views {
    /// The newest record folded in.
    pub seq: Seq,
    pub mandates: Mandates,
    pub proposals: Proposals,
    pub effects: Effects,
    pub schedules: Schedules,
    #[serde(default)]
    pub erasures: Erasures,
    /// The configuration in force.
    pub rules: Option<Rules>,
}

impl Views {
    /// Views that keep this many finished mandates, the newest; by default 10,000.
    #[must_use]
    pub fn keeping(finished: usize) -> Self {
        Self { mandates: Mandates::keeping(finished), ..Self::default() }
    }

    /// Folds one record in.
    pub fn apply(&mut self, at: At, events: &[Event]) {
        for event in events {
            self.fold(at, event);
        }
        self.seq = at.seq;
    }

    fn fold(&mut self, at: At, event: &Event) {
        if let Event::RulesLoaded(rules) = event {
            self.rules = Some((**rules).clone());
        }
        if let Event::SegmentsDeleted { first, .. } = event {
            self.mandates.forget_before(*first);
            let mandates = &self.mandates;
            self.proposals.forget(|mandate| mandates.get(mandate).is_some());
        }
        // Effects last: the others ask what an outcome belongs to before it is forgotten.
        self.mandates.apply(at, event, &self.effects);
        self.proposals.apply(at, event);
        self.schedules.apply(at, event);
        self.erasures.apply(at, event);
        self.effects.apply(at, event);
    }
}

impl Fold for Views {
    type Event = Event;
    type Effect = Infallible;

    fn apply(&mut self, at: At, event: &Event, _: &mut Vec<Infallible>) {
        self.fold(at, event);
        self.seq = at.seq;
    }
}

impl Snapshot for Views {
    const KIND: &'static str = "views";
    /// 2 added the erasures, 3 how schedules fare, 4 triggers and conditions, 5 commands.
    const SCHEMA: u32 = 5;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    /// Keeps as many finished mandates as these views do, whatever the others kept.
    fn restore(&mut self, form: Self) {
        let kept = self.mandates.finished_max();
        *self = form;
        self.mandates.keep(kept);
    }
}
