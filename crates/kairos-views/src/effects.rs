//! Effects that have no outcome yet, the unsettled ones among them.

use std::collections::BTreeMap;

use kairos_core::effect::{Doubt, Intent};
use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::id::{EffectId, MandateId};
use kairos_core::time::Time;

/// Effects begun and not settled.
#[derive(Debug, Default)]
pub struct Effects {
    open: BTreeMap<EffectId, EffectView>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectView {
    pub id: EffectId,
    pub mandate: MandateId,
    pub intent: Intent,
    pub since: Time,
    /// Why nobody can prove that it happened; then a person settles it.
    pub doubt: Option<Doubt>,
}

impl EffectView {
    /// What it does, in words.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.intent {
            Intent::Observe => "read files".to_owned(),
            Intent::Ask { phase, attempt } => format!("ask the model ({phase}, attempt {attempt})"),
            Intent::Prepare { .. } => "prepare a change".to_owned(),
            Intent::Change { change, .. } => format!("change {}", change.path()),
            Intent::Reconcile { change, .. } => format!("look whether {} changed", change.path()),
            Intent::Clear { change, .. } => format!("clear up beside {}", change.path()),
            Intent::Verify => "look at the checks".to_owned(),
        }
    }
}

impl Effects {
    #[must_use]
    pub fn get(&self, id: EffectId) -> Option<&EffectView> {
        self.open.get(&id)
    }

    /// By id, oldest first.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<EffectId, EffectView> {
        &self.open
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::EffectBegun { mandate, effect, intent } => {
                let (id, mandate, intent) = (*effect, *mandate, intent.clone());
                let view = EffectView { id, mandate, intent, since: at.time, doubt: None };
                self.open.insert(id, view);
            }
            Event::EffectUnsettled { effect, doubt, .. } => {
                if let Some(view) = self.open.get_mut(effect) {
                    view.doubt = Some(*doubt);
                }
            }
            Event::EffectSettled { effect, .. } | Event::EffectJudged { effect, .. } => {
                self.open.remove(effect);
            }
            Event::MandateFinished { mandate, .. } => {
                self.open.retain(|_, view| view.mandate != *mandate);
            }
            _ => {}
        }
    }
}
