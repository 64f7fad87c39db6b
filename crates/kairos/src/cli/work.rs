//! `init`, `daemon`, `once`: the verbs that make a workspace and work in it.

use std::path::PathBuf;

use kairos_wire::{Mandate, Proposal};

use super::spec::SpecArgs;
use super::tale::Tale;
use super::{Root, Stored, source, standing};
use crate::config::Env;
use crate::once::End;
use crate::output::{Exit, Failure, Out, talk};
use crate::startup::Startup;
use crate::workspace::Workspace;
use crate::{daemon, init, once};

/// Makes a workspace.
pub(super) fn init(dir: Option<PathBuf>, out: &mut Out) -> Result<Exit, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from("."));
    let made = init::init(&dir, &Env::of_process())?;
    out.line(made.story().trim_end())?;
    Ok(Exit::Ok)
}

fn workspace(root: &Root) -> Result<Workspace, Failure> {
    Ok(Workspace::at(root.path()).map_err(Startup::cannot("find the workspace"))?)
}

/// Serves until told to stop.
pub(super) fn daemon(root: &Root, config: Option<PathBuf>, adopt: bool) -> Result<Exit, Failure> {
    daemon::daemon(&workspace(root)?, config, adopt)
}

/// Runs one mandate without a daemon.
pub(super) fn once(root: &Root, spec: SpecArgs, out: &mut Out) -> Result<Exit, Failure> {
    let instead = format!("kairos mandate create{}{} --wait", root.flag(), spec.typed());
    let request = spec.request()?;
    let json = out.json;
    let mut tale = Tale::past(Stored::below(root.path()));
    let mut say = |at: kairos_core::time::Time, event: &kairos_core::event::Event| {
        let at = kairos_core::fold::At { seq: kairos_core::fold::Seq(0), time: at };
        let shown = kairos_api::event::public(at, std::slice::from_ref(event));
        for record in shown.iter().filter(|_| !json) {
            let lines = record.events.iter().filter_map(|event| tale.line(&record.at, event));
            lines.into_iter().for_each(talk::say);
        }
    };
    let end = once::once(&workspace(root)?, None, &request, &mut say);
    let end = end.map_err(|failure| match failure.is("locked") {
        true => failure.hint(format!("let it do this: `{instead}`")),
        false => failure,
    })?;
    let Some(id) = end.mandate().map(|id| id.to_string()) else {
        talk::say("stopped before the mandate was made: nothing was done");
        return Ok(end.exit());
    };
    let (mandate, held) = source::mandate_in_files(root, &id)?;
    left(root, &mandate, &end, &held);
    if json {
        out.object(&mandate)?;
    } else {
        let stands = mandate.outcome.or(mandate.reason).unwrap_or_else(|| "stopped".to_owned());
        out.line(format!("{id} {stands}"))?;
    }
    Ok(end.exit())
}

/// Says how a mandate ended and why; of one that is not finished, what is left and how it goes on.
fn left(root: &Root, mandate: &Mandate, end: &End, held: &[Proposal]) {
    let (id, flag) = (&mandate.id, root.flag());
    let goes_on = format!("it stays in the journal: the next `kairos daemon{flag}` continues it");
    match end {
        End::Finished { .. } => {
            talk::say(format!("{id} finished: {}", standing::ended(mandate)));
            standing::failures(mandate).for_each(|why| talk::say(format!("  because: {why}")));
        }
        End::Parked { .. } => {
            talk::say(format!("{id} {}", standing::parked(mandate, held)));
            talk::say(goes_on);
            let reason = mandate.reason.as_deref().unwrap_or_default();
            for hint in standing::hints(id, reason, held, &flag) {
                talk::say(format!("hint: {hint}"));
            }
        }
        End::Stopped { .. } => {
            talk::say(format!("{id} is stopped here; what it did is recorded"));
            talk::say(goes_on);
            talk::say(format!("hint: `kairos mandate show {id}{flag}` shows how it stands"));
        }
    }
}
