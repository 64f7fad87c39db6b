//! Everything that can have happened.
//!
//! Owns the one closed list of events and their journal form (externally tagged, snake_case; the
//! names are format 1 and never change their meaning). Never carries text that a model, tool, file
//! or person wrote: that is a blob, and an event has its hash and length.

use serde::{Deserialize, Serialize};

use crate::budget::{Amounts, Price};
use crate::cycle::phase::Phase;
use crate::digest::{BlobRef, Digest};
use crate::effect::{Doubt, Intent, Outcome as EffectOutcome, PersonSays};
use crate::erasure::ErasureEnd;
use crate::fold::Seq;
use crate::gate::proposal::{Closed, Decision, Proposal};
use crate::id::{CommandId, EffectId, MandateId, ProposalId};
use crate::mandate::outcome::{EndReason, Outcome, ParkReason};
use crate::mandate::spec::MandateSpec;
use crate::plan::StepEnd;
use crate::principal::Principal;
use crate::rules::Rules;
use crate::schedule::contents::Contents;
use crate::schedule::definition::{Definition, ScheduleName};
use crate::schedule::pause::PausedBy;
use crate::schedule::slot::{SlotReason, SlotState};
use crate::schedule::zone::ZoneClock;
use crate::space::Shortage;
use crate::time::Time;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The daemon, or a `once`, opened the journal.
    DaemonStarted {
        version: String,
        pid: u32,
        /// Which machine that was, as a digest that says nothing else of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        machine: Option<Digest>,
    },
    /// A torn tail was cut off at start.
    Recovered {
        after: u64,
        bytes: u64,
        saved_as: String,
    },
    /// A person gave up everything after frame `after`; it was set aside before this start.
    Repaired {
        after: u64,
        bytes: u64,
        segments: u32,
        by: String,
    },
    /// A person said that this journal, restored or copied, goes on here.
    Adopted {},
    /// Room ran short: until there is enough no mandate is made or begun; begun ones go on.
    SpaceLow {
        shortage: Shortage,
    },
    /// There is room again.
    SpaceEnough {},
    /// The wall clock was set: until it is believed no slot is looked at, nothing expires and no day
    /// begins.
    ClockStepped {
        by_ms: i64,
    },
    /// It is believed again: it has stood long enough, or a person says so.
    ClockSettled {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Principal>,
    },
    /// Retention gave up every segment before frame `first`; they are deleted once this is durable.
    SegmentsDeleted {
        first: Seq,
        segments: u32,
        /// What their files took.
        bytes: u64,
        /// Why they had to go.
        over: Limit,
    },
    /// The configuration in force changed.
    RulesLoaded(Box<Rules>),
    /// Schedules appeared, changed (a new revision), went or have another name; the rest stay as they
    /// are. Those that went go first, and all that have another name have it at once.
    SchedulesLoaded {
        set: Vec<Loaded>,
        gone: Vec<ScheduleName>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        renamed: Vec<Renamed>,
    },
    /// The budget's day, and when it ends.
    DayBegan {
        day: jiff::civil::Date,
        ends: Time,
    },

    /// The fate of one slot.
    Slot {
        schedule: ScheduleName,
        revision: u32,
        /// What the slot is called in its zone; `None` of a trigger's, or when a person named none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        civil: Option<jiff::civil::DateTime>,
        #[serde(default, skip_serializing_if = "is_zero")]
        fold: u8,
        at: Time,
        state: SlotState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SlotReason>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mandate: Option<MandateId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Principal>,
        /// What the files that the schedule looks at hold, from here on as seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<Contents>,
    },
    /// The common fate of several slots in a row.
    Slots {
        schedule: ScheduleName,
        revision: u32,
        from: Time,
        to: Time,
        count: u64,
        state: SlotState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SlotReason>,
    },
    /// Every slot up to `cursor` is accounted for; the next is due at `next`.
    Accounted {
        schedule: ScheduleName,
        cursor: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Time>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone_clock: Option<ZoneClock>,
    },
    /// What the files that a schedule watches hold, where the journal had lost sight of it and nothing
    /// changed: what comes next is a slot again.
    FilesSeen {
        schedule: ScheduleName,
        files: Contents,
    },
    /// It fires nothing until it goes on; slots that come due meanwhile are skipped.
    SchedulePaused {
        schedule: ScheduleName,
        why: PausedBy,
    },
    ScheduleResumed {
        schedule: ScheduleName,
        by: Principal,
    },

    MandateCreated {
        mandate: MandateId,
        origin: Origin,
        spec: Box<MandateSpec>,
    },
    MandateStarted {
        mandate: MandateId,
    },
    /// It waits; `until` is when waiting ends by itself.
    MandateParked {
        mandate: MandateId,
        reason: ParkReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// What it waited for came; it queues for its scope again.
    MandateReady {
        mandate: MandateId,
    },
    MandateResumed {
        mandate: MandateId,
    },
    /// A person or a newer fire asked it to end; what is open ends first.
    StopAsked {
        mandate: MandateId,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<EndReason>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Principal>,
    },
    MandateFinished {
        mandate: MandateId,
        outcome: Outcome,
        /// Whether the mandate's checks held; `None` when it has none or none were looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verified: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<EndReason>,
    },

    CycleStarted {
        mandate: MandateId,
        cycle: u8,
    },
    PhaseEntered {
        mandate: MandateId,
        phase: Phase,
    },
    /// Decide's steps (in the settled answer) are the cycle's plan.
    PlanAccepted {
        mandate: MandateId,
        fingerprint: Digest,
        steps: u8,
    },
    StepBegun {
        mandate: MandateId,
        step: u8,
    },
    StepFinished {
        mandate: MandateId,
        step: u8,
        end: StepEnd,
    },
    CycleFinished {
        mandate: MandateId,
        failed: bool,
    },
    /// A call failed in a way that may pass; it is tried again at `until`.
    CallDelayed {
        mandate: MandateId,
        until: Time,
    },

    EffectBegun {
        mandate: MandateId,
        effect: EffectId,
        intent: Intent,
    },
    EffectSettled {
        mandate: MandateId,
        effect: EffectId,
        outcome: EffectOutcome,
    },
    /// Nobody can prove that it happened; a person settles it.
    EffectUnsettled {
        mandate: MandateId,
        effect: EffectId,
        doubt: Doubt,
        /// What a command told before its end was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<BlobRef>,
    },
    /// A person settled it.
    EffectJudged {
        mandate: MandateId,
        effect: EffectId,
        answer: PersonSays,
        by: Principal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<BlobRef>,
    },

    ProposalOpened {
        mandate: MandateId,
        proposal: ProposalId,
        expires: Time,
        what: Box<Proposal>,
    },
    Decided {
        mandate: MandateId,
        proposal: ProposalId,
        decision: Decision,
        hash: Digest,
        by: Principal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<BlobRef>,
    },
    ProposalClosed {
        mandate: MandateId,
        proposal: ProposalId,
        how: Closed,
    },

    /// Held before a call is sent; `price` is what its usage will be booked at.
    BudgetReserved {
        mandate: MandateId,
        effect: EffectId,
        amounts: Amounts,
        price: Price,
    },
    /// What the call cost in the end.
    BudgetSettled {
        mandate: MandateId,
        effect: EffectId,
        used: Amounts,
    },
    /// An idempotency key's 24 hours are over.
    KeyForgotten {
        key: Digest,
    },

    /// A person wants a stored text gone. Its hash stays wherever a record names it.
    BlobErased {
        blob: Digest,
        reason: BlobRef,
        by: Principal,
    },
    /// What became of that.
    ErasureSettled {
        blob: Digest,
        end: ErasureEnd,
    },
}

