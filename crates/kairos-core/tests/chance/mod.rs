//! A world in which anything may come next, the same for the same seed.

use kairos_core::budget::{Caps, Price, Usage};
use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Doubt, Effect, Failure, FileFact, FileRefusal, Outcome, PersonSays,
    Place, Reconciled, Reply, Seen, WritersKnown,
};
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::{Key, Loaded};
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::proposal::Decision;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::{Raise, Scope};
use kairos_core::id::{MandateId, Seed};
use kairos_core::input::{Alarm, Input, Now, Pace, Verb};
use kairos_core::mandate::outcome::ParkReason;
use kairos_core::mandate::spec::{Check, MandateSpec};
use kairos_core::mandate::standing::{Mandate, Standing};
use kairos_core::plan::{Action, FailurePolicy, Status as StepStatus, Step};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::civil::{Dst, Slot};
use kairos_core::schedule::contents::Contents;
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::schedule::missed::{Accounted, Fate, MissedPolicy, Unfired};
use kairos_core::shell::{CommandRefusal, Ended, Inputs, Invocation, Ran, Spoilt, Writes};
use kairos_core::state::State;
use kairos_core::time::Time;

/// xorshift64*.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits") % n
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn any<T>(&mut self, all: impl Iterator<Item = T>) -> Option<T> {
        let mut all: Vec<T> = all.collect();
        (!all.is_empty()).then(|| all.swap_remove(self.below(all.len())))
    }
}

const BEGIN_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// A state, the effects it asked for, and a clock.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    seq: Seq,
    effects: Vec<Effect>,
    ms: i64,
}

