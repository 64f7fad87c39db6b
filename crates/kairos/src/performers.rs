//! Where permits go.
//!
//! Owns the threads that perform file effects and the tasks that ask models, and the way to stop
//! the latter. Never decides and never keeps a permit: a thread that panics drops it, and the engine
//! hears of that.

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
use kairos_effects::{Permit, Settled};
use kairos_engine::Returns;

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

/// Hands permits over. Open permits bound every queue in here: one for each running mandate.
pub(crate) struct Performers {
    files: Sender<Permit>,
    model: InUse,
    runtime: tokio::runtime::Handle,
    returns: Returns,
    calls: Calls,
}

/// Model calls under way.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<HashMap<EffectId, Cancel>>>);

impl Calls {
    /// Stops all of them.
    pub(crate) fn cancel_all(&self) {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.values().for_each(Cancel::cancel);
    }

    fn cancel(&self, effect: EffectId) {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get(&effect) {
            call.cancel();
        }
    }

    fn insert(&self, effect: EffectId, cancel: Cancel) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(effect, cancel);
    }

    fn remove(&self, effect: EffectId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&effect);
    }
}

impl Performers {
    pub(crate) fn new(
        files: Arc<Files>,
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
        Ok((Self { files: sender, model, runtime, returns, calls }, FileThreads(ended)))
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Hands one permit over; never blocks.
    pub(crate) fn dispatch(&mut self, permit: Permit) {
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
            | Call::Verify { .. } => {
                // The threads end only with this sender, so the queue takes it; were they gone, the
                // permit would be dropped and the engine would hear of it.
                self.files.send(permit).ok();
            }
        }
    }

    fn ask(&self, permit: Permit) {
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(model) = model else {
            return self.returns.settled(permit.settle(Outcome::Failed(Failure::Busy)));
        };
        let effect = permit.effect().id();
        let (cancel, token) = cancel::pair();
        self.calls.insert(effect, cancel);
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
