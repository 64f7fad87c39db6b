//! `kairos once`: one mandate in this process, under the lock, without a daemon.
//!
//! Owns the way from a request to an outcome: the same engine, no door, no slot, no other mandate.
//! What is parked in the end stays in the journal, and the next daemon continues it.

use std::convert::Infallible;
use std::path::PathBuf;

use kairos_core::digest::BlobRef;
use kairos_core::event::Event;
use kairos_core::id::MandateId;
use kairos_core::input::Verb;
use kairos_core::mandate::outcome::{Outcome, ParkReason};
use kairos_core::principal::Principal;
use kairos_core::refusal::Refusal;
use kairos_core::rules::Rules;
use kairos_engine::{Control, Focus, Handle, Subject, SubmitError, poison};
use kairos_wire::MandateRequest;

use crate::assemble::{self, Assembled};
use crate::daemon::{lock, release, runtime};
use crate::identity;
use crate::output::{Exit, Failure, Speech, talk};
use crate::signals::{Ending, Signals};
use crate::startup::Startup;
use crate::workspace::Workspace;

/// How the mandate stood in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Finished {
        mandate: MandateId,
        outcome: Outcome,
    },
    Parked {
        mandate: MandateId,
    },
    /// A signal ended it; what was made stays in the journal.
    Stopped {
        mandate: Option<MandateId>,
        by: Ending,
    },
}

impl End {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Finished { outcome: Outcome::Achieved | Outcome::Unchanged, .. } => Exit::Ok,
            Self::Finished { .. } => Exit::No,
            Self::Parked { .. } => Exit::ForNow,
            Self::Stopped { by: Ending::Interrupt, .. } => Exit::Interrupted,
            Self::Stopped { by: Ending::Terminate, .. } => Exit::Terminated,
        }
    }

    pub(crate) const fn mandate(&self) -> Option<MandateId> {
        match self {
            Self::Finished { mandate, .. } | Self::Parked { mandate } => Some(*mandate),
            Self::Stopped { mandate, .. } => *mandate,
        }
    }
}

/// Runs one mandate to its end, or to where it waits; `say` hears every event of it.
///
/// # Errors
/// A daemon runs here, the start failed, or the mandate was refused.
pub(crate) fn once(
    workspace: &Workspace,
    file: Option<PathBuf>,
    request: &MandateRequest,
    say: &mut dyn FnMut(kairos_core::time::Time, &Event),
) -> Result<End, Failure> {
    let paths = assemble::paths(workspace.root(), file);
    let config = assemble::read(workspace.root(), &paths)?;
    can_ask(&config.rules, request)?;
    let lock = lock(workspace, &config.options.pid_path)?;
    assemble::summary(&config, &paths).into_iter().for_each(talk::say);
    let runtime = runtime()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen().map_err(Startup::cannot("listen to signals"))?
    };
    poison::abort_on_engine_panic(workspace.own("run/poison"));
    let speech = Speech::begin().map_err(Startup::cannot("make a thread"))?;
    let role = (Focus::Once, identity::here(false));
    let Assembled { started, files, checkpoints, log: _, hooks: _ } =
        assemble::start(workspace, paths, config, role, runtime.handle(), &speech.voice())?;
    let handle = started.handle.clone();
    let end = runtime.block_on(follow(&handle, request, &mut signals, say));
    handle.signal(Control::Shutdown);
    // Asked to end once more, it does not wait for what is open either.
    runtime.spawn(async move {
        loop {
            signals.ending().await;
            handle.signal(Control::Shutdown);
        }
    });
    let stopped = started.thread.join();
    match stopped {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => std::process::abort(),
    }
    checkpoints.stop();
    release(lock, &files);
    end
}

/// Refuses what the engine would refuse, before anything is locked or written.
fn can_ask(rules: &Rules, request: &MandateRequest) -> Result<(), Failure> {
    let stored_nowhere = |text: &str| Ok::<_, Infallible>(BlobRef::of(text.as_bytes()));
    kairos_api::convert::spec(request, &mut { stored_nowhere })
        .map_err(|error| Failure::of(Exit::Usage, "bad_mandate", &error))?;
    let refusal = match &rules.model {
        None => Refusal::NoModel,
        Some(model) => {
            let name = request.model.as_deref().unwrap_or(&model.name);
            if model.price_of(name).is_some() {
                return Ok(());
            }
            Refusal::Unpriced { model: name.to_owned() }
        }
    };
    Err(refused(refusal.into()))
}

async fn follow(
    handle: &Handle,
    request: &MandateRequest,
    signals: &mut Signals,
    say: &mut dyn FnMut(kairos_core::time::Time, &Event),
) -> Result<End, Failure> {
    let spec = kairos_api::convert::spec(request, &mut |text| handle.put(text.as_bytes()));
    let spec = Box::new(spec.map_err(|e| Failure::of(Exit::Usage, "bad_mandate", &e))?);
    // What is submitted is recorded: whoever ends it later still learns its id.
    let told = tokio::select! {
        biased;
        by = signals.ending() => Some(by),
        () = std::future::ready(()) => None,
    };
    if let Some(by) = told {
        return Ok(End::Stopped { mandate: None, by });
    }
    let made = handle.submit(principal(), Verb::Create { spec, key: None }).await;
    let made = made.map_err(refused)?;
    let Some(Subject::Mandate(mandate)) = made.subject else {
        return Err(Failure::new(Exit::Bug, "no_mandate", "no mandate was made"));
    };
    let mut follower = handle.follow(made.seq);
    loop {
        let record = tokio::select! {
            record = follower.next() => record,
            by = signals.ending() => return Ok(End::Stopped { mandate: Some(mandate), by }),
        };
        let Some(record) = record else { break };
        for event in record.events.iter().filter(|event| event.mandate() == Some(mandate)) {
            say(record.at.time, event);
            match event {
                Event::MandateFinished { outcome, .. } => {
                    return Ok(End::Finished { mandate, outcome: *outcome });
                }
                Event::MandateParked { reason, .. } if *reason != ParkReason::Provider => {
                    return Ok(End::Parked { mandate });
                }
                _ => {}
            }
        }
    }
    Err(Failure::new(Exit::Bug, "engine_stopped", "the engine stopped before the mandate did"))
}

fn refused(error: SubmitError) -> Failure {
    let failure = Failure::of(error.kind().into(), error.code(), &error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Who acts without a daemon: whoever started the process.
fn principal() -> Principal {
    let uid = rustix::process::getuid().as_raw();
    kairos_api::unix::principal(uid)
}
