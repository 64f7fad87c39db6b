//! Why a verb did not do what was asked, in words.
//!
//! Owns the one form in which errors reach a person (message, causes, hints) or a program
//! (RFC 9457 with `code`), always on stderr. Never decides what failed; each operation's own error
//! is turned into one of these where a verb meets it.

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use kairos_api::unix::principal;
use kairos_core::kind::Kind;
use kairos_journal::ReadError;
use kairos_wire::Problem;
use kairos_wire::client::ClientError;

use super::{Exit, hint};

/// A verb's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable word for programs.
    code: Box<str>,
    message: Box<str>,
    causes: Vec<String>,
    hints: Vec<String>,
    /// What a too short id could mean.
    candidates: Vec<String>,
    /// The daemon's own HTTP status, where it answered.
    status: Option<u16>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.into(),
            message: message.into().into(),
            causes: Vec::new(),
            hints: Vec::new(),
            candidates: Vec::new(),
            status: None,
        }
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

    /// What lies at `path` is somebody else's.
    pub(crate) fn denied(path: &Path) -> Self {
        // The path itself may be out of sight; whose the first visible directory is, it is.
        let seen = path.ancestors().find_map(|path| path.metadata().ok());
        let owner = seen.map(|about| format!("; it belongs to {}", principal(about.uid())));
        let owner = owner.unwrap_or_default();
        let message = format!("`{}` may not be opened{owner}", path.display());
        Self::new(Exit::Denied, "denied", message).hint(hint::OTHER_USER)
    }

    /// Whoever read our stdout went away: a quiet end.
    fn reader_left() -> Self {
        Self::new(Exit::Ok, "reader_left", "")
    }

    /// Whether it is the one that programs know by `code`.
    pub(crate) fn is(&self, code: &str) -> bool {
        &*self.code == code
    }

    /// The HTTP status a daemon would answer with.
    #[must_use]
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// What a too short id could mean.
    #[must_use]
    pub(crate) fn candidates(mut self, candidates: Vec<String>) -> Self {
        self.candidates = candidates;
        self
    }

    /// One more cause, told on a line of its own.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
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
        for candidate in &self.candidates {
            writeln!(err, "  could be: {candidate}")?;
        }
        for hint in &self.hints {
            writeln!(err, "hint: {hint}")?;
        }
        Ok(())
    }

    fn write_json(&self, err: &mut impl Write) -> io::Result<()> {
        let status = self.status.unwrap_or_else(|| status(self.exit));
        let words: Vec<&str> =
            std::iter::once(&*self.message).chain(self.causes.iter().map(String::as_str)).collect();
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: title(status).to_owned(),
            status,
            detail: words.join(": "),
            code: self.code.to_string(),
            exit: self.exit.code(),
            hint: (!self.hints.is_empty()).then(|| self.hints.join("; ")),
            candidates: self.candidates.clone(),
        };
        serde_json::to_writer(&mut *err, &problem)?;
        writeln!(err)
    }
}

/// The HTTP status that says the same.
const fn status(exit: Exit) -> u16 {
    match exit {
        Exit::Ok | Exit::Interrupted | Exit::Terminated => 200,
        Exit::Usage => 400,
        Exit::Denied => 403,
        Exit::No | Exit::Config => 409,
        Exit::Bug => 500,
        Exit::Unavailable | Exit::ForNow => 503,
    }
}

/// The phrase of a status (RFC 9110); what `about:blank` problems are titled (RFC 9457).
const fn title(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        410 => "Gone",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoDaemon { ref source, ref socket } => {
                if source.kind() == io::ErrorKind::PermissionDenied {
                    return Self::denied(socket);
                }
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

/// What the daemon said, in its own words and with its own exit code.
fn refused(status: u16, body: &[u8]) -> Failure {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let message = format!("the daemon answered {status}");
        return Failure::new(Exit::Bug, "unreadable_answer", message).hint(hint::SAME_VERSION);
    };
    let mut failure = Failure::new(Exit::known(problem.exit), &problem.code, problem.detail);
    failure.status = Some(problem.status);
    failure.candidates = problem.candidates;
    failure.hints.extend(problem.hint);
    failure
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Damaged(_) | ReadError::Unreadable { .. } | ReadError::Time { .. } => {
                Self::of(Kind::Corrupt.into(), "corrupt", &error).status(500)
            }
            ReadError::Pruned { .. } => {
                Self::of(Exit::No, "journal_pruned", &error).status(410).hint(hint::RETENTION)
            }
            ReadError::Changing { .. } => {
                Self::of(error.kind().into(), "journal_changing", &error).hint(hint::CHANGING)
            }
            ReadError::Stopped | ReadError::Io { .. } => {
                Self::of(Exit::No, "journal_unreadable", &error)
            }
        }
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
