//! What a model is told, as an ordered list of capped fragments.
//!
//! Owns which stored texts go into a request, in which order, from whom, and how much of each.
//! Never renders prose: the performer does, and stores the request it sent as a blob.

use crate::cycle::phase::Phase;
use crate::cycle::standing::Plan;
use crate::digest::BlobRef;
use crate::gate::scope::Scope;
use crate::mandate::standing::Mandate;
use crate::path::RelPath;
use crate::plan::{ActionKind, StepEnd, StepName};

/// Bytes of one request's texts, all fragments together.
pub const BRIEF_BYTES_MAX: u64 = 256 * 1024;

/// Everything a call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    pub phase: Phase,
    pub cycle: u8,
    pub fragments: Vec<Fragment>,
    /// What became of the steps so far, for reflect.
    pub results: Vec<StepResult>,
    /// Files that were named and are not among the fragments: not read, or no room for them.
    pub files_left_out: u32,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    pub name: StepName,
    pub action: ActionKind,
    pub path: Option<RelPath>,
    /// `None` when it never began.
    pub end: Option<StepEnd>,
}

/// One capped piece of stored text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub part: Part,
    pub from: From,
    pub text: BlobRef,
    /// Bytes of it shown at most; the performer says where it cut.
    pub bytes_max: u64,
}

/// What a fragment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Goal,
    Hints,
    /// What was delivered to the webhook that made the mandate.
    Delivery,
    File(RelPath),
    /// Orient's answer of this cycle.
    Orientation,
    /// Decide's answer of this cycle.
    Decision,
    /// Which checks failed after the last claim.
    FailedChecks,
    /// Reflect's answer of the last cycle.
    Lessons,
    /// What a command of this cycle told.
    Told(StepName),
    /// What a command of the last cycle told.
    ToldBefore,
    /// The answer that could not be read, before a repair.
    Rejected,
    /// Why it could not be read.
    Problem,
}

/// Who wrote a fragment; what is not ours is framed as material, never as instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Operator,
    Workspace,
    Model,
    Daemon,
    /// Somebody elsewhere: a signature vouches for who sent it, not for what it says.
    Outside,
}

/// Bytes of our own words in a request at most: instructions, headings, results of steps.
pub const OWN_BYTES_MAX: u64 = 16 * 1024;

/// Bytes shown of one file, and of one answer of a model.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
const TOLD_BYTES_MAX: u64 = 64 * 1024;
/// Of each command of the last cycle: the files of this one must find room.
const TOLD_BEFORE_BYTES_MAX: u64 = 16 * 1024;
const GOAL_BYTES_MAX: u64 = 32 * 1024;
const DELIVERY_BYTES_MAX: u64 = 64 * 1024;

impl Brief {
    /// Bytes the request's texts have at most, our own words among them: what a call reserves, as
    /// a byte is never less than a token.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        let shown = |f: &Fragment| f.text.bytes.min(f.bytes_max);
        self.fragments.iter().map(shown).sum::<u64>().saturating_add(OWN_BYTES_MAX)
    }
}

/// The brief for `phase` as the mandate stands.
#[must_use]
pub fn of(mandate: &Mandate, phase: Phase) -> Brief {
    let mut brief =
        Builder { fragments: Vec::new(), room: BRIEF_BYTES_MAX - OWN_BYTES_MAX, files_left_out: 0 };
    let spec = &mandate.spec;
    brief.push(Part::Goal, From::Operator, Some(spec.goal), GOAL_BYTES_MAX);
    brief.push(Part::Hints, From::Operator, spec.hints, GOAL_BYTES_MAX);
    brief.push(Part::Delivery, From::Outside, mandate.origin.body(), DELIVERY_BYTES_MAX);
    let past = &mandate.past;
    brief.push(Part::FailedChecks, From::Workspace, past.failed_checks, ANSWER_BYTES_MAX);
    brief.push(Part::Lessons, From::Model, past.lessons, ANSWER_BYTES_MAX);
    let Some(cycle) = &mandate.cycle else { return brief.done(phase, 0, Vec::new()) };
    brief.push(Part::Orientation, From::Model, cycle.orientation, ANSWER_BYTES_MAX);
    if phase == Phase::Reflect {
        let decision = cycle.decision.as_ref().map(|decided| decided.text);
        brief.push(Part::Decision, From::Model, decision, ANSWER_BYTES_MAX);
    }
    // What a command prints may be what any file of the workspace holds.
    let may_hear = spec.upload.contains(&Scope::L2);
    if !may_hear {
        // Only that it ended, which the results of the steps tell.
    } else if phase == Phase::Reflect {
        let plan = cycle.plan.iter();
        for (plan, told) in plan.flat_map(|plan| plan.told.iter().map(move |told| (plan, told))) {
            let Some(step) = plan.steps.get(usize::from(told.step)) else { continue };
            let part = Part::Told(step.name.clone());
            brief.push(part, From::Workspace, Some(told.text), TOLD_BYTES_MAX);
        }
    } else {
        for told in past.told {
            brief.push(Part::ToldBefore, From::Workspace, told, TOLD_BEFORE_BYTES_MAX);
        }
    }
    if let Some(invalid) = cycle.call.invalid {
        brief.push(Part::Rejected, From::Model, Some(invalid.text), ANSWER_BYTES_MAX);
        brief.push(Part::Problem, From::Daemon, Some(invalid.problem), ANSWER_BYTES_MAX);
    }
    if phase != Phase::Reflect {
        brief.files_left_out = cycle.left_out;
        for seen in cycle.seen.iter().flat_map(|seen| seen.iter()) {
            let part = Part::File(seen.path.clone());
            let room = brief.room > 0;
            brief.files_left_out = brief.files_left_out.saturating_add(u32::from(!room));
            brief.push(part, From::Workspace, Some(seen.content), FILE_BYTES_MAX);
        }
    }
    let results = cycle.plan.as_ref().map(Plan::results).unwrap_or_default();
    brief.done(phase, cycle.number, results)
}

/// Collects fragments while there is room.
struct Builder {
    fragments: Vec<Fragment>,
    room: u64,
    files_left_out: u32,
}

impl Builder {
    /// Adds `text`, cut to `bytes_max` and to the room left; nothing when there is none.
    fn push(&mut self, part: Part, from: From, text: Option<BlobRef>, bytes_max: u64) {
        let bytes_max = bytes_max.min(self.room);
        if let Some(text) = text.filter(|_| bytes_max > 0) {
            self.room -= text.bytes.min(bytes_max);
            self.fragments.push(Fragment { part, from, text, bytes_max });
        }
    }

    fn done(self, phase: Phase, cycle: u8, results: Vec<StepResult>) -> Brief {
        let Self { fragments, files_left_out, .. } = self;
        Brief { phase, cycle, fragments, results, files_left_out }
    }
}
