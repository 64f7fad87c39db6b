//! What must hold before a slot fires: `condition`.
//!
//! Owns what may stand there. Never looks at a file.

use globset::GlobBuilder;
use kairos_api::convert::leads_out;
use kairos_core::digest::BlobRef;
use kairos_core::path::RelPath;
use kairos_core::schedule::condition::{Condition, Test};
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
    not: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContains {
    file: String,
    text: String,
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
    Contains { file: RelPath, text: String },
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
            TestConfig::Contains { file, text } => {
                Test::Contains { file: file.clone(), text: put(text)? }
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
        let test = match (&given.exists, &given.changed, &given.contains) {
            (Some(path), None, None) => TestConfig::Exists(self.path(&["exists"], path)?),
            (None, Some(glob), None) => TestConfig::Changed(self.glob(&["changed"], glob)?),
            (None, None, Some(RawContains { file, text })) => {
                let file = self.path(&["contains", "file"], file)?;
                if text.is_empty() || text.len() > TEXT_BYTES_MAX {
                    let message = format!("`text` has {} bytes", text.len());
                    let hint = format!("1 to {TEXT_BYTES_MAX}");
                    let at = self.item.place(&["condition", "contains", "text"]);
                    self.wrong(at, message, Some(hint));
                    return None;
                }
                TestConfig::Contains { file, text: text.clone() }
            }
            _ => {
                let message = "a condition is one of `exists`, `changed`, `contains`".to_owned();
                let hint = "such as `condition: {exists: inbox/ready}`".to_owned();
                self.wrong(self.item.place(&["condition"]), message, Some(hint));
                return None;
            }
        };
        Some(ConditionConfig { test, not: given.not.unwrap_or(false) })
    }

    fn path(&mut self, key: &[&str], path: &str) -> Option<RelPath> {
        let at = self.item.place(&[&["condition"], key].concat());
        RelPath::parse(path).map_err(|error| self.wrong(at, error.to_string(), None)).ok()
    }

    fn glob(&mut self, key: &[&str], glob: &str) -> Option<String> {
        let at = self.item.place(&[&["condition"], key].concat());
        if leads_out(glob) {
            let hint = "globs are relative to the workspace".to_owned();
            self.wrong(at, format!("`{glob}` leads out of the workspace"), Some(hint));
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
