//! `config check|show`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use kairos_effects::model::prices;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Global;
use crate::assemble;
use crate::config::Env;
use crate::config::show as files;
use crate::output::{Exit, Failure, Out, Table, talk};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether the configuration holds together; no daemon is asked
    #[command(after_help = "Example: kairos config check .kairos/config/schedules.yml")]
    Check {
        /// Files to check instead of the workspace's
        files: Vec<PathBuf>,
    },
    /// Show what every key comes to, and where that stands
    Show,
}

#[derive(Debug, Serialize)]
struct Shown {
    config: Map<String, Value>,
}

impl Verb {
    pub(super) fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::Check { files } if files.is_empty() => check(global.root()?.path(), &[], out),
            Self::Check { files } => {
                let root = global.root().map(|root| root.path().to_owned());
                check(&root.unwrap_or_else(|_| PathBuf::from(".")), &files, out)
            }
            Self::Show => show(global.root()?.path(), out),
        }
    }
}

/// Checks the workspace's files, or the named ones.
pub(super) fn check(root: &Path, named: &[PathBuf], out: &mut Out) -> Result<Exit, Failure> {
    let report = files::check(root, named, &Env::of_process(), &prices::shipped().prices);
    if out.json {
        out.object(&report.row())?;
    } else {
        let coloured = if report.is_ok() { talk::coloured() } else { talk::talk_coloured() };
        let text = report.render(coloured);
        if report.is_ok() { out.line(text.trim_end())? } else { talk::say(text.trim_end()) }
    }
    Ok(if report.is_ok() { Exit::Ok } else { Exit::Config })
}

fn show(root: &Path, out: &mut Out) -> Result<Exit, Failure> {
    let resolved = assemble::read(root, &assemble::paths(root, None))?;
    let settings = files::show(&resolved);
    if out.json {
        let config = settings.into_iter().map(|s| (s.key, s.value.into())).collect();
        out.object(&Shown { config })?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["key", "value", "from"]);
    for setting in settings {
        table.row([setting.key, setting.value, setting.origin]);
    }
    out.table(&table, "no configuration")?;
    Ok(Exit::Ok)
}
