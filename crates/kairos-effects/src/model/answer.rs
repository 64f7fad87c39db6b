//! The door for what a model says.
//!
//! Owns the reading of an answer: from text to core's [`Answer`], or to a sentence that says what is
//! wrong with it, precise enough that the model can repair it. Never trusts a field further than its
//! type, and never hands text to write any further than its length: `prepare` comes back here with
//! the stored answer for the texts of one step.

use kairos_core::canonical::Tree;
use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::gate::risk::Risk;
use kairos_core::plan::{Graph, GraphError, StepName};

use super::draft::{Draft, single};
use super::extract::{ExtractError, object};
use super::fields::{FieldError, Fields};

pub use super::draft::{StepProblem, StepTexts};

/// The most bytes the steps of a plan take in the event that carries them: an eighth of the largest
/// frame, which has to hold what follows from the answer too.
pub const PLAN_BYTES_MAX: usize = 128 * 1024;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Extract(#[from] ExtractError),
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("step `{step}`: {problem}")]
    Step { step: String, problem: StepProblem },
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("`status` is `blocked`, but there are steps")]
    BlockedWithSteps,
    #[error(
        "the plan takes {bytes} bytes without the texts to write, more than {PLAN_BYTES_MAX}; \
         plan fewer steps, the rest in the next cycle"
    )]
    TooLarge { bytes: usize },
    #[error("phase `{phase}` asks no model")]
    NotAsked { phase: Phase },
    #[error("the plan has no step `{step}`")]
    NoSuchStep { step: StepName },
}

/// Reads the answer to `phase`.
///
/// # Errors
/// The first thing wrong, in words for the model.
pub fn read(phase: Phase, text: &str) -> Result<Answer, Problem> {
    let tree = object(text)?;
    let fields = Fields::of(&tree)?;
    match phase {
        Phase::Orient => orient(&fields),
        Phase::Decide => {
            let (status, drafts) = decide(&fields)?;
            Ok(Answer::Decide(accept(status, &drafts)?))
        }
        Phase::Reflect => reflect(&fields),
        Phase::Observe | Phase::Act => Err(Problem::NotAsked { phase }),
    }
}

/// The texts of one step of a decide answer that was accepted before.
///
/// # Errors
/// As [`read`]; and when there is no such step.
pub fn step_texts(text: &str, step: &StepName) -> Result<StepTexts, Problem> {
    let tree = object(text)?;
    let (_, drafts) = decide(&Fields::of(&tree)?)?;
    let mut drafts = drafts.into_iter();
    let found = drafts.find(|draft| draft.name == *step);
    found.map(|draft| draft.texts).ok_or_else(|| Problem::NoSuchStep { step: step.clone() })
}

fn orient(fields: &Fields<'_>) -> Result<Answer, Problem> {
    fields.text("summary")?;
    fields.texts("priorities")?;
    let levels = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
    Ok(Answer::Orient { risk: fields.word("risk_level", &levels)? })
}

fn reflect(fields: &Fields<'_>) -> Result<Answer, Problem> {
    let words = [
        ("success", Assessment::Success),
        ("partial", Assessment::Partial),
        ("failure", Assessment::Failure),
        ("unknown", Assessment::Unknown),
    ];
    let assessment = fields.word("assessment", &words)?;
    fields.texts("lessons")?;
    fields.share("confidence")?;
    Ok(Answer::Reflect { assessment })
}

fn decide(fields: &Fields<'_>) -> Result<(Status, Vec<Draft>), Problem> {
    // The predecessor's form has one action and neither steps nor a status.
    if fields.has("action") && !fields.has("steps") {
        return single(fields);
    }
    let words =
        [("continue", Status::Continue), ("done", Status::Done), ("blocked", Status::Blocked)];
    let status = fields.word("status", &words)?;
    fields.text("reason")?;
    let steps = fields.list("steps")?.unwrap_or_default();
    if steps.len() > kairos_core::plan::graph::STEPS_MAX {
        return Err(GraphError::TooManySteps { count: steps.len() }.into());
    }
    if status == Status::Blocked && !steps.is_empty() {
        return Err(Problem::BlockedWithSteps);
    }
    let drafts = steps.iter().enumerate().map(|(place, step)| Draft::read(place, step));
    Ok((status, drafts.collect::<Result<_, _>>()?))
}

fn accept(status: Status, drafts: &[Draft]) -> Result<Decide, Problem> {
    let steps: Vec<_> = drafts.iter().map(Draft::step).collect();
    let graph = Graph::new(steps.iter().map(kairos_core::plan::Step::node).collect())?;
    let bytes = serde_json::to_string(&steps).expect("a step is all texts and lists").len();
    if bytes > PLAN_BYTES_MAX {
        return Err(Problem::TooLarge { bytes });
    }
    // Where a step stands in the list says nothing once its dependencies are given; among steps that
    // wait for nothing the order stays, for it is the order they are taken in.
    let ordered: Vec<&Draft> = graph
        .topological_order()
        .into_iter()
        .filter_map(|name| drafts.iter().find(|draft| draft.name == *name))
        .collect();
    let normal = ordered.iter().map(|draft| draft.normal(&ordered));
    let fingerprint = Tree::List(normal.collect()).digest();
    Ok(Decide { status, steps, fingerprint })
}
