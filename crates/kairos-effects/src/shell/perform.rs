//! The performer of commands.
//!
//! Owns the way from a call about a command to its outcome: one call, done once. What is executed is
//! resolved anew and has to be, by its hash, what was judged. Never decides whether a command may be
//! executed and never tries twice. Blocks for as long as the command takes; a panic in it is the
//! caller's to catch.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{Call, Class, Effect, Failure, Outcome};
use kairos_core::fold::Fold;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scopes;
use kairos_core::mandate::spec::Check;
use kairos_core::plan::{Action, StepName};
use kairos_core::schedule::condition::{Condition, Found, Test};
use kairos_core::shell::{CommandRefusal, Ended, Inputs, Invocation, Ran, Spoilt, Writes};
use kairos_sandbox::{Exit, Net, RunError, WriteMode, catalog};
use sha2::{Digest as _, Sha256};

use super::told::{self, Told};
use super::{Asked, BoundInputs, NotExecuted, NotResolved, Resolved, Settings, Shell, Stop};
use crate::file::{Files, NotDone, Promotable, Unclear};
use crate::model::answer::{StepTexts, step_texts};
use crate::store::{TextError, Texts};
use crate::{Permit, Settled};

/// Performs commands in one workspace. Threads share it.
pub struct Commands {
    /// Why there is none where there is none.
    shell: OnceLock<Result<Shell, String>>,
    open: Open,
    /// What counts from the next command on, where that is something else than before.
    settings: Mutex<Option<Settings>>,
    files: Arc<Files>,
    texts: Texts,
}

/// Opens the place for commands, once; says why where none can be confined.
pub type Open = Box<dyn Fn(Settings) -> Result<Shell, String> + Send + Sync>;

/// Why a call ended without the outcome it was for.
enum Not {
    Refused(CommandRefusal, String),
    Stopped,
    Stale,
    Failed(Failure),
    /// Nobody knows how far it came.
    Lost,
}

impl From<TextError> for Not {
    fn from(error: TextError) -> Self {
        Self::Failed(error.failure())
    }
}

impl Commands {
    /// Opens nothing yet: a start need not wait for it.
    #[must_use]
    pub fn new(open: Open, settings: Settings, files: Arc<Files>, texts: Texts) -> Self {
        let settings = Mutex::new(Some(settings));
        Self { shell: OnceLock::new(), open, settings, files, texts }
    }

