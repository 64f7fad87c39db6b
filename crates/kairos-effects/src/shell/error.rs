//! Why a command is not executed.
//!
//! Owns one error for each step of the way: there is no sandbox, the command is refused, it does not
//! start. After none of them anything was executed.

use std::io;
use std::path::PathBuf;

use kairos_core::kind::{Kind, Refused};
use kairos_sandbox::catalog::{
    BinaryError, CheckError, CommandError, ListingError, PlaceError, ResolveError,
};
use kairos_sandbox::{Exit, RunError, Unenforceable};
use thiserror::Error;

/// Why no command can be executed here.
#[derive(Debug, Error)]
pub enum Unavailable {
    #[error("the workspace `{}` cannot be opened", .path.display())]
    Workspace {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no command can be confined here")]
    Sandbox(#[from] RunError),
}

/// Why an argv becomes no command.
#[derive(Debug, Error)]
pub enum NotResolved {
    #[error("no program is named")]
    Empty,
    #[error("{cwd:?} is no directory of the workspace")]
    Cwd { cwd: PathBuf },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("argument {at} holds a known secret")]
    Secret { at: usize },
    #[error("the workspace `{}` belongs to root, and a command never runs as root", .workspace.display())]
    RootOwned { workspace: PathBuf },
    #[error(transparent)]
    Program(#[from] ResolveError),
    /// A name that no catalogue has and that cannot have an entry either.
    #[error(transparent)]
    Name(#[from] CommandError),
    #[error(transparent)]
    Argv(#[from] CheckError),
    #[error("the repository's configuration cannot be read: {said}")]
    Question { exit: Exit, said: String },
    #[error("the repository's configuration cannot be read")]
    Unasked(#[source] NotExecuted),
    #[error(transparent)]
    Listing(#[from] ListingError),
    #[error("more than {max} {what}")]
    Crowded { max: usize, what: &'static str },
    #[error("the workspace cannot be looked at")]
    Look(#[source] io::Error),
    #[error("`{}`, where a build's directory is kept, cannot be used", .path.display())]
    Kept {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("it cannot be confined as its rule says")]
    Policy(#[from] Unenforceable),
}

/// Why a command that was resolved was not executed.
#[derive(Debug, Error)]
pub enum NotExecuted {
    #[error("it was stopped before it began")]
    Stopped,
    #[error(transparent)]
    Program(#[from] BinaryError),
    #[error(transparent)]
    Sandbox(#[from] RunError),
}

impl Unavailable {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Workspace { .. } => Kind::Unavailable,
            Self::Sandbox(error) => kind(error.kind()),
        }
    }
}

impl NotResolved {
    pub fn kind(&self) -> Kind {
        match self {
            Self::RootOwned { .. } => Kind::Denied,
            Self::Empty | Self::Cwd { .. } => Kind::Refused(Refused::BadInput),
            Self::Secret { .. } | Self::Question { .. } => Kind::Denied,
            Self::Crowded { .. } => Kind::Denied,
            Self::Place(error) => kind(error.kind()),
            Self::Program(error) => kind(error.kind()),
            Self::Name(error) => kind(error.kind()),
            Self::Argv(error) => kind(error.kind()),
            Self::Unasked(error) => error.kind(),
            Self::Listing(error) => kind(error.kind()),
            Self::Look(_) | Self::Kept { .. } | Self::Policy(_) => Kind::Unavailable,
        }
    }

    /// What an operator could do, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret { .. } => {
                Some("a command has no access to secrets; name them nowhere".to_owned())
            }
            Self::RootOwned { .. } => Some(
                "`commands_as: USER` in daemon.yml, or `kairos shell --as USER`; better, let the \
                 workspace belong to somebody else"
                    .to_owned(),
            ),
            Self::Program(error) => error.hint(),
            Self::Argv(error) => error.hint(),
            Self::Name(error) => Some(error.hint()),
            Self::Kept { path, .. } => {
                Some(format!("what is kept there can be made again: `rm -r {}`", path.display()))
            }
            Self::Empty
            | Self::Cwd { .. }
            | Self::Place(_)
            | Self::Question { .. }
            | Self::Unasked(_)
            | Self::Listing(_)
            | Self::Crowded { .. }
            | Self::Look(_)
            | Self::Policy(_) => None,
        }
    }
}

impl NotExecuted {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Stopped => Kind::Refused(Refused::ForNow),
            Self::Program(error) => kind(error.kind()),
            Self::Sandbox(error) => kind(error.kind()),
        }
    }
}

/// What is refused by a rule was not allowed to whoever asked.
fn kind(kind: kairos_sandbox::Kind) -> Kind {
    match kind {
        kairos_sandbox::Kind::Refused | kairos_sandbox::Kind::Denied => Kind::Denied,
        kairos_sandbox::Kind::Unavailable => Kind::Unavailable,
        kairos_sandbox::Kind::Bug => Kind::Bug,
    }
}
