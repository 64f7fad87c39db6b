//! Inputs in, events out: what a decision yields where it is easy to get wrong.

use kairos_core::budget::{Amounts, Caps, Price, Usage};
use kairos_core::cycle::answer::{Answer, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Doubt, Effect, Failure, FileFact, Outcome, PersonSays, Place,
    Reconciled, Reply, WritersKnown,
};
use kairos_core::event::{Event, Limit};
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::proposal::{Closed, Decision};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::{Raise, Scope};
use kairos_core::id::{MandateId, ProposalId, Seed};
use kairos_core::input::{Alarm, Input, Now, Pace, Verb};
use kairos_core::mandate::outcome::{Outcome as End, ParkReason};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::plan::{Action, FailurePolicy, Step, StepEnd, StepFailure};
use kairos_core::resume::{Resume, resume};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::state::State;
use kairos_core::time::Time;

#[test]
fn nothing_is_too_old_by_a_clock_that_is_held() {
    let mut world = World::new(Price { input: 0, output: 0, cache_read: 0, cache_write: 0 });
    let delete = |first, over| Input::Delete { first: Seq(first), segments: 1, bytes: 4096, over };
    let deleted =
        |first, over| Event::SegmentsDeleted { first: Seq(first), segments: 1, bytes: 4096, over };
    world.input(&Input::ClockStepped { by_ms: 34_560_000_000 });
    assert_eq!(world.input(&delete(3, Limit::Days)), []);
    assert_eq!(world.input(&delete(3, Limit::Bytes)), [deleted(3, Limit::Bytes)]);
    world.input(&Input::ClockSettled);
    assert_eq!(world.input(&delete(5, Limit::Days)), [deleted(5, Limit::Days)]);
}

struct World {
    state: State,
    seq: Seq,
    effects: Vec<Effect>,
    pace: Pace,
    spec: MandateSpec,
    /// How far the clock is ahead of its start, in milliseconds.
    later_ms: u64,
}

impl World {
    fn new(price: Price) -> Self {
        let mut world = Self {
            state: State::empty(),
            seq: Seq(0),
            effects: Vec::new(),
            pace: Pace::Running,
            spec: spec(),
            later_ms: 0,
        };
        let rules = Box::new(rules(price));
        world.input(&Input::Configured {
            rules,
            set: Vec::new(),
            gone: Vec::new(),
            renamed: Vec::new(),
        });
        world
    }

    fn input(&mut self, input: &Input) -> Vec<Event> {
        let time = Time::from_ms(1_800_000_000_000 + i64::try_from(self.seq.0).expect("few"));
        let time = time.plus_ms(self.later_ms);
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.0.to_be_bytes());
        let day = jiff::civil::date(2027, 1, 15);
        let day_ends = time.plus_ms(3_600_000);
        let now = Now { time, seed: Seed(seed), day, day_ends, pace: self.pace };
        let events = decide(&self.state, input, &now).expect("not refused");
        self.seq = self.seq.next();
        for event in &events {
            self.state.apply(At { seq: self.seq, time }, event, &mut self.effects);
        }
        events
    }

    fn command(&mut self, verb: Verb) -> Vec<Event> {
        let by = "user:ann(1000)".parse().expect("a principal");
        self.input(&Input::Command { by, verb })
    }

    fn create(&mut self) -> MandateId {
        let spec = Box::new(self.spec.clone());
        let events = self.command(Verb::Create { spec, key: None });
        self.input(&Input::Admit { only: None });
        events.first().and_then(Event::mandate).expect("a mandate")
    }

    fn settle(&mut self, outcome: Outcome) -> Vec<Event> {
        let effect = self.effects.pop().expect("an effect is open").id();
        self.input(&Input::Settled { effect, outcome })
    }

    /// Answers until an effect of another kind than observing and asking is open.
    fn answer_until_the_step(&mut self) {
        while let Some(effect) = self.effects.last() {
            let outcome = match effect.call() {
                Call::Observe { .. } => Outcome::Observed { files: Vec::new(), left_out: 0 },
                Call::Ask { brief, .. } => answered(match brief.phase {
                    Phase::Decide => plan(),
                    _ => Answer::Orient { risk: Risk::Low },
                }),
                _ => return,
            };
            self.settle(outcome);
        }
    }
}