    /// Where commands are executed, opened when first asked for: as long as two commands take.
    ///
    /// # Errors
    /// Why no command can be confined; each is refused then.
    pub fn shell(&self) -> Result<&Shell, &str> {
        let open = || {
            let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).take();
            (self.open)(settings.ok_or("it was opened before and that came to no end")?)
        };
        let shell = self.shell.get_or_init(open);
        let newer = self.settings.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Ok(shell), Some(newer)) = (shell, newer) {
            shell.replace(newer);
        }
        shell.as_ref().map_err(String::as_str)
    }

    /// Other settings from the next command on; one that was resolved keeps its own. Never waits.
    pub fn replace(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    }

    /// Whether a call is for this performer.
    #[must_use]
    pub fn is_for(call: &Call) -> bool {
        match call {
            Call::Prepare { action, .. } => *action == Action::Shell,
            Call::Execute { .. } => true,
            Call::Verify { checks } => {
                checks.iter().any(|check| matches!(check, Check::Command { .. }))
            }
            Call::Observe { .. }
            | Call::Ask { .. }
            | Call::Change { .. }
            | Call::Reconcile { .. }
            | Call::Clear { .. }
            | Call::Diff { .. }
            | Call::Cancel { .. } => false,
        }
    }

    /// Performs one call about commands; `stop` ends what it executes.
    ///
    /// # Panics
    /// On a call that is not [`Commands::is_for`]: dispatching it here is a bug.
    #[must_use = "an outcome nobody records is an effect lost"]
    pub fn perform<S: Fold<Effect = Effect>>(&self, permit: Permit<S>, stop: &Stop) -> Settled<S> {
        let done = match permit.effect().call() {
            Call::Prepare { answer, step, .. } => self.prepare(*answer, step),
            Call::Execute { invocation, answer, step } => {
                self.execute(invocation, (*answer, step), stop)
            }
            Call::Verify { checks } => self.verify(checks, stop),
            other => panic!("a call that is no command's was handed to its performer: {other:?}"),
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(Not::Refused(why, words)) => match self.texts.put(words.as_bytes()) {
                Ok(told) => Outcome::NotExecuted { why, told },
                Err(error) => Outcome::Failed(error.failure()),
            },
            Err(Not::Stopped | Not::Stale) => Outcome::Stale,
            Err(Not::Failed(failure)) => Outcome::Failed(failure),
            Err(Not::Lost) => Outcome::Lost,
        };
        permit.settle(outcome)
    }

    /// Looks whether the command of a condition exits with 0. Blocks.
    ///
    /// # Errors
    /// Nobody can tell, and why.
    pub fn look(&self, condition: &Condition, scopes: &Scopes) -> Result<Found, Unclear> {
        let Test::Command { argv } = &condition.test else {
            return self.files.look(condition, scopes);
        };
        let stop = Stop::default();
        match self.checked(*argv, &stop) {
            Ok(unmet) => Ok(Found::Is(unmet.is_none())),
            Err(Not::Refused(_, words)) => Err(Unclear::NotExecuted { words }),
            Err(Not::Stopped | Not::Stale | Not::Lost) => Err(Unclear::Interrupted),
            Err(Not::Failed(failure)) => Err(Unclear::Failed { failure }),
        }
    }

    fn prepare(&self, answer: BlobRef, step: &StepName) -> Result<Outcome, Not> {
        let resolved = self.resolved(&self.asked(answer, step)?)?;
        let shown = self.texts.put(resolved.explain().join("\n").as_bytes())?;
        Ok(Outcome::Resolved { invocation: invocation(&resolved, shown) })
    }

    fn execute(
        &self,
        judged: &Invocation,
        (answer, step): (BlobRef, &StepName),
        stop: &Stop,
    ) -> Result<Outcome, Not> {
        let resolved = self.resolved(&self.asked(answer, step)?)?;
        if invocation(&resolved, judged.shown) != *judged {
            return Err(Not::Stale);
        }
        let outcome = self.confined(&resolved, stop).map_err(|not| match not {
            // Repeated at the next start, without asking for what was decided.
            Not::Stopped if judged.class() == Class::Read => Not::Lost,
            other => other,
        })?;
        let end = ended(outcome.exit);
        let mut promotable = Promotable::default();
        if end.is_well() {
            promotable = self.promotable(&resolved, &outcome)?;
        }
        let told = Told { resolved: &resolved, outcome: &outcome, promotable: &promotable };
        let stream = |captured: &kairos_sandbox::Captured| match captured.total {
            0 => Ok(None),
            _ => self.texts.put(&captured.bytes()).map(Some),
        };
        Ok(Outcome::Executed(Box::new(Ran {
            end,
            told: self.texts.put(told.words().as_bytes())?,
            stdout: stream(&outcome.stdout)?,
            stderr: stream(&outcome.stderr)?,
            report: self.texts.put(told.report().as_bytes())?,
            wall_ms: u64::try_from(outcome.wall.as_millis()).unwrap_or(u64::MAX),
            changes: promotable.changes,
            spoilt: promotable.spoilt,
        })))
    }

    fn promotable(
        &self,
        resolved: &Resolved,
        outcome: &kairos_sandbox::Outcome,
    ) -> Result<Promotable, Not> {
        let mut all = Promotable::default();
        for set in &outcome.changes {
            let is_kept = |path: &Path| resolved.is_kept(path);
            let found =
                self.files.promotable(set, &is_kept).map_err(|not_done| match not_done {
                    NotDone::Failed(failure) => Not::Failed(failure),
                    // It was executed.
                    NotDone::Refused(_) | NotDone::Stale => Not::Lost,
                })?;
            all.changes.extend(found.changes);
            all.left.extend(found.left);
            all.spoilt = all.spoilt.or(found.spoilt);
        }
        // What it executed is what was judged, or nothing of it counts.
        let moved = || resolved.again_inputs() != *resolved.inputs();
        if !all.changes.is_empty() && moved() {
            all.left.push("a file that the command executed changed meanwhile".to_owned());
            all.spoilt = Some(Spoilt::Conflict);
            all.changes.clear();
        }
        Ok(all)
    }

    fn verify(&self, checks: &[Check], stop: &Stop) -> Result<Outcome, Not> {
        let mut failed = Vec::new();
        let mut report = String::new();
        for (place, check) in (0..=u8::MAX).zip(checks) {
            let unmet = match check {
                Check::Contains { file, text } => {
                    self.files.unmet(file, *text).map_err(|not_done| match not_done {
                        NotDone::Failed(failure) => Not::Failed(failure),
                        NotDone::Refused(_) | NotDone::Stale => Not::Failed(Failure::Disk),
                    })?
                }
                // One that is refused holds in no cycle.
                Check::Command { argv } => self.checked(*argv, stop)?,
            };
            if let Some(words) = unmet {
                failed.push(place);
                report.push_str(&words);
                report.push('\n');
            }
        }
        let report = match failed.is_empty() {
            true => None,
            false => Some(self.texts.put(report.as_bytes())?),
        };
        Ok(Outcome::Verified { failed, report })
    }

    /// Executes the operator's own command, whose changes die with it; what it told where it did not
    /// exit with 0.
    fn checked(&self, argv: BlobRef, stop: &Stop) -> Result<Option<String>, Not> {
        let bytes = self.texts.get(argv)?;
        let argv: Vec<String> =
            serde_json::from_slice(&bytes).map_err(|_| Not::Failed(Failure::Blob))?;
        let argv = argv.into_iter().map(Into::into).collect();
        let resolved = self.resolved(&Asked { argv, cwd: "".into() })?;
        let outcome = self.confined(&resolved, stop)?;
        if ended(outcome.exit).is_well() {
            return Ok(None);
        }
        let promotable = Promotable::default();
        Ok(Some(Told { resolved: &resolved, outcome: &outcome, promotable: &promotable }.words()))
    }

    fn asked(&self, answer: BlobRef, step: &StepName) -> Result<Asked, Not> {
        let bytes = self.texts.get(answer)?;
        // It was read when it came, so one that cannot be read now is not what was stored.
        let text = String::from_utf8(bytes).map_err(|_| Not::Failed(Failure::Blob))?;
        match step_texts(&text, step) {
            Ok(StepTexts::Command { argv, cwd }) => {
                let cwd = cwd.map(|cwd| crate::file::os(&cwd).to_owned()).unwrap_or_default();
                Ok(Asked { argv: argv.into_iter().map(Into::into).collect(), cwd })
            }
            Ok(StepTexts::Edit { .. } | StepTexts::Create { .. } | StepTexts::None) | Err(_) => {
                Err(Not::Failed(Failure::Blob))
            }
        }
    }

    fn resolved(&self, asked: &Asked) -> Result<Resolved, Not> {
        let refused = |why: &str| Not::Refused(CommandRefusal::Sandbox, why.to_owned());
        let shell = self.shell().map_err(refused)?;
        shell.resolve(asked).map_err(|error| {
            let words = told::refusal(&error, error.hint());
            Not::Refused(refusal(&error), words)
        })
    }

    fn confined(&self, resolved: &Resolved, stop: &Stop) -> Result<kairos_sandbox::Outcome, Not> {
        let refused = |why: &str| Not::Refused(CommandRefusal::Sandbox, why.to_owned());
        let shell = self.shell().map_err(refused)?;
        let outcome = shell.execute(resolved, stop).map_err(|error| match error {
            NotExecuted::Stopped => Not::Stopped,
            NotExecuted::Program(_) => Not::Stale,
            // It was executed and does not end.
            NotExecuted::Sandbox(RunError::Stuck) => Not::Lost,
            NotExecuted::Sandbox(_) => {
                Not::Refused(CommandRefusal::Sandbox, told::refusal(&error, None))
            }
        })?;
        match ended(outcome.exit).is_well() || !stop.is_pulled() {
            true => Ok(outcome),
            // We ended it, so what it would have said is not known.
            false => Err(Not::Lost),
        }
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("shell", &self.shell).finish_non_exhaustive()
    }
}

