//! What events and entities are called when a person reads them.
//!
//! Owns the words for steps, failures and what a mandate waits for: words first, the code word for
//! programs after them in brackets. Never chooses what is shown.

use kairos_core::effect::{Change, Doubt, Failure, FileRefusal};
use kairos_core::mandate::outcome::{EndReason, Outcome};
use kairos_core::plan::{Action, StepFailure};
use kairos_wire::Proposal;
use serde::Serialize;

/// What a step does: `edit docs/a.md`.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::CodeEdit { path } => format!("edit {path}"),
        Action::FileCreate { path } => format!("create {path}"),
        Action::FileMove { path, to } => format!("move {path} to {to}"),
        Action::FileDelete { path } => format!("delete {path}"),
        Action::Shell => "run a command".to_owned(),
        Action::ToolCall => "call a tool".to_owned(),
        Action::PdfBuild => "build a PDF".to_owned(),
        Action::Noop => "do nothing".to_owned(),
    }
}

/// A held step as a person would say it: `1 edit to docs/a.md (protected: knowledge)`.
pub(super) fn held(proposal: &Proposal) -> String {
    let to = proposal.to.as_deref();
    words_of(&proposal.action, &proposal.path, to, &proposal.scope, &proposal.risk)
}

/// The same of a proposal as its event has it.
pub(super) fn held_in_event(proposal: &kairos_core::gate::proposal::Proposal) -> String {
    let change = &proposal.change;
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

/// Why a step failed, with the code word.
pub(super) fn failure(failure: StepFailure) -> String {
    match failure {
        StepFailure::File(refusal) => coded(&file(refusal), &refusal),
        StepFailure::Performer(performer) => coded(failed(performer), &performer),
        StepFailure::NotAllowed => coded("the mandate does not allow the action", &failure),
        StepFailure::Unsupported => coded("this version cannot do it", &failure),
        StepFailure::ControlPlane => coded("the target belongs to the daemon itself", &failure),
        StepFailure::Stale => coded("the target kept changing", &failure),
        StepFailure::Rejected => coded("a person rejected it", &failure),
        StepFailure::Expired => coded("nobody decided in time", &failure),
        StepFailure::Unknown => coded("nobody could say whether it happened", &failure),
        StepFailure::TooManyWaiting => coded("as many proposals wait as may", &failure),
        StepFailure::Repeated => coded("the same change waits for a person already", &failure),
    }
}

fn file(refusal: FileRefusal) -> String {
    match refusal {
        FileRefusal::OldTextNotUnique { count } => format!("the old text occurs {count} times"),
        FileRefusal::Escapes => "the path leads out of the workspace".to_owned(),
        FileRefusal::Symlink => "a link stands in the path".to_owned(),
        FileRefusal::NotRegular => "it is not a regular file".to_owned(),
        FileRefusal::HardLinked => "the file has more than one name".to_owned(),
        FileRefusal::Protected => "it lies in a directory of the daemon".to_owned(),
        FileRefusal::TooLarge => "the file is over 8 MiB".to_owned(),
        FileRefusal::Missing => "there is no such file".to_owned(),
        FileRefusal::Exists => "the new name is taken".to_owned(),
        FileRefusal::OpenForWriting => "somebody holds it open for writing".to_owned(),
        FileRefusal::OtherMount => "it lies on another file system".to_owned(),
        FileRefusal::OldTextMissing => "the old text does not occur".to_owned(),
        FileRefusal::NoChange => "the edit changes nothing".to_owned(),
        FileRefusal::NoExchange => "this file system cannot exchange two names".to_owned(),
        FileRefusal::NotPermitted => "the daemon may not read or write there".to_owned(),
        FileRefusal::NoSpace => "the disk is full".to_owned(),
    }
}

const fn failed(failure: Failure) -> &'static str {
    match failure {
        Failure::Panicked => "the performer panicked",
        Failure::Disk => "the disk answered with an error",
        Failure::Blob => "a stored text is missing or damaged",
        Failure::Busy => "more work is open than may be",
        Failure::Oversize => "what it brought does not fit into a record",
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
    };
    coded(words, &doubt)
}

/// Why a mandate ended as it did.
pub(super) fn ended(reason: EndReason) -> String {
    let words = match reason {
        EndReason::Poison => "it aborted the daemon twice",
        EndReason::Blocked => "the model was blocked, and nobody answered in time",
        EndReason::CyclesFailed => "two cycles in a row failed",
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

/// Words with the code word of a value in brackets.
fn coded(words: &str, value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(code)) => format!("{words} [{code}]"),
        Ok(serde_json::Value::Object(tagged)) => match tagged.keys().next() {
            Some(code) => format!("{words} [{code}]"),
            None => words.to_owned(),
        },
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_read_as_words_with_their_code_behind_them() {
        let shown = [
            failure(StepFailure::NotAllowed),
            failure(StepFailure::File(FileRefusal::OldTextNotUnique { count: 3 })),
            failure(StepFailure::Performer(Failure::Disk)),
            doubt(Doubt::Neither),
            ended(EndReason::CyclesFailed),
        ];
        let expected = [
            "the mandate does not allow the action [not_allowed]",
            "the old text occurs 3 times [old_text_not_unique]",
            "the disk answered with an error [disk]",
            "neither the old nor the new content lies there [neither]",
            "two cycles in a row failed [cycles_failed]",
        ];
        assert_eq!(shown, expected);
    }
}
