//! Checkpoints while this process owns the journal.
//!
//! Owns when they are signed (a segment was sealed; the engine stopped), the thread that signs and
//! publishes, and what people hear of it: log lines, words on stderr, a part of the status. Never
//! holds up the engine: it is told of nothing and waits for nothing here.

mod keeping;
mod sealed;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::ReadError;
use kairos_journal::checkpoint::{self, CheckpointError, Places, Signed, Upto};
use kairos_journal::note::Signer;
use kairos_journal::retention::{self, Limits, Looked, Standing};
use kairos_wire::status as wire;
use tokio::sync::watch;

use self::keeping::Keeping;
use crate::keys::KeyError;
use crate::log::{Detail, Level, Log};
use crate::output::Voice;
use crate::output::table::one_line;
use crate::witness::{Outcome, Published, Witness, publish};
use crate::workspace::Workspace;

/// How long the end waits until the last checkpoint has reached the witnesses.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A handle; cheap to clone.
#[derive(Clone)]
pub(crate) struct Checkpoints(Arc<Shared>);

struct Shared {
    root: PathBuf,
    journal: Dir,
    kept: Dir,
    /// `None`: there is no key that could be used, which was said at the start.
    signer: Option<Signer>,
    published: Published,
    witnesses: Mutex<Vec<Witness>>,
    thread: Mutex<Option<Thread>>,
    /// Held by whoever writes in `kept`.
    keeping: Keeping,
    stopping: Stopping,
    shown: watch::Sender<wire::Checkpoints>,
    log: Arc<Log>,
    voice: Voice,
}

/// How far a stop is.
#[derive(Default)]
struct Stopping {
    asked: Mutex<bool>,
    bell: Condvar,
    /// Nobody waits any longer.
    ended: AtomicBool,
}

struct Thread {
    tell: Sender<Told>,
    /// Nothing is ever sent: it closes with the thread.
    over: Receiver<Infallible>,
}

/// What the thread is told.
enum Told {
    /// Frames up to this one stand in segments that others follow.
    Sealed(Seq),
    /// There may be something that a witness has not.
    Publish,
    /// The journal is closed, and nothing more comes.
    Closed,
}

impl Checkpoints {
    /// For the workspace, with its key; what is wrong with that is said.
    pub(crate) fn open(
        workspace: &Workspace,
        signer: Result<Signer, KeyError>,
        log: &Arc<Log>,
        voice: &Voice,
    ) -> io::Result<Self> {
        let (signer, problem) = match signer {
            Ok(signer) => (Some(signer), None),
            Err(error) => {
                let text = crate::startup::chain(&error);
                let hint = error.hint();
                voice.say(format!("warning: no checkpoints are signed: {text}\nhint: {hint}"));
                let details = [("error", Detail::Text(text.clone()))];
                log.line(Level::Error, "checkpoint_failed", "checkpoint", &details);
                (None, Some(text))
            }
        };
        let shown = wire::Checkpoints { problem, ..wire::Checkpoints::default() };
        Ok(Self(Arc::new(Shared {
            root: workspace.root().to_owned(),
            journal: workspace.open_own("journal")?,
            kept: workspace.open_own("checkpoints")?,
            signer,
            published: Published::read(&workspace.own("checkpoints")),
            witnesses: Mutex::default(),
            thread: Mutex::default(),
            keeping: Keeping::default(),
            stopping: <_>::default(),
            shown: watch::channel(shown).0,
            log: Arc::clone(log),
            voice: voice.clone(),
        })))
    }

