//! A step's command: held, executed, promoted, repeated or left to a person.

use kairos_core::budget::{Caps, Price};
use kairos_core::cycle::answer::{Answer, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Doubt, Effect, FileFact, Intent, Outcome, PersonSays, Place, Reply,
    WritersKnown,
};
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::proposal::{Closed, Decision, HoldReason};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::{MandateId, ProposalId, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::outcome::ParkReason;
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::plan::{Action, FailurePolicy, Step, StepEnd, StepFailure};
use kairos_core::resume::{Resume, resume};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::shell::{CommandRefusal, Ended, Inputs, Invocation, Ran, Spoilt, Writes};
use kairos_core::state::State;
use kairos_core::time::Time;

/// A mandate whose one step is a command.
struct World {
    state: State,
    seq: Seq,
    effects: Vec<Effect>,
    pace: Pace,
    mandate: MandateId,
}

impl World {
    /// As far as the command's preparation.
    fn new(risk_budget: Risk) -> Self {
        Self::with(risk_budget, 1)
    }

    /// The same with so many commands, none of which waits for another.
    fn with(risk_budget: Risk, steps: u8) -> Self {
        let mandate = MandateId::from_u128(0);
        let (state, seq, effects) = (State::empty(), Seq(0), Vec::new());
        let mut world = Self { state, seq, effects, pace: Pace::Running, mandate };
        let (set, gone, renamed) = (Vec::new(), Vec::new(), Vec::new());
        world.input(&Input::Configured { rules: Box::new(rules()), set, gone, renamed });
        let spec = Box::new(spec(risk_budget));
        let events = world.command(Verb::Create { spec, key: None });
        world.mandate = events.first().and_then(Event::mandate).expect("a mandate");
        world.admit();
        world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
        world.settle(answered(Answer::Orient { risk: Risk::Low }));
        world.settle(answered(plan(steps)));
        world
    }

    fn input(&mut self, input: &Input) -> Vec<Event> {
        let time = Time::from_ms(1_800_000_000_000 + i64::try_from(self.seq.0).expect("few"));
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.0.to_be_bytes());
        let (day, day_ends) = (jiff::civil::date(2027, 1, 15), time.plus_ms(3_600_000));
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

    fn admit(&mut self) -> Vec<Event> {
        self.input(&Input::Admit { only: None })
    }

    fn settle(&mut self, outcome: Outcome) -> Vec<Event> {
        let effect = self.effects.pop().expect("an effect is open").id();
        self.input(&Input::Settled { effect, outcome })
    }

    fn approve(&mut self, proposal: ProposalId) {
        let decision = Decision::Approve;
        self.command(Verb::Decide { proposal, decision, hash: None, note: None });
        self.admit();
    }

    /// What is asked of the world now.
    fn asks(&self) -> &'static str {
        match self.effects.last().map(Effect::call) {
            None => "nothing",
            Some(Call::Ask { brief, .. }) if brief.phase == Phase::Reflect => "reflect",
            Some(Call::Ask { .. }) => "a model",
            Some(Call::Prepare { .. }) => "prepare",
            Some(Call::Execute { .. }) => "execute",
            Some(Call::Diff { .. }) => "diff",
            Some(Call::Change { .. }) => "change",
            Some(Call::Reconcile { .. }) => "reconcile",
            Some(Call::Clear { .. }) => "clear",
            Some(Call::Cancel { .. }) => "cancel",
            Some(Call::Observe { .. } | Call::Verify { .. }) => "to look",
        }
    }

    fn path(&self) -> String {
        match self.effects.last().map(Effect::call) {
            Some(Call::Change { change, .. }) => change.path().to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// What lies open goes, as it does with its daemon.
    fn restart(&mut self) {
        self.effects.clear();
        self.pace = Pace::Running;
        for open in resume(&self.state) {
            match open {
                Resume::Lost { effect, .. } => self.input(&Input::Lost { effect }),
                Resume::Continue { mandate } => self.input(&Input::Continue { mandate }),
            };
        }
    }

    fn ended(events: &[Event]) -> Option<StepEnd> {
        events.iter().find_map(|event| match event {
            Event::StepFinished { end, .. } => Some(*end),
            _ => None,
        })
    }
}

fn answered(answer: Answer) -> Outcome {
    let (text, usage) = (BlobRef::of(b"{}"), None);
    let reply = Reply::Answered { answer, text };
    Outcome::Asked(Attempt { request: None, usage, said: None, reply })
}

fn plan(steps: u8) -> Answer {
    let step = |n| Step {
        name: format!("s{n}").parse().expect("a name"),
        action: Action::Shell,
        depends_on: Vec::new(),
        policy: FailurePolicy::Continue,
    };
    let (status, fingerprint) = (Status::Done, Digest::of(b"plan"));
    Answer::Decide(Decide { status, steps: (0..steps).map(step).collect(), fingerprint })
}

fn rules() -> Rules {
    let free = NamedPrice { name: String::new(), price: Price::default() };
    Rules {
        max_running: 4,
        day: Caps { calls: None, tokens: None, usd_micros: None },
        mandate_usd_micros_max: 1_000_000,
        proposal_ttl_ms: 100_000,
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules { name: "m".into(), output_tokens_max: 100, prices: vec![free] }),
    }
}

fn spec(risk_budget: Risk) -> MandateSpec {
    MandateSpec {
        goal: BlobRef::of(b"do it"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 3,
        risk_budget,
        project_scope: String::new(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    }
}

/// Of the catalogue, and repeated where nobody knows how it ended.
fn layered() -> Invocation {
    Invocation {
        shown: BlobRef::of(b"cargo test"),
        program: Digest::of(b"program"),
        argv: Digest::of(b"argv"),
        policy: Digest::of(b"policy"),
        inputs: Inputs::Bound { files: 1, digest: Digest::of(b"inputs") },
        listed: true,
        risk: Risk::Low,
        writes: Writes::Layer,
        network: false,
    }
}

fn ran(end: Ended, changes: Vec<Change>) -> Outcome {
    let (told, report) = (BlobRef::of(b"told"), BlobRef::of(b"report"));
    let (stdout, stderr, spoilt) = (None, None, None);
    let wall_ms = 7;
    Outcome::Executed(Box::new(Ran { end, told, stdout, stderr, report, wall_ms, changes, spoilt }))
}

fn edit(path: &str) -> Change {
    let at = Place { path: path.parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
    Change::Edit { at, pre, post: BlobRef::of(b"new") }
}

fn changed() -> Outcome {
    Outcome::Changed { writers: WritersKnown::None }
}

fn opened(events: &[Event]) -> (ProposalId, Scope, HoldReason) {
    let opened = events.iter().find_map(|event| match event {
        Event::ProposalOpened { proposal, what, .. } => Some((*proposal, what.scope, what.reason)),
        _ => None,
    });
    opened.unwrap_or_else(|| panic!("nothing is held: {events:?}"))
}

#[test]
fn a_command_of_the_catalogue_runs_and_its_files_follow_one_by_one() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    assert_eq!(world.asks(), "execute");
    world.settle(ran(Ended::Code(0), vec![edit("a.md"), edit("b.md")]));
    for path in ["a.md", "b.md"] {
        assert_eq!(world.path(), path);
        world.settle(changed());
        assert_eq!(world.asks(), "clear");
        let events = world.settle(Outcome::Cleared);
        let end = (path == "b.md").then_some(StepEnd::Succeeded);
        assert_eq!(World::ended(&events), end, "{path}");
    }
    assert_eq!(world.asks(), "reflect");
}

#[test]
fn the_gate_holds_what_it_cannot_answer_for() {
    let cases = [
        (Invocation { listed: false, ..layered() }, Scope::L0, HoldReason::Unlisted),
        (
            Invocation { inputs: Inputs::NotBound, ..layered() },
            Scope::L0,
            HoldReason::InputsNotBound,
        ),
        (Invocation { network: true, ..layered() }, Scope::L2, HoldReason::Opaque),
        (Invocation { writes: Writes::Direct, ..layered() }, Scope::L2, HoldReason::Opaque),
        (Invocation { risk: Risk::Medium, ..layered() }, Scope::L2, HoldReason::RiskAboveBudget),
    ];
    for (invocation, scope, reason) in cases {
        let mut world = World::new(Risk::Low);
        let events = world.settle(Outcome::Resolved { invocation });
        let (proposal, held, why) = opened(&events);
        assert_eq!((held, why), (scope, reason), "{invocation:?}");
        assert_eq!(world.asks(), "nothing");
        world.approve(proposal);
        assert_eq!(world.asks(), "execute", "{invocation:?}");
    }
}

#[test]
fn an_approval_is_for_one_execution() {
    let mut world = World::new(Risk::Low);
    let medium = Invocation { risk: Risk::Medium, ..layered() };
    let events = world.settle(Outcome::Resolved { invocation: medium });
    let (proposal, ..) = opened(&events);
    world.approve(proposal);
    let events = world.settle(ran(Ended::Code(0), vec![edit("a.md")]));
    let (mandate, how) = (world.mandate, Closed::Approved);
    assert_eq!(events[1], Event::ProposalClosed { mandate, proposal, how });
    assert_eq!(world.asks(), "change");
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), Some(StepEnd::Succeeded));
}

#[test]
fn a_command_that_is_another_one_by_now_is_shown_again() {
    let mut world = World::new(Risk::Low);
    let unlisted = Invocation { listed: false, ..layered() };
    let events = world.settle(Outcome::Resolved { invocation: unlisted });
    let (proposal, ..) = opened(&events);
    world.approve(proposal);
    let events = world.settle(Outcome::Stale);
    let (mandate, how) = (world.mandate, Closed::Stale);
    assert_eq!(events[1], Event::ProposalClosed { mandate, proposal, how });
    assert_eq!(world.asks(), "prepare");
}

#[test]
fn what_did_not_end_well_changes_nothing() {
    for end in [Ended::Code(1), Ended::Signal(11), Ended::Timeout, Ended::Oom] {
        let mut world = World::new(Risk::Low);
        world.settle(Outcome::Resolved { invocation: layered() });
        let events = world.settle(ran(end, Vec::new()));
        assert_eq!(World::ended(&events), Some(StepEnd::Failed(StepFailure::Ended(end))));
        assert_eq!(world.asks(), "reflect");
    }
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    let Outcome::Executed(ran) = ran(Ended::Code(0), Vec::new()) else { unreachable!() };
    let spoilt = Some(Spoilt::Conflict);
    let events = world.settle(Outcome::Executed(Box::new(Ran { spoilt, ..*ran })));
    let end = StepEnd::Failed(StepFailure::Spoilt(Spoilt::Conflict));
    assert_eq!(World::ended(&events), Some(end));
}

#[test]
fn a_refused_command_is_told_and_ends_its_step() {
    let mut world = World::new(Risk::Low);
    let told = BlobRef::of(b"`rm` is refused");
    let events = world.settle(Outcome::NotExecuted { why: CommandRefusal::Name, told });
    let end = StepEnd::Failed(StepFailure::Command(CommandRefusal::Name));
    assert_eq!(World::ended(&events), Some(end));
    let mandate = world.state.mandate(world.mandate);
    // Every step was refused, and with it the mandate.
    assert!(mandate.is_none(), "{mandate:?}");
}

#[test]
fn a_file_of_somebody_else_ends_the_step_and_is_left_alone() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    world.settle(ran(Ended::Code(0), vec![edit("a.md"), edit("b.md")]));
    world.settle(changed());
    world.settle(Outcome::Cleared);
    let events = world.settle(Outcome::Stale);
    assert_eq!(World::ended(&events), Some(StepEnd::Failed(StepFailure::Stale)));
    assert_eq!(world.asks(), "reflect");
}

