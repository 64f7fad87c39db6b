//! The daemon's log: JSON lines for people and collectors.
//!
//! Owns `.kairos/logs/kairos.log`, its rotation by size, and what a line may show: tokens and known
//! secrets are masked before a byte is written. Never stops the daemon: a line that cannot be
//! written is dropped and counted, and the next one that can be says how many. Nothing reads the
//! log to decide.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kairos_core::time::Time;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The longest line, in bytes; details of a longer one are left out.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;

/// How much a line matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// What is written, and how much of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// The least level written.
    pub(crate) level: Level,
    /// Bytes of a file before the next one begins.
    pub(crate) max_bytes: u64,
    /// Older files kept: `kairos.log.1` is the newest of them.
    pub(crate) keep: u16,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: Level::Info, max_bytes: 16 * 1024 * 1024, keep: 7 }
    }
}

/// The value of a detail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Detail {
    Text(String),
    Number(i64),
    Flag(bool),
    Null,
}

/// An open log; shared by reference between threads.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    options: LogOptions,
    /// `None` after a failure; the next line tries again.
    file: Option<File>,
    bytes: u64,
    secrets: Vec<String>,
    dropped: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .field("bytes", &self.bytes)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens `dir/kairos.log` for appending and makes `dir` (0700) where it is missing.
    ///
    /// # Errors
    /// What the system says when the directory or the file cannot be made.
    pub(crate) fn open(dir: &Path, options: LogOptions) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let (file, bytes) = append_to(dir)?;
        let inner = Inner { options, file: Some(file), bytes, secrets: Vec::new(), dropped: 0 };
        Ok(Self { dir: dir.to_owned(), inner: Mutex::new(inner) })
    }

    /// Takes other options from the next line on.
    pub(crate) fn set_options(&self, options: LogOptions) {
        self.lock().options = options;
    }

    /// Values that no line may show from now on. Those under 6 bytes are not hidden: they would
    /// shred unrelated text.
    pub(crate) fn hide(&self, secrets: impl IntoIterator<Item = String>) {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| secret.len() >= 6).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.lock().secrets = secrets;
    }

    /// Lines dropped since the last one that was written.
    #[must_use]
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Writes one line, unless its level is below the least.
    pub(crate) fn line(
        &self,
        level: Level,
        event: &'static str,
        source: &'static str,
        details: &[(&str, Detail)],
    ) {
        let mut inner = self.lock();
        if level < inner.options.level {
            return;
        }
        let line = inner.encode(level, event, source, details);
        if inner.write(&self.dir, &line).is_err() {
            inner.file = None;
            inner.dropped = inner.dropped.saturating_add(1);
        } else {
            inner.dropped = 0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: Level,
    event: &'a str,
    source: &'a str,
    details: Details<'a>,
}

struct Details<'a> {
    inner: &'a Inner,
    pairs: &'a [(&'a str, Detail)],
}

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.pairs {
            match value {
                Detail::Text(text) => map.serialize_entry(key, &self.inner.masked(text))?,
                other => map.serialize_entry(key, other)?,
            }
        }
        if self.inner.dropped > 0 {
            map.serialize_entry("lines_dropped", &self.inner.dropped)?;
        }
        map.end()
    }
}

impl Inner {
    fn encode(&self, level: Level, event: &str, source: &str, pairs: &[(&str, Detail)]) -> Vec<u8> {
        let now = Time::from_ms(now_ms());
        let with = |pairs| {
            let details = Details { inner: self, pairs };
            let line = Line { ts: now.to_string(), level, event, source, details };
            serde_json::to_vec(&line).expect("a line has only text keys and plain values")
        };
        let mut line = with(pairs);
        if line.len() >= LINE_BYTES_MAX {
            let bytes = i64::try_from(line.len()).unwrap_or(i64::MAX);
            line = with(&[("details_left_out_bytes", Detail::Number(bytes))]);
        }
        line.push(b'\n');
        line
    }

    fn masked(&self, text: &str) -> String {
        let mut text = mask(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***REDACTED***");
            }
        }
        text
    }

    fn write(&mut self, dir: &Path, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.options.max_bytes {
            rotate(dir, self.options.keep)?;
            self.file = None;
        }
        if self.file.is_none() {
            let (file, bytes) = append_to(dir)?;
            (self.file, self.bytes) = (Some(file), bytes);
        }
        let file = self.file.as_mut().expect("opened above");
        // A partial line counts, so what follows it may start a new file.
        self.bytes = self.bytes.saturating_add(length);
        file.write_all(line)
    }
}

fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn append_to(dir: &Path) -> io::Result<(File, u64)> {
    let path = dir.join("kairos.log");
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// Moves `kairos.log` to `.1`, `.1` to `.2` and so on; the last one goes.
fn rotate(dir: &Path, keep: u16) -> io::Result<()> {
    let name = |n: u16| match n {
        0 => dir.join("kairos.log"),
        n => dir.join(format!("kairos.log.{n}")),
    };
    let gone_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if keep == 0 {
        return gone_is_fine(std::fs::remove_file(name(0)));
    }
    (0..keep).rev().try_for_each(|n| gone_is_fine(std::fs::rename(name(n), name(n + 1))))
}

/// How tokens of common services begin.
const TOKEN_STARTS: [&str; 4] = ["sk-", "anthropic-", "ghp_", "xoxb-"];

/// Characters after its start that make a word a token.
const TOKEN_CHARS_MIN: usize = 8;

/// `text` with tokens masked: of each the first four characters stay, and its length.
#[must_use]
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let word_end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let token = TOKEN_STARTS
            .iter()
            .any(|start| word.strip_prefix(start).is_some_and(|t| t.len() >= TOKEN_CHARS_MIN));
        if token {
            masked.push_str(&word[..4]);
            masked.extend(std::iter::repeat_n('*', word.len() - 4));
        } else {
            masked.push_str(word);
        }
        let gap_end = after.find(is_token).unwrap_or(after.len());
        masked.push_str(&after[..gap_end]);
        rest = &after[gap_end..];
    }
    masked
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_its_five_keys_and_hides_tokens() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(&dir.path().join("logs"), LogOptions::default()).unwrap();
        log.hide(["hunter22".to_owned(), "ab".to_owned()]);
        log.line(Level::Debug, "unseen", "test", &[]);
        log.line(
            Level::Warn,
            "daemon_status",
            "test",
            &[
                ("pid", Detail::Number(7)),
                ("text", Detail::Text("key=sk-abcdefghij, hunter22, task-runner-name ab".into())),
            ],
        );
        let path = dir.path().join("logs/kairos.log");
        let mut read = lines(&path);
        assert_eq!(read.len(), 1);
        let ts = read[0].as_object_mut().unwrap().remove("ts").unwrap();
        assert_eq!(ts.as_str().unwrap().len(), "2026-11-21T08:00:00.000Z".len());
        let expected = serde_json::json!({
            "level": "warn", "event": "daemon_status", "source": "test",
            "details": {"pid": 7, "text": "key=sk-a*********, ***REDACTED***, task-runner-name ab"},
        });
        assert_eq!(read[0], expected);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_rotate_by_size_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let options = LogOptions { max_bytes: 200, keep: 2, ..LogOptions::default() };
        let log = Log::open(dir.path(), options).unwrap();
        for n in 0..10 {
            log.line(Level::Info, "count", "test", &[("n", Detail::Number(n))]);
        }
        let numbers = |name: &str| -> Vec<i64> {
            let rows = lines(&dir.path().join(name));
            rows.iter().map(|row| row["details"]["n"].as_i64().unwrap()).collect()
        };
        assert_eq!(numbers("kairos.log"), [8, 9]);
        assert_eq!(numbers("kairos.log.1"), [6, 7]);
        assert_eq!(numbers("kairos.log.2"), [4, 5]);
        assert!(!dir.path().join("kairos.log.3").exists());
    }

    #[test]
    fn details_of_a_line_too_long_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), LogOptions::default()).unwrap();
        log.line(Level::Info, "long", "test", &[("text", Detail::Text("x".repeat(20_000)))]);
        let row = &lines(&dir.path().join("kairos.log"))[0];
        assert!(row["details"]["details_left_out_bytes"].as_i64().unwrap() > 20_000);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let log_dir = dir.path().join("logs");
        let options = LogOptions { max_bytes: 1, ..LogOptions::default() };
        let log = Log::open(&log_dir, options).unwrap();
        log.line(Level::Info, "first", "test", &[]);
        std::fs::remove_dir_all(&log_dir).unwrap();
        log.line(Level::Info, "lost", "test", &[]);
        log.line(Level::Info, "lost", "test", &[]);
        assert_eq!(log.dropped(), 2);
        std::fs::create_dir(&log_dir).unwrap();
        log.line(Level::Info, "back", "test", &[]);
        let row = &lines(&log_dir.join("kairos.log"))[0];
        assert_eq!(row["event"], "back");
        assert_eq!(row["details"]["lines_dropped"], 2);
    }
}