fn answered(answer: Answer) -> Outcome {
    let text = BlobRef::of(b"{}");
    let usage = Some(Usage { input: 10, output: 5, cache_read: 0, cache_write: 0 });
    Outcome::Asked(Attempt {
        request: None,
        usage,
        said: None,
        reply: Reply::Answered { answer, text },
    })
}

fn plan() -> Answer {
    let step = Step {
        name: "s1".parse().expect("a name"),
        action: Action::CodeEdit { path: "a.md".parse().expect("a path") },
        depends_on: Vec::new(),
        policy: FailurePolicy::Halt,
    };
    let (status, fingerprint) = (Status::Done, Digest::of(b"plan"));
    Answer::Decide(Decide { status, steps: vec![step], fingerprint })
}

fn rules(price: Price) -> Rules {
    Rules {
        max_running: 4,
        day: Caps { calls: None, tokens: None, usd_micros: None },
        mandate_usd_micros_max: 1_000_000,
        proposal_ttl_ms: 1_000,
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules {
            name: "m".into(),
            output_tokens_max: 100,
            prices: vec![NamedPrice { name: String::new(), price }],
        }),
    }
}

fn spec() -> MandateSpec {
    MandateSpec {
        goal: BlobRef::of(b"do it"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 3,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    }
}

/// Takes a world to where an edit of `a.md` is under way.
fn changing(world: &mut World) {
    world.answer_until_the_step();
    let place = Place { path: "a.md".parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
    let change = Change::Edit { at: place, pre, post: BlobRef::of(b"new") };
    world.settle(Outcome::Prepared { change, diff: BlobRef::of(b"diff") });
    let under_way = world.effects.last().map(Effect::call);
    assert!(matches!(under_way, Some(Call::Change { .. })), "{under_way:?}");
}

#[test]
fn a_time_limit_takes_no_question_from_a_person() {
    let mut world = World::new(Price::default());
    world.spec.timeout_ms = Some(60_000);
    let mandate = world.create();
    changing(&mut world);
    let effect = world.effects.last().expect("the change").id();
    world.settle(Outcome::Unsettled(Doubt::Disk));
    assert_eq!(world.state.due_of(mandate), None);
    world.later_ms = 120_000;
    assert_eq!(world.input(&Input::Due(Alarm::Mandate(mandate))), []);
    world.command(Verb::Judge { effect, answer: PersonSays::DidNot, note: None });
    assert!(world.state.due_of(mandate).is_some(), "the limit holds again");
    let events = world.input(&Input::Due(Alarm::Mandate(mandate)));
    let expired =
        Event::MandateFinished { mandate, outcome: End::Expired, verified: None, reason: None };
    assert_eq!(events.last(), Some(&expired));
}

#[test]
fn a_change_that_found_its_target_changed_is_known_before_a_drain_ends() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    changing(&mut world);
    world.pace = Pace::Draining;
    let effect = world.effects.last().expect("the change").id();
    let events = world.settle(Outcome::Stale);
    assert_eq!(events, [Event::EffectSettled { mandate, effect, outcome: Outcome::Stale }]);
    assert_eq!(resume(&world.state), [Resume::Continue { mandate }]);
    world.pace = Pace::Running;
    world.input(&Input::Continue { mandate });
    let under_way = world.effects.last().map(Effect::call);
    assert!(matches!(under_way, Some(Call::Prepare { .. })), "{under_way:?}");
}

#[test]
fn a_stop_while_a_step_is_prepared_changes_nothing() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    world.answer_until_the_step();
    world.command(Verb::Stop { mandate });
    let place = Place { path: "a.md".parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
    let change = Change::Edit { at: place, pre, post: BlobRef::of(b"new") };
    let outcome = Outcome::Prepared { change, diff: BlobRef::of(b"diff") };
    let effect = world.effects.iter().find(|e| matches!(e.call(), Call::Prepare { .. }));
    let effect = effect.expect("the step is prepared").id();
    let events = world.input(&Input::Settled { effect, outcome: outcome.clone() });
    let stopped =
        Event::MandateFinished { mandate, outcome: End::Stopped, verified: None, reason: None };
    assert_eq!(events, [Event::EffectSettled { mandate, effect, outcome }, stopped]);
}

#[test]
fn a_mandate_at_its_own_cap_waits_for_no_day() {
    let dear = 1_000_000_000;
    let price = Price { input: dear, output: dear, cache_read: dear, cache_write: dear };
    let mut world = World::new(price);
    let mandate = world.create();
    let events = world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    let parked = Event::MandateParked { mandate, reason: ParkReason::Budget, until: None };
    assert_eq!(events.last(), Some(&parked));
    assert_eq!(world.state.due_of(mandate), None);
}

fn proposal(events: &[Event]) -> ProposalId {
    let opened = events.iter().find_map(|event| match event {
        Event::ProposalOpened { proposal, .. } => Some(*proposal),
        _ => None,
    });
    opened.expect("held")
}

fn approve(world: &mut World, proposal: ProposalId) {
    let decision = Decision::Approve;
    world.command(Verb::Decide { proposal, decision, hash: None, note: None });
    world.input(&Input::Admit { only: None });
}

/// Takes a world to where an edit of `path` is prepared.
fn prepared(world: &mut World, path: &str) -> Vec<Event> {
    world.answer_until_the_step();
    let place = Place { path: path.parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
    let change = Change::Edit { at: place, pre, post: BlobRef::of(b"new") };
    world.settle(Outcome::Prepared { change, diff: BlobRef::of(b"diff") })
}

#[test]
fn a_comparison_that_never_ends_asks_a_person_about_an_open_effect() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    changing(&mut world);
    let mut effect = world.effects.last().expect("the change").id();
    let mut events = world.settle(Outcome::Lost);
    while let Some(next) = world.effects.last() {
        effect = next.id();
        events = world.settle(Outcome::Failed(Failure::Disk));
    }
    let unsettled = Event::EffectUnsettled { mandate, effect, doubt: Doubt::Disk, told: None };
    let parked = Event::MandateParked { mandate, reason: ParkReason::Unsettled, until: None };
    assert_eq!(events, [unsettled, parked]);
    let events = world.command(Verb::Judge { effect, answer: PersonSays::Unknown, note: None });
    assert!(matches!(events[..], [Event::EffectJudged { .. }, ..]), "{events:?}");
}

#[test]
fn a_change_whose_bytes_are_gone_fails_its_step_and_asks_nobody() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    changing(&mut world);
    let events = world.settle(Outcome::Failed(Failure::Blob));
    let end = StepEnd::Failed(StepFailure::Performer(Failure::Blob));
    assert_eq!(events[1], Event::StepFinished { mandate, step: 0, end });
}

