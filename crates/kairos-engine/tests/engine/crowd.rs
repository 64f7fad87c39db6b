//! More commands at once than may wait, and a stop among them: each gets one answer, and the
//! answer is what the journal says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use kairos_core::digest::BlobRef;
use kairos_core::event::{Event, Origin};
use kairos_core::fold::Seq;
use kairos_core::input::Verb;
use kairos_disk::RealFs;
use kairos_engine::{Accepted, Control, Handle, Started, Subject, SubmitError, WAITING_MAX};
use kairos_journal::{Reader, Tail};

use crate::world;

const OFFERED: usize = 20_000;
const THREADS: usize = 8;
/// What a hang takes until it is one.
const PATIENCE: Duration = Duration::from_secs(120);

type Told = Result<Accepted, SubmitError>;
type Tell = mpsc::Sender<(usize, Told)>;

/// The goal by which the journal knows a command again.
fn goal(n: usize) -> BlobRef {
    BlobRef::of(format!("command {n}").as_bytes())
}

/// Offers all of `commands` at once and waits for their answers in a thread of its own.
fn offer(handle: &Handle, commands: std::ops::Range<usize>, tell: Tell) -> thread::JoinHandle<()> {
    let handle = handle.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let mut offered = tokio::task::JoinSet::new();
            for n in commands {
                let (handle, tell) = (handle.clone(), tell.clone());
                let by = "user:ann(1000)".parse().expect("a principal");
                let verb = Verb::Create { spec: Box::new(world::spec(goal(n))), key: None };
                offered.spawn(async move { tell.send((n, handle.submit(by, verb).await)).ok() });
            }
            let answered = async { while offered.join_next().await.is_some() {} };
            tokio::time::timeout(PATIENCE, answered).await.expect("every command is answered");
        });
    })
}

fn offer_all(handle: &Handle, tell: &Tell) -> Vec<thread::JoinHandle<()>> {
    let each = OFFERED / THREADS;
    let share = |part: usize| part * each..(part + 1) * each;
    (0..THREADS).map(|part| offer(handle, share(part), tell.clone())).collect()
}

/// Waits for a stopping engine: how long it took from `told` on.
fn ended(started: Started, told: Instant) -> Duration {
    let (end, ended) = mpsc::channel();
    thread::spawn(move || end.send(started.thread.join()));
    let result = ended.recv_timeout(PATIENCE).expect("the engine ends");
    result.expect("no panic").expect("a clean end");
    told.elapsed()
}

/// What became of all commands; the accepted ones by what their answers said of them.
#[derive(Debug, Default)]
struct Sum {
    accepted: BTreeMap<usize, Accepted>,
    full: usize,
    stopping: usize,
}

impl Sum {
    fn add(&mut self, (n, told): (usize, Told)) {
        match told {
            Ok(accepted) => assert_eq!(self.accepted.insert(n, accepted), None),
            Err(SubmitError::Full) => self.full += 1,
            Err(SubmitError::Stopping) => self.stopping += 1,
            Err(other) => panic!("command {n}: {other}"),
        }
    }

    fn all(&self) -> usize {
        self.accepted.len() + self.full + self.stopping
    }
}

/// The commands in the journal as they should have been answered.
fn recorded(dir: &Path) -> BTreeMap<usize, Accepted> {
    let known: BTreeMap<_, _> = (0..=OFFERED).map(|n| (goal(n).digest, n)).collect();
    let journal = RealFs.root(&dir.join("journal")).expect("the journal");
    let mut reader = Reader::new(Arc::new(RealFs), journal, Seq(1), Tail::Still);
    let mut recorded = BTreeMap::new();
    while let Some(record) = reader.next_record().expect("the journal holds") {
        for event in record.events {
            let Event::MandateCreated { mandate, origin, spec } = event else { continue };
            let Origin::Command { command, .. } = origin else { panic!("{origin:?}") };
            let subject = Some(Subject::Mandate(mandate));
            let accepted = Accepted { seq: record.at.seq, subject, command, recorded: true };
            let n = known[&spec.goal.digest];
            assert_eq!(recorded.insert(n, accepted), None, "command {n} is there twice");
        }
    }
    recorded
}

fn report(of: &str, sum: &Sum, stopped: Duration) {
    eprintln!(
        "{of}: {} accepted, {} refused with the queue full, {} with the stop; stopped after {} ms",
        sum.accepted.len(),
        sum.full,
        sum.stopping,
        stopped.as_millis()
    );
}

#[test]
fn a_busy_engine_lets_10_000_commands_wait_and_its_stop_answers_them_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let (hold, held) = mpsc::channel::<()>();
    // The engine's thread is held where it hands over its first permit, until `hold` is dropped.
    let script = move |effect: &_| {
        held.recv().ok();
        world::well(effect, "docs/a.md")
    };
    let started = world::start_with(dir.path(), Box::new(script), Box::new(|_| {}));
    let (tell, told) = mpsc::channel();
    let mut threads = vec![offer(&started.handle, OFFERED..OFFERED + 1, tell.clone())];
    world::until(&started.handle, |event| matches!(event, Event::EffectBegun { .. }));
    threads.extend(offer_all(&started.handle, &tell));
    drop(tell);
    let mut sum = Sum::default();
    while sum.full < OFFERED - WAITING_MAX {
        sum.add(told.recv_timeout(PATIENCE).expect("what does not fit is refused at once"));
    }
    assert_eq!(sum.all(), OFFERED - WAITING_MAX, "what fits is not answered yet");
    let stop = Instant::now();
    started.handle.signal(Control::Shutdown);
    drop(hold);
    let stopped = ended(started, stop);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    told.into_iter().for_each(|told| sum.add(told));
    report("busy", &sum, stopped);
    assert_eq!(sum.all(), OFFERED + 1);
    assert_eq!(sum.full, OFFERED - WAITING_MAX);
    assert_eq!(sum.accepted, recorded(dir.path()));
}

#[test]
fn a_stop_in_the_midst_of_a_crowd_answers_each_command_as_the_journal_has_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = world::start(dir.path(), |effect| world::well(effect, "docs/a.md"));
    let (tell, told) = mpsc::channel();
    let threads = offer_all(&started.handle, &tell);
    drop(tell);
    let mut sum = Sum::default();
    while sum.accepted.len() < 1_000 {
        sum.add(told.recv_timeout(PATIENCE).expect("the engine takes what it can"));
    }
    let stop = Instant::now();
    started.handle.signal(Control::Shutdown);
    let stopped = ended(started, stop);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    told.into_iter().for_each(|told| sum.add(told));
    report("in the midst", &sum, stopped);
    assert_eq!(sum.all(), OFFERED);
    assert_eq!(sum.accepted, recorded(dir.path()));
}
