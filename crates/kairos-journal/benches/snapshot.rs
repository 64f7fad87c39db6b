//! Snapshots of a large state: what a start costs with one, what making one costs the writer beside
//! it, and that finished mandates leave nothing behind.
//!
//! Prints rows as `cargo xtask bench` reads them. `cargo bench -p kairos-journal --bench snapshot`.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use kairos_core::budget::{Caps, Price};
use kairos_core::cycle::answer::{Answer, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Effect, FileFact, Outcome, Place, Reply, WritersKnown,
};
use kairos_core::event::{Event, Key};
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::{MandateId, NodeId, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::plan::{Action, FailurePolicy, Step};
use kairos_core::principal::Principal;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_journal::{Ahead, Ledger, Opened, Opening, Segments, refold};
use serde::Serialize;

type Done<T> = Result<T, Box<dyn Error>>;
type Book = Ledger<State, (), RealFs>;

/// Open mandates: what is alive in a state.
const LIVE: u64 = 20_000;
/// Of these, one in so many waits for a person, with a plan half-way.
const HELD_EACH: u64 = 10;
const FINISHED: u64 = 1_000_000;
/// Frames of one commit where only what stands in the end counts.
const AT_ONCE: usize = 400;
/// How often turns beside a snapshot and alone take turns.
const SLICES: usize = 15;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    control: Option<f64>,
    ratio: Option<f64>,
    target: Option<f64>,
    met: Option<bool>,
}

impl Row {
    fn at_most(name: &'static str, unit: &'static str, value: f64, target: f64) -> Self {
        let (target, met) = (Some(target), Some(value <= target));
        Self { name, value, unit, control: None, ratio: None, target, met }
    }

    fn beside(self, control: f64) -> Self {
        Self { control: Some(control), ratio: Some(self.value / control), ..self }
    }

    fn print(&self, json: bool) -> Done<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            let Self { name, value, unit, control, target, met, .. } = self;
            let control = control.map_or(String::new(), |control| format!(" beside {control:.2}"));
            let target = target.map_or(String::new(), |target| format!(", at most {target}"));
            let mark = if *met == Some(false) { "  MISSED" } else { "" };
            println!("{name}: {value:.2} {unit}{control}{target}{mark}");
        }
        Ok(())
    }
}

fn main() -> Done<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    // First, while nothing else has been in this memory.
    finished()?.print(json)?;
    for row in live()? {
        row.print(json)?;
    }
    Ok(())
}

/// The state after a million mandates came and went, some with keys that have expired since.
fn finished() -> Done<Row> {
    let mut world = World::new();
    for _ in 0..1_000 {
        world.mandate();
    }
    world.expire();
    let (empty, resident) = (serde_json::to_vec(&world.state)?.len(), resident()?);
    for _ in 0..FINISHED {
        world.mandate();
    }
    world.expire();
    let written = serde_json::to_vec(&world.state)?.len().saturating_sub(empty);
    let grown = self::resident()?.saturating_sub(resident);
    let kib = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).map(f64::from);
    let row = Row::at_most("state after 1 M mandates", "KiB", kib(grown)?, 1024.0);
    // What is written tells whether anything was kept; the rest is the allocator's.
    Ok(Row { control: Some(kib(written)?), ..row })
}

/// Bytes of this process that are in memory.
fn resident() -> Done<usize> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = text.split(' ').nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4096)
}

