//! How a step ended.

use serde::{Deserialize, Serialize};

use crate::effect::{Failure, FileRefusal};
use crate::shell::{CommandRefusal, Ended, Spoilt};

/// A finished step's end. Only [`StepEnd::Succeeded`] is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    Succeeded,
    Failed(StepFailure),
    /// A failure elsewhere in the plan cancelled it.
    Skipped,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepFailure {
    /// The mandate does not allow the action.
    NotAllowed,
    /// This version cannot do it.
    Unsupported,
    /// The target belongs to the daemon itself.
    ControlPlane,
    /// The file was refused before anything happened.
    File(FileRefusal),
    /// The performer failed.
    Performer(Failure),
    /// The target kept changing while it was prepared.
    Stale,
    /// A person rejected it.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// A person could not say whether it happened.
    Unknown,
    /// As many proposals wait as may.
    TooManyWaiting,
    /// The same change waits for a person already.
    Repeated,
    /// Its command was not executed.
    Command(CommandRefusal),
    /// Its command was executed and did not end with 0.
    Ended(Ended),
    /// What its command changed cannot be taken over.
    Spoilt(Spoilt),
}

impl StepFailure {
    /// Whether the gate or the containment of the workspace said no, rather than a try going wrong.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::NotAllowed
            | Self::ControlPlane
            | Self::TooManyWaiting
            | Self::Repeated
            | Self::Command(
                CommandRefusal::Name
                | CommandRefusal::Arguments
                | CommandRefusal::Directory
                | CommandRefusal::Secret,
            )
            | Self::File(
                FileRefusal::Escapes
                | FileRefusal::Symlink
                | FileRefusal::HardLinked
                | FileRefusal::Protected
                | FileRefusal::OtherMount,
            ) => true,
            Self::Unsupported
            | Self::File(_)
            | Self::Performer(_)
            | Self::Stale
            | Self::Rejected
            | Self::Expired
            | Self::Unknown
            | Self::Command(CommandRefusal::Sandbox)
            | Self::Ended(_)
            | Self::Spoilt(_) => false,
        }
    }
}
