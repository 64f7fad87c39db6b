//! What steps and failures are called when a person reads them.
//!
//! Owns the words, and beside each the code word that programs read. Never chooses what is shown.

use kairos_core::cycle::retry::CallFailure;
use kairos_core::effect::{Failure, FileRefusal};
use kairos_core::plan::{Action, StepFailure};
use kairos_core::shell::{CommandRefusal, Spoilt};
use serde::Serialize;

/// What a step does: `edit docs/a.md`.
#[must_use]
pub fn action(action: &Action) -> String {
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

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub words: String,
    /// Stable word for programs.
    pub code: String,
}

impl Why {
    fn new(words: impl Into<String>, value: &impl Serialize) -> Self {
        Self { words: words.into(), code: code(value) }
    }
}

impl std::fmt::Display for Why {
    /// Words with the code word in brackets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.words, self.code)
    }
}

/// The word a value has in the journal, without what it carries.
#[must_use]
pub fn code(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(code)) => code,
        Ok(serde_json::Value::Object(tagged)) => tagged.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Why a call brought no answer; `said` is what came instead.
#[must_use]
pub fn call(failure: CallFailure, said: Option<&str>) -> Why {
    let what = match failure {
        CallFailure::Status { code, .. } => format!("{} ({code})", status(code)),
        CallFailure::Transport => "no connection".to_owned(),
        CallFailure::Cut => "the answer broke off".to_owned(),
        CallFailure::Timeout => "no whole answer in time".to_owned(),
        CallFailure::Unreadable => "the answer is not of the provider's form".to_owned(),
        CallFailure::NotSent => "not sent: a stored text is missing or damaged".to_owned(),
        CallFailure::NoRoom => "not sent: the disk is full".to_owned(),
    };
    match said.map(str::trim).filter(|said| !said.is_empty()) {
        Some(said) => Why::new(format!("{what}: {said}"), &failure),
        None => Why::new(what, &failure),
    }
}

const fn status(code: u16) -> &'static str {
    match code {
        400 => "the provider refused the request",
        401 | 403 => "the provider refused the key",
        404 => "not found",
        413 => "the request is too large",
        429 => "too many requests",
        529 => "the provider is overloaded",
        500..=599 => "the provider is in trouble",
        _ => "the provider did not answer",
    }
}

/// Why an answer could not be used; `problem` is what is wrong with it.
#[must_use]
pub fn invalid(problem: Option<&str>) -> Why {
    let what = "the answer is not of the form asked for";
    let words = match problem {
        Some(problem) => format!("{what}: {problem}"),
        None => what.to_owned(),
    };
    Why { words, code: "invalid".to_owned() }
}

/// Why a performer failed.
#[must_use]
pub fn performer(failure: Failure) -> Why {
    Why::new(failed(failure), &failure)
}

/// Why a step failed.
#[must_use]
pub fn step(failure: StepFailure) -> Why {
    match failure {
        StepFailure::File(refusal) => Why::new(file(refusal), &refusal),
        StepFailure::Performer(performer) => self::performer(performer),
        StepFailure::NotAllowed => Why::new("the mandate does not allow the action", &failure),
        StepFailure::Unsupported => Why::new("this version cannot do it", &failure),
        StepFailure::ControlPlane => Why::new("the target belongs to the daemon itself", &failure),
        StepFailure::Stale => Why::new("the target kept changing", &failure),
        StepFailure::Rejected => Why::new("you rejected it", &failure),
        StepFailure::Expired => Why::new("nobody decided in time", &failure),
        StepFailure::Unknown => Why::new("nobody could say whether it happened", &failure),
        StepFailure::TooManyWaiting => Why::new("as many proposals wait as may", &failure),
        StepFailure::Command(refusal) => Why::new(command(refusal), &refusal),
        StepFailure::Ended(ended) => Why::new(format!("the command {}", ended.words()), &ended),
        StepFailure::Spoilt(spoilt) => Why::new(self::spoilt(spoilt), &spoilt),
        StepFailure::Repeated => Why::new("the same change waits for a person already", &failure),
    }
}

fn file(refusal: FileRefusal) -> String {
    match refusal {
        FileRefusal::OldTextNotUnique { count } => {
            format!("the text to replace is there {count} times")
        }
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
        FileRefusal::OldTextMissing => "the text to replace is not there".to_owned(),
        FileRefusal::NoChange => "the edit changes nothing".to_owned(),
        FileRefusal::NoExchange => "this file system cannot exchange two names".to_owned(),
        FileRefusal::NotPermitted => "the daemon may not read or write there".to_owned(),
        FileRefusal::NoSpace => "the disk is full".to_owned(),
    }
}

/// The command in what a person reads of one.
#[must_use]
pub fn command_of(shown: &str) -> &str {
    let first = shown.lines().next().unwrap_or_default();
    first.strip_prefix("asked: ").unwrap_or(first)
}

const fn command(refusal: CommandRefusal) -> &'static str {
    match refusal {
        CommandRefusal::Name => "no such program may be named",
        CommandRefusal::Arguments => "its rule does not take these arguments",
        CommandRefusal::Directory => "it cannot stand there",
        CommandRefusal::Secret => "it holds a known secret",
        CommandRefusal::Sandbox => {
            "a wall that it needs cannot be put up here; see `kairos doctor`"
        }
    }
}

const fn spoilt(spoilt: Spoilt) -> &'static str {
    match spoilt {
        Spoilt::Conflict => "somebody else changed a file meanwhile; nothing of it was taken over",
        Spoilt::TooMany => "it changed more than may be taken over; nothing of it was",
        Spoilt::OtherKind => {
            "a file took a directory's or a link's place, or they a file's; nothing was taken over"
        }
        Spoilt::Unreadable => "what it changed cannot all be read; nothing of it was taken over",
    }
}

const fn failed(failure: Failure) -> &'static str {
    match failure {
        Failure::Panicked => "the performer panicked",
        Failure::Disk => "the disk answered with an error",
        Failure::NoSpace => "the disk is full",
        Failure::Blob => "a stored text is missing or damaged",
        Failure::Busy => "more work is open than may be",
        Failure::Oversize => "what it brought does not fit into a record",
    }
}
