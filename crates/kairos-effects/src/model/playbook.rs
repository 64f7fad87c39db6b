//! Answers written down beforehand: for demonstrations, tests and dry runs.
//!
//! Owns the file's form and which entry answers a call. Never asks anybody; a call counts as one,
//! and four bytes as a token.
//!
//! ```yaml
//! answers:
//!   - {phase: orient, raw: '{"summary": "…", "priorities": [], "risk_level": "low"}'}
//!   - goal: install          # only where the goal contains this
//!     phase: decide
//!     cycle: 2               # only in this cycle
//!     delay: 200ms           # waits before it answers; s and ms
//!     answer: {status: done, reason: nothing to do, steps: []}
//! ```

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kairos_core::budget::Usage;
use kairos_core::cycle::brief::{Brief, Part};
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::effect::{Attempt, Reply};
use kairos_core::kind::{Kind, Refused};
use serde::Deserialize;

use super::ask::Desk;
use super::excerpt;
use super::notice::{Notice, Notify};
use super::wire::{Said, Stop};
use crate::cancel::CancelToken;
use crate::store::{TextError, Texts};

/// The longest file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The most answers.
const ANSWERS_MAX: usize = 10_000;

/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(3600);

const BYTES_PER_TOKEN: u64 = 4;

/// Why a playbook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaybookError {
    #[error("cannot read `{}`", .file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is larger than {FILE_BYTES_MAX} bytes", .file.display())]
    TooLarge { file: PathBuf },
    #[error("`{}` line {line} column {column}: {message}", .file.display())]
    Yaml {
        file: PathBuf,
        /// From 1; 0 when the reader could not say.
        line: u64,
        column: u64,
        message: String,
    },
    #[error("`{}`: {count} answers, more than {ANSWERS_MAX}", .file.display())]
    TooMany { file: PathBuf, count: usize },
    #[error("`{}`: answer {number} {problem}", .file.display())]
    Entry {
        file: PathBuf,
        /// Counted from 1.
        number: usize,
        problem: EntryProblem,
    },
}

/// What is wrong with one entry. Reads on after its number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error("has neither `answer` nor `raw`")]
    Nothing,
    #[error("has both `answer` and `raw`")]
    Both,
    #[error("has the delay `{text}`, expected such as `200ms` or `2s`, at most an hour")]
    Delay { text: String },
    #[error("is for phase `{phase}`, which asks no model")]
    NotAsked { phase: Phase },
}

impl PlaybookError {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Refused(Refused::BadInput)
    }
}

/// A playbook ready to answer.
#[derive(Debug)]
pub struct Playbook {
    pub(crate) desk: Desk,
    file: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    goal: Option<String>,
    phase: Phase,
    cycle: Option<u8>,
    delay: Duration,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    answers: Vec<WrittenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    goal: Option<String>,
    phase: Phase,
    cycle: Option<u8>,
    delay: Option<String>,
    answer: Option<serde_json::Map<String, serde_json::Value>>,
    raw: Option<String>,
}

impl Playbook {
    /// Reads `file`, relative to `root`.
    ///
    /// # Errors
    /// The file cannot be read, or is no playbook.
    pub fn load(
        root: &Path,
        file: &Path,
        texts: Texts,
        notify: Notify,
    ) -> Result<Self, PlaybookError> {
        let entries = read(root, file)?;
        Ok(Self { desk: Desk { texts, notify }, file: file.to_owned(), entries })
    }

    /// Whether `file`, relative to `root`, is a playbook, without making one ready.
    ///
    /// # Errors
    /// As [`Playbook::load`].
    pub fn check(root: &Path, file: &Path) -> Result<(), PlaybookError> {
        read(root, file).map(drop)
    }