#[test]
fn protected_files_of_a_command_wait_behind_the_others() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    let guarded = edit(".github/workflows/ci.yml");
    world.settle(ran(Ended::Code(0), vec![guarded.clone(), edit("b.md")]));
    assert_eq!(world.path(), "b.md");
    world.settle(changed());
    world.settle(Outcome::Cleared);
    assert_eq!(world.asks(), "diff");
    let diff = BlobRef::of(b"diff");
    let events = world.settle(Outcome::Prepared { change: guarded, diff });
    let (proposal, scope, reason) = opened(&events);
    assert_eq!((scope, reason), (Scope::L0, HoldReason::ProtectedScope));
    let parked = events
        .iter()
        .any(|event| matches!(event, Event::MandateParked { reason: ParkReason::Approval, .. }));
    assert!(parked, "{events:?}");
    world.approve(proposal);
    assert_eq!(world.path(), ".github/workflows/ci.yml");
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), Some(StepEnd::Succeeded));
}

#[test]
fn a_crash_repeats_only_what_leaves_nothing() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    world.restart();
    assert_eq!(world.asks(), "execute");

    let mut world = World::new(Risk::Low);
    let network = Invocation { network: true, ..layered() };
    let events = world.settle(Outcome::Resolved { invocation: network });
    let (proposal, ..) = opened(&events);
    world.approve(proposal);
    let effect = world.effects.last().expect("the command").id();
    world.restart();
    assert_eq!(world.asks(), "nothing");
    let open = world.state.effect(effect).and_then(|mandate| mandate.open.clone());
    let open = open.expect("it waits for a person");
    assert!(open.unsettled && matches!(open.intent, Intent::Execute { .. }), "{open:?}");
}

