//! One mandate that may be older than those that are kept.
//!
//! Owns the fold of the records that speak of it, which is all the memory it takes: whoever reads a
//! journal from its beginning gets the same view as when the mandate was new.

use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::id::MandateId;

use crate::effects::Effects;
use crate::mandates::{MandateView, Mandates, StateView};

/// A mandate that is looked for.
#[derive(Debug)]
pub struct Past {
    id: MandateId,
    mandates: Mandates,
    effects: Effects,
}

impl Past {
    #[must_use]
    pub fn of(id: MandateId) -> Self {
        Self { id, mandates: Mandates::keeping(1), effects: Effects::default() }
    }

    /// Folds one record in. `true` once the mandate is finished: no later record speaks of it.
    pub fn apply(&mut self, at: At, events: &[Event]) -> bool {
        for event in events.iter().filter(|event| event.mandate() == Some(self.id)) {
            self.mandates.apply(at, event, &self.effects);
            self.effects.apply(at, event);
        }
        self.view().is_some_and(|view| matches!(view.state, StateView::Finished { .. }))
    }

    /// The mandate as far as was read; `None` when no record spoke of it.
    #[must_use]
    pub fn view(&self) -> Option<&MandateView> {
        self.mandates.get(self.id)
    }
}
