//! `init`, `daemon`, `once`: the verbs that make a workspace and work in it.

use std::path::PathBuf;

use super::spec::SpecArgs;
use super::{Root, source, story};
use crate::config::Env;
use crate::once::End;
use crate::output::{Exit, Failure, Out, talk};
use crate::startup::Startup;
use crate::workspace::Workspace;
use crate::{daemon, init, once};

/// Makes a workspace.
pub(super) fn init(dir: Option<PathBuf>, out: &mut Out) -> Result<Exit, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from("."));
    let made = init::init(&dir, &Env::of_process());
    let made = made.map_err(|e| Failure::of(e.kind().into(), "init", &e))?;
    out.line(made.story().trim_end())?;
    Ok(Exit::Ok)
}

fn workspace(root: &Root) -> Result<Workspace, Failure> {
    Ok(Workspace::at(root.path()).map_err(Startup::cannot("find the workspace"))?)
}

/// Serves until told to stop.
pub(super) fn daemon(root: &Root, config: Option<PathBuf>) -> Result<Exit, Failure> {
    daemon::daemon(&workspace(root)?, config)
}

/// Runs one mandate without a daemon.
pub(super) fn once(root: &Root, spec: SpecArgs, out: &mut Out) -> Result<Exit, Failure> {
    let request = spec.request()?;
    let json = out.json;
    let mut say = |at: kairos_core::time::Time, event: &kairos_core::event::Event| {
        let at = kairos_core::fold::At { seq: kairos_core::fold::Seq(0), time: at };
        let shown = kairos_api::event::public(at, std::slice::from_ref(event));
        for line in shown.iter().flat_map(|r| r.events.iter().map(|e| story::line(&r.at, e))) {
            if !json {
                talk::say(line);
            }
        }
    };
    let end = once::once(&workspace(root)?, None, &request, &mut say)?;
    let id = match end {
        End::Finished { mandate, .. } | End::Parked { mandate, .. } => mandate.to_string(),
    };
    let mandate = source::mandate(root, &id)?;
    if json {
        out.object(&mandate)?;
    } else {
        let outcome = mandate.outcome.or(mandate.reason).unwrap_or_default();
        out.line(format!("{id} {outcome}"))?;
    }
    Ok(end.exit())
}