    pub(super) async fn ask(
        &self,
        brief: &Brief,
        mut cancel: CancelToken,
    ) -> Result<Attempt, TextError> {
        let prompt = match self.desk.render(brief).await {
            Ok(prompt) => prompt,
            Err(error) => return Ok(self.desk.not_sent(&error)),
        };
        let request = format!("{}\n\n{}", prompt.system, prompt.user);
        let input = request.len() as u64 / BYTES_PER_TOKEN;
        let request = match self.desk.put(request.into_bytes()).await {
            Ok(request) => Some(request),
            Err(error) => return Ok(self.desk.not_sent(&error)),
        };
        let goal = self.goal(brief).await?;
        let Some(entry) = self.entries.iter().find(|entry| entry.answers(brief, &goal)) else {
            let (file, phase, cycle) = (self.file.clone(), brief.phase, brief.cycle);
            let notice = Notice::NoAnswer { file, phase, cycle };
            let said = self.desk.said(excerpt::of(&notice.to_string())).await;
            (self.desk.notify)(notice);
            let failure = CallFailure::Status { code: 404, retry_after_ms: None };
            return Ok(Attempt { request, usage: None, said, reply: Reply::Failed(failure) });
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                return Ok(Attempt { request, usage: None, said: None, reply: Reply::Cancelled });
            }
            () = pass(entry.delay) => {}
        }
        let output = entry.text.len() as u64 / BYTES_PER_TOKEN;
        let usage = Some(Usage { input, output, ..Usage::default() });
        let said = Said { text: entry.text.clone(), stop: Stop::Finished, usage };
        let reply = self.desk.reply(brief.phase, said).await?;
        Ok(Attempt { request, usage, said: None, reply })
    }

    async fn goal(&self, brief: &Brief) -> Result<String, TextError> {
        let goal = brief.fragments.iter().find(|fragment| fragment.part == Part::Goal);
        let Some(goal) = goal else { return Ok(String::new()) };
        Ok(String::from_utf8_lossy(&self.desk.get(goal.text).await?).into_owned())
    }
}

/// No delay is none at all: the runtime's clock would make a millisecond of it.
async fn pass(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn read(root: &Path, file: &Path) -> Result<Vec<Entry>, PlaybookError> {
    let shown = || file.to_owned();
    let unread = |source| PlaybookError::Read { file: shown(), source };
    let mut text = String::new();
    let opened = File::open(root.join(file)).map_err(unread)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(PlaybookError::TooLarge { file: shown() });
    }
    let written: Written = serde_saphyr::from_str(&text).map_err(|error| {
        let at = error.location();
        PlaybookError::Yaml {
            file: shown(),
            line: at.map_or(0, |at| at.line()),
            column: at.map_or(0, |at| at.column()),
            message: error.without_snippet().to_string(),
        }
    })?;
    let count = written.answers.len();
    if count > ANSWERS_MAX {
        return Err(PlaybookError::TooMany { file: shown(), count });
    }
    let entries = (1..).zip(written.answers).map(|(number, entry)| {
        let wrong = |problem| PlaybookError::Entry { file: shown(), number, problem };
        Entry::new(entry).map_err(wrong)
    });
    entries.collect()
}

impl Entry {
    fn new(written: WrittenEntry) -> Result<Self, EntryProblem> {
        let text = match (written.answer, written.raw) {
            (Some(answer), None) => serde_json::Value::Object(answer).to_string(),
            (None, Some(raw)) => raw,
            (None, None) => return Err(EntryProblem::Nothing),
            (Some(_), Some(_)) => return Err(EntryProblem::Both),
        };
        if super::schema::name(written.phase).is_none() {
            return Err(EntryProblem::NotAsked { phase: written.phase });
        }
        let delay = match written.delay {
            None => Duration::ZERO,
            Some(text) => delay(&text).ok_or(EntryProblem::Delay { text })?,
        };
        let (goal, phase, cycle) = (written.goal, written.phase, written.cycle);
        Ok(Self { goal, phase, cycle, delay, text })
    }

    fn answers(&self, brief: &Brief, goal: &str) -> bool {
        self.phase == brief.phase
            && self.cycle.is_none_or(|cycle| cycle == brief.cycle)
            && self.goal.as_ref().is_none_or(|part| goal.contains(part))
    }
}

/// `200ms`, `2s`, or a bare number of seconds.
fn delay(text: &str) -> Option<Duration> {
    let span = match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.trim().parse().ok()?),
        None => Duration::from_secs(text.strip_suffix('s').unwrap_or(text).trim().parse().ok()?),
    };
    (span <= DELAY_MAX).then_some(span)
}