    /// Signs whenever a segment is sealed, and publishes, from now on.
    pub(crate) fn begin(&self, witnesses: Vec<Witness>) -> io::Result<()> {
        if self.0.signer.is_none() {
            return Ok(());
        }
        let (tell, told) = channel();
        let (alive, over) = channel::<Infallible>();
        let shared = Arc::clone(&self.0);
        thread::Builder::new().name("checkpoint".into()).spawn(move || {
            let _alive = alive;
            for told in told {
                let last = matches!(told, Told::Closed);
                match told {
                    Told::Sealed(upto) => shared.make(Upto::Known(upto)),
                    Told::Publish => {}
                    Told::Closed => shared.make(Upto::Still),
                }
                shared.publish();
                if last {
                    break;
                }
            }
        })?;
        let sealed = tell.clone();
        let sealed = move |seq| sealed.send(Told::Sealed(seq)).is_ok();
        if let Err(error) = sealed::watch(&self.0.root.join(".kairos/journal"), sealed) {
            let details = [("error", Detail::Text(error.to_string()))];
            self.0.log.line(Level::Warn, "checkpoint_at_stop_only", "checkpoint", &details);
        }
        *self.0.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(Thread { tell, over });
        self.witness_by(witnesses);
        Ok(())
    }

    /// Publishes to these from now on; also what was not published before.
    pub(crate) fn witness_by(&self, witnesses: Vec<Witness>) {
        self.0.published.keep_only(&witnesses);
        *self.0.witnesses.lock().unwrap_or_else(PoisonError::into_inner) = witnesses;
        self.0.show(|_| {});
        if let Some(thread) = &*self.0.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.tell.send(Told::Publish).ok();
        }
    }

    /// Deletes the journal's oldest segments as far as that is recorded, and covers what is next.
    /// Told to `stop`, it ends before the next segment it would read, and at once while another writes.
    pub(crate) fn look(
        &self,
        standing: Standing,
        limits: &Limits,
        stop: &AtomicBool,
    ) -> Result<Looked, String> {
        let signer = self.0.signer.as_ref();
        let signer = signer.ok_or("there is no key to sign a checkpoint with")?;
        let _alone = self.0.keeping.take(stop).ok_or("told to stop")?;
        let places = Places { stop: Some(stop), ..self.0.places() };
        let looked = retention::look(&places, signer, standing, limits);
        looked.map_err(|error| crate::startup::chain(&error))
    }

    /// As it is shown to people.
    pub(crate) fn shown(&self) -> watch::Receiver<wire::Checkpoints> {
        self.0.shown.subscribe()
    }

    /// Signs the journal that was just closed, and publishes that, both within a while: where no
    /// earlier checkpoint is kept, all of the journal has to be read. What was signed last stands, and
    /// the next one covers the rest.
    pub(crate) fn stop(self) {
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Thread { tell, over }) = thread else { return self.0.make(Upto::Still) };
        let Stopping { asked, bell, .. } = &self.0.stopping;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        tell.send(Told::Closed).ok();
        if over.recv_timeout(STOP_MAX) == Err(RecvTimeoutError::Timeout) {
            self.0.stopping.ended.store(true, Ordering::Relaxed);
            self.0.voice.say(
                "warning: the last checkpoint is not signed yet, or has not reached every witness\n\
                 hint: the next one covers what it would, and the next start offers what is signed",
            );
        }
    }
}