#[test]
fn what_did_not_happen_is_prepared_and_decided_anew() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    let first = proposal(&prepared(&mut world, ".kairos/knowledge/a.md"));
    approve(&mut world, first);
    let effect = world.effects.last().expect("the change").id();
    world.settle(Outcome::Unsettled(Doubt::ChangedMeanwhile));
    let events = world.command(Verb::Judge { effect, answer: PersonSays::DidNot, note: None });
    let closed = Event::ProposalClosed { mandate, proposal: first, how: Closed::Stale };
    assert_eq!(events[1], closed);
    world.input(&Input::Admit { only: None });
    let second = proposal(&prepared(&mut world, ".kairos/knowledge/a.md"));
    assert_ne!(first, second);
}

#[test]
fn what_happened_closes_its_proposal_and_is_cleared_up_after() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    let held = proposal(&prepared(&mut world, ".kairos/knowledge/a.md"));
    approve(&mut world, held);
    let effect = world.effects.last().expect("the change").id();
    world.settle(Outcome::Unsettled(Doubt::Disk));
    let events = world.command(Verb::Judge { effect, answer: PersonSays::Happened, note: None });
    let closed = Event::ProposalClosed { mandate, proposal: held, how: Closed::Approved };
    assert_eq!(events[1], closed);
    world.input(&Input::Admit { only: None });
    let under_way = world.effects.last().map(Effect::call);
    assert!(matches!(under_way, Some(Call::Clear { .. })), "{under_way:?}");
    let events = world.settle(Outcome::Cleared);
    let end = StepEnd::Succeeded;
    assert_eq!(events[1], Event::StepFinished { mandate, step: 0, end });
}