/// What a resolved command is to the gate.
fn invocation(resolved: &Resolved, shown: BlobRef) -> Invocation {
    let binary = resolved.program().binary().sha256();
    let program = match resolved.program().script() {
        None => Digest::from_bytes(binary),
        Some(script) => Digest::of(&[binary, script.file.sha256()].concat()),
    };
    let text = |text: &std::ffi::OsStr| text.as_encoded_bytes().to_vec();
    let argv = resolved.argv().iter().map(|arg| text(arg));
    let env = resolved.env().iter().flat_map(|(name, value)| [name.clone().into(), text(value)]);
    let cwd = text(resolved.cwd().as_os_str());
    let argv = hashed([hashed(argv).to_vec(), hashed(env).to_vec(), cwd]);
    Invocation {
        shown,
        program,
        argv: Digest::from_bytes(argv),
        policy: Digest::from_bytes(resolved.policy().hash()),
        inputs: match resolved.inputs() {
            BoundInputs::NotBound { .. } => Inputs::NotBound,
            BoundInputs::Bound(files) => Inputs::Bound {
                files: u32::try_from(files.len()).unwrap_or(u32::MAX),
                digest: Digest::from_bytes(hashed(
                    files
                        .iter()
                        .flat_map(|(path, sha256)| [text(path.as_os_str()), sha256.to_vec()]),
                )),
            },
        },
        listed: !resolved.is_beyond(),
        risk: match resolved.risk() {
            catalog::Risk::Low => Risk::Low,
            catalog::Risk::Medium => Risk::Medium,
            catalog::Risk::High => Risk::High,
        },
        writes: match resolved.mode() {
            WriteMode::ReadOnly => Writes::Nothing,
            WriteMode::Overlay => Writes::Layer,
            WriteMode::Direct => Writes::Direct,
        },
        network: matches!(&resolved.grant().net, Net::Allow(hosts) if !hosts.is_empty()),
    }
}

