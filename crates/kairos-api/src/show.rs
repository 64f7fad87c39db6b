//! From views to the public shapes.
//!
//! Owns the words and forms people and programs see. Stored texts are read through a closure, for
//! a door reads them through the engine's handle and a reader without a daemon from the files.

use std::collections::BTreeMap;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Change, Doubt, Intent};
use kairos_core::erasure::ErasureEnd;
use kairos_core::gate::proposal::{Closed, Subject};
use kairos_core::mandate::outcome::{EndReason, ParkReason};
use kairos_core::mandate::spec::Check;
use kairos_core::schedule::definition::{Concurrency, Timing};
use kairos_core::schedule::pause::{Pause, PausedBy};
use kairos_core::schedule::{MissedPolicy, Trigger};
use kairos_core::time::Time;
use kairos_views::{
    EditView, EffectView, ErasureView, Erasures, MandateView, Mandates, ProposalState,
    ProposalView, ScheduleView, SlotView, StateView, Trouble,
};
use kairos_wire as wire;

use crate::words;

/// Reads a stored text; `None` when it is gone.
pub type Texts<'a> = &'a dyn Fn(BlobRef) -> Option<String>;

/// A mandate.
#[must_use]
pub fn mandate(view: &MandateView, texts: Texts<'_>, erasures: &Erasures) -> wire::Mandate {
    let (state, reason, outcome) = match view.state {
        StateView::Queued => (wire::mandate::State::Queued, None, None),
        StateView::Running => (wire::mandate::State::Running, None, None),
        StateView::Parked { reason, .. } => {
            (wire::mandate::State::Parked, Some(reason.word()), None)
        }
        StateView::Finished { outcome, reason } => {
            let reason = reason.map(EndReason::word);
            (wire::mandate::State::Finished, reason, Some(outcome.word()))
        }
    };
    let until = match view.state {
        StateView::Parked { until, .. } => until,
        StateView::Queued | StateView::Running | StateView::Finished { .. } => None,
    };
    let blocked = view.blocked.filter(|_| match view.state {
        StateView::Parked { reason, .. } => reason == ParkReason::Checkpoint,
        StateView::Finished { .. } => true,
        StateView::Queued | StateView::Running => false,
    });
    wire::Mandate {
        id: view.id.to_string(),
        state,
        reason: reason.map(ToOwned::to_owned),
        blocked_reason: blocked.and_then(texts).and_then(|answer| why_blocked(&answer)),
        outcome: outcome.map(ToOwned::to_owned),
        verified: view.verified,
        goal: texts(view.spec.goal),
        files: view.spec.files.clone(),
        verify: view.spec.verify.iter().map(|check| verify(check, texts)).collect(),
        max_cycles: view.spec.max_cycles,
        project_scope: view.spec.project_scope.clone(),
        schedule: view.schedule.clone(),
        cycle: view.cycle,
        phase: view.phase.map(|phase| phase.word().to_owned()),
        created_at: view.created.to_string(),
        started_at: view.started.map(|at| at.to_string()),
        finished_at: view.finished.map(|at| at.to_string()),
        failures: view.troubles.list().iter().map(|trouble| failure(trouble, texts)).collect(),
        until: until.map(|at| at.to_string()),
        observed: view
            .observed
            .map(|seen| wire::mandate::Observed { files: seen.files, left_out: seen.left_out }),
        spent: wire::mandate::Spent {
            calls: view.spent.calls,
            tokens: view.spent.tokens,
            usd_micros: view.spent.usd_micros,
        },
        edits: view.edits.iter().map(edit).collect(),
        proposals: view.proposals.iter().map(ToString::to_string).collect(),
        erased: erased(of_mandate(view), texts, erasures),
        seq: view.seq.0,
    }
}

/// The texts that are shown of a mandate, and both sides of its edits.
fn of_mandate(view: &MandateView) -> impl Iterator<Item = BlobRef> {
    let checks = view.spec.verify.iter().map(|check| match check {
        Check::Contains { file: _, text } => *text,
        Check::Command { argv } => *argv,
    });
    let troubles = view.troubles.list().iter().filter_map(|trouble| match trouble {
        Trouble::Call { said, .. } => *said,
        Trouble::Answer { problem, .. } => Some(*problem),
        Trouble::Checks { report } => *report,
        Trouble::Step { told, .. } => *told,
        Trouble::Performer { .. } => None,
    });
    let edits = view.edits.iter().flat_map(|edit| edit.pre.into_iter().chain(edit.post));
    let own = [view.spec.goal].into_iter().chain(view.spec.hints).chain(view.blocked);
    own.chain(checks).chain(troubles).chain(edits)
}

