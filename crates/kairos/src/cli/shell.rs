//! `kairos shell`: a command as a step would get it.
//!
//! Owns what a person is told of one: what it said, how it ended, what held it, and what it would have
//! changed. Nothing is recorded and nothing is written to the workspace. Never decides more than a
//! daemon would: the rules, the walls and the settings are the same.

mod said;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use kairos_core::kind::Kind;
use kairos_effects::shell::{
    Asked, BoundInputs, NotExecuted, NotResolved, Resolved, Settings, Shell as Place, Stop,
    Unavailable,
};
use kairos_sandbox::catalog::Risk;
use kairos_sandbox::{Exit as Ended, Net, RunError};

use super::Root;
use crate::assemble;
use crate::output::{Exit, Failure, Out, talk};
use crate::shell::{self, For};
use crate::startup::Startup;
use crate::workspace::Workspace;
use crate::{accounts, doctor};
use said::{Explained, Said};

#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// Execute nothing: show what would be executed, what holds it, and who would be asked
    #[arg(long)]
    explain: bool,
    /// Run as this account; root alone can choose
    #[arg(long = "as", value_name = "USER")]
    account: Option<String>,
    /// Stand in this directory of the workspace
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Run a program that is in no catalogue too
    #[arg(long)]
    beyond: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Shell {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let workspace =
            Workspace::at(root.path()).map_err(Startup::cannot("find the workspace"))?;
        let asked = self.asked(workspace.root());
        let place = shell::open(workspace.root(), For::Verb, self.settings(&workspace)?)
            .map_err(|error| unavailable(&error))?;
        let resolved = place.resolve(&asked).map_err(|error| not_resolved(&error))?;
        if self.explain {
            let explained = Explained::of(&resolved);
            match out.json {
                true => out.object(&explained)?,
                false => explained.tell(out)?,
            }
            return Ok(Exit::Ok);
        }
        if resolved.is_beyond() && !self.beyond {
            return Err(beyond(&resolved));
        }
        self.execute(&place, &resolved, out)
    }

    fn execute(&self, place: &Place, resolved: &Resolved, out: &mut Out) -> Result<Exit, Failure> {
        let stop = Stop::default();
        let outcome = place.execute(resolved, &stop).map_err(|error| not_executed(&error))?;
        let said = Said::of(resolved, &outcome);
        if out.json {
            out.object(&said)?;
        } else {
            out.bytes(&outcome.stdout.bytes())?;
            out.flush()?;
            // Talk that nobody can hear is no failure of the command.
            let _ = std::io::stderr().write_all(&outcome.stderr.bytes());
            said.lines().into_iter().for_each(talk::say);
        }
        Ok(match outcome.exit {
            Ended::Code(0) => Exit::Ok,
            _ => Exit::No,
        })
    }

    /// A directory may be said as it is seen from outside.
    fn asked(&self, root: &Path) -> Asked {
        let cwd = self.cwd.as_deref().unwrap_or(Path::new(""));
        let cwd = cwd.strip_prefix(root).unwrap_or(cwd).to_owned();
        Asked { argv: self.command.clone(), cwd }
    }

    fn settings(&self, workspace: &Workspace) -> Result<Settings, Failure> {
        let paths = assemble::paths(workspace.root(), None);
        let mut config = assemble::read(workspace.root(), &paths)?;
        if let Some(name) = &self.account {
            let account = accounts::find(name).map_err(|error| {
                Failure::of(Exit::Usage, "no_account", &error).hint(accounts::HINT)
            })?;
            config.options.commands.run_as = Some(account);
        }
        Ok(shell::settings(workspace.root(), &paths, &config))
    }
}

/// What the gate makes of such a step.
fn gate(resolved: &Resolved) -> String {
    let waits = |why: &str| format!("a step waits for a person: {why}");
    if resolved.is_beyond() {
        return waits("it is in no catalogue");
    }
    if let BoundInputs::NotBound { why } = resolved.inputs() {
        return waits(&format!("inputs: not bound: {why}"));
    }
    let budget = match resolved.risk() {
        Risk::Low => return "a step is done without asking".to_owned(),
        Risk::Medium => "medium",
        Risk::High if matches!(resolved.grant().net, Net::Allow(_)) => {
            return waits("it reaches the network");
        }
        Risk::High => "high",
    };
    format!(
        "a step is done without asking where `risk_budget: {budget}` allows it; else it waits for a person"
    )
}

fn unavailable(error: &Unavailable) -> Failure {
    let failure = Failure::of(error.kind().into(), "no_sandbox", error);
    failure.hint(match error {
        Unavailable::Sandbox(RunError::Program { .. }) => doctor::ANEW,
        _ => doctor::HINT,
    })
}

fn not_resolved(error: &NotResolved) -> Failure {
    let code = match error.kind() {
        Kind::Denied => "denied",
        Kind::Unavailable => "unavailable",
        _ => "not_resolved",
    };
    let failure = Failure::of(error.kind().into(), code, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn not_executed(error: &NotExecuted) -> Failure {
    let hint = match error.kind() {
        Kind::Denied => "root alone can choose who a command runs as",
        _ => doctor::HINT,
    };
    Failure::of(error.kind().into(), "not_executed", error).hint(hint)
}

fn beyond(resolved: &Resolved) -> Failure {
    let name = resolved.rule();
    Failure::new(Exit::Denied, "beyond", format!("`{name}` is in no catalogue"))
        .because("a step that names it waits for a person")
        .hint("`kairos shell --beyond -- …` tries it behind the same walls")
        .hint(format!("an entry in `commands:` of daemon.yml gives it a rule: `{{name: {name}, accept: [[…]]}}`"))
}