/// Rules that make `a.md` a secret, loaded while its edit is allowed and not done.
fn secret(world: &mut World) {
    let mut rules = rules(Price::default());
    rules.secrets = vec!["a.md".parse().expect("a path")];
    let rules = Box::new(rules);
    world.input(&Input::Configured {
        rules,
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
}

#[test]
fn the_gate_is_asked_again_before_a_change_is_tried_again() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    changing(&mut world);
    world.settle(Outcome::Lost);
    secret(&mut world);
    let events = world.settle(Outcome::Reconciled(Reconciled::Retry));
    let end = StepEnd::Failed(StepFailure::ControlPlane);
    assert_eq!(events[1], Event::StepFinished { mandate, step: 0, end });
}

#[test]
fn a_path_that_is_protected_meanwhile_is_held_before_a_change_is_tried_again() {
    let mut world = World::new(Price::default());
    world.create();
    changing(&mut world);
    world.settle(Outcome::Lost);
    let mut raised = rules(Price::default());
    raised.scopes = vec![Raise { pattern: "a.md".into(), scope: Scope::L0 }];
    let rules = Box::new(raised);
    world.input(&Input::Configured {
        rules,
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
    world.settle(Outcome::Reconciled(Reconciled::Retry));
    proposal(&prepared(&mut world, "a.md"));
}

#[test]
fn an_approval_lasts_only_while_the_path_may_be_changed_at_all() {
    let mut world = World::new(Price::default());
    world.spec.risk_budget = Risk::Low;
    let mandate = world.create();
    let mut raised = rules(Price::default());
    raised.scopes = vec![Raise { pattern: "a.md".into(), scope: Scope::L1 }];
    let rules = Box::new(raised);
    world.input(&Input::Configured {
        rules,
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
    let held = proposal(&prepared(&mut world, "a.md"));
    secret(&mut world);
    let decision = Decision::Approve;
    world.command(Verb::Decide { proposal: held, decision, hash: None, note: None });
    let events = world.input(&Input::Admit { only: None });
    let end = StepEnd::Failed(StepFailure::ControlPlane);
    assert_eq!(events[1], Event::StepFinished { mandate, step: 0, end });
}

#[test]
fn a_call_is_booked_at_the_price_it_was_reserved_at() {
    let price = Price { input: 3_000_000, output: 15_000_000, cache_read: 0, cache_write: 0 };
    let mut world = World::new(price);
    let mandate = world.create();
    world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    let mut without = rules(Price::default());
    without.model = None;
    let rules = Box::new(without);
    world.input(&Input::Configured {
        rules,
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
    let effect = world.effects.last().expect("a call").id();
    let events = world.settle(answered(Answer::Orient { risk: Risk::Low }));
    let used = Amounts { calls: 1, tokens: 15, usd_micros: 105 };
    assert_eq!(events[0], Event::BudgetSettled { mandate, effect, used });
}

#[test]
fn a_request_that_could_not_be_made_costs_a_call_and_fails_it() {
    let price = Price { input: 3_000_000, output: 15_000_000, cache_read: 0, cache_write: 0 };
    let mut world = World::new(price);
    let mandate = world.create();
    world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    let effect = world.effects.last().expect("a call").id();
    let reply = Reply::Failed(CallFailure::NotSent);
    let events = world.settle(Outcome::Asked(Attempt {
        request: None,
        usage: Some(Usage::default()),
        said: None,
        reply,
    }));
    let used = Amounts { calls: 1, ..Amounts::default() };
    assert_eq!(events[0], Event::BudgetSettled { mandate, effect, used });
    assert!(events.contains(&Event::CycleFinished { mandate, failed: true }), "{events:?}");
}

#[test]
fn a_call_lost_with_its_daemon_is_asked_again_at_once_and_then_ever_later() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    let mut waits = Vec::new();
    for _ in 0..12 {
        let events = world.settle(Outcome::Lost);
        let until = world.state.due_of(mandate);
        let delayed = events.iter().any(|event| matches!(event, Event::CallDelayed { .. }));
        assert!(delayed, "{events:?}");
        let wait = until.map_or(0, |until| {
            let now = Time::from_ms(1_800_000_000_000).plus_ms(world.later_ms);
            until.ms_since(now)
        });
        waits.push(wait);
        if until.is_some() {
            world.later_ms += wait;
            world.input(&Input::Due(Alarm::Mandate(mandate)));
        }
        let under_way = world.effects.last().map(Effect::call);
        assert!(matches!(under_way, Some(Call::Ask { .. })), "{under_way:?}");
    }
    assert_eq!(waits[..2], [0, 0]);
    assert!(waits[2] >= 1_600 && waits[5] > 2 * waits[3] && waits[11] >= 720_000, "{waits:?}");
}

#[test]
fn an_answer_no_frame_can_hold_costs_its_cycle_and_nobody_else() {
    let mut world = World::new(Price::default());
    let mandate = world.create();
    world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    let events = world.settle(Outcome::Failed(Failure::Oversize));
    assert!(events.contains(&Event::CycleFinished { mandate, failed: true }), "{events:?}");
}

#[test]
fn raised_caps_wake_each_waiting_mandate_in_a_frame_of_its_own() {
    let dear = 1_000_000_000;
    let price = Price { input: dear, output: dear, cache_read: dear, cache_write: dear };
    let mut world = World::new(price);
    let waiting = [(); 2].map(|()| {
        let mandate = world.create();
        world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
        mandate
    });
    let rules = Box::new(rules(Price::default()));
    let events = world.input(&Input::Configured {
        rules,
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
    assert!(matches!(events[..], [Event::RulesLoaded(_)]), "{events:?}");
    for mandate in waiting {
        let events = world.input(&Input::Due(Alarm::Mandate(mandate)));
        assert_eq!(events, [Event::MandateReady { mandate }]);
    }
}

#[test]
fn what_lies_beside_a_target_is_cleared_again_when_that_failed() {
    let mut world = World::new(Price::default());
    world.create();
    changing(&mut world);
    world.settle(Outcome::Changed { writers: WritersKnown::None });
    let mut failed = 0;
    loop {
        let events = world.settle(Outcome::Failed(Failure::Disk));
        failed += 1;
        if let Some(end) = events.iter().find_map(|event| match event {
            Event::StepFinished { end, .. } => Some(*end),
            _ => None,
        }) {
            break assert_eq!(end, StepEnd::Succeeded);
        }
        let under_way = world.effects.last().map(Effect::call);
        assert!(matches!(under_way, Some(Call::Clear { .. })), "{under_way:?}");
    }
    assert!((2..8).contains(&failed), "{failed}");
}

#[test]
fn what_lies_beside_a_target_is_left_to_the_next_start_by_a_drain() {
    let mut world = World::new(Price::default());
    world.create();
    changing(&mut world);
    world.settle(Outcome::Changed { writers: WritersKnown::None });
    world.pace = Pace::Draining;
    assert_eq!(world.settle(Outcome::Failed(Failure::Disk)), []);
    world.pace = Pace::Running;
    let left = resume(&world.state);
    assert!(matches!(left[..], [Resume::Lost { .. }]), "{left:?}");
}
