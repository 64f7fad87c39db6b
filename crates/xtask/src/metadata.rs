//! What cargo knows about the workspace.
//!
//! Owns the slice of `cargo metadata` that the verbs read. Never resolves or downloads anything by
//! itself: cargo does, as far as the lock file says, for the systems we build for.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::call::Call;

/// Systems whose dependencies count; what only others would build is never downloaded.
const SYSTEMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    #[serde(default)]
    pub(crate) workspace_root: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) id: String,
    pub(crate) license: Option<String>,
    /// `None` for a member of the workspace.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: String,
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(crate) features: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<Kind>,
}

/// Why a dependency is there; absent in the metadata means it is an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Dev,
    Build,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Metadata {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        Self::of(root, "Cargo.toml")
    }

    /// Of the workspace whose manifest that is.
    pub(crate) fn of(root: &Path, manifest: &str) -> Result<Self> {
        let mut args =
            vec!["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest];
        for system in SYSTEMS {
            args.extend(["--filter-platform", system]);
        }
        let call = Call::cargo(&args);
        let text = call.text(root)?;
        serde_json::from_str(&text).with_context(|| format!("`{call}` answered in another shape"))
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

impl Package {
    /// Path of its manifest below the workspace root.
    pub(crate) fn manifest<'a>(&'a self, metadata: &Metadata) -> &'a str {
        self.manifest_path
            .strip_prefix(&metadata.workspace_root)
            .unwrap_or(&self.manifest_path)
            .trim_start_matches('/')
    }

    pub(crate) fn has_target(&self, kind: &str, name: &str) -> bool {
        self.targets
            .iter()
            .any(|target| target.name == name && target.kind.iter().any(|k| k == kind))
    }
}