/// A journal with a large state: written on while snapshots are made, and started from.
fn live() -> Done<Vec<Row>> {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut world = World::new();
    drop(fill(root.path(), &mut world)?);
    let mut without = (0..3).map(|_| boot(root.path(), false)).collect::<Done<Vec<f64>>>()?;
    make(root.path())?;
    let mut with = (0..7).map(|_| boot(root.path(), true)).collect::<Done<Vec<f64>>>()?;
    let (mut made, mut busy, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
    let mut book = open(root.path())?.0;
    for _ in 0..SLICES {
        let done = AtomicBool::new(false);
        let (after, mut beside, took) = std::thread::scope(|scope| -> Done<_> {
            let makes = scope.spawn(|| {
                // As the engine's thread for it does.
                rustix::process::setpriority_process(None, 10).ok();
                let took = make(root.path()).map_err(|error| error.to_string());
                done.store(true, Ordering::Relaxed);
                took
            });
            let turned = turns(book, &mut world, &mut |_| !done.load(Ordering::Relaxed));
            let took = makes.join().map_err(|_| "making a snapshot panicked")??;
            let (after, beside) = turned?;
            Ok((after, beside, took))
        })?;
        let as_many = beside.len();
        let (after, mut alone) = turns(after, &mut world, &mut |turns| turns < as_many)?;
        book = after;
        made.push(took);
        busy.push(part(&mut beside, 0));
        quiet.push(part(&mut alone, 0));
    }
    let boot = Row::at_most("boot from a snapshot, 20,000 live", "ms", part(&mut with, 2), 100.0);
    let pause = "longest turn while a snapshot is made";
    let made = Row::at_most("making a snapshot, 20,000 live", "ms", part(&mut made, 2), 0.0);
    Ok(vec![
        boot.beside(part(&mut without, 2)),
        Row::at_most(pause, "ms", part(&mut busy, 2), 5.0).beside(part(&mut quiet, 2)),
        Row { target: None, met: None, ..made },
    ])
}

/// The value that one in `share` exceeds; the largest when that is 0.
fn part(values: &mut [f64], share: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let above = values.len().checked_div(share).unwrap_or(0);
    values[values.len() - 1 - above.min(values.len() - 1)]
}

fn opening() -> Opening {
    let segments = Segments::new(1 << 20, 64 << 20, Ahead::Thread);
    Opening { origin: NodeId::from_u128(1), epoch: 1, schema: 1, segments }
}

fn open(root: &Path) -> Done<(Book, Opened)> {
    let dir = RealFs.root(root)?;
    Ok(Ledger::open(Arc::new(RealFs), dir, State::empty(), Arc::new(|_| {}), opening())?)
}

/// Milliseconds of a start.
fn boot(root: &Path, snapshot: bool) -> Done<f64> {
    let begun = Instant::now();
    let (book, opened) = open(root)?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    let live = book.state().mandates().count() as u64;
    if live != LIVE || opened.snapshot.is_some() != snapshot {
        return Err(format!("{live} mandates, from {:?}", opened.snapshot).into());
    }
    Ok(took)
}

/// Records all that makes the large state, and goes on until a segment is sealed behind it.
fn fill(root: &Path, world: &mut World) -> Done<Book> {
    let (mut book, _) = open(root)?;
    for n in 0..LIVE {
        if n % HELD_EACH == 0 {
            world.held();
        } else {
            world.queued();
        }
        if world.frames.len() >= AT_ONCE {
            book = recorded(book, world)?;
        }
    }
    book = recorded(book, world)?;
    let filled = book.sealed();
    while book.sealed() == filled {
        (0..AT_ONCE / 2).for_each(|_| world.brief());
        book = recorded(book, world)?;
    }
    Ok(book)
}

/// One turn of all frames that the world has made since the last.
fn recorded(mut book: Book, world: &mut World) -> Done<Book> {
    for (time, events) in world.frames.drain(..) {
        book.record(time, events)?;
    }
    Ok(book.commit()?.0)
}

/// Takes turns, each a mandate that comes and goes, as long as `more` of so many: how many
/// milliseconds each took.
fn turns(
    mut book: Book,
    world: &mut World,
    more: &mut dyn FnMut(usize) -> bool,
) -> Done<(Book, Vec<f64>)> {
    let mut times = Vec::new();
    while more(times.len()) {
        world.brief();
        let begun = Instant::now();
        book = recorded(book, world)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok((book, times))
}

/// Makes the first snapshot: how many milliseconds that took.
fn make(root: &Path) -> Done<f64> {
    if root.join("snapshots").exists() {
        std::fs::remove_dir_all(root.join("snapshots"))?;
    }
    let (dir, go_on) = (RealFs.root(root)?, AtomicBool::new(false));
    let begun = Instant::now();
    let made = refold(&Arc::new(RealFs), &dir, State::empty(), &opening(), &go_on)?;
    made.ok_or("there was nothing to make")?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// A state, the frames that led to it, and a clock.
struct World {
    state: State,
    seq: Seq,
    effects: Vec<Effect>,
    /// Kept for a journal; emptied there.
    frames: Vec<(Time, Vec<Event>)>,
    ms: u64,
}

impl World {
    fn new() -> Self {
        let (state, seq) = (State::empty(), Seq(0));
        let mut world = Self { state, seq, effects: Vec::new(), frames: Vec::new(), ms: 0 };
        let rules = Box::new(rules());
        world.step(&Input::Configured {
            rules,
            set: Vec::new(),
            gone: Vec::new(),
            renamed: Vec::new(),
        });
        world
    }

    fn now(&self) -> Now {
        const DAY_MS: u64 = 86_400_000;
        let time = Time::from_ms(1_800_057_600_000).plus_ms(self.ms);
        let days = self.ms / DAY_MS;
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.0.to_be_bytes());
        let span = jiff::Span::new().days(i32::try_from(days).expect("few days"));
        let day = jiff::civil::date(2027, 1, 16) + span;
        let day_ends = time.plus_ms(DAY_MS - self.ms % DAY_MS);
        Now { time, seed: Seed(seed), day, day_ends, pace: Pace::Running }
    }

    fn step(&mut self, input: &Input) -> Vec<Event> {
        let now = self.now();
        let events = decide(&self.state, input, &now).expect("nothing here is refused");
        self.seq = self.seq.next();
        for event in &events {
            self.state.apply(At { seq: self.seq, time: now.time }, event, &mut self.effects);
        }
        self.frames.push((now.time, events.clone()));
        events
    }

    fn command(&mut self, verb: Verb) -> Vec<Event> {
        let by: Principal = "user:ann(1000)".parse().expect("a principal");
        self.step(&Input::Command { by, verb })
    }

    fn create(&mut self, key: Option<Key>) -> MandateId {
        let created = self.command(Verb::Create { spec: Box::new(spec()), key });
        created.first().and_then(Event::mandate).expect("a mandate")
    }

    fn queued(&mut self) {
        self.ms += 100;
        self.create(None);
    }

    /// Comes and goes, and never begins.
    fn brief(&mut self) {
        self.ms += 100;
        let mandate = self.create(None);
        self.command(Verb::Stop { mandate });
    }

    /// Begins, and is stopped; one in ten has a key. Ten thousand a day.
    fn mandate(&mut self) {
        self.ms += 8_640;
        let key = Digest::of(&self.seq.0.to_be_bytes());
        let key = self.seq.0.is_multiple_of(10).then_some(Key { key, request: key });
        let mandate = self.create(key);
        self.step(&Input::Admit { only: Some(mandate) });
        self.settle(Outcome::Observed { files: Vec::new(), left_out: 0 });
        self.command(Verb::Stop { mandate });
        self.effects.retain(|effect| self.state.effect(effect.id()).is_some());
        self.settle(answered(Reply::Cancelled));
        self.due();
        self.frames.clear();
    }

    /// Ends up parked with a proposal, half its plan done.
    fn held(&mut self) {
        self.ms += 100;
        let mandate = self.create(None);
        self.step(&Input::Admit { only: Some(mandate) });
        while let Some(effect) = self.effects.last() {
            let outcome = outcome(effect.call());
            self.settle(outcome);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        let effect = self.effects.pop().expect("an effect was begun").id();
        self.step(&Input::Settled { effect, outcome });
    }

    fn due(&mut self) {
        let now = self.now().time;
        let mut last = None;
        while let Some(due) = self.state.due_after(last.as_ref(), now, true) {
            self.step(&Input::Due(due.1.clone()));
            last = Some(due);
        }
    }

    /// Lets a day pass.
    fn expire(&mut self) {
        self.ms += 90_000_000;
        self.due();
        (self.effects, self.frames) = (Vec::new(), Vec::new());
    }
}

fn answered(reply: Reply) -> Outcome {
    Outcome::Asked(Attempt { request: Some(BlobRef::of(b"{}")), usage: None, reply, said: None })
}

fn outcome(call: &Call) -> Outcome {
    match call {
        Call::Observe { .. } => Outcome::Observed { files: Vec::new(), left_out: 0 },
        Call::Ask { brief, .. } => {
            let answer = match brief.phase {
                Phase::Decide => Answer::Decide(plan()),
                _ => Answer::Orient { risk: Risk::Low },
            };
            answered(Reply::Answered { answer, text: BlobRef::of(b"{}") })
        }
        Call::Prepare { action, .. } => {
            let path = action.path().expect("the plan edits").clone();
            let pre = FileFact { content: BlobRef::of(b"old"), mode: 0o644 };
            let (at, post) = (Place { path, parent: 2 }, BlobRef::of(b"new"));
            Outcome::Prepared { change: Change::Edit { at, pre, post }, diff: BlobRef::of(b"diff") }
        }
        Call::Change { .. } => Outcome::Changed { writers: WritersKnown::None },
        _ => Outcome::Cleared,
    }
}

fn plan() -> Decide {
    let edit = |name: &str, path: &str| Step {
        name: name.parse().expect("a name"),
        action: Action::CodeEdit { path: path.parse().expect("a path") },
        depends_on: Vec::new(),
        policy: FailurePolicy::Halt,
    };
    let steps = vec![edit("s1", "docs/a.md"), edit("s2", ".kairos/knowledge/release.md")];
    Decide { status: Status::Done, steps, fingerprint: Digest::of(b"plan") }
}

fn spec() -> MandateSpec {
    MandateSpec {
        goal: BlobRef::of(b"do it"),
        files: vec!["docs/**".into()],
        verify: Vec::new(),
        max_cycles: 10,
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
    Rules {
        max_running: 64,
        day: Caps { calls: None, tokens: None, usd_micros: None },
        mandate_usd_micros_max: u64::MAX,
        proposal_ttl_ms: 1_000_000_000,
        proposals_max: u16::MAX,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules {
            name: "m".into(),
            output_tokens_max: 100,
            prices: vec![NamedPrice { name: String::new(), price: Price::default() }],
        }),
    }
}
