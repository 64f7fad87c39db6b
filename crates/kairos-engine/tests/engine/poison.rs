//! A mandate that brings the engine down: what its aborts leave, in processes that really abort.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};

use kairos_core::effect::Effect;
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Snapshot};
use kairos_core::id::{IdSource, MandateId, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::outcome::{EndReason, Outcome};
use kairos_core::resume::{Resume, resume};
use kairos_core::state::State;
use kairos_disk::{Fs as _, RealFs};
use kairos_engine::{
    Admit, Calendar, Control, ENGINE_THREAD, Exits, Inputs, Ledger, Notice, Started, Subject,
    poison, time, turn,
};
use kairos_journal::{Opening, Segments};

use crate::world;

/// Where a child of this test finds its journal; unset in the test itself.
const DIR: &str = "KAIROS_POISON_DIR";
/// What the child does while it folds the mandate.
const DOES: &str = "KAIROS_POISON_DOES";
const FOLDING: &str = "the mandate is being folded";
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// This test binary again, at `test` only.
fn child(test: &str, dir: &Path, does: &str) -> Child {
    let program = std::env::current_exe().expect("a test has a binary");
    Command::new(program)
        .args(["--exact", &format!("poison::{test}"), "--nocapture"])
        .env(DIR, dir)
        .env(DOES, does)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// The child's part: takes up the mandate's lost effect, and never comes back.
fn fold_if_child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let does = std::env::var(DOES).expect("both are set");
    poison::abort_on_engine_panic(dir.join("poison"));
    let engine = std::thread::Builder::new().name(ENGINE_THREAD.into());
    let engine = engine.spawn(move || fold(&dir, &does)).expect("a thread");
    engine.join().expect("a panic would have ended the process");
}

/// The state, but for the one event that `does` something else to it.
struct Folds {
    state: State,
    does: String,
}

impl AsRef<State> for Folds {
    fn as_ref(&self) -> &State {
        &self.state
    }
}

impl Fold for Folds {
    type Event = Event;
    type Effect = Effect;

    fn apply(&mut self, at: At, event: &Event, out: &mut Vec<Effect>) {
        if matches!(event, Event::EffectSettled { .. }) {
            writeln!(std::io::stdout(), "{FOLDING}").expect("someone listens");
            match self.does.as_str() {
                "panic" => panic!("poison"),
                // Ends when the process is killed.
                _ => loop {
                    std::thread::park();
                },
            }
        }
        self.state.apply(at, event, out);
    }
}

impl Snapshot for Folds {
    const KIND: &'static str = State::KIND;
    const SCHEMA: u32 = State::SCHEMA;
    type Form = State;

    fn form(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

fn fold(dir: &Path, does: &str) {
    let root = RealFs.root(dir).expect("the root");
    let journal = RealFs.open_dir(&root, Path::new("journal")).expect("the journal");
    let opening = Opening {
        origin: IdSource::new(time(), Seed([7; 16])).node(),
        epoch: 1,
        schema: 4,
        segments: Segments::default(),
    };
    #[expect(clippy::disallowed_methods, reason = "the turn is driven without its engine")]
    let opened = Ledger::open(
        Arc::new(RealFs),
        journal,
        Folds { state: State::empty(), does: does.to_owned() },
        Arc::new(|_| {}),
        opening,
    );
    let (ledger, _) = opened.expect("the journal holds");
    let lost = resume(ledger.state().as_ref()).into_iter().find_map(|end| match end {
        Resume::Lost { effect, .. } => Some(Input::Lost { effect }),
        Resume::Continue { .. } => None,
    });
    let mut inputs = Inputs::default();
    inputs.own.push(lost.expect("an effect is open"));
    inputs.admit = Admit::Only(None);
    let mut now = || Now {
        time: time(),
        seed: Seed([8; 16]),
        day: jiff::civil::date(2026, 11, 21),
        day_ends: time().plus_ms(86_400_000),
        pace: Pace::Running,
    };
    let exits = Exits { publish: &mut |_, _| {}, dispatch: &mut drop };
    let turned = turn(ledger, inputs, &mut now, &Calendar::default(), exits);
    panic!("nothing was settled: {turned:?}");
}

/// A mandate whose first effect is open for ever, in a daemon that has stopped.
fn open_mandate(dir: &Path) -> MandateId {
    let started = world::start(dir, |_| None);
    let goal = started.handle.put(b"do it").expect("stored");
    let verb = Verb::Create { spec: Box::new(world::spec(goal)), key: None };
    let by = "user:ann(1000)".parse().expect("a principal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let created = runtime.block_on(started.handle.submit(by, verb)).expect("accepted");
    world::until(&started.handle, |event| matches!(event, Event::EffectBegun { .. }));
    stop(started);
    let Some(Subject::Mandate(mandate)) = created.subject else { panic!("{created:?}") };
    mandate
}

fn stop(started: Started) {
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}

fn abort(test: &str, dir: &Path) {
    let ended = child(test, dir, "panic").wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.signal(), Some(SIGABRT), "{said}");
    assert!(said.contains(FOLDING), "{said}");
}

/// Starts an engine in which all goes well, and the mandates it says it has quarantined.
fn restart(dir: &Path) -> (Started, Vec<MandateId>) {
    let (quarantine, quarantined) = mpsc::channel();
    let started = world::start_with(
        dir,
        Box::new(|effect| world::well(effect, "docs/a.md")),
        Box::new(move |notice| {
            if let Notice::Quarantined { mandate } = notice {
                quarantine.send(mandate).ok();
            }
        }),
    );
    (started, quarantined.try_iter().collect())
}

fn end_of(started: &Started) -> (Outcome, Option<EndReason>) {
    let finished = |event: &Event| matches!(event, Event::MandateFinished { .. });
    let seen = world::until(&started.handle, finished);
    let Some(Event::MandateFinished { outcome, reason, .. }) = seen.last() else { panic!() };
    (*outcome, *reason)
}

#[test]
fn a_mandate_that_aborts_the_engine_twice_is_quarantined() {
    fold_if_child();
    let test = "a_mandate_that_aborts_the_engine_twice_is_quarantined";
    let dir = tempfile::tempdir().expect("a directory");
    let mandate = open_mandate(dir.path());
    let file = dir.path().join("poison");
    assert_eq!(poison::notes(&file), []);
    for count in 1..=2 {
        abort(test, dir.path());
        assert_eq!(poison::notes(&file), [poison::Note { mandate, count }]);
    }
    let (started, quarantined) = restart(dir.path());
    assert_eq!(quarantined, [mandate]);
    assert_eq!(end_of(&started), (Outcome::Failed, Some(EndReason::Poison)));
    assert_eq!(poison::notes(&file), []);
    stop(started);
}

#[test]
fn a_mandate_that_aborted_the_engine_once_goes_on() {
    fold_if_child();
    let dir = tempfile::tempdir().expect("a directory");
    open_mandate(dir.path());
    abort("a_mandate_that_aborted_the_engine_once_goes_on", dir.path());
    let (started, quarantined) = restart(dir.path());
    assert_eq!(quarantined, []);
    assert_eq!(end_of(&started), (Outcome::Achieved, None));
    stop(started);
    // Its mandate is over: the next start has nothing to count for.
    let (started, _) = restart(dir.path());
    assert_eq!(poison::notes(&dir.path().join("poison")), []);
    stop(started);
}

#[test]
fn a_kill_while_a_mandate_is_folded_counts_for_nothing() {
    fold_if_child();
    let dir = tempfile::tempdir().expect("a directory");
    open_mandate(dir.path());
    let mut child =
        child("a_kill_while_a_mandate_is_folded_counts_for_nothing", dir.path(), "wait");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let folding = lines.any(|line| line.expect("text").contains(FOLDING));
    child.kill().expect("it is there");
    assert_eq!(child.wait().expect("it ends").signal(), Some(SIGKILL));
    assert!(folding, "it ended before");
    assert_eq!(poison::notes(&dir.path().join("poison")), []);
    let (started, quarantined) = restart(dir.path());
    assert_eq!(quarantined, []);
    assert_eq!(end_of(&started), (Outcome::Achieved, None));
    stop(started);
}
