//! `checkpoint.publish`: who else shall hold the journal's checkpoints.
//!
//! Owns the keys of a witness and what their values may be. Never reaches one.

use std::path::PathBuf;

use serde::Deserialize;

use super::node::{Node, Value};
use super::problem::{File, Problem};
use crate::witness::{WITNESSES_MAX, Witness};

/// The branch when none is named.
const BRANCH: &str = "kairos-checkpoints";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCheckpoint {
    publish: Option<Vec<RawWitness>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawWitness {
    file: Option<PathBuf>,
    git: Option<String>,
    #[serde(rename = "ref")]
    branch: Option<String>,
    http: Option<String>,
}

/// The witnesses that `raw` names; what is wrong with one is in `out`.
pub(super) fn read(
    raw: Option<RawCheckpoint>,
    file: &File,
    node: &Node,
    out: &mut Vec<Problem>,
) -> Vec<Witness> {
    let raw = raw.and_then(|raw| raw.publish).unwrap_or_default();
    let list = node.get("checkpoint").and_then(|node| node.get("publish"));
    if raw.len() > WITNESSES_MAX {
        let message = format!("{} witnesses, more than {WITNESSES_MAX}", raw.len());
        out.push(Problem::new(file, node.place(&["checkpoint", "publish"]), message));
        return Vec::new();
    }
    let mut witnesses = Vec::new();
    for (raw, node) in raw.into_iter().zip(list.map_or(&[][..], Node::items)) {
        match witness(raw) {
            Ok(witness) if witnesses.contains(&witness) => {
                let message = format!("`{witness}` stands here twice");
                out.push(Problem::new(file, node.at.clone(), message).hint("delete one"));
            }
            Ok(witness) => witnesses.push(witness),
            // A key that is not known has been told of already.
            Err(Wrong { key: None, .. }) if has_others(node) => {}
            Err(Wrong { key, message, hint }) => {
                let place = node.place(key.as_slice());
                out.push(Problem::new(file, place, message).hint(hint));
            }
        }
    }
    witnesses
}

/// Whether there are keys that no witness has.
fn has_others(node: &Node) -> bool {
    let Value::Map(entries) = &node.value else { return false };
    entries.iter().any(|(key, _)| !["file", "git", "ref", "http"].contains(&key.name.as_str()))
}

struct Wrong {
    /// `None` when it is the whole entry.
    key: Option<&'static str>,
    message: String,
    hint: &'static str,
}

fn wrong<T>(key: &'static str, message: impl Into<String>, hint: &'static str) -> Result<T, Wrong> {
    let key = Some(key).filter(|key| !key.is_empty());
    Err(Wrong { key, message: message.into(), hint })
}

fn witness(raw: RawWitness) -> Result<Witness, Wrong> {
    match (raw.file, raw.git, raw.http, raw.branch) {
        (Some(path), None, None, None) if path.file_name().is_some() => Ok(Witness::File { path }),
        (Some(path), None, None, None) => wrong(
            "file",
            format!("`{}` names no file", path.display()),
            "a file, replaced each time",
        ),
        (None, Some(remote), None, branch) => {
            if remote.is_empty() || remote.starts_with('-') || remote.contains("::") {
                return wrong(
                    "git",
                    format!("`{remote}` is no git remote"),
                    "a path, `ssh://…`, \
                    `user@host:path` or `https://…`",
                );
            }
            if remote.starts_with("http://") || remote.starts_with("git://") {
                return wrong(
                    "git",
                    "a git remote without encryption proves little",
                    "use `ssh://` or `https://`",
                );
            }
            let branch = branch.unwrap_or_else(|| BRANCH.to_owned());
            if !is_branch(&branch) {
                return wrong(
                    "ref",
                    format!("`{branch}` is no name of a branch"),
                    "such as `kairos-checkpoints`",
                );
            }
            Ok(Witness::Git { remote, branch })
        }
        (None, None, Some(url), None) => http(&url),
        (_, _, _, Some(_)) => wrong("ref", "key `ref` belongs to `git`", "delete it"),
        _ => wrong("", "a witness is one of `file`, `git` and `http`", "one entry for each"),
    }
}

fn http(text: &str) -> Result<Witness, Wrong> {
    let url = reqwest::Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return wrong(
            "http",
            "it is no http or https URL",
            "such as `https://witness.example/add`",
        );
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "http",
            "a password never stands in this file",
            "notes are public: a witness \
            needs none",
        );
    }
    Ok(Witness::Http { url })
}

/// What git takes as the name of a branch, and a little less.
fn is_branch(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.'])
            && !part.ends_with(".lock")
    };
    text.len() <= 200
        && text.chars().all(plain)
        && !text.contains("..")
        && text.split('/').all(part)
}
