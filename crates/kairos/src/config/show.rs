//! `config check` and `config show`.
//!
//! Owns what they print, for people and for programs. Never prints a secret.

use std::error::Error;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kairos_core::rules::NamedPrice;
use kairos_core::space::Bytes;
use kairos_disk::{Fs as _, RealFs};
use kairos_effects::model::Playbook;
use serde::Serialize;

use super::daemon::{self, Around, DaemonOptions, Provider, spell};
use super::env::Env;
use super::problem::{Problem, ProblemRow};
use super::resolve::{Paths, Resolved, Source, load};
use super::secrets::Secrets;
use super::{schedules, size};

/// What is said of a file that does not exist.
pub(crate) const MISSING: &str = "missing; its defaults count";

/// What a check found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) files: Vec<PathBuf>,
    /// Those of the files that do not exist and are not wrong for it.
    pub(crate) missing: Vec<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

/// The same for `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ReportRow {
    pub(crate) ok: bool,
    pub(crate) files: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) problems: Vec<ProblemRow>,
}

impl Report {
    /// Whether a daemon would start with it.
    #[must_use]
    pub(crate) fn is_ok(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }

    /// The form for a terminal.
    #[must_use]
    pub(crate) fn render(&self, color: bool) -> String {
        let mut text: String = self.problems.iter().map(|p| p.render(color)).collect();
        if self.is_ok() {
            for file in &self.files {
                let word = if self.missing.contains(file) { MISSING } else { "ok" };
                text.push_str(&format!("{}: {word}\n", file.display()));
            }
        }
        text
    }

    #[must_use]
    pub(crate) fn row(&self) -> ReportRow {
        let names =
            |files: &[PathBuf]| files.iter().map(|file| file.display().to_string()).collect();
        ReportRow {
            ok: self.is_ok(),
            files: names(&self.files),
            missing: names(&self.missing),
            problems: self.problems.iter().map(Problem::row).collect(),
        }
    }
}

/// Checks `files`, or the three files below `root` when none is named.
///
/// A named file is taken for what its only or first known key says it is, and needs no root.
#[must_use]
pub(crate) fn check(root: &Path, files: &[PathBuf], env: &Env, shipped: &[NamedPrice]) -> Report {
    if files.is_empty() {
        let paths = Paths::below(root);
        let (missing, problems) = match load(root, &paths, env, shipped) {
            Ok(mut resolved) => {
                let source = Source::read(&paths.daemon, &mut resolved.warnings);
                resolved.warnings.extend(playbook(&source, root, &resolved.options));
                resolved.warnings.extend(room(&source, root, &resolved.options));
                (resolved.missing, resolved.warnings)
            }
            Err(problems) => (Vec::new(), problems.0),
        };
        let files = vec![paths.daemon, paths.schedules, paths.secrets];
        return Report { files, missing, problems };
    }
    let mut problems = Vec::new();
    for path in files {
        let before = problems.len();
        let source = Source::read(path, &mut problems);
        if source.missing {
            problems.push(Problem::new(&source.file, 0..0, "no such file".to_owned()));
        }
        if problems.len() > before {
            continue;
        }
        let (file, node) = (&source.file, &source.node);
        let stem = path.file_stem().unwrap_or_default();
        if node.get("schedules").is_some() || stem == "schedules" {
            schedules::read(file, node, Timestamp::now().into(), &mut problems);
        } else if node.get("secrets").is_some() || stem == "secrets" {
            Secrets::read(file, node, root, &mut problems);
        } else {
            let secrets = Source::read(&path.with_file_name("secrets.yml"), &mut problems);
            let secrets = Secrets::read(&secrets.file, &secrets.node, root, &mut problems);
            let around = Around { env, secrets: &secrets, shipped };
            let read = daemon::read(file, node, &around, &mut problems);
            problems.extend(read.and_then(|(_, options)| playbook(&source, root, &options)));
        }
    }
    Report { files: files.to_vec(), missing: Vec::new(), problems }
}

/// What is wrong with the playbook that the daemon's file names.
fn playbook(source: &Source, root: &Path, options: &DaemonOptions) -> Option<Problem> {
    let Provider::Playbook { file } = &options.model.as_ref()?.provider else { return None };
    let error = Playbook::check(root, file).err()?;
    let message = error.source().map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
    let at = source.node.place(&["model", "file"]);
    let hint = format!("the path starts at `{}`", root.display());
    Some(Problem::new(&source.file, at, message).hint(hint))
}

