//! Whole cycles through the real journal, with performers that follow a script.

use kairos_core::event::Event;
use kairos_core::gate::proposal::Decision;
use kairos_core::id::ProposalId;
use kairos_core::input::Verb;
use kairos_core::mandate::outcome::{Outcome, ParkReason};
use kairos_core::principal::Principal;
use kairos_engine::{Control, Handle, Started, Subject, SubmitError};

use crate::world;

fn by() -> Principal {
    "user:ann(1000)".parse().expect("a principal")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn create(handle: &Handle) -> Subject {
    let goal = handle.put(b"do it").expect("stored");
    let spec = Box::new(world::spec(goal));
    let created = block(handle.submit(by(), Verb::Create { spec, key: None }));
    created.expect("accepted").subject.expect("a subject")
}

fn stop(started: Started) {
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| {
        let text = format!("{event:?}");
        text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
    };
    events.iter().map(name).collect()
}

#[test]
fn an_l2_edit_runs_to_achieved_without_anybody() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = world::start(dir.path(), |effect| world::well(effect, "docs/a.md"));
    create(&started.handle);
    let seen =
        world::until(&started.handle, |event| matches!(event, Event::MandateFinished { .. }));
    let expected = [
        "DaemonStarted",
        "DayBegan",
        "RulesLoaded",
        "MandateCreated",
        "MandateStarted",
        "CycleStarted",
        "PhaseEntered",
        "EffectBegun",
        "EffectSettled",
        "PhaseEntered",
        "BudgetReserved",
        "EffectBegun",
        "BudgetSettled",
        "EffectSettled",
        "PhaseEntered",
        "BudgetReserved",
        "EffectBegun",
        "BudgetSettled",
        "EffectSettled",
        "PlanAccepted",
        "PhaseEntered",
        "StepBegun",
        "EffectBegun",
        "EffectSettled",
        "EffectBegun",
        "EffectSettled",
        "EffectBegun",
        "EffectSettled",
        "StepFinished",
        "PhaseEntered",
        "BudgetReserved",
        "EffectBegun",
        "BudgetSettled",
        "EffectSettled",
        "MandateFinished",
    ];
    assert_eq!(names(&seen), expected);
    let Some(Event::MandateFinished { outcome, verified, .. }) = seen.last() else { panic!() };
    assert_eq!((*outcome, *verified), (Outcome::Achieved, None));
    let budget = started.handle.status().budget;
    assert_eq!((budget.used.calls, budget.used.tokens, budget.held.calls), (3, 45, 0));
    stop(started);
}

fn proposal_of(events: &[Event]) -> ProposalId {
    let opened = events.iter().find_map(|event| match event {
        Event::ProposalOpened { proposal, .. } => Some(*proposal),
        _ => None,
    });
    opened.expect("a proposal")
}

#[test]
fn an_l1_edit_waits_over_a_restart_and_is_executed_once_after_its_approval() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = |effect: &_| world::well(effect, ".kairos/knowledge/k.md");
    let started = world::start(dir.path(), script);
    create(&started.handle);
    let parked =
        |event: &Event| matches!(event, Event::MandateParked { reason: ParkReason::Approval, .. });
    let proposal = proposal_of(&world::until(&started.handle, parked));
    stop(started);

    let started = world::start(dir.path(), script);
    let decide = |decision| Verb::Decide { proposal, decision, hash: None, note: None };
    let approved = block(started.handle.submit(by(), decide(Decision::Approve)));
    assert_eq!(approved.expect("accepted").subject, Some(Subject::Proposal(proposal)));
    let seen =
        world::until(&started.handle, |event| matches!(event, Event::MandateFinished { .. }));
    let changes = seen.iter().filter(|event| format!("{event:?}").contains("Changed"));
    assert_eq!(changes.count(), 1);
    let again = block(started.handle.submit(by(), decide(Decision::Reject)));
    assert!(matches!(again, Err(SubmitError::Refused(_))), "{again:?}");
    stop(started);
}
