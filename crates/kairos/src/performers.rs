//! Where permits go.
//!
//! Owns the threads that perform file effects, those of commands, the tasks that ask models, and the
//! way to stop the latter two. Never decides and never keeps a permit: a thread that panics drops it,
//! and the engine hears of that.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kairos_core::effect::{Call, Failure, Outcome};
use kairos_core::id::EffectId;
use kairos_effects::cancel::{self, Cancel};
use kairos_effects::file::Files;
use kairos_effects::model::Model;
use kairos_effects::shell::{Commands, Stop};
use kairos_effects::{Permit, Settled};
use kairos_engine::{Cancel as Kind, Returns};

/// Threads that perform file effects.
const FILE_THREADS: usize = 4;

/// The model in use; a reload may bring another one.
pub(crate) type InUse = Arc<Mutex<Option<Arc<Model>>>>;

/// Tells when every file thread has ended.
pub(crate) struct FileThreads(Receiver<Infallible>);

impl FileThreads {
    /// Waits until all have ended, which they do once the engine is gone and what they were given
    /// is done; `false` when that takes longer than `wait`.
    pub(crate) fn ended_within(&self, wait: Duration) -> bool {
        // Nothing is ever sent: the channel closes with the last thread.
        matches!(self.0.recv_timeout(wait), Err(RecvTimeoutError::Disconnected))
    }
}

/// Hands permits over. Open permits bound every queue and every number of threads in here: one for each
/// running mandate.
pub(crate) struct Performers {
    files: Sender<Permit>,
    commands: Arc<Commands>,
    /// Closes with the last thread that performs.
    alive: Sender<Infallible>,
    model: InUse,
    runtime: tokio::runtime::Handle,
    returns: Returns,
    calls: Calls,
}

/// What is under way and can be stopped.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<HashMap<EffectId, Brake>>>);

/// How one of them is stopped.
enum Brake {
    Model(Cancel),
    Command(Stop),
}

impl Brake {
    fn pull(&self) {
        match self {
            Self::Model(cancel) => cancel.cancel(),
            Self::Command(stop) => stop.kill(),
        }
    }
}

impl Calls {
    /// Stops all of a kind, and tells how many those were.
    pub(crate) fn cancel_all(&self, kind: Kind) -> usize {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |brake: &&Brake| match brake {
            Brake::Model(_) => kind == Kind::Calls,
            Brake::Command(_) => kind == Kind::Commands,
        };
        calls.values().filter(of).map(Brake::pull).count()
    }

    fn cancel(&self, effect: EffectId) {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get(&effect) {
            call.pull();
        }
    }

    fn insert(&self, effect: EffectId, brake: Brake) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(effect, brake);
    }

    fn remove(&self, effect: EffectId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&effect);
    }
}

impl Performers {
    pub(crate) fn new(
        (files, commands): (Arc<Files>, Arc<Commands>),
        model: InUse,
        runtime: tokio::runtime::Handle,
        returns: Returns,
    ) -> std::io::Result<(Self, FileThreads)> {
        let (alive, ended) = channel::<Infallible>();
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for n in 0..FILE_THREADS {
            let (files, receiver) = (Arc::clone(&files), Arc::clone(&receiver));
            let (returns, alive) = (returns.clone(), alive.clone());
            thread::Builder::new().name(format!("files-{n}")).spawn(move || {
                perform_files(&files, &receiver, &returns);
                drop(alive);
            })?;
        }
        let calls = Calls::default();
        let made = Self { files: sender, commands, alive, model, runtime, returns, calls };
        Ok((made, FileThreads(ended)))
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Hands one permit over; never blocks.
    pub(crate) fn dispatch(&mut self, permit: Permit) {
        if Commands::is_for(permit.effect().call()) {
            return self.command(permit);
        }
        match permit.effect().call() {
            Call::Ask { .. } => self.ask(permit),
            Call::Cancel { effect } => {
                self.calls.cancel(*effect);
                // Nobody waits for it: the outcome that counts is the other effect's.
                self.returns.settled(permit.settle(Outcome::Cleared));
            }
            Call::Observe { .. }
            | Call::Prepare { .. }
            | Call::Change { .. }
            | Call::Reconcile { .. }
            | Call::Clear { .. }
            | Call::Diff { .. }
            | Call::Execute { .. }
            | Call::Verify { .. } => {
                // The threads end only with this sender, so the queue takes it; were they gone, the
                // permit would be dropped and the engine would hear of it.
                self.files.send(permit).ok();
            }
        }
    }

    /// A thread for each: a command takes as long as it does, and files must not wait behind it.
    fn command(&self, permit: Permit) {
        let effect = permit.effect().id();
        let stop = Stop::default();
        self.calls.insert(effect, Brake::Command(stop.clone()));
        let (commands, calls) = (Arc::clone(&self.commands), self.calls.clone());
        let (returns, alive) = (self.returns.clone(), self.alive.clone());
        let perform = move || {
            let performed =
                catch_unwind(AssertUnwindSafe(|| -> Settled { commands.perform(permit, &stop) }));
            calls.remove(effect);
            // A panic has dropped the permit, and with it told the engine.
            if let Ok(settled) = performed {
                returns.settled(settled);
            }
            drop(alive);
        };
        // Without a thread the permit is dropped with what it was to be called in.
        if thread::Builder::new().name("command".into()).spawn(perform).is_err() {
            self.calls.remove(effect);
        }
    }

    fn ask(&self, permit: Permit) {
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(model) = model else {
            return self.returns.settled(permit.settle(Outcome::Failed(Failure::Busy)));
        };
        let effect = permit.effect().id();
        let (cancel, token) = cancel::pair();
        self.calls.insert(effect, Brake::Model(cancel));
        let (returns, calls) = (self.returns.clone(), self.calls.clone());
        self.runtime.spawn(async move {
            let settled = model.perform(permit, token).await;
            calls.remove(effect);
            returns.settled(settled);
        });
    }
}

fn perform_files(files: &Files, queue: &Mutex<Receiver<Permit>>, returns: &Returns) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(permit) = next else { return };
        let performed = catch_unwind(AssertUnwindSafe(|| -> Settled { files.perform(permit) }));
        // A panic has dropped the permit, and with it told the engine.
        if let Ok(settled) = performed {
            returns.settled(settled);
        }
    }
}
