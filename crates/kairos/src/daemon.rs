//! `kairos daemon`: from the configuration to the last lock.
//!
//! Owns the order of start and stop. Start: configuration, lock, socket, journal, open ends, ready:
//! what can fail fails before an effect leaves. Stop: the engine drains and closes the journal, the
//! doors close, the socket goes, the journal as it stands is signed, the file threads end, the lock
//! is released last.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kairos_api::Hooks;
use kairos_engine::lock::PidLock;
use kairos_engine::{Focus, Started, last_words, poison};
use kairos_wire::status::Checkpoints;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

use crate::assemble::{self, Assembled};
use crate::config;
use crate::door::Door;
use crate::identity;
use crate::log::Log;
use crate::notices;
use crate::output::{Exit, Failure, Speech, Voice, talk};
use crate::performers::FileThreads;
use crate::signals::Signals;
use crate::startup::Startup;
use crate::workspace::Workspace;

/// Threads for doors and model calls.
const WORKERS: usize = 2;
/// How long what the runtime still does may take in the end.
const STOP_MAX: Duration = Duration::from_millis(500);
/// How long a file effect may still take when nobody waits for its outcome any more.
const FILES_MAX: Duration = Duration::from_secs(5);

/// Runs a daemon until it is told to stop.
///
/// # Errors
/// It did not start; nothing was dispatched then.
pub(crate) fn daemon(
    workspace: &Workspace,
    file: Option<PathBuf>,
    adopt: bool,
) -> Result<Exit, Failure> {
    let paths = assemble::paths(workspace.root(), file);
    let config = assemble::read(workspace.root(), &paths)?;
    if adopt {
        talk::say(
            "note: if a checkpoint of this journal was published, stop now, move `.kairos/keys` away \
             and start again: else the same key may sign two histories that contradict each other, \
             and whoever compares them will take this journal for forged",
        );
    }
    let lock = lock(workspace, &config.options.pid_path)?;
    assemble::remarks(&config, &paths).for_each(talk::say);
    let runtime = runtime()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::listen().map_err(Startup::cannot("listen to signals"))?
    };
    poison::abort_on_engine_panic(workspace.own("run/poison"));
    let bound = {
        let _entered = runtime.enter();
        Door::bind(workspace)
    };
    let (door, listener) = bound.map_err(Startup::cannot("open the socket"))?;
    let speech = Speech::begin().map_err(Startup::cannot("make a thread"))?;
    let voice = speech.voice();
    let witnesses = config.options.witnesses.clone();
    let role = (Focus::Daemon, identity::here(adopt));
    let Assembled { started, files, checkpoints, log, hooks } =
        assemble::start(workspace, paths, config, role, runtime.handle(), &voice)?;
    checkpoints.begin(witnesses).map_err(Startup::cannot("make a thread"))?;
    let said = (voice, checkpoints.shown());
    let served = serve(&runtime, started, (listener, hooks), signals, said, &log);
    drop(door);
    runtime.shutdown_timeout(STOP_MAX);
    checkpoints.stop();
    release(lock, &files);
    Ok(served)
}

/// Last of all: until here nobody else could act on the workspace.
pub(crate) fn release(lock: PidLock, files: &FileThreads) {
    if files.ended_within(FILES_MAX) {
        drop(lock);
    } else {
        lock.keep_until_exit();
    }
}

/// The workspace's directories and its lock.
pub(crate) fn lock(workspace: &Workspace, pid_path: &std::path::Path) -> Result<PidLock, Failure> {
    workspace.make().map_err(Startup::cannot("make the workspace's directories"))?;
    let path = workspace.root().join(pid_path);
    Ok(PidLock::take(&path).map_err(Startup::Lock)?)
}

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    Ok(built.map_err(Startup::cannot("make the runtime"))?)
}

fn serve(
    runtime: &Runtime,
    started: Started,
    (listener, hooks): (UnixListener, Hooks),
    mut signals: Signals,
    (voice, checkpoints): (Voice, watch::Receiver<Checkpoints>),
    log: &Arc<Log>,
) -> Exit {
    let Started { handle, thread } = started;
    let (close, closed) = oneshot::channel::<()>();
    let (ended, mut over) = oneshot::channel();
    std::thread::spawn(move || ended.send(thread.join()));
    let result = runtime.block_on(async {
        let troubles = Arc::clone(log);
        let views = kairos_api::Door::open(handle.clone())
            .showing(checkpoints)
            .hooked(hooks)
            .knowing(|name| config::zone::with_digest(name).ok())
            .telling(move |trouble| notices::trouble(&troubles, trouble));
        let doors = tokio::spawn(kairos_api::unix::serve(listener, views, async {
            closed.await.ok();
        }));
        // Whoever waits for this line may go on: the socket answers from here on.
        let pid = std::process::id();
        voice.say(format!("kairos daemon ready, pid {pid}"));
        let result = loop {
            tokio::select! {
                result = &mut over => break result,
                () = signals.pass_on(&handle, log) => {}
            }
        };
        close.send(()).ok();
        doors.await.ok();
        result
    });
    match result {
        Ok(Ok(Ok(()))) => Exit::Ok,
        Ok(Ok(Err(poisoned))) => {
            // What is true now only a new start can tell: nothing may run on, not even a drop.
            last_words(format!("error: {poisoned}: {}", poisoned.source));
            std::process::abort()
        }
        Ok(Err(_)) | Err(_) => std::process::abort(),
    }
}
