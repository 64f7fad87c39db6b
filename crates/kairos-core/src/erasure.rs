//! Erasing a stored text.
//!
//! Owns which texts open work needs, and how far an erasure is. Never touches a text: once the record
//! of it is durable, the engine does. Every place that may hold a text is named here without `..`, so
//! that a new field cannot be forgotten.
//!
//! | record | the text |
//! |---|---|
//! | `blob_erased` | is to go; whoever asks for it is told so from here on |
//! | `erasure_settled`, gone | is off the disk |
//! | `erasure_settled`, needed | was stored again for work that began meanwhile, and stays |
//!
//! Between the two no mandate is made with it: that is refused until then.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::cycle::promotion::Promotion;
use crate::cycle::standing::{CallStanding, Cycle, Held, Invalid, Plan, Settled, Told};
use crate::digest::{BlobRef, Digest};
use crate::effect::{Change, Intent, Seen};
use crate::gate::proposal::Proposal;
use crate::id::MandateId;
use crate::mandate::spec::{Check, MandateSpec};
use crate::mandate::standing::{Mandate, Open, Past};
use crate::schedule::condition::Condition;
use crate::schedule::definition::{Definition, ScheduleName};
use crate::state::State;

/// Erasures under way at a time.
pub const ERASURES_MAX: usize = 64;

/// How an erasure ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureEnd {
    /// The bytes are off the disk.
    Gone,
    /// Work that began meanwhile needs them.
    Needed,
}

/// What needs a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    Mandate(MandateId),
    Schedule(ScheduleName),
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mandate(mandate) => write!(f, "mandate `{mandate}`, which is open"),
            Self::Schedule(schedule) => write!(f, "schedule `{schedule}`"),
        }
    }
}

