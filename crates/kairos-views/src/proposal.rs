//! What was held for a person, and what they said.
//!
//! Owns the proposals of every mandate that [`Mandates`](crate::Mandates) keeps.

use std::collections::BTreeMap;

use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::gate::proposal::{Closed, Decision, Proposal as Held};
use kairos_core::id::{MandateId, ProposalId};
use kairos_core::principal::Principal;
use kairos_core::time::Time;

use crate::prefix::{self, PrefixError};

/// A proposal as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub id: ProposalId,
    pub mandate: MandateId,
    pub state: State,
    pub what: Held,
    pub opened: Time,
    pub expires: Time,
    /// Who decided.
    pub by: Option<Principal>,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    /// A person approved it; the change stands or is under way.
    Approved,
    Rejected,
    Expired,
    Stale,
}

impl From<Closed> for State {
    fn from(how: Closed) -> Self {
        match how {
            Closed::Approved => Self::Approved,
            Closed::Rejected => Self::Rejected,
            Closed::Expired => Self::Expired,
            Closed::Stale => Self::Stale,
        }
    }
}

/// The proposals of the mandates that are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposals {
    by_id: BTreeMap<ProposalId, Proposal>,
    of: BTreeMap<MandateId, Vec<ProposalId>>,
}

impl Proposals {
    #[must_use]
    pub fn get(&self, id: ProposalId) -> Option<&Proposal> {
        self.by_id.get(&id)
    }

    /// The one whose id begins so.
    ///
    /// # Errors
    /// None or several do.
    pub fn find(&self, prefix: &str) -> Result<&Proposal, PrefixError<ProposalId>> {
        prefix::find(&self.by_id, prefix)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Proposal> {
        self.by_id.values()
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::ProposalOpened { mandate, proposal, expires, what } => {
                let opened = Proposal {
                    id: *proposal,
                    mandate: *mandate,
                    state: State::Waiting,
                    what: (**what).clone(),
                    opened: at.time,
                    expires: *expires,
                    by: None,
                };
                self.by_id.insert(*proposal, opened);
                self.of.entry(*mandate).or_default().push(*proposal);
            }
            Event::Decided { proposal, decision, by, .. } => {
                if let Some(proposal) = self.by_id.get_mut(proposal) {
                    proposal.by = Some(by.clone());
                    proposal.state = match decision {
                        Decision::Approve => State::Approved,
                        Decision::Reject => State::Rejected,
                    };
                }
            }
            Event::ProposalClosed { proposal, how, .. } => {
                if let Some(proposal) = self.by_id.get_mut(proposal) {
                    proposal.state = State::from(*how);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn forget(&mut self, mandate: MandateId) {
        for proposal in self.of.remove(&mandate).into_iter().flatten() {
            self.by_id.remove(&proposal);
        }
    }
}
