//! The log: JSON lines, rotated by size.
//!
//! Owns `.kairos/logs/kairos.log` and the form of its lines, KairosChain's `{ts, level, event,
//! source, details}`. Never fails the daemon: a line that cannot be written is counted, and the
//! count stands in the next one that can.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::config::LogOptions;

/// A line is never longer; what is over is cut from its details.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How tokens begin that are masked wherever they stand.
const TOKENS: [&str; 4] = ["sk-", "anthropic-", "ghp_", "xoxb-"];
/// Letters of a token that stay.
const TOKEN_SHOWN: usize = 4;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The log of one workspace.
#[derive(Debug)]
pub(crate) struct Log {
    file: PathBuf,
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    out: Option<File>,
    bytes: u64,
    options: LogOptions,
    /// Lines that could not be written since the last one that could.
    lost: u64,
}

impl Log {
    /// Opens the log in `dir`, which exists.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn open(dir: &Path, options: LogOptions) -> io::Result<Self> {
        let file = dir.join("kairos.log");
        let out = append(&file)?;
        let bytes = out.metadata()?.len();
        let writing = Writing { out: Some(out), bytes, options, lost: 0 };
        Ok(Self { file, writing: Mutex::new(writing) })
    }

    /// Uses other options from now on.
    pub(crate) fn configure(&self, options: LogOptions) {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).options = options;
    }

    /// Writes one line.
    pub(crate) fn line(
        &self,
        level: Level,
        event: &str,
        source: &str,
        details: Map<String, Value>,
    ) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if level == Level::Debug && !writing.options.debug {
            return;
        }
        let mut line = Map::new();
        line.insert("ts".into(), kairos_engine::time().to_string().into());
        line.insert("level".into(), level.word().into());
        line.insert("event".into(), event.into());
        line.insert("source".into(), source.into());
        let mut details = details;
        if writing.lost > 0 {
            details.insert("lines_lost".into(), writing.lost.into());
        }
        line.insert("details".into(), Value::Object(details));
        let mut text = mask(&Value::Object(line.clone()).to_string());
        if text.len() > LINE_BYTES_MAX {
            line.insert("details".into(), "cut: too long".into());
            text = Value::Object(line).to_string();
        }
        text.push('\n');
        match writing.append(&self.file, text.as_bytes()) {
            Ok(()) => writing.lost = 0,
            Err(_) => writing.lost += 1,
        }
    }
}

impl Writing {
    fn append(&mut self, file: &Path, line: &[u8]) -> io::Result<()> {
        if self.bytes + line.len() as u64 > self.options.max_bytes {
            self.out = None;
            rotate(file, self.options.keep)?;
            self.bytes = 0;
        }
        if self.out.is_none() {
            self.out = Some(append(file)?);
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        out.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn append(file: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(file)
}

/// `kairos.log` becomes `.1`, `.1` becomes `.2`, and the one past `keep` goes.
fn rotate(file: &Path, keep: u8) -> io::Result<()> {
    let numbered = |n: u8| file.with_extension(format!("log.{n}"));
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if keep == 0 {
        return gone(fs::remove_file(file));
    }
    for n in (1..keep).rev() {
        gone(fs::rename(numbered(n), numbered(n + 1)))?;
    }
    gone(fs::rename(file, numbered(1)))
}

/// Hides the rest of everything that begins like a token.
fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = TOKENS.iter().filter_map(|token| rest.find(token)).min() {
        let (before, token) = rest.split_at(at);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let end = token.find(|c| !word(c)).unwrap_or(token.len());
        let starts_a_word = !before.ends_with(word);
        out.push_str(before);
        if starts_a_word && end > TOKEN_SHOWN * 3 {
            out.push_str(&token[..TOKEN_SHOWN]);
            out.push_str("***");
        } else {
            out.push_str(&token[..end]);
        }
        rest = &token[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(dir: &Path, name: &str) -> usize {
        fs::read_to_string(dir.join(name)).map_or(0, |text| text.lines().count())
    }

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let options = LogOptions { debug: false, max_bytes: 400, keep: 2 };
        let log = Log::open(dir.path(), options).expect("the log opens");
        for _ in 0..20 {
            log.line(Level::Info, "daemon_status", "test", Map::new());
        }
        let found = ["kairos.log", "kairos.log.1", "kairos.log.2", "kairos.log.3"];
        assert_eq!(found.map(|name| lines(dir.path(), name) > 0), [true, true, true, false]);
    }

    #[test]
    fn tokens_are_masked_and_words_are_not() {
        let text = mask(r#"key "sk-abcdefghijklmnop" in task-sk-x and ghp_0123456789abcdef"#);
        assert_eq!(text, r#"key "sk-a***" in task-sk-x and ghp_***"#);
    }
}
