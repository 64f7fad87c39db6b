//! What a start does with work that a crash or a stop left open.
//!
//! Owns the list of open ends. Never acts on it: the engine hands each back as an input, and the
//! rules of outcomes decide, so a crash and a lost connection are one case.

use crate::effect::Class;
use crate::id::{EffectId, MandateId};
use crate::mandate::standing::Standing;
use crate::state::State;

/// One open end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Begun and not settled: done again, asked again, or compared with the disk, by its class.
    Lost { effect: EffectId, class: Class },
    /// Running with nothing open: it goes on.
    Continue { mandate: MandateId },
}

/// The open ends of a state that was just read, oldest mandate first. Effects that wait for a
/// person stay with the person.
#[must_use]
pub fn resume(state: &State) -> Vec<Resume> {
    state
        .mandates()
        .filter_map(|mandate| match &mandate.open {
            Some(open) if open.unsettled => None,
            Some(open) => Some(Resume::Lost { effect: open.effect, class: open.intent.class() }),
            None if mandate.standing == Standing::Running => {
                Some(Resume::Continue { mandate: mandate.id })
            }
            None => None,
        })
        .collect()
}
