//! `secrets.yml`: where secrets come from, never what they are.
//!
//! Owns the file's form. A value is read when it is asked for, by the name and the asking tool, and
//! lives in a type that no formatting prints.

use std::fs;
use std::path::Path;

use kairos_effects::secret::Secret;
use serde::Deserialize;

use super::env;

/// A secret file is never larger.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    secrets: Option<Vec<Source>>,
}

/// Where one secret comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    name: String,
    source: String,
    env_var: Option<String>,
    file_path: Option<String>,
    #[serde(default)]
    scoped_to: Vec<String>,
}

/// All sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<Source>);

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("no secret `{name}` in secrets.yml")]
    Unknown { name: String },
    #[error("secret `{name}` is not for `{tool}`: its `scoped_to` says so")]
    NotScoped { name: String, tool: String },
    #[error("the variable `{variable}` of secret `{name}` is not set")]
    NotSet { name: String, variable: String },
    #[error("secret `{name}` cannot be read from `{file}`")]
    File { name: String, file: String, source: std::io::Error },
    #[error("secret `{name}` has source `{kind}`, which this version cannot read")]
    Source { name: String, kind: String },
}

impl Raw {
    pub(super) fn resolve(self) -> Secrets {
        Secrets(self.secrets.unwrap_or_default())
    }
}

impl Secrets {
    /// The value of `name` for `tool`.
    ///
    /// # Errors
    /// It is unknown, not for this tool, or its source has none.
    pub(crate) fn value(&self, name: &str, tool: &str, root: &Path) -> Result<Secret, SecretError> {
        let source = self.0.iter().find(|source| source.name == name);
        let name = name.to_owned();
        let Some(source) = source else { return Err(SecretError::Unknown { name }) };
        let matches = |glob: &String| glob == "*" || glob == tool || glob == "llm_call";
        if !source.scoped_to.is_empty() && !source.scoped_to.iter().any(matches) {
            return Err(SecretError::NotScoped { name, tool: tool.to_owned() });
        }
        match source.source.as_str() {
            "env" => {
                let variable = source.env_var.clone().unwrap_or_else(|| name.clone());
                let value =
                    env::variable(&variable).ok_or(SecretError::NotSet { name, variable })?;
                Ok(Secret::new(&value))
            }
            "file" => {
                let file = source.file_path.clone().unwrap_or_default();
                let text = read(&root.join(&file));
                text.map(|text| Secret::new(&text)).map_err(|source| SecretError::File {
                    name,
                    file,
                    source,
                })
            }
            other => Err(SecretError::Source { name, kind: other.to_owned() }),
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > VALUE_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    fs::read_to_string(path)
}
