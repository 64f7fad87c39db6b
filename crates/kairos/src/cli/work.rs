//! `init`, `daemon`: the verbs that make a workspace and work in it.

use std::path::PathBuf;

use super::Root;
use crate::output::{Exit, Failure, Out, talk};
use crate::startup::Startup;
use crate::workspace::Workspace;
use crate::{daemon, init};

/// Makes a workspace.
pub(super) fn init(dir: Option<PathBuf>, out: &mut Out) -> Result<Exit, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from("."));
    let made = init::init(&dir).map_err(|e| Failure::of(Exit::Usage, "init", &e))?;
    for file in &made.written {
        out.line(format!("wrote .kairos/{file}"))?;
    }
    let git = if made.is_git { "a git repository" } else { "no git repository" };
    let keys = if made.keys.is_empty() { "no API key".to_owned() } else { made.keys.join(", ") };
    talk::say(format!("found {git}; in the environment: {keys}"));
    talk::say("next: name a model in .kairos/config/daemon.yml, then: kairos daemon");
    Ok(Exit::Ok)
}

/// Serves until told to stop.
pub(super) fn daemon(root: &Root, config: Option<PathBuf>) -> Result<Exit, Failure> {
    let workspace = Workspace::at(root.path()).map_err(Startup::cannot("find the workspace"))?;
    daemon::daemon(&workspace, config)
}
