//! `schedules.yml` before it counts.
//!
//! Owns checking a text whole and putting it in the place of the one that was read: all of it or
//! none, with the same mode and owner, and never over somebody else's change. Never chooses what
//! changes, and asks nobody to load it.

use std::fs::{self, File as Open, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::node::{Node, Value};
use super::problem::{File, Problem};
use super::resolve::Source;
use super::schedules::{self, ScheduleConfig};
use super::show::MISSING;
use crate::output::{Exit, Failure};

/// The mode of a file that is made.
const MODE: u32 = 0o600;

/// What there is to say about a text of schedules.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    /// Whether there is no such file, which alone is nothing wrong.
    pub(crate) missing: bool,
    pub(crate) problems: Vec<Problem>,
    /// Those that hold.
    pub(crate) schedules: Vec<ScheduleConfig>,
}

impl Checked {
    /// The problems stand in the order of their places.
    fn of(path: &Path, mut problems: Vec<Problem>, schedules: Vec<ScheduleConfig>) -> Self {
        problems.sort_by_key(Problem::start);
        Self { path: path.to_owned(), missing: false, problems, schedules }
    }

    /// Whether a daemon would load it.
    pub(crate) fn is_ok(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }

    /// One line: `schedules.yml: 2 errors, 1 warning`.
    pub(crate) fn verdict(&self) -> String {
        let counted = |n: usize, noun: &str| match n {
            1 => format!("1 {noun}"),
            n => format!("{n} {noun}s"),
        };
        let errors = self.problems.iter().filter(|problem| problem.is_error()).count();
        let warnings = self.problems.len() - errors;
        let mut parts = vec![match errors {
            0 if self.missing => format!("{MISSING}, which are no schedules"),
            0 => format!("ok, {}", counted(self.schedules.len(), "schedule")),
            n => counted(n, "error"),
        }];
        if warnings > 0 {
            parts.push(counted(warnings, "warning"));
        }
        format!("{}: {}", self.path.display(), parts.join(", "))
    }
}

/// Checks the file; one that is not there is wrong.
pub(crate) fn check_file(path: &Path) -> Checked {
    check_source(path, |problems, file| {
        problems.push(Problem::new(file, 0..0, "no such file".to_owned()));
    })
}

/// Checks the file; one that is not there has no schedules.
pub(crate) fn check_if_there(path: &Path) -> Checked {
    check_source(path, |_, _| {})
}

fn check_source(path: &Path, missing: impl FnOnce(&mut Vec<Problem>, &File)) -> Checked {
    let mut problems = Vec::new();
    let source = Source::read(path, &mut problems);
    if source.missing {
        missing(&mut problems, &source.file);
    }
    let mut schedules = Vec::new();
    if problems.is_empty() {
        let now = Timestamp::now().into();
        schedules = schedules::read(&source.file, &source.node, now, &mut problems);
    }
    Checked { missing: source.missing, ..Checked::of(path, problems, schedules) }
}

/// Checks a text as if it stood at `path`.
pub(crate) fn check_text(path: &Path, text: &str) -> Checked {
    let file = File::new(path, text);
    let (mut problems, mut schedules) = (Vec::new(), Vec::new());
    match Node::read(&file) {
        Ok(node) => {
            schedules = schedules::read(&file, &node, Timestamp::now().into(), &mut problems);
        }
        Err(problem) => problems.push(problem),
    }
    Checked::of(path, problems, schedules)
}

/// The values under `schedules` of a text, without their places; none where it cannot be read.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let node = Node::read(&File::new(Path::new(""), text)).ok()?;
    let items = node.get("schedules").map(Node::items).unwrap_or_default();
    Some(items.iter().map(|item| item.value.placeless()).collect())
}

/// Why a text was not put in place of another.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` was changed by somebody else meanwhile", path.display())]
    Changed { path: PathBuf },
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        let code = match error {
            DraftError::Read { .. } => "unreadable_file",
            DraftError::Write { .. } => "unwritable_file",
            DraftError::Changed { .. } => {
                return Self::of(Exit::No, "changed_meanwhile", &error).hint("try again");
            }
        };
        Self::of(Exit::No, code, &error)
    }
}

/// The file as it was read.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Where it is, links followed.
    path: PathBuf,
    /// None of a file that is not there.
    text: Option<String>,
}

impl Draft {
    /// Reads the file at `path`, if it is there.
    ///
    /// # Errors
    /// It is there and cannot be read as text.
    pub(crate) fn read(path: &Path) -> Result<Self, DraftError> {
        let unread = |source| DraftError::Read { path: path.to_owned(), source };
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(unread(error)),
        };
        let text = there(&path).map_err(unread)?;
        Ok(Self { path, text })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no such file.
    pub(crate) fn is_missing(&self) -> bool {
        self.text.is_none()
    }

    /// What it says; nothing where it is not there.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Whether the file still says what was read.
    pub(crate) fn still_stands(&self) -> Result<(), DraftError> {
        let unread = |source| DraftError::Read { path: self.path.clone(), source };
        match there(&self.path).map_err(unread)? == self.text {
            true => Ok(()),
            false => Err(DraftError::Changed { path: self.path.clone() }),
        }
    }

    /// Puts `text` in the file's place, durably. Nobody ever sees half of it.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub(crate) fn save(&self, text: &str) -> Result<(), DraftError> {
        let beside = self.path.with_extension(format!("yml.{}.new", std::process::id()));
        let written = self.write(&beside, text).map_err(|source| {
            let path = beside.clone();
            DraftError::Write { path, source }
        });
        // Seen as late as can be: what is written between here and the rename is lost.
        let done = written.and_then(|()| self.still_stands()).and_then(|()| {
            let renamed = fs::rename(&beside, &self.path).and_then(|()| sync_dir(&self.path));
            renamed.map_err(|source| DraftError::Write { path: self.path.clone(), source })
        });
        if done.is_err() {
            // It may never have been made.
            let _ = fs::remove_file(&beside);
        }
        done
    }

    fn write(&self, beside: &Path, text: &str) -> io::Result<()> {
        if let Some(dir) = beside.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(beside)?;
        if self.text.is_some() {
            let about = fs::metadata(&self.path)?;
            let made = file.metadata()?;
            if (about.uid(), about.gid()) != (made.uid(), made.gid()) {
                fchown(&file, Some(about.uid()), Some(about.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(about.mode() & 0o7777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// The text of a file that is no longer than a configuration may be.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    super::resolve::read_text(path)
}

fn there(path: &Path) -> io::Result<Option<String>> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| Open::open(dir)?.sync_all())
}
