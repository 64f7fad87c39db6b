//! Proposals and how they ended.
//!
//! Owns all that wait and the newest 10,000 that were closed.

use std::collections::{BTreeMap, VecDeque};

use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::gate::proposal::{Closed, Decision, Proposal};
use kairos_core::id::{MandateId, ProposalId};
use kairos_core::principal::Principal;
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

/// Closed proposals that are kept.
const CLOSED_MAX: usize = 10_000;

/// All proposals that are shown.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Proposals {
    all: BTreeMap<ProposalId, ProposalView>,
    closed: VecDeque<ProposalId>,
}

/// One proposal as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalView {
    pub id: ProposalId,
    pub mandate: MandateId,
    pub state: ProposalState,
    pub what: Proposal,
    pub created: Time,
    pub expires: Time,
    pub decided_by: Option<Principal>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    Waiting,
    Closed(Closed),
}

impl Proposals {
    #[must_use]
    pub fn get(&self, id: ProposalId) -> Option<&ProposalView> {
        self.all.get(&id)
    }

    /// By id, oldest first.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<ProposalId, ProposalView> {
        &self.all
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::ProposalOpened { mandate, proposal, expires, what } => {
                let view = ProposalView {
                    id: *proposal,
                    mandate: *mandate,
                    state: ProposalState::Waiting,
                    what: (**what).clone(),
                    created: at.time,
                    expires: *expires,
                    decided_by: None,
                };
                self.all.insert(*proposal, view);
            }
            Event::Decided { proposal, decision, by, .. } => {
                let closed = match decision {
                    Decision::Approve => Closed::Approved,
                    Decision::Reject => Closed::Rejected,
                };
                self.close(*proposal, closed, Some(by.clone()));
            }
            Event::ProposalClosed { proposal, how, .. } => self.close(*proposal, *how, None),
            _ => {}
        }
    }

    /// Forgets the closed ones of mandates that are not `kept`.
    pub(crate) fn forget(&mut self, kept: impl Fn(MandateId) -> bool) {
        let all = &mut self.all;
        self.closed.retain(|id| {
            let keep = all.get(id).is_some_and(|proposal| kept(proposal.mandate));
            if !keep {
                all.remove(id);
            }
            keep
        });
    }

    fn close(&mut self, id: ProposalId, how: Closed, by: Option<Principal>) {
        let Some(view) = self.all.get_mut(&id) else { return };
        let first = view.state == ProposalState::Waiting;
        view.state = ProposalState::Closed(how);
        view.decided_by = by.or(view.decided_by.take());
        if first {
            self.closed.push_back(id);
        }
        let beyond = self.closed.len().saturating_sub(CLOSED_MAX);
        for oldest in self.closed.drain(..beyond) {
            self.all.remove(&oldest);
        }
    }
}
