//! Why a daemon, or a `once`, did not start.
//!
//! Owns every way a start can fail, and which exit code each has. Never says what goes wrong later.

use std::error::Error;

use kairos_core::kind::Kind;
use kairos_engine::lock::LockError;
use kairos_engine::{NotConfigured, StartError};
use kairos_journal::{Damage, OpenError};

use crate::config::problem::Problems;
use crate::output::{Exit, Failure, talk};

/// A start that failed. Nothing was dispatched.
#[derive(Debug)]
pub(crate) enum Startup {
    /// The configuration does not hold together.
    Config(Problems),
    /// A value of the configuration cannot be used.
    Value {
        key: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another daemon works here, or the lock cannot be made.
    Lock(LockError),
    Engine(StartError),
    /// Something else stands in the way.
    Cannot {
        doing: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Startup {
    pub(crate) fn cannot<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Cannot { doing, source: source.into() }
    }

    pub(crate) fn value<E: Into<Box<dyn Error + Send + Sync>>>(
        key: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Value { key, source: source.into() }
    }

    /// All of it in one line: for the log, and as the answer to a reload.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Config(problems) => problems.to_string(),
            Self::Value { key, source } => format!("`{key}`: {}", chain(&**source)),
            Self::Lock(error) => chain(error),
            Self::Engine(error) => chain(error),
            Self::Cannot { doing, source } => format!("cannot {doing}: {}", chain(&**source)),
        }
    }
}

/// What a person can do about a damaged journal; `None` where only another program can.
pub(crate) fn way_on(damage: &Damage) -> Option<String> {
    match damage {
        Damage::Unfounded { .. } => Some(
            "put `.kairos/journal/snapshots` back from a copy: without one nobody can say what the \
             deleted records came to"
                .to_owned(),
        ),
        Damage::Vanished { .. } => Some(
            "put `.kairos/journal` back from a copy, for nothing is left that could be repaired; to \
             begin another history, move `.kairos/journal`, `.kairos/checkpoints`, `.kairos/keys` \
             and `.kairos/run` away"
                .to_owned(),
        ),
        Damage::Stranger { name } => {
            Some(format!("move `.kairos/journal/{}` away", name.display()))
        }
        damage => damage.hint().map(str::to_owned),
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Startup> for Failure {
    fn from(startup: Startup) -> Self {
        match startup {
            Startup::Config(problems) => {
                let shown = problems.render(talk::talk_coloured());
                let message =
                    format!("the configuration does not hold together\n{}", shown.trim_end());
                Self::new(Exit::Config, "config", message).hint("kairos config check")
            }
            Startup::Value { .. } => {
                Self::new(Exit::Config, "config", startup.line()).hint("kairos config check")
            }
            Startup::Lock(LockError::Held { .. }) => {
                Self::new(Exit::No, "locked", startup.line()).hint("kairos status")
            }
            Startup::Engine(StartError::NotConfigured(NotConfigured::NoRoom)) => {
                Self::new(Exit::Unavailable, "no_space", startup.line())
            }
            Startup::Engine(StartError::NotConfigured(ref error)) => {
                let failure = Self::new(Exit::Config, "config", startup.line());
                error.hint().into_iter().fold(failure, Self::hint)
            }
            Startup::Engine(StartError::Restored { .. } | StartError::Copied) => {
                Self::new(Exit::Usage, "adopt", startup.line()).hint(
                    "move `.kairos/keys` away if any checkpoint was published, then `kairos \
                         daemon --adopt` goes on here, and fires no missed slot",
                )
            }
            Startup::Engine(StartError::Poisoned(_) | StartError::Thread(_)) => {
                Self::new(Exit::Usage, "startup", startup.line())
            }
            Startup::Engine(StartError::Journal(ref error)) if error.kind() == Kind::Corrupt => {
                let hint = match error {
                    OpenError::Damaged(damage) => way_on(damage),
                    _ => None,
                };
                let hint = hint.unwrap_or_else(|| "kairos journal verify".to_owned());
                Self::new(Kind::Corrupt.into(), "corrupt", startup.line()).status(500).hint(hint)
            }
            Startup::Engine(StartError::Journal(_)) => {
                Self::new(Exit::Usage, "startup", startup.line()).hint("kairos journal verify")
            }
            Startup::Lock(_) | Startup::Cannot { .. } => {
                Self::new(Exit::Usage, "startup", startup.line())
            }
        }
    }
}
