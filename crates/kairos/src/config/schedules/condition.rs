//! What must hold before a slot fires: `condition`.
//!
//! Owns what may stand there. Never looks at a file and executes nothing.

use globset::GlobBuilder;
use kairos_api::convert::leads_out;
use kairos_core::digest::BlobRef;
use kairos_core::gate::scope::{Classified, Scopes};
use kairos_core::glob::{BRACES_MAX, is_deep};
use kairos_core::path::RelPath;
use kairos_core::schedule::condition::{Condition, Test};
use kairos_wire::mandate::Argv;
use serde::Deserialize;

use super::{Check, Raw};

/// Bytes of a text that is looked for.
const TEXT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    exists: Option<String>,
    changed: Option<String>,
    contains: Option<RawContains>,
    command: Option<Argv>,
    not: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContains {
    path: String,
    text: String,
}

/// What may stand there.
const TESTS: &str = "one of `exists: PATH`, `changed: GLOB`, `contains: {path: PATH, text: TEXT}`, \
                     `command: [NAME, ARGUMENT]`";

enum RawTest<'a> {
    Exists(&'a str),
    Changed(&'a str),
    Contains(&'a RawContains),
    Command(&'a Argv),
}

/// A condition whose text is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionConfig {
    test: TestConfig,
    not: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TestConfig {
    Exists(RelPath),
    Changed(String),
    Contains { path: RelPath, text: String },
    Command(Vec<String>),
}

impl ConditionConfig {
    /// The form the state keeps, with its text stored through `put`.
    ///
    /// # Errors
    /// What `put` said.
    pub(crate) fn stored<E>(
        &self,
        put: &mut dyn FnMut(&str) -> Result<BlobRef, E>,
    ) -> Result<Condition, E> {
        let test = match &self.test {
            TestConfig::Exists(path) => Test::Exists(path.clone()),
            TestConfig::Changed(glob) => Test::Changed(glob.clone()),
            TestConfig::Contains { path, text } => {
                Test::Contains { path: path.clone(), text: put(text)? }
            }
            TestConfig::Command(words) => {
                let list = serde_json::to_string(words).expect("words are JSON");
                Test::Command { argv: put(&list)? }
            }
        };
        Ok(Condition { test, not: self.not })
    }
}

impl Check<'_> {
    /// None where there is none, and where something is wrong, which is told.
    pub(super) fn condition(&mut self, raw: &Raw) -> Option<ConditionConfig> {
        let given = raw.condition.as_ref()?;
        if raw.trigger.is_some() {
            let message = "`condition` says nothing beside `trigger`".to_owned();
            let hint = "it is looked at when a clock makes the schedule due".to_owned();
            self.wrong(self.item.place(&["condition"]), message, Some(hint));
            return None;
        }
        let tests = [
            given.exists.as_ref().map(|path| ("exists", RawTest::Exists(path))),
            given.changed.as_ref().map(|glob| ("changed", RawTest::Changed(glob))),
            given.contains.as_ref().map(|contains| ("contains", RawTest::Contains(contains))),
            given.command.as_ref().map(|command| ("command", RawTest::Command(command))),
        ];
        let mut tests = tests.into_iter().flatten();
        let test = match (tests.next(), tests.next()) {
            (Some((_, test)), None) => self.test(&test)?,
            (Some((one, _)), Some((other, _))) => {
                let message = format!("`{one}` and `{other}` both say what must hold");
                let at = self.item.place(&["condition", other]);
                self.wrong(at, message, Some("keep one of them".to_owned()));
                return None;
            }
            (None, _) => {
                if !self.has_more("condition", &["not"]) {
                    let message = "nothing says what the condition is".to_owned();
                    self.wrong(self.item.place(&["condition"]), message, Some(TESTS.to_owned()));
                }
                return None;
            }
        };
        Some(ConditionConfig { test, not: given.not.unwrap_or(false) })
    }

    fn test(&mut self, test: &RawTest<'_>) -> Option<TestConfig> {
        match test {
            RawTest::Exists(path) => Some(TestConfig::Exists(self.path(&["exists"], path)?)),
            RawTest::Changed(glob) => {
                Some(TestConfig::Changed(self.glob(&["condition", "changed"], glob)?))
            }
            RawTest::Command(Argv(words)) => Some(TestConfig::Command(words.clone())),
            RawTest::Contains(RawContains { path, text }) => {
                let path = self.path(&["contains", "path"], path)?;
                if text.is_empty() || text.len() > TEXT_BYTES_MAX {
                    let message = format!("`text` has {} bytes", text.len());
                    let hint = format!("1 to {TEXT_BYTES_MAX}");
                    let at = self.item.place(&["condition", "contains", "text"]);
                    self.wrong(at, message, Some(hint));
                    return None;
                }
                Some(TestConfig::Contains { path, text: text.clone() })
            }
        }
    }

    fn path(&mut self, key: &[&str], path: &str) -> Option<RelPath> {
        let at = self.item.place(&[&["condition"], key].concat());
        let parsed = RelPath::parse(path);
        let parsed =
            parsed.map_err(|error| self.wrong(at.clone(), error.to_string(), None)).ok()?;
        if let Classified::Refused { .. } = Scopes::default().classify(&parsed) {
            let hint = "a condition is about the workspace".to_owned();
            self.wrong(at, format!("`{path}` is the daemon's own"), Some(hint));
            return None;
        }
        Some(parsed)
    }

    /// A glob that stays in the workspace.
    pub(super) fn glob(&mut self, key: &[&str], glob: &str) -> Option<String> {
        let at = self.item.place(key);
        if leads_out(glob) {
            let hint = "globs are relative to the workspace".to_owned();
            self.wrong(at, format!("`{glob}` leads out of the workspace"), Some(hint));
            return None;
        }
        if is_deep(glob) {
            self.wrong(at, format!("a glob has more than {BRACES_MAX} `{{`"), None);
            return None;
        }
        if let Err(error) = GlobBuilder::new(glob).literal_separator(true).build() {
            let hint = error.kind().to_string();
            self.wrong(at, format!("`{glob}` is not a glob"), Some(hint));
            return None;
        }
        Some(glob.to_owned())
    }
}
