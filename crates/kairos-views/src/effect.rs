//! Effects that were begun and have no outcome.
//!
//! Owns what a person sees of them. Never keeps a settled one: the journal does, and a change that
//! stands is in its mandate's edits.

use std::collections::BTreeMap;

use kairos_core::effect::{Change, Class, Doubt, Intent, Outcome, PersonSays, Reconciled};
use kairos_core::event::Event;
use kairos_core::fold::At;
use kairos_core::id::{EffectId, MandateId};
use kairos_core::time::Time;

use crate::prefix::{self, PrefixError};

/// An effect without an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub id: EffectId,
    pub mandate: MandateId,
    pub intent: Intent,
    pub since: Time,
    /// Why nobody can prove it; `None` while it is under way.
    pub doubt: Option<Doubt>,
}

impl Effect {
    /// The change to the tree it is about.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match &self.intent {
            Intent::Change { change, .. } | Intent::Reconcile { change, .. } => Some(change),
            Intent::Observe
            | Intent::Ask { .. }
            | Intent::Prepare { .. }
            | Intent::Clear { .. }
            | Intent::Verify => None,
        }
    }

    /// The class of what may have happened: comparing a change with the disk is about the change.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.change() {
            Some(_) => Class::File,
            None => self.intent.class(),
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.intent {
            Intent::Observe => "read the files the mandate names".into(),
            Intent::Ask { phase, attempt } => format!("ask the model: {phase}, attempt {attempt}"),
            Intent::Prepare { step } => format!("prepare step {step}"),
            Intent::Change { change, .. } => in_words(change),
            Intent::Reconcile { change, .. } => {
                format!("{} (interrupted; compared with the disk)", in_words(change))
            }
            Intent::Clear { change, .. } => format!("clear up beside {}", change.path()),
            Intent::Verify => "look whether the mandate's checks hold".into(),
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

/// All effects without an outcome. As many as mandates are open, at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    by_id: BTreeMap<EffectId, Effect>,
}

impl Effects {
    #[must_use]
    pub fn get(&self, id: EffectId) -> Option<&Effect> {
        self.by_id.get(&id)
    }

    /// The one whose id begins so.
    ///
    /// # Errors
    /// None or several do.
    pub fn find(&self, prefix: &str) -> Result<&Effect, PrefixError<EffectId>> {
        prefix::find(&self.by_id, prefix)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Effect> {
        self.by_id.values()
    }

    /// The change that `event` proves to stand.
    pub(crate) fn change_that_stands(&self, event: &Event) -> Option<&Change> {
        let effect = match event {
            Event::EffectSettled {
                effect,
                outcome: Outcome::Changed { .. } | Outcome::Reconciled(Reconciled::Done),
                ..
            }
            | Event::EffectJudged { effect, answer: PersonSays::Happened, .. } => effect,
            _ => return None,
        };
        self.by_id.get(effect)?.change()
    }

    pub(crate) fn apply(&mut self, at: At, event: &Event) {
        match event {
            Event::EffectBegun { mandate, effect, intent } => {
                let (id, mandate, intent) = (*effect, *mandate, intent.clone());
                let begun = Effect { id, mandate, intent, since: at.time, doubt: None };
                self.by_id.insert(id, begun);
            }
            Event::EffectUnsettled { effect, doubt, .. } => {
                if let Some(effect) = self.by_id.get_mut(effect) {
                    effect.doubt = Some(*doubt);
                }
            }
            Event::EffectSettled { effect, .. } | Event::EffectJudged { effect, .. } => {
                self.by_id.remove(effect);
            }
            Event::MandateFinished { mandate, .. } => {
                self.by_id.retain(|_, effect| effect.mandate != *mandate);
            }
            _ => {}
        }
    }
}