/// What was erased of `named` and has not been stored again.
fn erased(
    named: impl Iterator<Item = BlobRef>,
    texts: Texts<'_>,
    erasures: &Erasures,
) -> Vec<wire::blob::Erasure> {
    let mut gone = BTreeMap::new();
    for text in named {
        if let Some(view) = erasures.get(text.digest)
            && texts(text).is_none()
        {
            gone.insert(text.digest, view);
        }
    }
    gone.into_values().map(|view| erasure(view, texts)).collect()
}

/// An erasure.
#[must_use]
pub fn erasure(view: &ErasureView, texts: Texts<'_>) -> wire::blob::Erasure {
    wire::blob::Erasure {
        blob_id: view.blob.to_string(),
        state: match view.end {
            None => wire::blob::State::Erasing,
            Some((ErasureEnd::Gone, _)) => wire::blob::State::Erased,
            Some((ErasureEnd::Needed, _)) => wire::blob::State::Needed,
        },
        at: view.at.to_string(),
        by: view.by.to_string(),
        reason: texts(view.reason).map(|text| line(&text, REASON_CHARS_MAX)),
        settled_at: view.end.map(|(_, at)| at.to_string()),
    }
}

fn verify(check: &Check, texts: Texts<'_>) -> wire::mandate::Verify {
    let shown = |text: &BlobRef| texts(*text).unwrap_or_else(|| "(erased)".to_owned());
    match check {
        Check::Contains { file, text } => {
            wire::mandate::Verify::Contains { file: file.to_string(), contains: shown(text) }
        }
        Check::Command { argv } => {
            let text = shown(argv);
            let argv = serde_json::from_str(&text).unwrap_or_else(|_| vec![text]);
            wire::mandate::Verify::Command { command: argv }
        }
    }
}

/// Characters of a model's reason that are shown.
const REASON_CHARS_MAX: usize = 1_000;

/// The reason in a decide answer's text, fit to be shown on one line.
fn why_blocked(answer: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Blocked {
        reason: String,
    }
    // Prose or a fence may stand around the object, which was checked when it was answered.
    let object = answer.get(answer.find('{')?..=answer.rfind('}')?)?;
    let Blocked { reason } = serde_json::from_str(object).ok()?;
    Some(line(&reason, REASON_CHARS_MAX)).filter(|line| !line.is_empty())
}

/// A text from outside on one line, cut after `chars_max`.
fn line(text: &str, chars_max: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || steers(c));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Characters that could steer a terminal or turn the direction of a line's text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters of a stored text that are shown with a failure.
const SAID_CHARS_MAX: usize = 200;

/// One failure in words.
fn failure(trouble: &Trouble, texts: Texts<'_>) -> wire::mandate::Failure {
    let text = |blob: BlobRef| texts(blob).map(|text| line(&text, SAID_CHARS_MAX));
    let (what, why) = match trouble {
        Trouble::Call { phase, failure, said } => {
            let said = said.and_then(text);
            (phase.word().to_owned(), words::call(*failure, said.as_deref()))
        }
        Trouble::Answer { phase, problem } => {
            (phase.word().to_owned(), words::invalid(text(*problem).as_deref()))
        }
        Trouble::Performer { phase, failure } => {
            (phase.word().to_owned(), words::performer(*failure))
        }
        Trouble::Step { step, action, failure, .. } => {
            let number = u64::from(*step) + 1;
            let action = action.as_ref().map(|action| format!(": {}", words::action(action)));
            let what = format!("step {number}{}", action.unwrap_or_default());
            (what, words::step(*failure))
        }
        Trouble::Checks { report } => {
            let words = report.and_then(text).unwrap_or_else(|| "some do not hold".to_owned());
            ("checks".to_owned(), words::Why { words, code: "checks_failed".to_owned() })
        }
    };
    let told = match trouble {
        Trouble::Step { told, .. } => told.and_then(texts),
        Trouble::Checks { report } => report.and_then(texts),
        Trouble::Call { .. } | Trouble::Answer { .. } | Trouble::Performer { .. } => None,
    };
    wire::mandate::Failure { what, why: why.words, code: why.code, told }
}

