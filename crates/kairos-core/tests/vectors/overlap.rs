//! `missed_policy.json`: fires that meet earlier mandates of their schedule.
//!
//! Each operation is what the rules make of it: a running mandate, one that ends, a slot that fires,
//! and what may start next.

use std::collections::BTreeMap;

use kairos_core::decide::decide;
use kairos_core::digest::BlobRef;
use kairos_core::event::{Event, Loaded, Origin};
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::{IdSource, MandateId, Seed};
use kairos_core::input::{Input, Now, Pace};
use kairos_core::mandate::outcome::Outcome as End;
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::civil::Dst;
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::schedule::slot::SlotState;
use kairos_core::schedule::{Accounted, Fate, Slot};
use kairos_core::state::State;
use kairos_core::time::Time;
use serde_json::{Value, json};

use crate::harness::{Outcome, Rule};

static UNKNOWN: Rule = Rule {
    id: "CHR-19",
    reason: "an unknown concurrency failed when a slot was due; it is refused at load",
};
static LIFO: Rule = Rule {
    id: "CHR-14",
    reason: "`allow` put the newest fire first; mandates start in their order",
};
static OVERLAP: Rule = Rule {
    id: "DESIGN-7-overlap",
    reason: "overlap is between open mandates of one schedule in one scope, those that wait too; one may wait",
};
static ONE_A_SCOPE: Rule =
    Rule { id: "DESIGN-8", reason: "one mandate runs at a time in a project scope; others wait" };

pub(crate) fn check(ops: &[Value], expected: &Value) -> Outcome {
    if ops.iter().any(|op| op["schedule"]["concurrency"] == "bogus") {
        return Outcome::Deviation(&UNKNOWN);
    }
    let mut world = World::new();
    let recorded = expected["results"].as_array().expect("results");
    let mut allowed = false;
    for (op, recorded) in ops.iter().zip(recorded) {
        allowed |= op["schedule"]["concurrency"] == "allow";
        let ours = world.take(op);
        if ours == *recorded {
            continue;
        }
        return match op["op"].as_str() {
            Some("enqueue") => Outcome::Deviation(&OVERLAP),
            Some("pop") if ours.is_null() && world.is_waiting() => Outcome::Deviation(&ONE_A_SCOPE),
            Some("pop") if allowed => Outcome::Deviation(&LIFO),
            Some("pop") if world.runs_a_scope => Outcome::Deviation(&ONE_A_SCOPE),
            _ => Outcome::Mismatch(format!("{op}: ours {ours}, recorded {recorded}")),
        };
    }
    let queue: Vec<Value> =
        std::iter::from_fn(|| Some(world.pop()).filter(|it| !it.is_null())).collect();
    match Outcome::equal(&Value::from(queue), &expected["queue"]) {
        Outcome::Mismatch(_) if allowed => Outcome::Deviation(&LIFO),
        Outcome::Mismatch(_) if world.is_waiting() || world.runs_a_scope => {
            Outcome::Deviation(&ONE_A_SCOPE)
        }
        outcome => outcome,
    }
}

