//! The operator's files, read whole.
//!
//! Owns the way from `daemon.yml`, `schedules.yml` and `secrets.yml` to what the parts need. All
//! files hold together or none is used; every problem is shown, not the first one only. A missing
//! file means its defaults.

mod daemon;
pub(crate) mod env;
pub(crate) mod problem;
mod schedules;
mod secrets;
mod span;
pub(crate) mod zone;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kairos_core::rules::NamedPrice;
use kairos_wire::MandateRequest;
use serde::de::DeserializeOwned;

pub(crate) use daemon::{Daemon, Key, LogOptions, Provider};
pub(crate) use schedules::Schedule;
pub(crate) use secrets::Secrets;

use daemon::Reader;
use problem::{Problem, Text};

/// A configuration file is never larger.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Everything the files say.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) daemon: Daemon,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) secrets: Secrets,
    pub(crate) warnings: Vec<String>,
}

/// Where the three files are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) daemon: PathBuf,
    pub(crate) schedules: PathBuf,
    pub(crate) secrets: PathBuf,
}

impl Files {
    /// The usual places of a workspace; `daemon.yml` may stand elsewhere.
    pub(crate) fn of(root: &Path, daemon: Option<PathBuf>) -> Self {
        let dir = root.join(".kairos/config");
        Self {
            daemon: daemon.unwrap_or_else(|| dir.join("daemon.yml")),
            schedules: dir.join("schedules.yml"),
            secrets: dir.join("secrets.yml"),
        }
    }
}

/// Reads all files.
///
/// # Errors
/// Every problem of every file; then nothing of them counts.
pub(crate) fn load(files: &Files, shipped: &[NamedPrice]) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let tz = env::Environment::read().tz;
    let daemon = read(&files.daemon, &mut problems, |raw: daemon::Raw, reader| {
        raw.resolve(reader, shipped, tz.as_deref())
    });
    let schedules = read(&files.schedules, &mut problems, |raw: schedules::Raw, reader| {
        raw.resolve(reader, &mut warnings)
    });
    let secrets = read(&files.secrets, &mut problems, |raw: secrets::Raw, _| raw.resolve());
    match (daemon, schedules, secrets) {
        (Some(daemon), Some(schedules), Some(secrets)) if problems.is_empty() => {
            Ok(Config { daemon, schedules, secrets, warnings })
        }
        _ => Err(problems),
    }
}

fn read<T: DeserializeOwned + Default, R>(
    file: &Path,
    problems: &mut Vec<Problem>,
    resolve: impl FnOnce(T, &mut Reader<'_>) -> R,
) -> Option<R> {
    let text = match text(file) {
        Ok(text) => Text { file: file.to_owned(), text },
        Err(error) => {
            problems.push(Problem::whole(file, format!("cannot be read: {error}"), None));
            return None;
        }
    };
    let raw = if is_blank(&text.text) {
        T::default()
    } else {
        match serde_saphyr::from_str(&text.text) {
            Ok(raw) => raw,
            Err(error) => {
                problems.push(text.unreadable(&error));
                return None;
            }
        }
    };
    let mut reader = Reader { text: &text, problems: Vec::new() };
    let resolved = resolve(raw, &mut reader);
    problems.append(&mut reader.problems);
    Some(resolved)
}

/// A missing file is an empty one.
fn text(file: &Path) -> io::Result<String> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
        Ok(found) if found.len() > FILE_BYTES_MAX => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read_to_string(file),
    }
}

/// Nothing but comments.
fn is_blank(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// Whether a mandate's request can become a mandate, whatever its texts are stored as.
pub(crate) fn check_mandate(request: &MandateRequest) -> Result<(), String> {
    let mut put = |text: &str| -> Result<_, std::convert::Infallible> {
        Ok(kairos_core::digest::BlobRef::of(text.as_bytes()))
    };
    kairos_api::convert::spec(request, &mut put).map(drop).map_err(|error| error.to_string())
}