fn edit(view: &EditView) -> wire::mandate::Edit {
    let hash = |blob: Option<BlobRef>| blob.map(|blob| format!("sha256:{}", blob.digest));
    wire::mandate::Edit {
        path: view.path.clone(),
        to: view.to.clone(),
        pre: hash(view.pre),
        post: hash(view.post),
    }
}

/// What a proposal does, where, and where a move goes.
fn acts(subject: &Subject) -> (&'static str, String, Option<String>) {
    let Subject::Change(change) = subject else { return ("shell", String::new(), None) };
    let action = match change {
        Change::Edit { .. } => "code_edit",
        Change::Create { .. } => "file_create",
        Change::Move { .. } => "file_move",
        Change::Delete { .. } => "file_delete",
    };
    (action, change.path().to_string(), change.to().map(ToString::to_string))
}

/// A proposal, with its diff.
#[must_use]
pub fn proposal(view: &ProposalView, texts: Texts<'_>, erasures: &Erasures) -> wire::Proposal {
    let (action, path, to) = acts(&view.what.subject);
    let (state, former) = match view.state {
        ProposalState::Waiting => (wire::proposal::State::Waiting, "pending_approval"),
        ProposalState::Closed(Closed::Approved) => (wire::proposal::State::Approved, "approved"),
        ProposalState::Closed(Closed::Rejected) => (wire::proposal::State::Rejected, "rejected"),
        ProposalState::Closed(Closed::Expired) => (wire::proposal::State::Expired, "expired"),
        ProposalState::Closed(Closed::Stale) => (wire::proposal::State::Stale, "stale"),
    };
    let hash = format!("sha256:{}", view.what.hash);
    wire::Proposal {
        id: view.id.to_string(),
        mandate_id: view.mandate.to_string(),
        state,
        scope: view.what.scope.to_string(),
        action: action.to_owned(),
        path: path.clone(),
        to,
        command: match &view.what.subject {
            Subject::Change(_) => None,
            Subject::Command(invocation) => {
                texts(invocation.shown).as_deref().map(words::command_of).map(ToOwned::to_owned)
            }
        },
        diff: texts(view.what.diff),
        hash: hash.clone(),
        risk: view.what.risk.word().to_owned(),
        reason: view.what.reason.word().to_owned(),
        created_at: view.created.to_string(),
        expires_at: view.expires.to_string(),
        decided_by: view.decided_by.as_ref().map(ToString::to_string),
        erased: erased(
            [view.what.diff].into_iter().chain(view.what.subject.texts()),
            texts,
            erasures,
        ),
        former: wire::proposal::Former {
            proposal_id: view.id.to_string(),
            proposal_hash: hash,
            status: former.to_owned(),
            current_status: former.to_owned(),
            target: wire::proposal::Target { path },
        },
    }
}

/// An effect without outcome.
#[must_use]
pub fn effect(view: &EffectView, texts: Texts<'_>) -> wire::Effect {
    let class = match view.class() {
        kairos_core::effect::Class::Read => "read",
        kairos_core::effect::Class::Model => "model",
        kairos_core::effect::Class::File => "file",
        kairos_core::effect::Class::Opaque => "opaque",
    };
    let doubt = |doubt: Doubt| match doubt {
        Doubt::ChangedMeanwhile => "somebody else changed the file in the window",
        Doubt::OpenForWriting => "somebody holds the old file open for writing",
        Doubt::PathMoved => "the path leads to another directory now",
        Doubt::Neither => "neither the old nor the new content lies there",
        Doubt::Disk => "the disk failed in the middle",
        Doubt::Interrupted => "the command did not come to its own end",
    };
    wire::Effect {
        id: view.id.to_string(),
        mandate_id: view.mandate.to_string(),
        step: view.intent.step(),
        class: class.to_owned(),
        state: match view.doubt {
            Some(_) => wire::effect::State::Unsettled,
            None => wire::effect::State::Open,
        },
        what: match &view.intent {
            Intent::Execute { invocation, .. } => match texts(invocation.shown) {
                Some(shown) => format!("run {}", words::command_of(&shown)),
                None => view.what(),
            },
            _ => view.what(),
        },
        since: view.since.to_string(),
        doubt: view.doubt.map(|why| doubt(why).to_owned()),
        told: view.told.and_then(texts),
    }
}