impl World {
    /// What happens next, and when.
    pub(crate) fn next(&mut self, chance: &mut Chance) -> (Input, Now) {
        self.ms += match chance.below(40) {
            0 => DAY_MS / 3,
            1..=4 => 40_000,
            _ => 7,
        };
        let time = Time::from_ms(BEGIN_MS + self.ms);
        let days = i32::try_from((BEGIN_MS + self.ms) / DAY_MS).expect("few days");
        let day = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(days);
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.0.to_be_bytes());
        let day_ends = Time::from_ms((i64::from(days) + 1) * DAY_MS);
        let pace = if chance.one_in(12) { Pace::Draining } else { Pace::Running };
        (self.input(chance, time), Now { time, seed: Seed(seed), day, day_ends, pace })
    }

    /// Takes `input`, and has `twin` take it too: both must say and do the same. Answers how many
    /// events came of it.
    pub(crate) fn take(&mut self, input: &Input, now: &Now, twin: &mut State) -> usize {
        let decided = decide(&self.state, input, now);
        let also = decide(twin, input, now).map_err(|refusal| refusal.to_string());
        assert_eq!(decided.map_err(|refusal| refusal.to_string()), also, "{input:?}");
        let events = also.unwrap_or_default();
        self.seq = self.seq.next();
        let at = At { seq: self.seq, time: now.time };
        let (mut asked, mut also) = (Vec::new(), Vec::new());
        for event in &events {
            self.state.apply(at, event, &mut asked);
            twin.apply(at, event, &mut also);
        }
        assert_eq!(format!("{asked:?}"), format!("{also:?}"), "{input:?}");
        self.effects.extend(asked);
        events.len()
    }

    /// Settles everything that was asked for.
    pub(crate) fn settle_all(&mut self, outcome: Outcome, now: &Now, twin: &mut State) {
        while let Some(effect) = self.effects.pop() {
            let settled = Input::Settled { effect: effect.id(), outcome: outcome.clone() };
            self.take(&settled, now, twin);
        }
    }

    fn input(&mut self, chance: &mut Chance, time: Time) -> Input {
        if self.seq == Seq(0) {
            return configured(chance, time);
        }
        match chance.below(30) {
            0 => configured(chance, time),
            1..=3 => self.command(create(chance)),
            4..=5 => self.asked(chance),
            6..=9 => {
                let due: Vec<_> = all_due(&self.state, time);
                let due = chance.any(due.into_iter());
                due.map_or(Input::Admit { only: None }, |alarm| self.due(chance, alarm, time))
            }
            11 if self.state.clock().is_some() => Input::ClockSettled,
            10..=12 => Input::Admit { only: None },
            13 => match chance.any(self.state.erasing()) {
                Some(blob) => Input::Erased { blob, end: ErasureEnd::Gone },
                None => Input::ClockStepped { by_ms: 3_600_000 },
            },
            14 => match (self.mandate(chance), chance.one_in(8)) {
                (Some(mandate), true) => Input::Quarantine { mandate },
                (Some(mandate), false) => Input::Continue { mandate },
                (None, _) => Input::Admit { only: None },
            },
            _ if self.effects.is_empty() => Input::Admit { only: None },
            _ => {
                let effect = self.effects.swap_remove(chance.below(self.effects.len()));
                let effect_id = effect.id();
                if chance.one_in(12) {
                    return Input::Lost { effect: effect_id };
                }
                Input::Settled { effect: effect_id, outcome: outcome(chance, effect.call()) }
            }
        }
    }

    fn mandate(&self, chance: &mut Chance) -> Option<MandateId> {
        chance.any(self.state.mandates().map(|mandate| mandate.id))
    }

    fn command(&self, verb: Verb) -> Input {
        Input::Command { by: "user:ann(1000)".parse().expect("a principal"), verb }
    }

    /// Something a person asks about what is there.
    fn asked(&mut self, chance: &mut Chance) -> Input {
        let held = |mandate: &Mandate| {
            let plan = mandate.cycle.as_ref().and_then(|cycle| cycle.plan.as_ref());
            plan.map_or(Vec::new(), |plan| plan.held.iter().map(|held| held.proposal).collect())
        };
        let proposal = chance.any(self.state.mandates().flat_map(held));
        let unsettled = self.state.mandates().filter_map(|mandate| mandate.open.as_ref());
        let unsettled = chance.any(unsettled.filter(|open| open.unsettled).map(|open| open.effect));
        let verb = match (chance.below(8), proposal, unsettled) {
            (0, ..) => self.mandate(chance).map(|mandate| Verb::Stop { mandate }),
            (1, ..) => {
                let schedule = "nightly".parse().expect("a name");
                Some(Verb::Fire { schedule, slot: None, key: key(chance, "nightly") })
            }
            (2..=4, Some(proposal), _) => {
                let decision = chance.of(&[Decision::Approve, Decision::Approve, Decision::Reject]);
                Some(Verb::Decide { proposal, decision, hash: None, note: None })
            }
            (_, _, Some(effect)) => {
                let says = [PersonSays::Happened, PersonSays::DidNot, PersonSays::Unknown];
                Some(Verb::Judge { effect, answer: chance.of(&says), note: None })
            }
            _ => {
                let blob = blob(chance.of(&["goal", "gone", "old", "older"])).digest;
                Some(Verb::Erase { blob, reason: self::blob("leaked") })
            }
        };
        verb.map_or(Input::Admit { only: None }, |verb| self.command(verb))
    }

    fn due(&self, chance: &mut Chance, alarm: Alarm, time: Time) -> Input {
        let Alarm::Schedule(name) = &alarm else { return Input::Due(alarm) };
        let loaded = self.state.schedule(name).expect("what is due is there");
        let at = loaded.next.expect("what is due has a next slot");
        let civil = jiff::civil::date(2027, 1, 15).at(8, 0, 0, 0);
        let passed = Fate::Passed { from: at, to: at, count: 3, why: Unfired::Skipped };
        let fates = match chance.below(3) {
            0 => vec![passed],
            _ => vec![passed, Fate::Fires(Slot { civil, fold: 0, at })],
        };
        let (cursor, next) = (time, (!chance.one_in(6)).then(|| time.plus_ms(60_000)));
        let accounted = Accounted { fates, cursor };
        let (schedule, revision, zone_clock) = (name.clone(), loaded.revision, None);
        let path = "inbox/one".parse().expect("a path");
        let files = Contents::of([(&path, Digest::of(cursor.to_string().as_bytes()))]);
        let files = (cursor.as_ms() % 2 == 0).then_some(files);
        Input::Slots { schedule, revision, accounted, next, zone_clock, files }
    }
}

