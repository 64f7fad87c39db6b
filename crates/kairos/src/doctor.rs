//! What this machine can enforce, and what would add the rest.
//!
//! Owns the list of checks, each with what was found, and the commands that mend it. Looks and tries;
//! changes nothing on the machine. Never guesses: that the walls hold is proved by a command that
//! tries what none may do.

mod host;

use std::path::Path;

use kairos_disk::{Fs as _, RealFs};
use kairos_effects::model::prices;
use kairos_effects::shell::program;
use kairos_sandbox::catalog::{Catalog, Trust};
use kairos_sandbox::{Capabilities, Layer, ProgramAt, RunError, Sandbox, probe};
use serde::Serialize;

use crate::config::Env;
use crate::config::resolve::{Paths, Resolved};
use crate::config::show;
use kairos_core::space::Bytes;

/// What is said wherever commands cannot be confined.
pub(crate) const HINT: &str = "`kairos doctor` says what is missing, and what adds it";

/// What is said where the small program is not the one of this build.
pub(crate) const ANEW: &str = "`kairos-sbx` has to be of the same build as `kairos`: install it anew, \
                               or remove it, and `kairos` starts itself in its place";

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Ok,
    /// It works, and could be better.
    Weaker,
    /// Something needed is not there.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) detail: String,
    /// Commands that mend it.
    pub(crate) fix: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Diagnosis {
    pub(crate) ok: bool,
    pub(crate) checks: Vec<Check>,
}

impl Check {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into(), fix: Vec::new() }
    }

    fn fix(self, fix: Vec<String>) -> Self {
        Self { fix, ..self }
    }
}

/// Looks at the machine, and at a workspace where there is one.
pub(crate) fn look(root: Option<&Path>) -> Diagnosis {
    let host = probe();
    let mut checks: Vec<Check> = Layer::ALL.into_iter().map(|layer| wall(layer, &host)).collect();
    checks.push(proof(&host));
    checks.push(git());
    if let Some(root) = root {
        checks.extend(workspace(root));
    }
    let ok = checks.iter().all(|check| check.state != State::Missing);
    Diagnosis { ok, checks }
}

/// What the sandbox can enforce, in one line.
pub(crate) fn line() -> String {
    let host = probe();
    let missing: Vec<Check> = Layer::ALL
        .into_iter()
        .map(|layer| wall(layer, &host))
        .filter(|check| check.state == State::Missing)
        .collect();
    match (&missing[..], &proof(&host)) {
        ([first, ..], _) => {
            format!("commands: cannot be confined here: {} ({}); {HINT}", first.detail, first.name)
        }
        ([], Check { state: State::Ok, .. }) => "commands: can be confined here".to_owned(),
        ([], proof) => format!("commands: cannot be confined here: {}; {HINT}", proof.detail),
    }
}

/// One layer. Without access rules most of the catalogue is refused, so they are needed too.
fn wall(layer: Layer, host: &Capabilities) -> Check {
    if layer == Layer::Cgroup {
        return host::cgroup();
    }
    match host.of(layer) {
        Ok(detail) => Check::new(layer.name(), State::Ok, detail),
        Err(why) => Check::new(layer.name(), State::Missing, why).fix(host::fix(layer)),
    }
}

/// A command that tries what none may do.
fn proof(host: &Capabilities) -> Check {
    const NAME: &str = "proof";
    let at = program();
    let by = match at {
        ProgramAt::Beside => "by `kairos-sbx`, which stands beside `kairos`",
        ProgramAt::This | ProgramAt::Path(_) => "by `kairos` itself; no `kairos-sbx` beside it",
    };
    let held = Sandbox::open(&at).and_then(|sandbox| sandbox.prove(host));
    match held {
        Ok(()) => Check::new(NAME, State::Ok, format!("the walls hold, put up {by}")),
        Err(error @ RunError::Program { .. }) => {
            Check::new(NAME, State::Missing, error.to_string()).fix(vec![ANEW.to_owned()])
        }
        Err(error) => Check::new(NAME, State::Missing, error.to_string()),
    }
}

fn git() -> Check {
    let found = Catalog::shipped(Trust::system("/nowhere")).resolve("git");
    match found {
        Ok(program) => Check::new("git", State::Ok, program.binary().path().display().to_string()),
        Err(error) => Check::new("git", State::Weaker, error.to_string()),
    }
}

/// What a daemon here would meet.
fn workspace(root: &Path) -> Vec<Check> {
    let (env, paths) = (Env::of_process(), Paths::below(root));
    let report = show::check(root, &[], &env, &prices::shipped().prices);
    let problems = report.problems.len();
    let config = match (report.is_ok(), problems) {
        (true, 0) => Check::new("config", State::Ok, "holds together"),
        (true, n) => Check::new("config", State::Weaker, format!("{n} warnings"))
            .fix(vec!["kairos config check".to_owned()]),
        (false, n) => Check::new("config", State::Missing, format!("does not hold: {n} problems"))
            .fix(vec!["kairos config check".to_owned()]),
    };
    let mut checks = vec![config, host::owner(root)];
    let resolved = crate::config::resolve::load(root, &paths, &env, &prices::shipped().prices).ok();
    if let Some(resolved) = &resolved {
        checks.push(model(resolved));
        checks.push(room(root, resolved));
    }
    checks
}

/// A key that is needed and not there is a problem of the configuration.
fn model(resolved: &Resolved) -> Check {
    match &resolved.options.model {
        Some(model) => Check::new("model", State::Ok, model.name.clone()),
        None => Check::new(
            "model",
            State::Weaker,
            "none: mandates that need one are refused until `model:` in daemon.yml names one",
        ),
    }
}

fn room(root: &Path, resolved: &Resolved) -> Check {
    let space = RealFs.root(root).and_then(|root| RealFs.space(&root));
    let keep = resolved.options.retention.free_bytes;
    match space {
        Ok(space) if space.available < keep => {
            let detail = format!(
                "{} free, and `retention.keep_free` is {}: nothing new begins",
                Bytes(space.available),
                Bytes(keep)
            );
            Check::new("room", State::Missing, detail)
        }
        Ok(space) => Check::new("room", State::Ok, format!("{} free", Bytes(space.available))),
        Err(error) => Check::new("room", State::Weaker, error.to_string()),
    }
}