/// A schedule and its last slot, with how that one's mandate in `mandates` ended.
#[must_use]
pub fn schedule(view: &ScheduleView, mandates: &Mandates, now: Time) -> wire::Schedule {
    let definition = &view.loaded.definition;
    let missed = match definition.missed {
        MissedPolicy::Skip => "skip",
        MissedPolicy::Drop { .. } => "drop",
        MissedPolicy::CatchUpOnce => "catch_up_once",
        MissedPolicy::CatchUpBounded { .. } => "catch_up_bounded",
    };
    let concurrency = match definition.concurrency {
        Concurrency::Queue => "queue",
        Concurrency::Allow => "allow",
        Concurrency::Reject => "reject",
        Concurrency::Replace => "replace",
    };
    let enabled = definition.enabled;
    let pause = view.fare.paused();
    let timing = match &definition.timing {
        Timing::Cron { cron, .. } => wire::schedule::Timing::Cron(cron.clone()),
        Timing::Every { period_ms } => wire::schedule::Timing::EveryMs(*period_ms),
        Timing::At { at, .. } => wire::schedule::Timing::At(at.to_string()),
        Timing::Trigger(trigger) => wire::schedule::Timing::Trigger(self::trigger(trigger)),
    };
    wire::Schedule {
        id: definition.identity().to_string(),
        name: definition.name.to_string(),
        state: match pause {
            _ if !enabled => wire::schedule::State::Disabled,
            Some(_) => wire::schedule::State::Paused,
            None => wire::schedule::State::Enabled,
        },
        timing,
        timezone: definition.timing.zone().unwrap_or("UTC").to_owned(),
        enabled,
        next: view.next().map(|at| at.to_string()),
        anchor: view.loaded.anchor.map(|at| at.to_string()),
        held_until: view.held_until(now).map(|until| until.to_string()),
        last_outcome: view.outcome.map(|outcome| outcome.word().to_owned()),
        failures: view.fare.failures,
        paused: pause.map(paused),
        last: view.last.as_ref().map(|slot| last(slot, mandates)),
        missed_policy: missed.to_owned(),
        concurrency: concurrency.to_owned(),
    }
}

fn trigger(trigger: &Trigger) -> wire::schedule::Trigger {
    match trigger {
        Trigger::Webhook {} => wire::schedule::Trigger::Webhook {},
        Trigger::Path { glob, settle_ms } => {
            wire::schedule::Trigger::Path { glob: glob.clone(), settle_ms: *settle_ms }
        }
    }
}

fn last(slot: &SlotView, mandates: &Mandates) -> wire::schedule::Slot {
    let mandate = slot.mandate.and_then(|id| mandates.get(id));
    let outcome = mandate.and_then(|mandate| match mandate.state {
        StateView::Finished { outcome, .. } => Some(outcome.word().to_owned()),
        StateView::Queued | StateView::Running | StateView::Parked { .. } => None,
    });
    wire::schedule::Slot {
        state: slot.state.word().to_owned(),
        reason: slot.reason.map(|reason| reason.word().to_owned()),
        at: slot.at.to_string(),
        mandate_id: slot.mandate.map(|id| id.to_string()),
        outcome,
        verified: mandate.and_then(|mandate| mandate.verified),
        count: slot.count,
        by: slot.by.as_ref().map(ToString::to_string),
    }
}

fn paused(pause: &Pause) -> wire::schedule::Paused {
    let (by, failures) = match &pause.why {
        PausedBy::Person(by) => (Some(by.to_string()), None),
        PausedBy::Failures(failures) => (None, Some(*failures)),
    };
    wire::schedule::Paused { since: pause.since.to_string(), by, failures }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_shown_on_one_line_whole_or_cut() {
        let answer = |reason: &str| {
            let object = serde_json::json!({"status": "blocked", "reason": reason, "steps": []});
            format!("Here:\n```json\n{object}\n```")
        };
        let shown = ["needs\u{1b}[2J a.md\n\tand\u{202e} b", " \n", &"x".repeat(1_001)];
        let shown = shown.map(|reason| why_blocked(&answer(reason)));
        let cut = format!("{}…", "x".repeat(1_000));
        assert_eq!(shown, [Some("needs [2J a.md and b".to_owned()), None, Some(cut)]);
        assert_eq!(why_blocked("no object"), None);
        assert_eq!(why_blocked("} {"), None);
    }
}
