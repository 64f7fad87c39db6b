//! Executing a command: from an argv that somebody asked for to its outcome.
//!
//! Owns the order of that way: the catalogue knows the name, the rule rewrites or refuses the
//! arguments, the workspace says what is protected and hidden in it, the sandbox executes. Used by the
//! performer and by `kairos shell` alike, so that a person tries what a step gets. Knows no mandate,
//! no permit and no record; never decides whether somebody may, and never executes outside a sandbox.
//!
//! ```text
//! Asked ──▶ Shell::resolve ──▶ Resolved (argv, program, policy, inputs) ──▶ Shell::execute ──▶ Outcome
//! ```

mod error;
mod guard;
mod inputs;
mod perform;
mod redact;
mod resolve;
mod resolved;
mod settings;
mod stop;
mod told;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kairos_sandbox::{
    Capabilities, Cgroup, Command, Outcome, ProgramAt, Sandbox, Stdin, Streams, probe,
};

pub use error::{NotExecuted, NotResolved, Unavailable};
pub use inputs::BoundInputs;
pub use perform::{Commands, Open};
pub use resolved::{Asked, Resolved};
pub use settings::Settings;
pub use stop::Stop;

use settings::Current;

/// The file beside the running program that confines a command.
const BESIDE: &str = "kairos-sbx";

/// Where commands are executed, and what is refused. Threads share it.
pub struct Shell {
    workspace: PathBuf,
    kept: PathBuf,
    sandbox: Sandbox,
    host: Capabilities,
    current: RwLock<Arc<Current>>,
}

/// What a shell is made with.
#[derive(Clone, Debug)]
pub struct Opening {
    pub workspace: PathBuf,
    /// Where directories are kept that builds fill for themselves: absolute, outside the workspace.
    /// Made when first needed.
    pub kept: PathBuf,
    /// The program that confines; [`program`] finds it.
    pub program: ProgramAt,
    /// Whether the cgroup this process is in is its own to divide. Only a daemon says so: of what
    /// another process started in it nothing would be left.
    pub divides_cgroup: bool,
}

/// Where the program that confines a command is: beside the running one, else the running one itself,
/// which then has to answer to `__sbx` before anything else.
#[must_use]
pub fn program() -> ProgramAt {
    let beside = std::env::current_exe().map(|own| own.with_file_name(BESIDE));
    match beside.is_ok_and(|beside| beside.symlink_metadata().is_ok()) {
        true => ProgramAt::Beside,
        false => ProgramAt::This,
    }
}

impl Shell {
    /// Opens the sandbox and lets it prove that it holds; takes as long as two commands.
    pub fn open(opening: Opening, settings: Settings) -> Result<Self, Unavailable> {
        let Opening { workspace, kept, program, divides_cgroup } = opening;
        let found = workspace.canonicalize();
        let workspace =
            found.map_err(|source| Unavailable::Workspace { path: workspace, source })?;
        // Before anything is started that would stay behind in it.
        let cgroup = divides_cgroup.then(Cgroup::take_over).and_then(Result::ok);
        let (mut host, mut sandbox) = (probe(), Sandbox::open(&program)?);
        if let Some(cgroup) = cgroup {
            host = host.with_cgroup(&cgroup);
            sandbox = sandbox.with_cgroup(cgroup);
        }
        sandbox.prove(&host)?;
        let current = RwLock::new(Arc::new(Current::new(settings)));
        Ok(Self { workspace, kept, sandbox, host, current })
    }

    /// Other settings from the next command on; one that was resolved keeps its own.
    pub fn replace(&self, settings: Settings) {
        let current = Arc::new(Current::new(settings));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Without links.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// What each layer can do here.
    pub fn host(&self) -> &Capabilities {
        &self.host
    }

    /// Executes a command to its end, or until it is stopped. Known secrets are out of its output.
    pub fn execute(&self, resolved: &Resolved, stop: &Stop) -> Result<Outcome, NotExecuted> {
        let mut outcome = self.confined(resolved.command()?, resolved.policy(), stop)?;
        let current = self.current();
        let secrets = &current.settings.secrets;
        redact::captured(&mut outcome.stdout, secrets);
        redact::captured(&mut outcome.stderr, secrets);
        Ok(outcome)
    }

    /// `bytes` without known secrets.
    pub fn redacted(&self, bytes: &[u8]) -> Vec<u8> {
        redact::bytes(bytes, &self.current().settings.secrets)
    }

    fn confined(
        &self,
        command: Command,
        policy: &kairos_sandbox::Compiled,
        stop: &Stop,
    ) -> Result<Outcome, NotExecuted> {
        if stop.is_pulled() {
            return Err(NotExecuted::Stopped);
        }
        let running = self.sandbox.spawn(command, policy, Streams::Captured)?;
        stop.watch(running.killer());
        Ok(running.wait()?)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Resolved {
    fn command(&self) -> Result<Command, NotExecuted> {
        let program = self.program.again()?;
        Ok(Command {
            binary: program.into_binary(),
            argv: self.argv.clone(),
            cwd: self.place.cwd().to_owned(),
            stdin: Stdin::Empty,
        })
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}
