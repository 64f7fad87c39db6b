//! What reaches the rules from outside.
//!
//! Owns the closed list of inputs and the circumstances a decision is made in. Never comes from
//! the state: time, randomness and civil days are handed in here, so a decision can be repeated.

use crate::digest::{BlobRef, Digest};
use crate::effect::{Outcome, PersonSays};
use crate::erasure::ErasureEnd;
use crate::event::{Key, Limit, Loaded, Renamed};
use crate::fold::Seq;
use crate::gate::proposal::Decision;
use crate::id::{EffectId, MandateId, ProposalId, Seed};
use crate::mandate::spec::MandateSpec;
use crate::principal::Principal;
use crate::rules::Rules;
use crate::schedule::Slot;
use crate::schedule::contents::Contents;
use crate::schedule::definition::ScheduleName;
use crate::schedule::missed::Accounted;
use crate::schedule::zone::ZoneClock;
use crate::space::Shortage;
use crate::time::Time;

/// The circumstances of one decision.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub time: Time,
    /// Fresh random bytes: what ids derive from.
    pub seed: Seed,
    /// The civil day in the budget's zone, and when it ends.
    pub day: jiff::civil::Date,
    pub day_ends: Time,
    /// Whether new mandates and new effects may begin.
    pub pace: Pace,
}

/// Whether the daemon goes on or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Running,
    /// Short of room: begun mandates go on, and no other begins.
    Low(Shortage),
    /// Outcomes are recorded; nothing new begins.
    Draining,
}

/// One input.
#[derive(Clone, Debug)]
pub enum Input {
    /// The journal was opened.
    Started { version: String, pid: u32, machine: Option<Digest> },
    /// A torn tail was cut off when it was opened.
    Recovered { after: u64, bytes: u64, saved_as: String },
    /// What is damaged was given up before the journal was opened.
    Repaired { after: u64, bytes: u64, segments: u32, by: String },
    /// The journal was restored or copied, and goes on here.
    Adopted,
    /// Room ran short, or there is enough again.
    Space { low: Option<Shortage> },
    /// The wall clock was set too far to go on with.
    ClockStepped { by_ms: i64 },
    /// It has stood long enough.
    ClockSettled,
    /// Every segment before frame `first` is to be deleted.
    Delete { first: Seq, segments: u32, bytes: u64, over: Limit },
    /// The configuration was read: all of it, or none.
    Configured {
        rules: Box<Rules>,
        set: Vec<Loaded>,
        gone: Vec<ScheduleName>,
        renamed: Vec<Renamed>,
    },
    /// A person asks.
    Command { by: Principal, verb: Verb },
    /// A performer settled an effect.
    Settled { effect: EffectId, outcome: Outcome },
    /// An effect will never settle by itself: its performer or its daemon is gone.
    Lost { effect: EffectId },
    /// Something in the state is due, as [`State::due_after`](crate::state::State::due_after) says.
    Due(Alarm),
    /// Slots of a schedule are due; the calendar accounted for them.
    Slots {
        schedule: ScheduleName,
        revision: u32,
        accounted: Accounted,
        next: Option<Time>,
        /// How the zone's clock stands at the new cursor.
        zone_clock: Option<ZoneClock>,
        /// What its condition's files hold, where it has such a condition.
        files: Option<Contents>,
    },
    /// What the files that a schedule watches hold, settled.
    Changed { schedule: ScheduleName, revision: u32, files: Contents },
    /// The turn is over: what waits may start. `only` narrows it to one mandate.
    Admit { only: Option<MandateId> },
    /// A mandate that was running when the daemon ended goes on.
    Continue { mandate: MandateId },
    /// A mandate aborted the engine twice.
    Quarantine { mandate: MandateId },
    /// The engine is done with a text that was to go.
    Erased { blob: Digest, end: ErasureEnd },
}

/// What a person may ask.
#[derive(Clone, Debug)]
pub enum Verb {
    Create {
        spec: Box<MandateSpec>,
        key: Option<Key>,
    },
    Stop {
        mandate: MandateId,
    },
    Decide {
        proposal: ProposalId,
        decision: Decision,
        hash: Option<Digest>,
        note: Option<BlobRef>,
    },
    Judge {
        effect: EffectId,
        answer: PersonSays,
        note: Option<BlobRef>,
    },
    Fire {
        schedule: ScheduleName,
        slot: Option<Named>,
        key: Option<Key>,
    },
    /// A delivery to a schedule's webhook, whose signature holds; `body` unless it is empty.
    Deliver {
        schedule: ScheduleName,
        key: Key,
        body: Option<BlobRef>,
    },
    Erase {
        blob: Digest,
        reason: BlobRef,
    },
    /// The wall clock is right as it is.
    ConfirmClock,
    Pause {
        schedule: ScheduleName,
    },
    Resume {
        schedule: ScheduleName,
    },
}

/// A slot that a person fires again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of the rule whose slot it is.
    pub revision: u32,
    pub slot: Slot,
}

/// Something that becomes due at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The budget's day ends.
    Day,
    /// A mandate's wait, time limit, or one of its proposals.
    Mandate(MandateId),
    /// A schedule's next slot.
    Schedule(ScheduleName),
    /// An idempotency key is forgotten.
    Key(Digest),
}
