//! What a command changed, through the gate and to the tree.
//!
//! Owns the order: what needs nobody first, then, one by one, what a person decides on. A file that
//! somebody else changed meanwhile ends the step; what stands by then stays.

use crate::effect::{Change, Intent};
use crate::gate::judge::Verdict;
use crate::mandate::standing::Standing;
use crate::plan::StepEnd;

use super::draft::Draft;
use super::step;

/// Whether the step has changes of a command that do not stand yet.
pub(super) fn is_under_way(draft: &Draft<'_>, step: u8) -> bool {
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    plan.is_some_and(|plan| plan.promotion(step).is_some())
}

/// Whether new changes may begin: by a mandate that runs and is not asked to end.
pub(super) fn may_go_on(draft: &Draft<'_>) -> bool {
    let mandate = &draft.mandate;
    draft.may_begin() && mandate.ending.is_none() && mandate.standing == Standing::Running
}

/// Begins the next change of the step's command, or ends the step when all of them stand.
pub(super) fn next(draft: &mut Draft<'_>, step: u8) {
    let plan = draft.mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
    let Some(promotion) = plan.and_then(|plan| plan.promotion(step)) else {
        return step::end(draft, step, StepEnd::Succeeded);
    };
    let permitted = |change: &&Change| step::gate(draft, step, change) == Verdict::Permit;
    let first = promotion.waiting().find(permitted).or_else(|| promotion.waiting().next());
    let Some(change) = first.cloned() else {
        return step::end(draft, step, StepEnd::Succeeded);
    };
    match step::gate(draft, step, &change) {
        Verdict::Permit => step::change_tree(draft, step, change, None),
        Verdict::Refuse(failure) => step::fail(draft, step, failure),
        // A person reads it first.
        Verdict::Hold { .. } => draft.begin(Intent::Diff { step, change }),
    }
}