#[test]
fn a_command_that_reaches_the_world_and_was_cut_short_asks_a_person() {
    for (says, end) in [
        (PersonSays::Happened, StepEnd::Succeeded),
        (PersonSays::Unknown, StepEnd::Failed(StepFailure::Unknown)),
    ] {
        let mut world = World::new(Risk::Low);
        let direct = Invocation { writes: Writes::Direct, ..layered() };
        let events = world.settle(Outcome::Resolved { invocation: direct });
        let (proposal, ..) = opened(&events);
        world.approve(proposal);
        let effect = world.effects.last().expect("the command").id();
        let events = world.settle(ran(Ended::Timeout, Vec::new()));
        let (mandate, doubt) = (world.mandate, Doubt::Interrupted);
        let told = Some(BlobRef::of(b"told"));
        assert_eq!(events[0], Event::EffectUnsettled { mandate, effect, doubt, told });
        let events = world.command(Verb::Judge { effect, answer: says, note: None });
        assert_eq!(World::ended(&events), Some(end));
    }
    // Its own end is certain, whatever it exited with.
    let mut world = World::new(Risk::Low);
    let direct = Invocation { writes: Writes::Direct, ..layered() };
    let events = world.settle(Outcome::Resolved { invocation: direct });
    let (proposal, ..) = opened(&events);
    world.approve(proposal);
    let events = world.settle(ran(Ended::Code(3), Vec::new()));
    let end = StepEnd::Failed(StepFailure::Ended(Ended::Code(3)));
    assert_eq!(World::ended(&events), Some(end));
}

