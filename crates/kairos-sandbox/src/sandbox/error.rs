//! Why a command did not run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::kind::Kind;
use crate::message::Step;

/// A command that was not executed, and why.
#[derive(Debug, Error)]
// tidy: word, because it is what `Sandbox::run` fails with
pub enum RunError {
    /// The small program is not one that may be trusted.
    #[error("`{path}` {why}")]
    Program { path: PathBuf, why: &'static str },
    #[error("workspace `{path}` belongs to root, and a command never runs as root")]
    RootOwned { path: PathBuf },
    #[error("a command cannot run as uid {uid}, gid {gid} here")]
    Account { uid: u32, gid: u32 },
    #[error("directory `{path}` {why}")]
    Directory { path: PathBuf, why: &'static str },
    #[error("argument {at} {why}")]
    Argument { at: usize, why: &'static str },
    #[error("{given} bytes of input, and {max} are allowed")]
    Input { given: usize, max: usize },
    /// Written directly, it would be changed outside of the workspace too.
    #[error("`{path}` has another name outside of what may be written")]
    HardLink { path: PathBuf },
    /// What may have other names outside is not known.
    #[error("`{path}` {why}, so that nothing is written to it directly")]
    Unsearched { path: PathBuf, why: &'static str },
    #[error("arguments and environment are more than a program can be given")]
    Large,
    /// Walls that stand by name only.
    #[error("the sandbox does not hold here: {holes}")]
    Unproven { holes: String },
    #[error("a directory cannot be a stream of a command")]
    Stream,
    /// A step failed before the command. `step.layer()` says which wall is missing.
    #[error("the sandbox could not be put up: step `{}`{}: {what}", .step.name(), wall(*.step))]
    Setup {
        step: Step,
        what: String,
        #[source]
        source: io::Error,
    },
    /// The small program ended before the command and said nothing.
    #[error("the sandbox ended before the command without saying why")]
    Vanished,
    /// Putting up the walls took longer than the command was allowed to take.
    #[error("the sandbox was not up in time")]
    Slow,
    /// The tree was killed and does not end: a process is stuck in the kernel.
    #[error("the command was killed and does not end")]
    Stuck,
    #[error("no process could be started")]
    Spawn {
        #[source]
        source: io::Error,
    },
}

/// The layer that a step puts up, in words.
fn wall(step: Step) -> String {
    step.layer().map_or_else(String::new, |layer| format!(" of layer `{layer}`"))
}

impl RunError {
    /// What a person could do, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::RootOwned { .. } => "give it to the user whose work it is, with `chown`",
            Self::Setup { step: Step::View, source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "whoever owns the workspace has to reach it by its path: nothing of another's home"
            }
            Self::Large => "give the rest as input",
            Self::HardLink { .. } => "take one of the names away, or let the writes go to a layer",
            Self::Unsearched { .. } => "let the writes go to a layer",
            Self::Program { .. }
            | Self::Account { .. }
            | Self::Directory { .. }
            | Self::Argument { .. }
            | Self::Input { .. }
            | Self::Unproven { .. }
            | Self::Stream
            | Self::Setup { .. }
            | Self::Vanished
            | Self::Slow
            | Self::Stuck
            | Self::Spawn { .. } => return None,
        };
        Some(hint.to_owned())
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Directory { .. }
            | Self::Argument { .. }
            | Self::Input { .. }
            | Self::Stream
            | Self::Unsearched { .. }
            | Self::Large => Kind::Refused,
            Self::RootOwned { .. } | Self::Account { .. } | Self::HardLink { .. } => Kind::Denied,
            Self::Setup { step: Step::Start | Step::Exec, .. } => Kind::Refused,
            Self::Setup { step: Step::Plan, .. } => Kind::Bug,
            Self::Program { .. }
            | Self::Setup { .. }
            | Self::Unproven { .. }
            | Self::Vanished
            | Self::Slow
            | Self::Stuck
            | Self::Spawn { .. } => Kind::Unavailable,
        }
    }
}
