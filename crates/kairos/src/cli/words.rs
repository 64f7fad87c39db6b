//! What events and entities are called when a person reads them.
//!
//! Owns the words for held steps, doubts and ends: words first, the code word for programs after
//! them in brackets. Those for steps and failures are the API's. Never chooses what is shown.

use kairos_api::words::{code, command_of};
use kairos_core::digest::BlobRef;
use kairos_core::effect::{Change, Doubt};
use kairos_core::gate::proposal::Subject;
use kairos_core::mandate::outcome::{EndReason, Outcome};
use kairos_wire::Proposal;

/// A held step as a person would say it: `1 edit to docs/a.md (protected: knowledge)`.
pub(super) fn held(proposal: &Proposal) -> String {
    if let Some(command) = &proposal.command {
        return command_words(command, &proposal.reason, &proposal.risk);
    }
    let to = proposal.to.as_deref();
    words_of(&proposal.action, &proposal.path, to, &proposal.scope, &proposal.risk)
}

/// The same of a proposal as its event has it; `text` reads what it names.
pub(super) fn held_in_event(
    proposal: &kairos_core::gate::proposal::Proposal,
    text: impl Fn(BlobRef) -> Option<String>,
) -> String {
    let change = match &proposal.subject {
        Subject::Change(change) => change,
        Subject::Command(invocation) => {
            let shown = text(invocation.shown).unwrap_or_default();
            let (reason, risk) = (proposal.reason.word(), proposal.risk.word());
            return command_words(command_of(&shown), reason, risk);
        }
    };
    let action = match change {
        Change::Edit { .. } => "code_edit",
        Change::Create { .. } => "file_create",
        Change::Move { .. } => "file_move",
        Change::Delete { .. } => "file_delete",
    };
    let (path, to) = (change.path().to_string(), change.to().map(ToString::to_string));
    let scope = proposal.scope.to_string();
    words_of(action, &path, to.as_deref(), &scope, proposal.risk.word())
}

/// `1 command: cargo test (medium risk)`
fn command_words(command: &str, reason: &str, risk: &str) -> String {
    let why = match reason {
        "unlisted" => "in no catalogue",
        "inputs_not_bound" => "nobody can list what it executes",
        "opaque" => "cannot be taken back",
        _ => return format!("1 command: {command} ({risk} risk)"),
    };
    format!("1 command: {command} ({why})")
}

fn words_of(action: &str, path: &str, to: Option<&str>, scope: &str, risk: &str) -> String {
    let step = match action {
        "code_edit" => format!("1 edit to {path}"),
        "file_create" => format!("1 new file {path}"),
        "file_delete" => format!("1 deletion of {path}"),
        "file_move" => format!("1 move of {path} to {}", to.unwrap_or("?")),
        other => format!("1 {other} of {path}"),
    };
    match scope {
        "l0" => format!("{step} (protected: core)"),
        "l1" => format!("{step} (protected: knowledge)"),
        _ => format!("{step} ({risk} risk)"),
    }
}

/// Why nobody can prove what an effect did.
pub(super) fn doubt(doubt: Doubt) -> String {
    let words = match doubt {
        Doubt::ChangedMeanwhile => "somebody else changed the file in the window",
        Doubt::OpenForWriting => "somebody holds the old file open for writing",
        Doubt::PathMoved => "the path leads to another directory now",
        Doubt::Neither => "neither the old nor the new content lies there",
        Doubt::Disk => "the disk failed in the middle",
        Doubt::Interrupted => "the command did not come to its own end",
    };
    format!("{words} [{}]", code(&doubt))
}

/// Why a mandate ended as it did.
pub(super) fn ended(reason: EndReason) -> String {
    let words = match reason {
        EndReason::Poison => "it aborted the daemon twice",
        EndReason::Blocked => "the model was blocked, and nobody answered in time",
        EndReason::CyclesFailed => "two cycles in a row failed",
        EndReason::ChecksRefused => "the command of a check is refused",
        EndReason::StepsFailed => "what was held or unsettled left nothing to do",
        EndReason::Replaced => "a newer fire of its schedule took its place",
    };
    format!("{words} [{}]", reason.word())
}

/// What an outcome means, where its word does not say.
pub(super) const fn outcome(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Exhausted => Some("its cycles are used up"),
        Outcome::Looped => Some("the same plan came again"),
        Outcome::Refused => Some("every step was refused"),
        Outcome::Expired => Some("its time was up"),
        Outcome::Achieved | Outcome::Unchanged | Outcome::Failed | Outcome::Stopped => None,
    }
}

#[cfg(test)]
mod tests {
    use kairos_api::words::step;
    use kairos_core::effect::{Failure, FileRefusal};
    use kairos_core::plan::StepFailure;

    use super::*;

    #[test]
    fn failures_read_as_words_with_their_code_behind_them() {
        let shown = [
            step(StepFailure::NotAllowed).to_string(),
            step(StepFailure::File(FileRefusal::OldTextNotUnique { count: 3 })).to_string(),
            step(StepFailure::Performer(Failure::Disk)).to_string(),
            doubt(Doubt::Neither),
            ended(EndReason::CyclesFailed),
        ];
        let expected = [
            "the mandate does not allow the action [not_allowed]",
            "the text to replace is there 3 times [old_text_not_unique]",
            "the disk answered with an error [disk]",
            "neither the old nor the new content lies there [neither]",
            "two cycles in a row failed [cycles_failed]",
        ];
        assert_eq!(shown, expected);
    }
}