#[test]
fn a_drain_leaves_the_rest_of_a_promotion_to_the_next_start() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    world.pace = Pace::Draining;
    world.settle(ran(Ended::Code(0), vec![edit("a.md"), edit("b.md")]));
    assert_eq!(world.asks(), "nothing");
    world.restart();
    assert_eq!(world.path(), "a.md");
    world.settle(changed());
    world.pace = Pace::Draining;
    world.settle(Outcome::Cleared);
    assert_eq!(world.asks(), "nothing");
    world.restart();
    assert_eq!(world.path(), "b.md");
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), Some(StepEnd::Succeeded));
}

#[test]
fn a_stop_kills_the_command_and_promotes_nothing() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    let mandate = world.mandate;
    world.command(Verb::Stop { mandate });
    assert_eq!(world.asks(), "cancel");
    world.effects.pop();
    world.settle(ran(Ended::Killed, Vec::new()));
    assert_eq!(world.asks(), "nothing");
    assert!(world.state.mandate(mandate).is_none());
}

#[test]
fn what_a_command_made_may_risk_what_the_command_may() {
    let mut world = World::new(Risk::Low);
    let medium = Invocation { risk: Risk::Medium, ..layered() };
    let (proposal, ..) = opened(&world.settle(Outcome::Resolved { invocation: medium }));
    world.approve(proposal);
    let at = Place { path: "old.md".parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
    world.settle(ran(Ended::Code(0), vec![Change::Delete { at, pre }]));
    assert_eq!(world.asks(), "change");
}

#[test]
fn five_hundred_files_are_promoted_without_tiring() {
    let mut world = World::new(Risk::Medium);
    world.settle(Outcome::Resolved { invocation: Invocation { risk: Risk::Medium, ..layered() } });
    let all = (0..500).map(|n| edit(&format!("f{n}.md"))).collect();
    world.settle(ran(Ended::Code(0), all));
    for n in 0..500 {
        assert_eq!(world.path(), format!("f{n}.md"));
        world.settle(changed());
        world.settle(Outcome::Cleared);
    }
    assert_eq!(world.asks(), "reflect");
}

#[test]
fn what_one_command_changed_waits_while_another_is_executed() {
    let mut world = World::with(Risk::Low, 2);
    let guarded = [edit(".github/workflows/a.yml"), edit(".github/workflows/b.yml")];
    world.settle(Outcome::Resolved { invocation: layered() });
    world.settle(ran(Ended::Code(0), guarded.to_vec()));
    let held = |world: &mut World, change: &Change| {
        let (change, diff) = (change.clone(), BlobRef::of(b"diff"));
        opened(&world.settle(Outcome::Prepared { change, diff })).0
    };
    let first = held(&mut world, &guarded[0]);
    // The other one runs meanwhile, and what it changed stands.
    world.settle(Outcome::Resolved { invocation: layered() });
    world.settle(ran(Ended::Code(0), vec![edit("b.md")]));
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), Some(StepEnd::Succeeded));
    world.approve(first);
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), None, "half of the first is left");
    let second = held(&mut world, &guarded[1]);
    world.approve(second);
    world.settle(changed());
    let events = world.settle(Outcome::Cleared);
    assert_eq!(World::ended(&events), Some(StepEnd::Succeeded));
}