/// SHA-256 over parts, each with its length before it.
fn hashed(parts: impl IntoIterator<Item = Vec<u8>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(super) fn ended(exit: Exit) -> Ended {
    match exit {
        Exit::Code(code) => Ended::Code(code),
        Exit::Signal(signal) => Ended::Signal(signal),
        Exit::Timeout => Ended::Timeout,
        Exit::Oom => Ended::Oom,
        Exit::OutputCap => Ended::OutputCap,
        Exit::PidsCap => Ended::PidsCap,
        Exit::CpuCap => Ended::CpuCap,
        Exit::SeccompKill => Ended::Filtered,
        Exit::Killed => Ended::Killed,
    }
}

fn refusal(error: &NotResolved) -> CommandRefusal {
    match error {
        NotResolved::Empty | NotResolved::Program(_) | NotResolved::Name(_) => CommandRefusal::Name,
        NotResolved::Cwd { .. } | NotResolved::Place(_) => CommandRefusal::Directory,
        NotResolved::Secret { .. } => CommandRefusal::Secret,
        NotResolved::Argv(_) | NotResolved::Question { .. } | NotResolved::Listing(_) => {
            CommandRefusal::Arguments
        }
        NotResolved::RootOwned { .. }
        | NotResolved::Unasked(_)
        | NotResolved::Crowded { .. }
        | NotResolved::Look(_)
        | NotResolved::Kept { .. }
        | NotResolved::Policy(_) => CommandRefusal::Sandbox,
    }
}