/// The words for what `state` holds that is easy to lose.
pub(crate) fn holds(state: &State) -> Vec<&'static str> {
    let mut words = Vec::new();
    let mut say = |word, holds: bool| words.extend(holds.then_some(word));
    let text = serde_json::to_string(state).expect("a state is JSON");
    say("key", !text.contains(r#""keys":[]"#));
    say("gone", text.contains(r#""gone":{"cursors":{""#));
    say("schedule", state.schedules().next().is_some());
    say("clock", state.clock().is_some());
    say("erasure", state.erasing().next().is_some());
    for mandate in state.mandates() {
        let cycle = mandate.cycle.as_ref();
        let plan = cycle.and_then(|cycle| cycle.plan.as_ref());
        let held = || plan.into_iter().flat_map(|plan| &plan.held);
        let parked =
            |which| matches!(mandate.standing, Standing::Parked { reason, .. } if reason == which);
        say("approval", parked(ParkReason::Approval));
        say("budget", parked(ParkReason::Budget));
        say("checkpoint", parked(ParkReason::Checkpoint));
        say("provider", parked(ParkReason::Provider));
        say("queued", mandate.standing == Standing::Queued);
        say("ready", mandate.standing == Standing::Ready);
        say("ending", mandate.ending.is_some());
        say("effect", mandate.open.is_some());
        say("unsettled", mandate.open.as_ref().is_some_and(|open| open.unsettled));
        say("fire", matches!(*mandate.origin, kairos_core::event::Origin::Schedule { .. }));
        say("delayed", cycle.is_some_and(|cycle| cycle.call.delayed.is_some()));
        say("invalid", cycle.is_some_and(|cycle| cycle.call.invalid.is_some()));
        say("undecided", held().any(|held| held.decision.is_none()));
        say("approved", held().any(|held| held.decision == Some(Decision::Approve)));
        let statuses = plan.into_iter().flat_map(|plan| plan.graph.steps()).map(|(_, s)| s);
        let statuses: Vec<_> = statuses.collect();
        let (done, left) = (StepStatus::Completed, StepStatus::Pending);
        let promoted = || plan.into_iter().flat_map(|plan| &plan.promotions);
        say("promotion", promoted().any(|some| !some.left.is_empty()));
        say("told", plan.is_some_and(|plan| !plan.told.is_empty()));
        say("half a plan", statuses.contains(&done) && statuses.contains(&left));
    }
    words
}

fn blob(text: &str) -> BlobRef {
    BlobRef::of(text.as_bytes())
}

fn configured(chance: &mut Chance, time: Time) -> Input {
    let dear = Price { input: 900_000_000, output: 0, cache_read: 0, cache_write: 0 };
    let price = chance.of(&[Price::default(), Price::default(), dear]);
    let model = ModelRules {
        name: "m".into(),
        output_tokens_max: 100,
        prices: vec![NamedPrice { name: String::new(), price }],
    };
    let raised = vec![Raise { pattern: "docs/**".into(), scope: Scope::L1 }];
    let rules = Rules {
        max_running: 3,
        day: Caps { calls: chance.of(&[None, Some(30)]), tokens: None, usd_micros: None },
        mandate_usd_micros_max: 2_000_000,
        proposal_ttl_ms: 100_000,
        proposals_max: chance.of(&[2, 16]),
        scopes: chance.of(&[Vec::new(), raised]),
        secrets: chance.of(&[Vec::new(), vec!["docs/b.md".parse().expect("a path")]]),
        model: (!chance.one_in(9)).then_some(model),
    };
    let all = [Concurrency::Queue, Concurrency::Allow, Concurrency::Reject, Concurrency::Replace];
    let schedule = |name: &str, concurrency| Loaded {
        definition: Definition {
            missed: MissedPolicy::CatchUpBounded { max: 2, stale_after_ms: 1_000 },
            concurrency,
            ..Definition::new(
                name.parse().expect("a name"),
                Timing::Cron { cron: "* * * * *".into(), zone: "UTC".into(), dst: Dst::default() },
                spec("by itself"),
            )
        },
        revision: 1,
        cursor: time,
        next: Some(time.plus_ms(60_000)),
        anchor: None,
        zone_data: None,
        zone_clock: None,
    };
    let (set, gone) = match chance.below(4) {
        0 => (Vec::new(), vec!["nightly".parse().expect("a name")]),
        1 => (Vec::new(), Vec::new()),
        _ => {
            let concurrency = chance.of(&all);
            (vec![schedule("hourly", Concurrency::Allow), schedule("nightly", concurrency)], vec![])
        }
    };
    Input::Configured { rules: Box::new(rules), set, gone, renamed: Vec::new() }
}

pub(crate) fn spec(goal: &str) -> MandateSpec {
    MandateSpec {
        goal: blob(goal),
        files: vec!["docs/**".into()],
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

fn key(chance: &mut Chance, request: &str) -> Option<Key> {
    let key = chance.of(&["k1", "k2", "k3", "k4", "k5", "k6"]);
    let (key, request) = (Digest::of(key.as_bytes()), Digest::of(request.as_bytes()));
    chance.one_in(2).then_some(Key { key, request })
}

fn create(chance: &mut Chance) -> Verb {
    let check = Check::Contains { file: "a.md".parse().expect("a path"), text: blob("x") };
    let goal = chance.of(&["one", "two", "three"]);
    let spec = MandateSpec {
        verify: chance.of(&[Vec::new(), vec![check]]),
        risk_budget: chance.of(&[Risk::Low, Risk::Medium]),
        project_scope: chance.of(&["", "docs", "src", "tools"]).into(),
        timeout_ms: chance.of(&[None, None, Some(200_000)]),
        hints: chance.of(&[None, Some(blob("hint"))]),
        ..spec(goal)
    };
    let key = key(chance, goal);
    Verb::Create { spec: Box::new(spec), key }
}

fn outcome(chance: &mut Chance, call: &Call) -> Outcome {
    match call {
        Call::Observe { .. } => {
            let seen = Seen { path: "a.md".parse().expect("a path"), content: blob("a") };
            let files = chance.of(&[Vec::new(), vec![seen]]);
            chance.of(&[Outcome::Observed { files, left_out: 1 }, Outcome::Failed(Failure::Disk)])
        }
        Call::Ask { brief, .. } => asked(chance, brief.phase),
        Call::Prepare { action: Action::Shell, .. } => resolved(chance),
        Call::Prepare { action, .. } => prepared(chance, action),
        Call::Change { .. } => chance.of(&[
            Outcome::Changed { writers: WritersKnown::None },
            Outcome::Changed { writers: WritersKnown::Unknown },
            Outcome::Changed { writers: WritersKnown::None },
            Outcome::Stale,
            Outcome::Unsettled(Doubt::OpenForWriting),
            Outcome::Failed(Failure::Disk),
        ]),
        Call::Reconcile { .. } => chance.of(&[
            Outcome::Reconciled(Reconciled::Done),
            Outcome::Reconciled(Reconciled::Retry),
            Outcome::Reconciled(Reconciled::Unsettled(Doubt::Neither)),
            Outcome::Failed(Failure::Busy),
        ]),
        Call::Clear { .. } => Outcome::Cleared,
        Call::Verify { .. } => {
            let failed = chance.of(&[Vec::new(), vec![0]]);
            Outcome::Verified { failed, report: chance.of(&[None, Some(blob("report"))]) }
        }
        Call::Execute { invocation, .. } => executed(chance, invocation),
        Call::Diff { change } => Outcome::Prepared { change: change.clone(), diff: blob("diff") },
        Call::Cancel { .. } => Outcome::Lost,
    }
}

fn resolved(chance: &mut Chance) -> Outcome {
    if chance.one_in(6) {
        return Outcome::NotExecuted { why: CommandRefusal::Arguments, told: blob("refused") };
    }
    let digest = |chance: &mut Chance| Digest::of(chance.of(&["a", "b"]).as_bytes());
    let bound = Inputs::Bound { files: 2, digest: Digest::of(b"inputs") };
    let invocation = Invocation {
        shown: blob("cargo test"),
        program: Digest::of(b"program"),
        argv: digest(chance),
        policy: Digest::of(b"policy"),
        inputs: chance.of(&[bound, bound, bound, bound, Inputs::NotBound]),
        listed: !chance.one_in(9),
        risk: chance.of(&[Risk::Low, Risk::Low, Risk::Medium]),
        writes: match chance.below(8) {
            0 => Writes::Nothing,
            1 => Writes::Direct,
            _ => Writes::Layer,
        },
        network: chance.one_in(9),
    };
    Outcome::Resolved { invocation }
}

fn executed(chance: &mut Chance, invocation: &Invocation) -> Outcome {
    let place = |path: &str| Place { path: path.parse().expect("a path"), parent: 2 };
    let pre = FileFact { content: blob("old"), mode: 0o644 };
    let all = [
        Change::Edit { at: place("a.md"), pre, post: blob("made") },
        Change::Create { at: place(".github/workflows/x"), post: blob("made"), mode: Some(0o755) },
        Change::Delete { at: place("docs/b.md"), pre },
    ];
    let count = if invocation.writes == Writes::Layer { chance.below(4) } else { 0 };
    let well = Ended::Code(0);
    let end = chance.of(&[well, well, well, well, Ended::Code(1), Ended::Timeout]);
    let ran = Ran {
        end,
        told: blob("told"),
        stdout: chance.of(&[None, Some(blob("out"))]),
        stderr: None,
        report: blob("report"),
        wall_ms: 7,
        changes: if end.is_well() { all[..count].to_vec() } else { Vec::new() },
        spoilt: chance.one_in(6).then_some(Spoilt::Conflict),
    };
    chance.of(&[
        Outcome::Executed(Box::new(ran.clone())),
        Outcome::Executed(Box::new(ran.clone())),
        Outcome::Executed(Box::new(ran)),
        Outcome::Stale,
        Outcome::Failed(Failure::Busy),
        Outcome::NotExecuted { why: CommandRefusal::Sandbox, told: blob("no walls") },
    ])
}

fn asked(chance: &mut Chance, phase: Phase) -> Outcome {
    let text = blob(chance.of(&["{}", "{ }"]));
    let reply = match chance.below(8) {
        0 => Reply::Invalid { text, problem: blob("no") },
        1 => {
            let code = chance.of(&[500, 529, 429, 400]);
            Reply::Failed(CallFailure::Status { code, retry_after_ms: chance.of(&[None, Some(5)]) })
        }
        2 if chance.one_in(2) => Reply::Failed(CallFailure::Cut),
        2 => Reply::Cancelled,
        _ => {
            let answer = match phase {
                Phase::Decide => Answer::Decide(decided(chance)),
                Phase::Reflect => Answer::Reflect { assessment: Assessment::Partial },
                _ => Answer::Orient { risk: Risk::Low },
            };
            Reply::Answered { answer, text }
        }
    };
    let usage = Some(Usage { input: 10, output: 5, cache_read: 1, cache_write: 2 });
    let usage = chance.of(&[usage, None]);
    let request = chance.of(&[None, Some(blob("request"))]);
    Outcome::Asked(Attempt { request, usage, reply, said: chance.of(&[None, Some(blob("said"))]) })
}

fn decided(chance: &mut Chance) -> Decide {
    let count = chance.below(5);
    let path = |text: &str| text.parse().expect("a path");
    let mut steps: Vec<Step> = Vec::new();
    for n in 0..count {
        let target =
            path(chance.of(&["a.md", "docs/b.md", ".kairos/knowledge/k.md", ".kairos/run/x"]));
        let action = match chance.below(7) {
            0 => Action::FileDelete { path: target },
            1 => Action::FileMove { path: target, to: path("moved.md") },
            2 => Action::FileCreate { path: target },
            3 | 4 => Action::Shell,
            _ => Action::CodeEdit { path: target },
        };
        let depends_on = match chance.below(3) {
            0 => steps.last().map(|step| step.name.clone()).into_iter().collect(),
            _ => Vec::new(),
        };
        let all = [FailurePolicy::Halt, FailurePolicy::SkipDependents, FailurePolicy::Continue];
        let name = format!("s{n}").parse().expect("a name");
        steps.push(Step { name, action, depends_on, policy: chance.of(&all) });
    }
    let status = chance.of(&[Status::Continue, Status::Continue, Status::Done, Status::Blocked]);
    let fingerprint = Digest::of(&[u8::try_from(chance.below(50)).expect("below 50")]);
    Decide { status, steps, fingerprint }
}

fn prepared(chance: &mut Chance, action: &Action) -> Outcome {
    if chance.one_in(10) {
        return chance.of(&[
            Outcome::Refused(FileRefusal::Symlink),
            Outcome::Refused(FileRefusal::OldTextNotUnique { count: 2 }),
            Outcome::Failed(Failure::Blob),
        ]);
    }
    let place = |path: &kairos_core::path::RelPath| Place { path: path.clone(), parent: 2 };
    let pre = FileFact { content: blob("old"), mode: 0o644 };
    let post = blob("new");
    let change = match action {
        Action::FileCreate { path } => Change::Create { at: place(path), post, mode: None },
        Action::FileMove { path, to } => Change::Move { at: place(path), to: place(to), pre },
        Action::FileDelete { path } => Change::Delete { at: place(path), pre },
        other => {
            let path = other.path().expect("a step that is prepared has a path");
            Change::Edit { at: place(path), pre, post }
        }
    };
    Outcome::Prepared { change, diff: blob("diff") }
}

fn all_due(state: &State, time: Time) -> Vec<Alarm> {
    let next = |due: &_| state.due_after(Some(due), time, true);
    let all = std::iter::successors(state.due_after(None, time, true), next);
    all.map(|(_, alarm)| alarm).collect()
}
