//! Folds of records for people.
//!
//! Owns what a person may ask about that the rules have no use for: how mandates went, what was
//! proposed, what became of slots, what a day cost. A function of the records and nothing else, so
//! it can be thrown away and folded again. Never feeds a decision, never reads a blob: texts stay
//! references, and the doors look them up.
//!
//! Bounded: the newest [`FINISHED_MAX`] finished mandates with their proposals, the newest
//! [`HISTORY_MAX`] slots of a schedule, the newest [`DAYS_MAX`] days; older ones are in the journal.

mod effect;
mod mandate;
mod prefix;
mod proposal;
mod schedule;
mod spend;

use kairos_core::event::Event;
use kairos_core::fold::{At, Seq};

pub use effect::{Effect, Effects};
pub use mandate::{Edit, FINISHED_MAX, Mandate, Mandates, Standing};
pub use prefix::{CANDIDATES_MAX, PrefixError};
pub use proposal::{Proposal, Proposals, State as ProposalState};
pub use schedule::{HISTORY_MAX, Schedule, Schedules, Slot};
pub use spend::{DAYS_MAX, Spend};

/// All views as of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views {
    pub head: Seq,
    pub mandates: Mandates,
    pub proposals: Proposals,
    pub effects: Effects,
    pub schedules: Schedules,
    pub spend: Spend,
}

impl Views {
    /// Folds one record in. Records come in the order of their positions, none left out.
    pub fn apply(&mut self, at: At, events: &[Event]) {
        for event in events {
            // The open effect says which change an outcome speaks of, so it goes last.
            let change = self.effects.change_that_stands(event);
            if let Some(forgotten) = self.mandates.apply(at, event, change) {
                self.proposals.forget(forgotten);
            }
            self.proposals.apply(at, event);
            self.effects.apply(at, event);
            self.schedules.apply(event);
            self.spend.apply(event);
        }
        self.head = at.seq;
    }
}
