//! Looking at the workspace on behalf of schedules.
//!
//! Owns the bounds of a look: files, bytes and time. Changes nothing and stores nothing, so that it
//! needs no permit; follows no link; beyond a bound nothing can be told.

use std::time::{Duration, Instant};

use kairos_core::digest::Digest;
use kairos_core::gate::scope::{Classified, Scopes};
use kairos_core::path::RelPath;
use kairos_core::schedule::condition::{Condition, Found, Test};
use kairos_core::schedule::contents::{BYTES_MAX, Contents, FILES_MAX};
use kairos_disk::fs::FileKind;
use kairos_disk::refusal::{Reason, Refusal};
use kairos_disk::{Fs, Tree};

use super::walk::{self, Named};
use super::{Files, os};
use crate::store::TextError;

/// Time one look may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Nobody can tell whether the condition holds.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    #[error("`{path}` is the daemon's own")]
    NotForLooks { path: RelPath },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("part of what `{glob}` names cannot be looked at")]
    Incomplete { glob: String },
    #[error("`{glob}` names {files} files, more than {FILES_MAX}")]
    TooMany { glob: String, files: usize },
    #[error("`{glob}` names more than {BYTES_MAX} bytes")]
    TooLarge { glob: String },
    #[error("looking took more than {} s", TIME_MAX.as_secs())]
    TooLong,
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("a command is not for whoever looks at files")]
    Command,
    #[error("the command was not executed: {words}")]
    NotExecuted { words: String },
    #[error("the command was interrupted")]
    Interrupted,
    #[error("the command cannot be executed: {failure:?}")]
    Failed { failure: kairos_core::effect::Failure },
    #[error("the workspace cannot be opened")]
    Root(#[source] std::io::Error),
}

impl<F: Fs + Clone> Files<F> {
    /// Looks at what a condition is about. Blocks.
    ///
    /// # Errors
    /// Nobody can tell, and why.
    pub fn look(&self, condition: &Condition, scopes: &Scopes) -> Result<Found, Unclear> {
        let tree = self.acting().map_err(Unclear::Root)?.tree;
        match &condition.test {
            Test::Exists(path) => Ok(Found::Is(exists(&tree, allowed(path, scopes)?)?)),
            Test::Contains { path, text } => {
                let text = self.texts.get(*text)?;
                let held = match tree.read(os(allowed(path, scopes)?)) {
                    Ok(found) => super::verify::contains(&found.bytes, &text),
                    Err(refusal) if is_absent(&refusal.reason) => false,
                    Err(refusal) => return Err(refusal.into()),
                };
                Ok(Found::Is(held))
            }
            Test::Command { .. } => Err(Unclear::Command),
            Test::Changed(glob) => self.contents(glob, scopes, &mut |_| {}).map(Found::Files),
        }
    }

    /// Looks at what the files of `glob` are and hold; `entered` has each directory before what is in it
    /// is listed. Blocks.
    ///
    /// # Errors
    /// Nobody can tell, and why: what was seen in part is never told as the whole.
    pub fn contents(
        &self,
        glob: &str,
        scopes: &Scopes,
        entered: &mut dyn FnMut(&F::Dir),
    ) -> Result<Contents, Unclear> {
        let began = Instant::now();
        let tree = self.acting().map_err(Unclear::Root)?.tree;
        let named = Named::new(&[glob.to_owned()]);
        let mut enters = |directory: &F::Dir| {
            entered(directory);
            began.elapsed() <= TIME_MAX
        };
        let walked = walk::files((&self.fs, &self.root), &named, scopes, &mut enters);
        if began.elapsed() > TIME_MAX {
            return Err(Unclear::TooLong);
        }
        let glob = || glob.to_owned();
        if named.unreadable + walked.missed > 0 {
            return Err(Unclear::Incomplete { glob: glob() });
        }
        let files = walked.files.len();
        if files > FILES_MAX {
            return Err(Unclear::TooMany { glob: glob(), files });
        }
        let (mut held, mut left) = (Vec::with_capacity(files), BYTES_MAX);
        for path in &walked.files {
            if began.elapsed() > TIME_MAX {
                return Err(Unclear::TooLong);
            }
            let found = match tree.read(os(path)) {
                Ok(found) => found,
                // Gone since it was listed, or only on its way into another's place.
                Err(Refusal { reason: Reason::Reserved, .. }) => continue,
                Err(refusal) if is_absent(&refusal.reason) => continue,
                Err(refusal) => return Err(refusal.into()),
            };
            let read = left.checked_sub(found.bytes.len() as u64);
            left = read.ok_or_else(|| Unclear::TooLarge { glob: glob() })?;
            held.push((path, Digest::from_bytes(found.digest)));
        }
        Ok(Contents::of(held))
    }
}

/// A path that may be looked at; what is the daemon's own tells nothing about the workspace.
fn allowed<'a>(path: &'a RelPath, scopes: &Scopes) -> Result<&'a RelPath, Unclear> {
    match scopes.classify(path) {
        Classified::Scoped { .. } => Ok(path),
        Classified::Refused { .. } => Err(Unclear::NotForLooks { path: path.clone() }),
    }
}

fn exists<F: Fs>(tree: &Tree<F>, path: &RelPath) -> Result<bool, Unclear> {
    match tree.kind(os(path)) {
        // Where it leads nobody looks.
        Ok(FileKind::Symlink) => {
            Err(Refusal { path: os(path).to_owned(), reason: Reason::Symlink }.into())
        }
        Ok(FileKind::Regular | FileKind::Directory | FileKind::Special) => Ok(true),
        Err(refusal) if is_absent(&refusal.reason) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

const fn is_absent(reason: &Reason) -> bool {
    matches!(reason, Reason::Missing | Reason::NotDirectory)
}