/// The limit of retention that the oldest segments were over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Everything in them was older than the days that are kept.
    Days,
    /// All segments took more than the bytes that are kept.
    Bytes,
}

/// A schedule as it now stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    pub definition: Definition,
    /// Counts up when cron, zone or DST rule change; slots of another revision are other slots.
    pub revision: u32,
    /// Slots up to here are accounted for.
    pub cursor: Time,
    /// When the next slot is let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// What an interval is counted from: when this revision was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Time>,
    /// The zone data it goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_data: Option<Digest>,
    /// How the zone's clock stands at the cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_clock: Option<ZoneClock>,
}

/// A schedule that is the same one under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    pub from: ScheduleName,
    pub to: ScheduleName,
}

/// What made a mandate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A slot of a schedule fired.
    Schedule {
        name: ScheduleName,
        /// What the schedule is over time, where its name does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ScheduleName>,
        /// The idempotency key of a person who fired it, or that of a delivery.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Key>,
        /// What was delivered; nobody vouches for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BlobRef>,
    },
    /// A person asked.
    Command {
        command: CommandId,
        by: Principal,
        /// The idempotency key's digest and the digest of what was asked with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Key>,
    },
}

/// An idempotency key: asked again with the same request, it answers with the same mandate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub key: Digest,
    pub request: Digest,
}

