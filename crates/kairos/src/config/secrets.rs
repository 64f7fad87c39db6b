//! Secrets by name.
//!
//! Owns `secrets.yml` and the values it leads to. Never prints one: [`Secret`] has no text form,
//! and a value is looked up only when something asks for it.

use std::fmt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use kairos_core::glob::{BRACES_MAX, is_deep};
use serde::Deserialize;

use super::env::Env;
use super::node::Node;
use super::problem::{File, Problem};
use super::{shape, whole};

/// The longest secret read from a file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it and for redaction.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("no secret is called `{name}`")]
    Unknown { name: String },
    #[error("secret `{name}` is not meant for `{asks}`")]
    NotScoped { name: String, asks: String },
    #[error("environment variable `{variable}` of secret `{name}` is not set")]
    NotSet { name: String, variable: String },
    #[error("file `{}` of secret `{name}` cannot be read", path.display())]
    Unreadable {
        name: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("secret `{name}` is empty")]
    Empty { name: String },
    #[error("secret `{name}` comes from `{source_word}`, which this version cannot ask")]
    NotBuilt { name: String, source_word: &'static str },
}

/// The secrets of `secrets.yml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    origin: Origin,
    /// Who may ask; `None` = anything that names it.
    scoped_to: Option<Vec<GlobMatcher>>,
}

#[derive(Clone, Debug)]
enum Origin {
    Env(String),
    File(PathBuf),
    Later(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    source: RawSource,
    env_var: Option<String>,
    file_path: Option<PathBuf>,
    scoped_to: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawSource {
    Env,
    File,
    Keychain,
    Keyring,
    Credential,
    Command,
}

impl Secrets {
    /// Reads the tree of `secrets.yml`; relative `file_path`s start at `root`.
    pub(crate) fn read(file: &File, node: &Node, root: &Path, out: &mut Vec<Problem>) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for item in shape::only_list(file, node, "secrets", out) {
            let before = out.len();
            let Some(raw) = whole::read::<Raw>(file, item, out) else { continue };
            match entry(file, item, root, raw) {
                Err(problem) => out.push(problem),
                // What was read of an entry with something wrong is not used.
                Ok(_) if out.len() > before => {}
                Ok(entry) if entries.iter().any(|known| known.name == entry.name) => {
                    let at = item.place(&["name"]);
                    let message = format!("secret `{}` stands here twice", entry.name);
                    out.push(Problem::new(file, at, message));
                }
                Ok(entry) => entries.push(entry),
            }
        }
        Self(entries)
    }

    /// The value of `name` for `asks` (such as `llm_call`).
    ///
    /// # Errors
    /// What is missing; never the value.
    pub(crate) fn get(&self, name: &str, asks: &[&str], env: &Env) -> Result<Secret, SecretError> {
        let name = name.to_owned();
        let Some(entry) = self.0.iter().find(|entry| entry.name == name) else {
            return Err(SecretError::Unknown { name });
        };
        let allowed = entry.scoped_to.as_ref().is_none_or(|globs| {
            globs.iter().any(|glob| asks.iter().any(|asks| glob.is_match(asks)))
        });
        if !allowed {
            return Err(SecretError::NotScoped { name, asks: asks.join(", ") });
        }
        let value = match &entry.origin {
            Origin::Env(variable) => match env.get(variable) {
                Some(value) => value.to_owned(),
                None => return Err(SecretError::NotSet { name, variable: variable.clone() }),
            },
            Origin::File(path) => read_small(path)
                .map_err(|source| SecretError::Unreadable {
                    name: name.clone(),
                    path: path.clone(),
                    source,
                })?
                .trim()
                .to_owned(),
            Origin::Later(source_word) => return Err(SecretError::NotBuilt { name, source_word }),
        };
        if value.is_empty() { Err(SecretError::Empty { name }) } else { Ok(Secret(value)) }
    }

    /// The files that hold secrets: no act may change them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|entry| match &entry.origin {
            Origin::File(path) => Some(path.as_path()),
            Origin::Env(_) | Origin::Later(_) => None,
        })
    }

    /// Every value that can be had, for redaction.
    pub(crate) fn known<'a>(&'a self, env: &'a Env) -> impl Iterator<Item = Secret> + 'a {
        self.0.iter().filter_map(|entry| match &entry.origin {
            Origin::Env(variable) => env.get(variable).map(Secret::new),
            Origin::File(path) => {
                let text = read_small(path).ok()?;
                Some(Secret::new(text.trim())).filter(|secret| !secret.0.is_empty())
            }
            Origin::Later(_) => None,
        })
    }
}

fn entry(file: &File, item: &Node, root: &Path, raw: Raw) -> Result<Entry, Problem> {
    let needs = |key: &str| {
        Problem::new(file, item.place(&["source"]), format!("this source needs the key `{key}`"))
    };
    let origin = match raw.source {
        RawSource::Env => Origin::Env(raw.env_var.ok_or_else(|| needs("env_var"))?),
        RawSource::File => {
            Origin::File(root.join(raw.file_path.ok_or_else(|| needs("file_path"))?))
        }
        RawSource::Keychain => Origin::Later("keychain"),
        RawSource::Keyring => Origin::Later("keyring"),
        RawSource::Credential => Origin::Later("credential"),
        RawSource::Command => Origin::Later("command"),
    };
    let glob = |text: &String| {
        if is_deep(text) {
            let message = format!("a glob has more than {BRACES_MAX} `{{`");
            return Err(Problem::new(file, item.place(&["scoped_to"]), message));
        }
        // As Ruby's fnmatch: `*` crosses slashes.
        GlobBuilder::new(text).build().map(|glob| glob.compile_matcher()).map_err(|_| {
            let at = item.place(&["scoped_to"]);
            Problem::new(file, at, format!("`{text}` is not a glob"))
        })
    };
    let scoped_to = raw
        .scoped_to
        .map(|globs| globs.iter().map(glob).collect::<Result<Vec<_>, _>>())
        .transpose()?;
    Ok(Entry { name: raw.name, origin, scoped_to })
}

fn read_small(path: &Path) -> std::io::Result<String> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > SECRET_BYTES_MAX {
        return Err(std::io::Error::other("not a small regular file"));
    }
    std::fs::read_to_string(path)
}