#[test]
fn the_rest_of_a_promotion_waits_for_its_turn_behind_a_persons_answer() {
    let mut world = World::new(Risk::Low);
    world.settle(Outcome::Resolved { invocation: layered() });
    world.settle(ran(Ended::Code(0), vec![edit("a.md"), edit("b.md")]));
    let effect = world.effects.last().expect("a change").id();
    world.settle(Outcome::Unsettled(Doubt::Disk));
    world.command(Verb::Judge { effect, answer: PersonSays::Happened, note: None });
    assert_eq!(world.asks(), "clear");
    world.settle(Outcome::Cleared);
    assert_eq!(world.asks(), "nothing");
    world.admit();
    assert_eq!(world.path(), "b.md");
}

#[test]
fn checks_that_never_come_to_an_end_do_not_hold() {
    let mut world = World::new(Risk::Low);
    let spec = spec(Risk::Low);
    let verify = vec![kairos_core::mandate::spec::Check::Command { argv: BlobRef::of(b"[]") }];
    let spec = Box::new(MandateSpec { verify, max_cycles: 1, project_scope: "x".into(), ..spec });
    world.effects.clear();
    world.command(Verb::Create { spec, key: None });
    world.admit();
    world.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
    world.settle(answered(Answer::Orient { risk: Risk::Low }));
    world.settle(answered(plan(0)));
    let mut looks = 0;
    while world.asks() == "to look" {
        world.settle(Outcome::Lost);
        looks += 1;
        assert!(looks < 50, "it looks for ever");
    }
    assert_eq!(looks, 12);
}
