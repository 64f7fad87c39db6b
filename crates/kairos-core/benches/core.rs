//! What a record costs before any disk is asked: decide, encode, apply.
//!
//! Prints rows as `cargo xtask bench` reads them. The control is one SHA-256 over 256 bytes in the
//! same process: a cost every machine has.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench looks at the clock and prints what it saw"
)]

use std::time::Instant;

use kairos_core::budget::{Caps, Price, Usage};
use kairos_core::cycle::answer::Answer;
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{Attempt, Effect, Outcome, Reply};
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::Seed;
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::state::State;
use kairos_core::time::Time;

const ROUNDS: u64 = 2_000;
const TARGET_US: f64 = 1.0;

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    // Slices of the measured and of its control take turns, so both see the same machine.
    let (mut per_frame, mut per_event, mut control) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let (frame, event) = one_run();
        per_frame.push(frame);
        per_event.push(event);
        control.push(one_hash());
    }
    let control = median(&mut control);
    // A journal's record is a frame, a reader's is an event; a frame here holds about three. Both
    // stand beside the target, so that neither reading hides the other.
    row(json, "core a frame", median(&mut per_frame), control);
    row(json, "core an event", median(&mut per_event), control);
}

fn row(json: bool, name: &str, value: f64, control: f64) {
    let (ratio, met) = (value / control, value <= TARGET_US);
    if json {
        println!(
            "{{\"name\":\"{name}\",\"value\":{value:.3},\"unit\":\"us\",\
             \"control\":{control:.3},\"ratio\":{ratio:.2},\"target\":\"<= {TARGET_US:.1} us\",\
             \"met\":{met}}}"
        );
    } else {
        let verdict = if met { "" } else { "  MISSED" };
        println!("{name:<14} {value:.3} us  (SHA-256 of 256 B: {control:.3} us){verdict}");
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds of one SHA-256 over 256 bytes.
fn one_hash() -> f64 {
    let bytes = [7u8; 256];
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(Digest::of(std::hint::black_box(&bytes)));
    }
    begin.elapsed().as_secs_f64() * 1e6 / rounds()
}

fn rounds() -> f64 {
    f64::from(u32::try_from(ROUNDS).expect("few rounds"))
}

/// Microseconds per frame, and per event, over whole mandates up to orient's answer: created, started with its
/// observe, observed with a model call, answered with the next one, stopped.
fn one_run() -> (f64, f64) {
    let mut world = World::new();
    world.step(&Input::Configured {
        rules: Box::new(rules()),
        set: Vec::new(),
        gone: Vec::new(),
        renamed: Vec::new(),
    });
    (world.frames, world.events) = (0, 0);
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        world.mandate();
    }
    let micros = begin.elapsed().as_secs_f64() * 1e6;
    let count = |n: u64| f64::from(u32::try_from(n).expect("few"));
    (micros / count(world.frames), micros / count(world.events))
}

struct World {
    state: State,
    seq: Seq,
    frames: u64,
    events: u64,
    buffer: Vec<u8>,
    effects: Vec<Effect>,
}

impl World {
    fn new() -> Self {
        Self {
            state: State::empty(),
            seq: Seq(0),
            frames: 0,
            events: 0,
            buffer: Vec::with_capacity(1 << 20),
            effects: Vec::new(),
        }
    }

    /// Decides, encodes and applies one input.
    fn step(&mut self, input: &Input) -> Vec<Event> {
        let now = now(self.seq);
        let events = decide(&self.state, input, &now).expect("nothing here is refused");
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, &events).expect("events are JSON");
        std::hint::black_box(&self.buffer);
        self.seq = self.seq.next();
        self.frames += 1;
        self.events += events.len() as u64;
        for event in &events {
            self.state.apply(At { seq: self.seq, time: now.time }, event, &mut self.effects);
        }
        events
    }

    fn settle(&mut self, outcome: Outcome) {
        let effect = self.effects.pop().expect("an effect was begun");
        self.effects.clear();
        self.step(&Input::Settled { effect: effect.id(), outcome });
    }

    fn mandate(&mut self) {
        let by: kairos_core::principal::Principal = "user:ann(1000)".parse().expect("a principal");
        let spec = Box::new(spec());
        let created =
            self.step(&Input::Command { by: by.clone(), verb: Verb::Create { spec, key: None } });
        let mandate = created.first().and_then(Event::mandate).expect("a mandate");
        self.step(&Input::Admit { only: None });
        self.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
        let text = BlobRef::of(b"{}");
        let usage = Usage { input: 10, output: 5, cache_read: 0, cache_write: 0 };
        let reply = Reply::Answered { answer: Answer::Orient { risk: Risk::Low }, text };
        let answered = Attempt { request: Some(text), usage: Some(usage), said: None, reply };
        self.settle(Outcome::Asked(answered.clone()));
        self.step(&Input::Command { by, verb: Verb::Stop { mandate } });
        self.effects.retain(|effect| self.state.effect(effect.id()).is_some());
        self.settle(Outcome::Asked(Attempt { reply: Reply::Cancelled, ..answered }));
    }
}

fn now(seq: Seq) -> Now {
    let time = Time::from_ms(1_800_000_000_000 + i64::try_from(seq.0).expect("few frames"));
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&seq.0.to_be_bytes());
    let day = jiff::civil::date(2027, 1, 15);
    Now { time, seed: Seed(seed), day, day_ends: time.plus_ms(86_400_000), pace: Pace::Running }
}

fn spec() -> MandateSpec {
    MandateSpec {
        goal: BlobRef::of(b"do it"),
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

fn rules() -> Rules {
    let price = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
    Rules {
        max_running: 4,
        day: Caps { calls: None, tokens: None, usd_micros: None },
        mandate_usd_micros_max: u64::MAX,
        proposal_ttl_ms: 1000,
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
