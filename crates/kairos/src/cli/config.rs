//! `config check|show`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::Global;
use crate::assemble;
use crate::config::Files;
use crate::config::problem::Problem;
use crate::output::{Exit, Failure, Out, talk};
use crate::startup::Startup;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether the configuration holds together; no daemon is asked
    Check {
        /// A `daemon.yml` to check instead of the workspace's
        file: Option<PathBuf>,
    },
    /// Show the configuration in force, defaults included
    Show,
}

#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    problems: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    model: Option<String>,
    max_running: u16,
    calls_per_day: Option<u64>,
    tokens_per_day: Option<u64>,
    usd_micros_per_day: Option<u64>,
    usd_micros_per_mandate: u64,
    proposal_ttl_ms: u64,
    proposals_max: u16,
    graceful_timeout_ms: u64,
    heartbeat_interval_ms: u64,
    schedules: Vec<String>,
}

impl Verb {
    pub(super) fn run(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::Check { file } => {
                let files = match file {
                    Some(file) => beside(file),
                    None => Files::of(global.root()?.path(), None),
                };
                check(&files, out)
            }
            Self::Show => show(&Files::of(global.root()?.path(), None), out),
        }
    }
}

/// A file to be checked, with its neighbours.
fn beside(daemon: PathBuf) -> Files {
    let dir = daemon.parent().map(PathBuf::from).unwrap_or_default();
    Files { schedules: dir.join("schedules.yml"), secrets: dir.join("secrets.yml"), daemon }
}

fn check(files: &Files, out: &mut Out) -> Result<Exit, Failure> {
    let (warnings, problems) = match assemble::read(files) {
        Ok(config) => (config.warnings, Vec::new()),
        Err(Startup::Config(problems)) => (Vec::new(), problems),
        Err(other) => return Err(other.into()),
    };
    let ok = problems.is_empty();
    if out.json {
        let problems = problems.iter().map(Problem::line).collect();
        out.object(&Checked { ok, problems, warnings })?;
    } else {
        warnings.iter().for_each(|warning| talk::say(format!("warning: {warning}")));
        problems.iter().for_each(|problem| talk::say(problem.render()));
        if ok {
            out.line("the configuration holds together")?;
        }
    }
    Ok(if ok { Exit::Ok } else { Exit::Config })
}

fn show(files: &Files, out: &mut Out) -> Result<Exit, Failure> {
    let config = assemble::read(files)?;
    let rules = &config.daemon.rules;
    let shown = Shown {
        model: rules.model.as_ref().map(|model| model.name.clone()),
        max_running: rules.max_running,
        calls_per_day: rules.day.calls,
        tokens_per_day: rules.day.tokens,
        usd_micros_per_day: rules.day.usd_micros,
        usd_micros_per_mandate: rules.mandate_usd_micros_max,
        proposal_ttl_ms: rules.proposal_ttl_ms,
        proposals_max: rules.proposals_max,
        graceful_timeout_ms: config.daemon.options.graceful_timeout_ms,
        heartbeat_interval_ms: config.daemon.options.heartbeat_interval_ms,
        schedules: config.schedules.iter().map(|schedule| schedule.name.to_string()).collect(),
    };
    if out.json {
        out.object(&shown)?;
    } else if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&shown) {
        for (name, value) in fields {
            out.line(format!("{name:<24} {value}"))?;
        }
    }
    Ok(Exit::Ok)
}