impl Shared {
    fn places(&self) -> Places<'_, RealFs> {
        Places {
            disk: &RealFs,
            journal: &self.journal,
            kept: Some(&self.kept),
            stop: Some(&self.stopping.ended),
        }
    }

    /// Signs and keeps a checkpoint.
    fn make(&self, upto: Upto) {
        let Some(signer) = &self.signer else { return };
        let Some(keeping) = self.keeping.take(&self.stopping.ended) else { return };
        let made = checkpoint::make(&self.places(), signer, upto);
        drop(keeping);
        match made {
            Ok(Signed { checkpoint, .. }) => {
                let details = [
                    ("size", number(checkpoint.size)),
                    ("root", Detail::Text(checkpoint.root.to_string())),
                ];
                self.log.line(Level::Info, "checkpoint_signed", "checkpoint", &details);
                self.show(|shown| {
                    shown.size = Some(checkpoint.size);
                    shown.problem = None;
                });
            }
            Err(CheckpointError::NoFrames | CheckpointError::Read(ReadError::Stopped)) => {}
            Err(error) => {
                let text = crate::startup::chain(&error);
                let details = [("error", Detail::Text(text.clone()))];
                self.log.line(Level::Error, "checkpoint_failed", "checkpoint", &details);
                let hint = match error {
                    CheckpointError::Shrunk { .. }
                    | CheckpointError::Rewritten { .. }
                    | CheckpointError::Incomparable { .. } => {
                        "compare the journal with a copy; after a loss you have accepted, move \
                         `.kairos/keys` away: the next start signs with a new key"
                    }
                    CheckpointError::OtherJournal { .. } => {
                        "move `.kairos/keys` away: the next start makes a key for this journal"
                    }
                    CheckpointError::Read(_)
                    | CheckpointError::NoFrames
                    | CheckpointError::Io { .. } => "`kairos journal verify` says more",
                };
                let said = one_line(&text);
                self.voice.say(format!("error: no checkpoint was signed: {said}\nhint: {hint}"));
                self.show(|shown| shown.problem = Some(text));
            }
        }
    }

    /// Offers the newest checkpoint to every witness that has not got it.
    fn publish(&self) {
        let Some(signer) = &self.signer else { return };
        let newest = checkpoint::newest(&RealFs, &self.kept, signer.verifier());
        let Ok(Some(signed)) = newest else { return };
        self.show(|shown| shown.size = Some(signed.checkpoint.size));
        let witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        thread::scope(|scope| {
            for witness in &witnesses {
                let signed = &signed;
                scope.spawn(move || {
                    let mut pause = |time| self.pause(time);
                    let outcome = publish(witness, &self.root, signed, &self.published, &mut pause);
                    self.tell(witness, signed.checkpoint.size, &outcome);
                });
            }
        });
    }

    /// Waits; `false` when the end came meanwhile.
    fn pause(&self, time: Duration) -> bool {
        let Stopping { asked, bell, .. } = &self.stopping;
        let stopping = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = bell.wait_timeout_while(stopping, time, |stopping| !*stopping);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn tell(&self, witness: &Witness, size: u64, outcome: &Outcome) {
        let name = ("witness", Detail::Text(witness.to_string()));
        let problem = match outcome {
            Outcome::Known => None,
            Outcome::Taken => {
                let details = [name, ("size", number(size))];
                self.log.line(Level::Info, "checkpoint_published", "checkpoint", &details);
                None
            }
            Outcome::Failed { attempts, said } => {
                let counted = ("attempts", number(*attempts as u64));
                let error = ("error", Detail::Text(said.clone()));
                let details = [name, ("size", number(size)), counted, error];
                self.log.line(Level::Error, "checkpoint_publish_failed", "checkpoint", &details);
                let times = match attempts {
                    1 => "1 attempt".to_owned(),
                    n => format!("{n} attempts"),
                };
                self.voice.say(format!(
                    "error: the checkpoint over {size} frames was not published to `{}` after \
                     {times}: {}\n\
                     hint: the next one, and the next start, offer it once more",
                    one_line(&witness.to_string()),
                    one_line(said)
                ));
                Some(said.clone())
            }
        };
        self.show(|shown| {
            let name = witness.to_string();
            if let Some(row) = shown.witnesses.iter_mut().find(|row| row.witness == name) {
                row.problem = problem;
            }
        });
    }

    /// Changes what is shown; the rows are those of the witnesses there are.
    fn show(&self, change: impl FnOnce(&mut wire::Checkpoints)) {
        let witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.shown.send_modify(|shown| {
            let before = std::mem::take(&mut shown.witnesses);
            let problem = |name: &str| {
                before.iter().find(|row| row.witness == name).and_then(|row| row.problem.clone())
            };
            let row = |witness: &Witness| {
                let name = witness.to_string();
                let problem = problem(&name);
                wire::Witness { size: self.published.size(witness), problem, witness: name }
            };
            shown.witnesses = witnesses.iter().map(row).collect();
            change(shown);
        });
    }
}

fn number(n: u64) -> Detail {
    Detail::Number(i64::try_from(n).unwrap_or(i64::MAX))
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").field("root", &self.0.root).finish_non_exhaustive()
    }
}