impl Origin {
    /// The schedule it comes from, by what that is over time.
    #[must_use]
    pub fn schedule(&self) -> Option<&ScheduleName> {
        match self {
            Self::Schedule { name, id, .. } => Some(id.as_ref().unwrap_or(name)),
            Self::Command { .. } => None,
        }
    }

    /// What was delivered to the webhook that made it.
    #[must_use]
    pub const fn body(&self) -> Option<BlobRef> {
        match self {
            Self::Schedule { body, .. } => *body,
            Self::Command { .. } => None,
        }
    }
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

impl Event {
    /// The mandate it speaks of.
    #[must_use]
    pub const fn mandate(&self) -> Option<MandateId> {
        match self {
            Self::MandateCreated { mandate, .. }
            | Self::MandateStarted { mandate }
            | Self::MandateParked { mandate, .. }
            | Self::MandateReady { mandate }
            | Self::MandateResumed { mandate }
            | Self::StopAsked { mandate, .. }
            | Self::MandateFinished { mandate, .. }
            | Self::CycleStarted { mandate, .. }
            | Self::PhaseEntered { mandate, .. }
            | Self::PlanAccepted { mandate, .. }
            | Self::StepBegun { mandate, .. }
            | Self::StepFinished { mandate, .. }
            | Self::CycleFinished { mandate, .. }
            | Self::CallDelayed { mandate, .. }
            | Self::EffectBegun { mandate, .. }
            | Self::EffectSettled { mandate, .. }
            | Self::EffectUnsettled { mandate, .. }
            | Self::EffectJudged { mandate, .. }
            | Self::ProposalOpened { mandate, .. }
            | Self::Decided { mandate, .. }
            | Self::ProposalClosed { mandate, .. }
            | Self::BudgetReserved { mandate, .. }
            | Self::BudgetSettled { mandate, .. } => Some(*mandate),
            Self::Slot { mandate, .. } => *mandate,
            Self::DaemonStarted { .. }
            | Self::Recovered { .. }
            | Self::Repaired { .. }
            | Self::Adopted {}
            | Self::SpaceLow { .. }
            | Self::SpaceEnough {}
            | Self::ClockStepped { .. }
            | Self::ClockSettled { .. }
            | Self::SegmentsDeleted { .. }
            | Self::RulesLoaded(_)
            | Self::SchedulesLoaded { .. }
            | Self::DayBegan { .. }
            | Self::Slots { .. }
            | Self::Accounted { .. }
            | Self::FilesSeen { .. }
            | Self::SchedulePaused { .. }
            | Self::ScheduleResumed { .. }
            | Self::KeyForgotten { .. }
            | Self::BlobErased { .. }
            | Self::ErasureSettled { .. } => None,
        }
    }
}