/// More is set aside than the disk has.
fn room(source: &Source, root: &Path, options: &DaemonOptions) -> Option<Problem> {
    let space = RealFs.root(root).and_then(|root| RealFs.space(&root)).ok()?;
    if space.total == 0 || options.retention.free_bytes < space.total {
        return None;
    }
    let message = format!(
        "`retention.keep_free` sets aside all of the disk, which has {}: nothing will begin",
        Bytes(space.total)
    );
    let at = source.node.place(&["retention", "keep_free"]);
    Some(Problem::warning(&source.file, at, message).hint("less than that; 0 sets nothing aside"))
}

const KEY: &str = "model.api_key";

/// One value in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    /// `default`, the file and line that says so, or an environment variable.
    pub(crate) origin: String,
}

/// Every value of the daemon in force, and how many schedules there are.
#[must_use]
pub(crate) fn show(resolved: &Resolved) -> Vec<Setting> {
    let (rules, options) = (&resolved.rules, &resolved.options);
    let number = |cap: Option<u64>| cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string());
    let mut rows: Vec<(&str, String)> = vec![
        ("mode", "daemon".to_owned()),
        ("tick_interval", spell(options.tick_interval_ms)),
        ("graceful_timeout", spell(options.graceful_timeout_ms)),
        ("pid_path", options.pid_path.display().to_string()),
        ("heartbeat_interval", spell(options.heartbeat_interval_ms)),
        ("max_running", rules.max_running.to_string()),
        ("day_zone", options.day_zone_name.clone()),
        ("log.level", format!("{:?}", options.log.level).to_lowercase()),
        ("log.max_bytes", size::spell(options.log.max_bytes)),
        ("log.keep", options.log.keep.to_string()),
        ("budget.calls_per_day", number(rules.day.calls)),
        ("budget.tokens_per_day", number(rules.day.tokens)),
        ("budget.usd_per_day", usd(rules.day.usd_micros.unwrap_or_default())),
        ("budget.usd_per_mandate", usd(rules.mandate_usd_micros_max)),
        ("proposals.ttl", spell(rules.proposal_ttl_ms)),
        ("proposals.max_waiting", rules.proposals_max.to_string()),
    ];
    rows.push(("retention.days", options.retention.days.to_string()));
    rows.push(("retention.bytes", size::spell(options.retention.bytes)));
    rows.push(("retention.keep_free", size::spell(options.retention.free_bytes)));
    match &options.model {
        None => rows.push(("model", "none".to_owned())),
        Some(model) => {
            let provider = match &model.provider {
                Provider::Anthropic => "anthropic".to_owned(),
                Provider::OpenAi => "openai".to_owned(),
                Provider::Playbook { file } => format!("playbook {}", file.display()),
            };
            let key = if model.api_key.is_some() { "***" } else { "none" };
            rows.extend([
                ("model.provider", provider),
                ("model.name", model.name.clone()),
                ("model.base_url", model.base_url.clone()),
                (KEY, key.to_owned()),
                ("model.max_output_tokens", model.max_output_tokens.to_string()),
                ("model.timeout", spell(model.timeout_ms)),
            ]);
        }
    }
    let scopes = rules.scopes.iter().map(|raise| format!("{} = {}", raise.pattern, raise.scope));
    rows.push(("scopes", scopes.collect::<Vec<_>>().join(", ")));
    let witnesses = options.witnesses.iter().map(ToString::to_string);
    rows.push(("checkpoint.publish", witnesses.collect::<Vec<_>>().join(", ")));
    let commands = options.commands.rules.iter().map(|rule| rule.name.as_str());
    rows.push(("commands", commands.collect::<Vec<_>>().join(", ")));
    let account = options.commands.run_as.as_ref();
    let account = account.map(|account| format!("{}:{}", account.uid, account.gid));
    rows.push(("commands_as", account.unwrap_or_default()));
    rows.push(("commands_timeout", spell(options.commands.timeout_ms)));
    rows.push(("schedules", resolved.schedules.len().to_string()));
    let variable = options.model.as_ref().and_then(|model| model.key_variable);
    let origin = |key: &str| {
        if let (KEY, Some(variable)) = (key, variable) {
            return variable.to_owned();
        }
        let known = resolved.origins.iter().find(|(named, _)| named == key);
        known.map_or_else(|| "default".to_owned(), |(_, place)| place.clone())
    };
    rows.into_iter()
        .map(|(key, value)| Setting { key: key.to_owned(), value, origin: origin(key) })
        .collect()
}

fn usd(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
