//! Effects that have no outcome yet, the unsettled ones among them.

use std::collections::BTreeMap;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Change, Class, Doubt, Intent};
use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::id::{EffectId, MandateId};
use kairos_core::time::Time;
use serde::{Deserialize, Serialize};

/// Effects begun and not settled.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Effects {
    open: BTreeMap<EffectId, EffectView>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectView {
    pub id: EffectId,
    pub mandate: MandateId,
    pub intent: Intent,
    pub since: Time,
    /// Why nobody can prove that it happened; then a person settles it.
    pub doubt: Option<Doubt>,
    /// What a command told before its end was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<BlobRef>,
}

impl EffectView {
    /// The change to the tree it is about.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match &self.intent {
            Intent::Change { change, .. } | Intent::Reconcile { change, .. } => Some(change),
            Intent::Observe
            | Intent::Ask { .. }
            | Intent::Prepare { .. }
            | Intent::Clear { .. }
            | Intent::Execute { .. }
            | Intent::Diff { .. }
            | Intent::Verify => None,
        }
    }

    /// The class of what is in question: comparing a change with the disk is about the change.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.change() {
            Some(_) => Class::File,
            None => self.intent.class(),
        }
    }

    /// What it does, in words.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.intent {
            Intent::Observe => "read files".to_owned(),
            Intent::Ask { phase, attempt } => format!("ask the model ({phase}, attempt {attempt})"),
            Intent::Prepare { .. } => "prepare a step".to_owned(),
            Intent::Change { change, .. } => in_words(change),
            Intent::Reconcile { change, .. } => {
                format!("{} (interrupted, then compared with the disk)", in_words(change))
            }
            Intent::Clear { change, .. } => format!("clear up beside {}", change.path()),
            Intent::Verify => "look at the checks".to_owned(),
            Intent::Execute { step, .. } => format!("run the command of step {}", step + 1),
            Intent::Diff { change, .. } => format!("show {}", in_words(change)),
        }
    }
}

fn in_words(change: &Change) -> String {
    let path = change.path();
    match (change, change.to()) {
        (_, Some(to)) => format!("move {path} to {to}"),
        (Change::Edit { .. }, None) => format!("edit {path}"),
        (Change::Create { .. }, None) => format!("create {path}"),
        (Change::Move { .. }, None) => format!("move {path}"),
        (Change::Delete { .. }, None) => format!("delete {path}"),
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
                let (since, doubt, told) = (at.time, None, None);
                let view = EffectView { id, mandate, intent, since, doubt, told };
                self.open.insert(id, view);
            }
            Event::EffectUnsettled { effect, doubt, told, .. } => {
                if let Some(view) = self.open.get_mut(effect) {
                    (view.doubt, view.told) = (Some(*doubt), *told);
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
