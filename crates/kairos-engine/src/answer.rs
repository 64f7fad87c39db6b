//! What whoever submits gets back.

use kairos_core::digest::Digest;
use kairos_core::fold::Seq;
use kairos_core::id::{CommandId, EffectId, MandateId, ProposalId};
use kairos_core::kind::{Kind, Refused};
use kairos_core::refusal::Refusal;
use kairos_core::space::Shortage;

/// A command that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The frame that records it, or the newest one when there was nothing to record.
    pub seq: Seq,
    pub subject: Option<Subject>,
    pub command: CommandId,
    /// Whether it brought a record; not where its key had been answered before.
    pub recorded: bool,
}

/// What a command was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Mandate(MandateId),
    Proposal(ProposalId),
    Effect(EffectId),
    Blob(Digest),
}

/// A command that was not taken. Nothing of it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("10,000 inputs wait already")]
    Full,
    #[error("the daemon is stopping")]
    Stopping,
    #[error("short of room: {0}")]
    NoSpace(Shortage),
    #[error("the text `{blob}` was erased after it was stored for this")]
    Erased { blob: Digest },
    #[error("the request does not fit into one journal frame")]
    TooLarge,
    #[error("the configuration was not reloaded: {0}")]
    NotReloaded(String),
}

impl SubmitError {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Full | Self::Stopping | Self::NoSpace(_) | Self::Erased { .. } => {
                Kind::Refused(Refused::ForNow)
            }
            Self::TooLarge | Self::NotReloaded(_) => Kind::Refused(Refused::BadInput),
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Full => "queue_full",
            Self::Stopping => "stopping",
            Self::NoSpace(_) => "no_space",
            Self::Erased { .. } => "erased_meanwhile",
            Self::TooLarge => "too_large",
            Self::NotReloaded(_) => "not_reloaded",
        }
    }

    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::NotReloaded(_) => Some("kairos config check".into()),
            Self::NoSpace(shortage) => Some(shortage.hint().into()),
            Self::Erased { .. } => Some("ask again: it is stored anew then".into()),
            Self::Full | Self::Stopping => Some("kairos status".into()),
            Self::TooLarge => None,
        }
    }
}