struct World {
    state: State,
    seq: u64,
    running: BTreeMap<String, MandateId>,
    tags: BTreeMap<MandateId, Value>,
    /// Whether a mandate runs in a scope of its own.
    runs_a_scope: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: State::empty(),
            seq: 0,
            running: BTreeMap::new(),
            tags: BTreeMap::new(),
            runs_a_scope: false,
        };
        let prices = vec![NamedPrice { name: String::new(), price: Default::default() }];
        let model = ModelRules { name: "m".into(), output_tokens_max: 100, prices };
        let rules = Rules {
            max_running: 100,
            day: Default::default(),
            mandate_usd_micros_max: 1_000_000,
            proposal_ttl_ms: 1_000,
            proposals_max: 16,
            scopes: Vec::new(),
            secrets: Vec::new(),
            model: Some(model),
        };
        let (set, gone, renamed) = Default::default();
        world.decide(&Input::Configured { rules: Box::new(rules), set, gone, renamed });
        world
    }

    fn now(&self) -> Now {
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.to_be_bytes());
        let time = Time::from_ms(1_800_000_000_000).plus_ms(self.seq);
        let day = jiff::civil::date(2027, 1, 15);
        Now { time, seed: Seed(seed), day, day_ends: time.plus_ms(86_400_000), pace: Pace::Running }
    }

    fn apply(&mut self, event: &Event) {
        self.seq += 1;
        let at = At { seq: Seq(self.seq), time: self.now().time };
        self.state.apply(at, event, &mut Vec::new());
    }

    fn decide(&mut self, input: &Input) -> Vec<Event> {
        let events = decide(&self.state, input, &self.now()).expect("nobody is refused");
        events.iter().for_each(|event| self.apply(event));
        events
    }

    fn take(&mut self, op: &Value) -> Value {
        match op["op"].as_str() {
            Some("register") => self.register(&op["mandate"]),
            Some("unregister") => self.end(op["id"].as_str().expect("an id")),
            Some("enqueue") => self.enqueue(&op["schedule"], &op["mandate"]["tag"]),
            Some("pop") => self.pop(),
            other => panic!("unknown operation {other:?}"),
        }
    }

    /// A mandate of that schedule runs.
    fn register(&mut self, mandate: &Value) -> Value {
        let id = mandate["id"].as_str().expect("an id");
        self.end(id);
        let loaded = loaded(mandate, Concurrency::Allow);
        let made = IdSource::new(self.now().time, self.now().seed).mandate();
        let Definition { name, spec, .. } = loaded.definition;
        self.runs_a_scope |= !spec.project_scope.is_empty();
        let origin = Origin::Schedule { name, id: None, key: None, body: None };
        self.apply(&Event::MandateCreated { mandate: made, origin, spec: Box::new(spec) });
        self.apply(&Event::MandateStarted { mandate: made });
        self.running.insert(id.to_owned(), made);
        Value::Null
    }

    fn end(&mut self, id: &str) -> Value {
        if let Some(mandate) = self.running.remove(id) {
            self.finish(mandate);
        }
        Value::Null
    }

    fn finish(&mut self, mandate: MandateId) {
        let outcome = End::Achieved;
        self.apply(&Event::MandateFinished { mandate, outcome, verified: None, reason: None });
    }

    fn enqueue(&mut self, schedule: &Value, tag: &Value) -> Value {
        let concurrency = match schedule["concurrency"].as_str() {
            None | Some("queue") => Concurrency::Queue,
            Some("allow") => Concurrency::Allow,
            Some("reject") => Concurrency::Reject,
            Some(other) => panic!("unknown concurrency {other}"),
        };
        let loaded = loaded(schedule, concurrency);
        let name = loaded.definition.name.clone();
        let (gone, renamed) = Default::default();
        self.apply(&Event::SchedulesLoaded { set: vec![loaded], gone, renamed });
        let now = self.now().time;
        let slot = Slot { civil: jiff::civil::date(2027, 1, 15).at(8, 0, 0, 0), fold: 0, at: now };
        let accounted = Accounted { fates: vec![Fate::Fires(slot)], cursor: now };
        let (schedule, next) = (name, None);
        let (zone_clock, files) = (None, None);
        let slots = Input::Slots { schedule, revision: 1, accounted, next, zone_clock, files };
        for event in self.decide(&slots) {
            match event {
                Event::MandateCreated { mandate, .. } => {
                    self.tags.insert(mandate, tag.clone());
                }
                Event::Slot { state: SlotState::Fired, .. } => return json!("queued"),
                Event::Slot { .. } => return json!("rejected"),
                _ => {}
            }
        }
        panic!("a slot has a fate")
    }

    /// What starts next; it is over at once, as nobody registers it.
    fn pop(&mut self) -> Value {
        let admitted = decide(&self.state, &Input::Admit { only: None }, &self.now());
        let started =
            admitted.expect("nobody is refused").into_iter().find_map(|event| match event {
                Event::MandateStarted { mandate } => Some(mandate),
                _ => None,
            });
        let Some(mandate) = started else { return Value::Null };
        self.apply(&Event::MandateStarted { mandate });
        self.finish(mandate);
        self.tags.remove(&mandate).expect("it was enqueued")
    }

    fn is_waiting(&self) -> bool {
        !self.tags.is_empty()
    }
}

fn loaded(schedule: &Value, concurrency: Concurrency) -> Loaded {
    let spec = MandateSpec {
        goal: BlobRef::of(b"goal"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 1,
        risk_budget: Risk::Low,
        project_scope: schedule["project_scope"].as_str().unwrap_or_default().to_owned(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    };
    let name = schedule["name"].as_str().expect("a name").parse().expect("a name");
    let timing = Timing::Cron { cron: "@daily".into(), zone: "UTC".into(), dst: Dst::default() };
    Loaded {
        definition: Definition { concurrency, ..Definition::new(name, timing, spec) },
        revision: 1,
        cursor: Time::EPOCH,
        next: None,
        anchor: None,
        zone_data: None,
        zone_clock: None,
    }
}
