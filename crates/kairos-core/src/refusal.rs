//! Why an input is refused.
//!
//! Owns every reason the rules can have to say no to a person, with the words and the hint shown.
//! Never refuses an outcome: what happened is recorded whatever it is.

use crate::digest::Digest;
use crate::erasure::{ERASURES_MAX, Need};
use crate::gate::proposal::Closed;
use crate::id::{EffectId, MandateId, ProposalId};
use crate::kind::{Kind, Refused};
use crate::schedule::definition::ScheduleName;

/// A refusal. Nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no open mandate `{mandate}`")]
    NoSuchMandate { mandate: MandateId },
    #[error("no proposal `{proposal}` waits")]
    NoSuchProposal { proposal: ProposalId },
    #[error("proposal `{proposal}` is {} already", closed.word())]
    AlreadyDecided { proposal: ProposalId, closed: Closed },
    #[error("proposal `{proposal}` has hash `{actual:?}`, not `{given:?}`")]
    OtherHash { proposal: ProposalId, given: Digest, actual: Digest },
    #[error("no unsettled effect `{effect}`")]
    NoSuchEffect { effect: EffectId },
    #[error("effect `{effect}` is under way; it settles by itself")]
    NotUnsettled { effect: EffectId },
    #[error("no schedule `{schedule}`")]
    NoSuchSchedule { schedule: ScheduleName },
    #[error("the rule of schedule `{schedule}` was changed meanwhile")]
    OtherRule { schedule: ScheduleName },
    #[error("an earlier mandate of schedule `{schedule}` is not finished")]
    Overlap { schedule: ScheduleName },
    #[error("no model is configured, and this mandate needs one")]
    NoModel,
    #[error("model `{model}` has no price, and a cap in USD holds")]
    Unpriced { model: String },
    #[error("the idempotency key was used for another request")]
    KeyReused { mandate: MandateId },
    #[error("the configuration was not loaded")]
    NotConfigured,
    #[error("the text `{blob}` is needed by {need}")]
    StillNeeded { blob: Digest, need: Need },
    #[error("{ERASURES_MAX} erasures are under way already")]
    TooManyErasures,
    #[error("the text `{blob}` is being erased")]
    BeingErased { blob: Digest },
    #[error("the wall clock is not held")]
    ClockBelieved,
}

impl Refusal {
    /// What kind of refusal it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Refused(match self {
            Self::NoSuchMandate { .. }
            | Self::NoSuchProposal { .. }
            | Self::NoSuchEffect { .. }
            | Self::NoSuchSchedule { .. } => Refused::Unknown,
            Self::AlreadyDecided { .. }
            | Self::NotUnsettled { .. }
            | Self::Overlap { .. }
            | Self::KeyReused { .. }
            | Self::ClockBelieved
            | Self::StillNeeded { .. } => Refused::Conflict,
            Self::OtherHash { .. } | Self::OtherRule { .. } => Refused::Stale,
            Self::NoModel | Self::Unpriced { .. } => Refused::NoModel,
            Self::NotConfigured | Self::TooManyErasures | Self::BeingErased { .. } => {
                Refused::ForNow
            }
        })
    }

    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchMandate { .. } => "no_such_mandate",
            Self::NoSuchProposal { .. } => "no_such_proposal",
            Self::AlreadyDecided { .. } => "already_decided",
            Self::OtherHash { .. } => "stale_hash",
            Self::NoSuchEffect { .. } => "no_such_effect",
            Self::NotUnsettled { .. } => "not_unsettled",
            Self::NoSuchSchedule { .. } => "no_such_schedule",
            Self::OtherRule { .. } => "other_rule",
            Self::Overlap { .. } => "overlap",
            Self::NoModel => "no_model",
            Self::Unpriced { .. } => "unpriced_model",
            Self::KeyReused { .. } => "key_reused",
            Self::NotConfigured => "not_configured",
            Self::StillNeeded { .. } => "still_needed",
            Self::TooManyErasures => "too_many_erasures",
            Self::BeingErased { .. } => "being_erased",
            Self::ClockBelieved => "clock_not_held",
        }
    }

    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchMandate { .. } => Some("kairos mandate list".into()),
            Self::NoSuchProposal { .. } => Some("kairos proposal list".into()),
            Self::NoSuchEffect { .. } | Self::NotUnsettled { .. } => {
                Some("kairos effect list".into())
            }
            Self::NoSuchSchedule { .. } | Self::OtherRule { .. } => {
                Some("kairos schedule list".into())
            }
            Self::AlreadyDecided { proposal, .. } | Self::OtherHash { proposal, .. } => {
                Some(format!("kairos proposal show {proposal}"))
            }
            Self::KeyReused { mandate } => Some(format!("kairos mandate show {mandate}")),
            Self::NoModel => {
                Some("add `model: {provider: …, name: …}` to .kairos/config/daemon.yml".into())
            }
            Self::Unpriced { .. } => Some(
                "add `prices: {input: USD, output: USD}` (per million tokens) under `model:` in \
                 .kairos/config/daemon.yml"
                    .into(),
            ),
            Self::Overlap { .. } => Some("kairos mandate list".into()),
            Self::StillNeeded { need: Need::Mandate(mandate), .. } => {
                Some(format!("wait for its end, or `kairos mandate stop {mandate}`"))
            }
            Self::StillNeeded { need: Need::Schedule(_), .. } => {
                Some("change the schedule in .kairos/config/schedules.yml and reload".into())
            }
            Self::BeingErased { .. } => {
                Some("ask again in a moment: once it is gone, it is stored anew".into())
            }
            Self::ClockBelieved => Some("kairos status".into()),
            Self::NotConfigured | Self::TooManyErasures => None,
        }
    }
}
