//! From three files to one configuration.
//!
//! Owns the order in which files are read and the rule that all of them count or none: one error
//! anywhere and nothing is changed. Never keeps a file open or watches one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kairos_core::rules::{NamedPrice, Rules};
use kairos_core::schedule::definition::ScheduleName;

use super::daemon::{self, Around, DaemonOptions};
use super::env::Env;
use super::node::{FILE_BYTES_MAX, Node, Value};
use super::problem::{File, Problem, Problems};
use super::schedules::{self, ScheduleConfig};
use super::secrets::{Secret, Secrets};

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// What decisions read.
    pub(crate) rules: Rules,
    /// What the binary reads.
    pub(crate) options: DaemonOptions,
    pub(crate) schedules: Vec<ScheduleConfig>,
    pub(crate) secrets: Secrets,
    /// What signs deliveries to webhooks, by the schedule's name.
    pub(crate) hooks: BTreeMap<ScheduleName, Secret>,
    /// What a person should know although the configuration holds.
    pub(crate) warnings: Vec<Problem>,
    /// The files that do not exist; the defaults count in their place.
    pub(crate) missing: Vec<PathBuf>,
    pub(super) origins: Vec<(String, String)>,
}

/// Where the three files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) daemon: PathBuf,
    pub(crate) schedules: PathBuf,
    pub(crate) secrets: PathBuf,
}

impl Paths {
    /// The usual places below `root`.
    #[must_use]
    pub(crate) fn below(root: &Path) -> Self {
        let config = root.join(".kairos/config");
        Self {
            daemon: config.join("daemon.yml"),
            schedules: config.join("schedules.yml"),
            secrets: config.join("secrets.yml"),
        }
    }
}

/// A file with its tree; a missing one is empty.
pub(super) struct Source {
    pub(super) file: File,
    pub(super) node: Node,
    pub(super) missing: bool,
}

impl Source {
    pub(super) fn read(path: &Path, out: &mut Vec<Problem>) -> Self {
        let empty = |missing| Self {
            file: File::new(path, ""),
            node: Node { at: 0..0, value: Value::Null },
            missing,
        };
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return empty(true),
            Err(error) => {
                out.push(unreadable(path, &error));
                return empty(false);
            }
        };
        let file = File::new(path, &text);
        match Node::read(&file) {
            Ok(node) => Self { file, node, missing: false },
            Err(problem) => {
                out.push(problem);
                empty(false)
            }
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let message = format!("cannot be read: {error}");
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Some("`ls -l` shows whose it is; who starts the daemon must be able to read it".into())
        }
        io::ErrorKind::InvalidData => Some("it must be UTF-8 text".into()),
        _ => None,
    };
    Problem::new(&File::new(path, ""), 0..0, message).hint_opt(hint)
}

pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if usize::try_from(about.len()).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(path)
}

/// Reads and checks the files; `shipped` is the table of prices that comes with the program.
///
/// # Errors
/// Every problem found, warnings included, when at least one is an error.
pub(crate) fn load(
    root: &Path,
    paths: &Paths,
    env: &Env,
    shipped: &[NamedPrice],
) -> Result<Resolved, Problems> {
    let mut out = Vec::new();
    let kept = Source::read(&paths.secrets, &mut out);
    let secrets = Secrets::read(&kept.file, &kept.node, root, &mut out);
    let daemon = Source::read(&paths.daemon, &mut out);
    let around = Around { env, secrets: &secrets, shipped };
    let read = daemon::read(&daemon.file, &daemon.node, &around, &mut out);
    let source = Source::read(&paths.schedules, &mut out);
    let schedules = schedules::read(&source.file, &source.node, Timestamp::now().into(), &mut out);
    let hooks = hooks(&source.file, &schedules, &secrets, env, &mut out);
    match read {
        Some((rules, options)) if out.iter().all(|problem| !problem.is_error()) => {
            let mut origins = origins(&daemon.file, &daemon.node);
            origins.extend((!source.missing).then(|| ("schedules".into(), "schedules.yml".into())));
            let missing = [&daemon, &source, &kept].into_iter().filter(|read| read.missing);
            let missing = missing.map(|read| read.file.path.clone()).collect();
            let warnings = out;
            Ok(Resolved { rules, options, schedules, secrets, hooks, warnings, missing, origins })
        }
        _ => Err(Problems(out)),
    }
}

/// The secrets of webhooks; one that cannot be had is an error where it is named.
fn hooks(
    file: &File,
    schedules: &[ScheduleConfig],
    secrets: &Secrets,
    env: &Env,
    out: &mut Vec<Problem>,
) -> BTreeMap<ScheduleName, Secret> {
    let mut hooks = BTreeMap::new();
    for schedule in schedules {
        let Some(hook) = &schedule.timed.hook else { continue };
        let asks = format!("webhook:{}", schedule.name);
        match secrets.get(&hook.name, &["webhook", &asks], env) {
            Ok(secret) => drop(hooks.insert(schedule.name.clone(), secret)),
            Err(error) => {
                let problem = Problem::new(file, hook.at.clone(), error.to_string());
                out.push(problem.hint("secrets are named in secrets.yml"));
            }
        }
    }
    hooks
}

/// Each key that the daemon's file sets, and where.
fn origins(file: &File, node: &Node) -> Vec<(String, String)> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    let place = |key: String, byte| {
        let name = file.path.file_name().unwrap_or_default().display();
        (key, format!("{name}:{}", file.position(byte).0))
    };
    entries
        .iter()
        .flat_map(|(key, value)| match &value.value {
            Value::Map(inner) => inner
                .iter()
                .map(|(k, _)| place(format!("{}.{}", key.name, k.name), k.at.start))
                .collect(),
            _ => vec![place(key.name.clone(), key.at.start)],
        })
        .collect()
}