impl State {
    /// The first thing that needs the text `blob`. Looks at every text of every open mandate and
    /// copies none: ten milliseconds where there are 20,000, nearly all of it the way through memory.
    #[must_use]
    pub fn need_of(&self, blob: Digest) -> Option<Need> {
        let mut is_it = |text: BlobRef| match text.digest == blob {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let mandate = self.mandates().find(|mandate| of_mandate(mandate, &mut is_it).is_break());
        let schedule = || {
            let mut schedules = self.schedules().map(|loaded| &loaded.definition);
            let found = schedules
                .find(|definition| of_definition(definition).any(|text| text.digest == blob));
            found.map(|definition| Need::Schedule(definition.name.clone()))
        };
        mandate.map(|mandate| Need::Mandate(mandate.id)).or_else(schedule)
    }

    /// The first text of a mandate to be made that is to go and may still be on disk: the mandate would
    /// be left without it.
    #[must_use]
    pub fn erases(&self, spec: &MandateSpec) -> Option<Digest> {
        self.erasing_of(of_spec(spec))
    }

    /// The first of these texts that is to go and may still be on disk.
    pub fn erasing_of(&self, texts: impl IntoIterator<Item = BlobRef>) -> Option<Digest> {
        let mut texts = texts.into_iter().map(|text| text.digest);
        texts.find(|text| self.erasing.contains(text))
    }

    /// Texts that are to go and may still be on disk.
    pub fn erasing(&self) -> impl Iterator<Item = Digest> {
        self.erasing.iter().copied()
    }
}

/// Hands out one text after the other, until somebody has seen enough.
type Each<'a> = &'a mut dyn FnMut(BlobRef) -> ControlFlow<()>;

fn every(texts: impl IntoIterator<Item = BlobRef>, each: Each<'_>) -> ControlFlow<()> {
    texts.into_iter().try_for_each(each)
}

/// Every text that an open mandate needs.
fn of_mandate(mandate: &Mandate, each: Each<'_>) -> ControlFlow<()> {
    let Mandate {
        id: _,
        spec,
        origin,
        standing: _,
        started: _,
        ending: _,
        cycle,
        open,
        past,
        spent: _,
    } = mandate;
    let Past {
        cycles: _,
        failed_in_row: _,
        changed: _,
        plans: _,
        failed_checks,
        lessons,
        told,
        provider_parks: _,
    } = past;
    every(of_spec(spec).chain(origin.body()).chain(*failed_checks).chain(*lessons), each)?;
    every(told.iter().flatten().copied(), each)?;
    if let Some(cycle) = cycle {
        of_cycle(cycle, each)?;
    }
    match open {
        Some(Open { effect: _, intent, begun: _, unsettled: _ }) => every(of_intent(intent), each),
        None => ControlFlow::Continue(()),
    }
}

/// Every text that a schedule needs.
pub fn of_definition(definition: &Definition) -> impl Iterator<Item = BlobRef> {
    let text = definition.condition.as_ref().and_then(Condition::text);
    of_spec(&definition.spec).chain(text)
}

/// Every text that a mandate is made with.
pub fn of_spec(spec: &MandateSpec) -> impl Iterator<Item = BlobRef> {
    let MandateSpec {
        goal,
        files: _,
        verify,
        max_cycles: _,
        risk_budget: _,
        project_scope: _,
        allowed_actions: _,
        upload: _,
        hints,
        model: _,
        timeout_ms: _,
    } = spec;
    let checks = verify.iter().map(|check| match check {
        Check::Contains { file: _, text } => *text,
        Check::Command { argv } => *argv,
    });
    [*goal].into_iter().chain(*hints).chain(checks)
}

fn of_cycle(cycle: &Cycle, each: Each<'_>) -> ControlFlow<()> {
    let Cycle {
        number: _,
        phase: _,
        seen,
        left_out: _,
        orientation,
        decision,
        plan,
        reflection,
        failed_checks: _,
        checks_refused: _,
        changed: _,
        call,
    } = cycle;
    let CallStanding { attempts: _, delayed: _, invalid, failed: _ } = call;
    let seen = seen.iter().flat_map(|seen| seen.iter()).map(|Seen { path: _, content }| *content);
    every(seen, each)?;
    every(orientation.iter().chain(reflection).copied(), each)?;
    every(decision.iter().map(|Settled { answer: _, text }| *text), each)?;
    let invalid = invalid.iter();
    every(invalid.flat_map(|Invalid { text, problem, repaired: _ }| [*text, *problem]), each)?;
    let Some(plan) = plan else { return ControlFlow::Continue(()) };
    let Plan { steps: _, graph: _, ends: _, held, tries: _, so_far: _, promotions, told } = plan;
    every(told.iter().map(|Told { step: _, text }| *text), each)?;
    let promotions = promotions.iter();
    let changes =
        promotions.flat_map(|Promotion { step: _, risk: _, changes, left: _ }| &**changes);
    every(changes.flat_map(of_change), each)?;
    held.iter().try_for_each(|Held { proposal: _, expires: _, what, decision: _ }| {
        let Proposal { step: _, subject, diff, scope: _, risk: _, reason: _, hash: _ } = what;
        every([*diff].into_iter().chain(subject.texts()), each)
    })
}

fn of_intent(intent: &Intent) -> impl Iterator<Item = BlobRef> {
    let (change, command) = match intent {
        Intent::Observe | Intent::Ask { .. } | Intent::Prepare { .. } | Intent::Verify => {
            (None, None)
        }
        Intent::Execute { step: _, invocation, elevation: _ } => (None, Some(invocation.shown)),
        Intent::Change { step: _, change, temp: _, elevation: _ }
        | Intent::Reconcile { step: _, change, temp: _ }
        | Intent::Clear { step: _, change, temp: _ }
        | Intent::Diff { step: _, change } => (Some(change), None),
    };
    change.into_iter().flat_map(of_change).chain(command)
}

fn of_change(change: &Change) -> impl Iterator<Item = BlobRef> {
    change.pre().into_iter().chain(change.post())
}
