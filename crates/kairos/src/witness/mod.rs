//! Witnesses: places outside the workspace that hold a journal's checkpoints.
//!
//! Owns what a witness is, and the way of one checkpoint to one of them: at most once for each
//! head, three attempts, then a failure that somebody hears of. Never signs and never decides when;
//! [`crate::checkpoints`] does, on threads of its own.

pub(crate) mod file;
mod git;
mod http;
mod published;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kairos_journal::checkpoint::Signed;

pub(crate) use published::Published;

/// How often one checkpoint is offered to one witness.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// How long lies between the attempts.
const PAUSES: [Duration; ATTEMPTS_MAX - 1] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Witnesses of one journal.
pub(crate) const WITNESSES_MAX: usize = 16;

/// A place that holds checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// The newest one, in a file; relative to the root.
    File { path: PathBuf },
    /// All of them, as files on a branch.
    Git { remote: String, branch: String },
    /// Each is posted.
    Http { url: reqwest::Url },
}

impl fmt::Display for Witness {
    /// As it may be shown and logged: of a URL without what may be secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "file {}", path.display()),
            Self::Git { remote, branch } => write!(f, "git {remote} {branch}"),
            Self::Http { url } => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "http {}://{host}{port}{}", url.scheme(), url.path())
            }
        }
    }
}

/// Why a witness did not take a checkpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("`{}` cannot be written: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("`git {verb}`: {said}")]
    Git { verb: &'static str, said: String },
    #[error("`git` cannot be run: {0}")]
    NoGit(std::io::Error),
    #[error("`git {verb}` took longer than {} s", git::TIME_MAX.as_secs())]
    GitTime { verb: &'static str },
    #[error(
        "it holds another `{path}`: this journal, or its key, has signed two histories of one length"
    )]
    Another { path: String },
    #[error("it answered {status}")]
    Status { status: u16 },
    #[error("it cannot be reached: {said}")]
    Unreachable { said: String },
}

/// What became of one checkpoint at one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has had this one already.
    Known,
    Taken,
    /// After all attempts: what it said to the last.
    Failed {
        attempts: usize,
        said: String,
    },
}

/// Offers `signed` to `witness`, unless it is known to have it. `pause` waits between attempts and
/// answers whether to go on.
pub(crate) fn publish(
    witness: &Witness,
    root: &Path,
    signed: &Signed,
    published: &Published,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Outcome {
    if published.has(witness, &signed.checkpoint) {
        return Outcome::Known;
    }
    for attempt in 1.. {
        let refused = match attempt_once(witness, root, signed) {
            Ok(()) => {
                // Forgotten, it would be offered once more, and a witness takes the same twice.
                published.took(witness, &signed.checkpoint).ok();
                return Outcome::Taken;
            }
            Err(refused) => refused,
        };
        // What it holds does not change with time.
        let last = matches!(refused, Refused::Another { .. });
        let pause_time = PAUSES.get(attempt - 1).filter(|_| !last);
        if !pause_time.is_some_and(|time| pause(*time)) {
            return Outcome::Failed { attempts: attempt, said: refused.to_string() };
        }
    }
    unreachable!("the pauses end")
}

fn attempt_once(witness: &Witness, root: &Path, signed: &Signed) -> Result<(), Refused> {
    let note = signed.note.to_string();
    match witness {
        Witness::File { path } => file::write(&root.join(path), &note),
        Witness::Git { remote, branch } => {
            let place = root.join(".kairos/run");
            git::push(&place, remote, branch, &signed.checkpoint, &note)
        }
        Witness::Http { url } => http::post(url, note),
    }
}

#[cfg(test)]
mod tests;
