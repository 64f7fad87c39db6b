//! Why a verb did not do what was asked, in words.
//!
//! Owns the one form in which errors reach a person (message, causes, hints) or a program
//! (RFC 9457 with `code`), always on stderr. Never decides what failed; each operation's own error
//! is turned into one of these where a verb meets it.

use std::error::Error;
use std::io::{self, Write};

use kairos_core::kind::{Kind, Refused};
use kairos_journal::ReadError;
use kairos_wire::client::ClientError;
use serde::{Deserialize, Serialize};

use super::{Exit, hint};

/// A verb's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable word for programs.
    code: String,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

/// A problem as RFC 9457 writes it, with `code`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    about: String,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        let (causes, hints) = (Vec::new(), Vec::new());
        Self { exit, code: code.to_owned(), message: message.into(), causes, hints }
    }

    /// What was asked cannot be asked like that.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// A failure of one of our own errors, with its causes.
    pub(crate) fn of(exit: Exit, code: &str, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, code, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    /// Whoever read our stdout went away: a quiet end.
    fn reader_left() -> Self {
        Self::new(Exit::Ok, "reader_left", "")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Writes it to stderr and answers how the process ends.
    pub(crate) fn tell(&self, json: bool) -> Exit {
        if self.message.is_empty() {
            return self.exit;
        }
        let mut err = io::stderr().lock();
        // Nobody is left to tell when stderr is gone.
        let _ = if json { self.write_json(&mut err) } else { self.write_text(&mut err) };
        self.exit
    }

    fn write_text(&self, err: &mut impl Write) -> io::Result<()> {
        writeln!(err, "error: {}", self.message)?;
        for cause in &self.causes {
            writeln!(err, "  because: {cause}")?;
        }
        for hint in &self.hints {
            writeln!(err, "hint: {hint}")?;
        }
        Ok(())
    }

    fn write_json(&self, err: &mut impl Write) -> io::Result<()> {
        let problem = Problem {
            about: "about:blank".to_owned(),
            title: self.message.clone(),
            status: status(self.exit),
            detail: Some(self.causes.join(": ")).filter(|text| !text.is_empty()),
            code: self.code.clone(),
            kind: None,
            hint: Some(self.hints.join("; ")).filter(|text| !text.is_empty()),
        };
        serde_json::to_writer(&mut *err, &problem)?;
        writeln!(err)
    }
}

/// The HTTP status that says the same.
const fn status(exit: Exit) -> u16 {
    match exit {
        Exit::Ok | Exit::Interrupted => 200,
        Exit::Usage => 400,
        Exit::Denied => 403,
        Exit::No | Exit::Config => 409,
        Exit::Bug => 500,
        Exit::Unavailable | Exit::ForNow => 503,
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoDaemon { .. } => {
                Self::of(Exit::Unavailable, "no_daemon", &error).hint(hint::START_DAEMON)
            }
            ClientError::Problem { status, body } => refused(status, &body),
            ClientError::Cut { .. } => {
                Self::of(Exit::Unavailable, "cut", &error).hint(hint::LOOK_BEFORE_REPEATING)
            }
            ClientError::Unreadable { .. } => {
                Self::of(Exit::Bug, "unreadable_answer", &error).hint(hint::SAME_VERSION)
            }
            ClientError::Request { .. } => Self::of(Exit::Usage, "bad_request", &error),
        }
    }
}

/// What the daemon said, in its own words where it said any.
fn refused(status: u16, body: &[u8]) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let kind = match (status, problem.kind.as_deref(), problem.code.as_str()) {
        (409, _, "no_model") => Kind::Refused(Refused::NoModel),
        (403, ..) => Kind::Denied,
        (404, ..) => Kind::Refused(Refused::Unknown),
        (409, ..) => Kind::Refused(Refused::Conflict),
        (412, ..) => Kind::Refused(Refused::Stale),
        (503, Some("unavailable"), _) | (503, _, "stopping") => Kind::Unavailable,
        (503, ..) => Kind::Refused(Refused::ForNow),
        (500, Some("corrupt"), _) => Kind::Corrupt,
        (400..=499, ..) => Kind::Refused(Refused::BadInput),
        _ => Kind::Bug,
    };
    let message = match (&problem.detail, problem.title.as_str()) {
        (Some(detail), _) if !detail.is_empty() => detail.clone(),
        (_, "") => format!("the daemon answered {status}"),
        (_, title) => title.to_owned(),
    };
    let code = if problem.code.is_empty() { "refused" } else { &problem.code };
    let failure = Failure::new(kind.into(), code, message);
    match problem.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let (exit, code) = match &error {
            ReadError::Damaged(_) | ReadError::Unreadable { .. } | ReadError::Time { .. } => {
                (Kind::Corrupt.into(), "journal_damaged")
            }
            ReadError::Pruned { .. } => (Exit::No, "journal_pruned"),
            ReadError::Io { .. } => (Exit::No, "journal_unreadable"),
        };
        Self::of(exit, code, &error)
    }
}

impl From<io::Error> for Failure {
    /// Errors of writing the answer out.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::reader_left();
        }
        let mut failure = Self::new(Exit::No, "output", "cannot write the answer");
        failure.causes.push(error.to_string());
        failure
    }
}
