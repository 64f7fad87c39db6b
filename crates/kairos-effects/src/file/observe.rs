//! What a model may see of the workspace.
//!
//! Owns which files a mandate names and which of them are read: those that occur in its goal first,
//! in the order they occur, then those its globs match, sorted; within scopes that may be uploaded
//! and within bounds. Changes nothing but the blobs.

use std::collections::BTreeSet;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Outcome, Seen};
use kairos_core::gate::scope::{Classified, Scope, Scopes};
use kairos_core::path::RelPath;
use kairos_disk::Fs;
use kairos_disk::refusal::Reason;

use super::refusal::NotDone;
use super::walk::{self, Named};
use super::{Acting, os};

/// The most files shown.
const FILES_MAX: usize = 64;

/// The most bytes shown, all files together.
const BYTES_MAX: usize = 256 * 1024;

/// The most bytes the shown files' paths have as text, all together: a record carries them.
const PATHS_BYTES_MAX: usize = 128 * 1024;

/// The most words of a goal that are tried as paths.
const WORDS_MAX: usize = 256;

impl<F: Fs> Acting<'_, F> {
    pub(super) fn observe(
        &self,
        goal: BlobRef,
        globs: &[String],
        upload: &[Scope],
        scopes: &Scopes,
    ) -> Result<Outcome, NotDone> {
        let mut observation = Observation {
            acting: self,
            upload,
            scopes,
            seen: Vec::new(),
            met: BTreeSet::new(),
            room: BYTES_MAX,
            paths_room: PATHS_BYTES_MAX,
            left_out: 0,
        };
        observation.all(goal, globs)?;
        Ok(Outcome::Observed { files: observation.seen, left_out: observation.left_out })
    }
}

struct Observation<'a, F: Fs> {
    acting: &'a Acting<'a, F>,
    upload: &'a [Scope],
    scopes: &'a Scopes,
    seen: Vec<Seen>,
    /// Every path that was tried.
    met: BTreeSet<RelPath>,
    room: usize,
    paths_room: usize,
    left_out: u32,
}

/// Who names a file. A word of a goal that is no file is a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Goal,
    Glob,
}

impl<F: Fs> Observation<'_, F> {
    fn all(&mut self, goal: BlobRef, globs: &[String]) -> Result<(), NotDone> {
        let goal = self.acting.texts.get(goal)?;
        for path in paths(&String::from_utf8_lossy(&goal)) {
            self.file(path, By::Goal)?;
        }
        let named = Named::new(globs);
        let walked =
            walk::files((self.acting.fs, self.acting.root), &named, self.scopes, &mut |_| true);
        for path in walked.files {
            self.file(path, By::Glob)?;
        }
        self.leave_out(named.unreadable + walked.missed);
        Ok(())
    }

    /// Reads one file if it may be seen and there is room.
    fn file(&mut self, path: RelPath, by: By) -> Result<(), NotDone> {
        if !self.met.insert(path.clone()) {
            return Ok(());
        }
        let may_leave = match self.scopes.classify(&path) {
            Classified::Scoped { scope, .. } => self.upload.contains(&scope),
            Classified::Refused { .. } => false,
        };
        let named = path.to_string().len();
        let full = self.seen.len() == FILES_MAX || self.room == 0 || named > self.paths_room;
        if by == By::Glob && (!may_leave || full) {
            self.leave_out(1);
            return Ok(());
        }
        let bytes = match self.acting.tree.read(os(&path)) {
            Ok(found) => found.bytes,
            Err(refusal) => {
                let no_file = matches!(
                    refusal.reason,
                    Reason::Missing | Reason::NotDirectory | Reason::NotRegular
                );
                self.leave_out(u32::from(by == By::Glob || !no_file));
                return Ok(());
            }
        };
        let readable = std::str::from_utf8(&bytes).is_ok() && bytes.len() <= self.room;
        if !may_leave || full || !readable {
            self.leave_out(1);
            return Ok(());
        }
        let content = self.acting.texts.put(&bytes)?;
        self.room -= bytes.len();
        self.paths_room -= named;
        self.seen.push(Seen { path, content });
        Ok(())
    }

    fn leave_out(&mut self, count: u32) {
        self.left_out = self.left_out.saturating_add(count);
    }
}

/// The words of `goal` that look like paths, in order.
fn paths(goal: &str) -> impl Iterator<Item = RelPath> {
    let apart = |char: char| char.is_whitespace() || "`'\"“”‘’()[]{}<>,;:!?*|=".contains(char);
    goal.split(apart)
        .map(|word| word.trim_end_matches(['.', '/']))
        .filter(|word| word.contains(['/', '.']))
        .take(WORDS_MAX)
        .filter_map(|word| RelPath::parse(word).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_goal_are_found_in_quotes_and_at_the_end_of_sentences() {
        let goal = "Fix `docs/install.md`, then (see ./src/main.rs) update CHANGELOG.md. Not /etc/passwd or ../x/y.";
        let found: Vec<String> = paths(goal).map(|path| path.to_string()).collect();
        assert_eq!(found, ["docs/install.md", "src/main.rs", "CHANGELOG.md"]);
    }
}
