//! Mandates that bring the engine down.
//!
//! Owns which goals do so, at which of their events, and the notes that outlive the process. The
//! panic is one of the fold, as a bug of the product's would be; whom it is blamed on says the
//! product. Never panics while a journal is read: what panics never gets there.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kairos_core::effect::Outcome;
use kairos_core::event::Event;
use kairos_core::id::MandateId;
use kairos_core::mandate::outcome::EndReason;
use kairos_core::state::State;
use kairos_engine::poison::{Note, blamed};

use super::daemon::goal;
use super::law::{Findings, Wrong};
use super::people::GOALS;

/// The last of the goals people have bring the engine down, each at another kind of event.
const KINDS: u16 = 5;

/// A panic that was meant.
struct Poison(MandateId);

/// Panics when the mandate this event is about is one of these, and this its event. Without the
/// hook of panics: nobody is to be told.
pub(super) fn taste(state: &State, event: &Event) {
    let kind = match event {
        Event::MandateStarted { .. } => 0,
        Event::PhaseEntered { .. } => 1,
        Event::EffectBegun { .. } => 2,
        // What a quarantine records is no different from what ends any other mandate.
        Event::EffectSettled { outcome, .. } if *outcome != Outcome::Lost => 3,
        Event::StepFinished { .. } => 4,
        _ => return,
    };
    let Some(mandate) = event.mandate().and_then(|id| state.mandate(id)) else { return };
    let poison = kairos_core::digest::BlobRef::of(goal(GOALS - KINDS + kind).as_bytes());
    if mandate.spec.goal == poison {
        resume_unwind(Box::new(Poison(mandate.id)));
    }
}

/// Does `act`; the mandate that it panicked over instead. Every other panic is a finding.
pub(super) fn survive<T>(act: impl FnOnce() -> T) -> Result<T, MandateId> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| match panic.downcast::<Poison>() {
        Ok(poison) => poison.0,
        Err(panic) => resume_unwind(panic),
    })
}

/// The notes beside the journal.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<MandateId, Note>);

impl Notes {
    /// The engine came down over `mandate`.
    pub(super) fn aborted(&mut self, mandate: MandateId, findings: &Findings) {
        let by = blamed();
        findings.check(by == Some(mandate), Wrong::Accepted, || {
            format!("{mandate} brought the engine down, and {by:?} is blamed")
        });
        let note = self.0.entry(mandate).or_insert(Note { mandate, count: 0 });
        let quarantined = note.quarantines();
        note.count += 1;
        findings.check(!quarantined, Wrong::Refused, || {
            format!("{mandate} brought the engine down again, after it was to be quarantined")
        });
    }

    /// The mandates to be ended at the next start.
    pub(super) fn quarantined(&self) -> Vec<MandateId> {
        self.0.values().filter(|note| note.quarantines()).map(|note| note.mandate).collect()
    }

    /// A start is over: forgets those that are no longer open, and answers how many it ended.
    pub(super) fn forget(&mut self, open: impl Fn(MandateId) -> bool, findings: &Findings) -> u64 {
        let quarantined = self.quarantined();
        for mandate in &quarantined {
            findings.check(!open(*mandate), Wrong::Refused, || {
                format!("{mandate} was to be quarantined, and goes on")
            });
        }
        self.0.retain(|mandate, _| open(*mandate));
        quarantined.len() as u64
    }

    /// Only who brought the engine down twice is ended for it.
    pub(super) fn check(&self, event: &Event, findings: &Findings) {
        if let Event::MandateFinished { mandate, reason: Some(EndReason::Poison), .. } = event {
            let noted = self.0.get(mandate).is_some_and(Note::quarantines);
            findings.check(noted, Wrong::Refused, || {
                format!("{mandate} was quarantined, and brought nothing down twice")
            });
        }
    }
}
