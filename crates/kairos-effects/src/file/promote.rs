//! Making changes out of what a command left in its layer.
//!
//! Owns the fixing of both sides of each file, as `prepare` does for a step: what stands in the
//! workspace, which has to be what stood there before the command began, and what the layer has.
//! Stores both; changes nothing else. What is no file's content is named and left out.

use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Change, Failure, FileFact, Place};
use kairos_core::path::RelPath;
use kairos_core::shell::{PROMOTED_BYTES_MAX, PROMOTED_FILES_MAX, Spoilt};
use kairos_disk::tree::{Found, TARGET_BYTES_MAX};
use kairos_disk::{Fs, digest};
use kairos_sandbox::{ChangeSet, Node, What, Why};

use super::refusal::NotDone;
use super::{Acting, Files, os};

/// Permission bits of a new file where a command said nothing else.
const USUAL_MODE: u32 = 0o644;
/// Of those a command may set on a new file: it is for nobody else to write.
const MODE_BITS: u32 = 0o755;

/// What can be brought to the tree of a change set.
#[derive(Debug, Default)]
pub(crate) struct Promotable {
    pub(crate) changes: Vec<Change>,
    /// In words, what cannot.
    pub(crate) left: Vec<String>,
    pub(crate) spoilt: Option<Spoilt>,
}

/// Why a file is none of a promotion's, or spoils all of it.
enum Not {
    Left(String),
    Spoilt(Spoilt, String),
    Done(NotDone),
}

impl From<NotDone> for Not {
    fn from(not_done: NotDone) -> Self {
        Self::Done(not_done)
    }
}

impl<F: Fs + Clone> Files<F> {
    /// The changes of `set` to paths that `is_kept` takes.
    pub(crate) fn promotable(
        &self,
        set: &ChangeSet,
        is_kept: &dyn Fn(&Path) -> bool,
    ) -> Result<Promotable, NotDone> {
        let acting = self.acting().map_err(|_| NotDone::Failed(Failure::Disk))?;
        let mut out = Promotable::default();
        for refused in set.refused.iter().filter(|refused| is_kept(&refused.path)) {
            let (spoilt, words) = why(refused.why);
            out.spoilt = out.spoilt.or(spoilt);
            out.left.push(named(&refused.path, words));
        }
        let kept = || set.changes.iter().filter(|change| is_kept(&change.path));
        let files = kept().filter(|change| is_file(&change.what)).count();
        if files > PROMOTED_FILES_MAX {
            out.spoilt = out.spoilt.or(Some(Spoilt::TooMany));
            let most = PROMOTED_FILES_MAX;
            out.left.push(format!("{files} files changed, and {most} are taken over at most"));
        }
        let mut bytes_left = PROMOTED_BYTES_MAX;
        for change in kept() {
            if out.spoilt.is_some() {
                break;
            }
            match acting.promoted(set, &change.path, &change.what, &mut bytes_left) {
                Ok(change) => out.changes.push(change),
                Err(Not::Left(words)) if words.is_empty() => {}
                Err(Not::Left(words)) => {
                    out.left.push(named(&change.path, &words));
                }
                Err(Not::Spoilt(spoilt, words)) => {
                    out.spoilt = Some(spoilt);
                    out.left.push(named(&change.path, &words));
                }
                Err(Not::Done(not_done)) => return Err(not_done),
            }
        }
        if out.spoilt.is_some() {
            out.changes.clear();
        }
        // What gives way first, what only goes last.
        out.changes.sort_by_key(|change| match change {
            Change::Edit { .. } => 1,
            Change::Create { .. } => 2,
            Change::Move { .. } => 3,
            Change::Delete { .. } => 4,
        });
        Ok(out)
    }
}

impl<F: Fs> Acting<'_, F> {
    fn promoted(
        &self,
        set: &ChangeSet,
        path: &Path,
        what: &What,
        bytes_left: &mut u64,
    ) -> Result<Change, Not> {
        let at = rel(path)?;
        match what {
            What::Added(Node::File { mode, bytes, .. }) => {
                let post = self.layer(set, path, *bytes, bytes_left)?;
                let parent = self.tree.vacant(os(&at)).map_err(|_| conflict())?;
                let at = Place { path: at, parent };
                let mode = Some(mode & MODE_BITS).filter(|mode| *mode != USUAL_MODE);
                Ok(Change::Create { at, post, mode })
            }
            What::Modified {
                before: Node::File { mode, sha256, .. },
                after: Node::File { bytes, .. },
            } => {
                let post = self.layer(set, path, *bytes, bytes_left)?;
                // An exchange keeps the mode that the file had.
                let (at, pre) = self.stood(&at, Some(*mode), sha256, bytes_left)?;
                Ok(Change::Edit { at, pre, post })
            }
            What::Deleted(Node::File { mode, sha256, .. }) => {
                let (at, pre) = self.stood(&at, Some(*mode), sha256, bytes_left)?;
                Ok(Change::Delete { at, pre })
            }
            What::Renamed { from, node: Node::File { sha256, .. } } => {
                // The mode it has now is not the one it had; the file keeps the latter.
                let (place, pre) = self.stood(&rel(from)?, None, sha256, bytes_left)?;
                let parent = self.tree.vacant(os(&at)).map_err(|_| conflict())?;
                Ok(Change::Move { at: place, to: Place { path: at, parent }, pre })
            }
            // Directories come with what is in them.
            What::Added(Node::Dir { .. }) | What::Deleted(Node::Dir { .. }) => {
                Err(Not::Left(String::new()))
            }
            What::Mode { .. } => Err(Not::Left("a changed mode alone is not taken over".into())),
            What::Added(Node::Link { .. })
            | What::Renamed { node: Node::Link { .. }, .. }
            | What::Deleted(Node::Link { .. }) => Err(Not::Left("links are not taken over".into())),
            What::Modified { .. } => {
                let words = "it took the place of something of another kind";
                Err(Not::Spoilt(Spoilt::OtherKind, words.into()))
            }
            What::Renamed { node: Node::Dir { .. }, .. } => {
                Err(Not::Left("a directory by another name is not taken over".into()))
            }
        }
    }

    /// Stores what the layer has at `path`.
    fn layer(
        &self,
        set: &ChangeSet,
        path: &Path,
        bytes: u64,
        bytes_left: &mut u64,
    ) -> Result<BlobRef, Not> {
        if bytes > TARGET_BYTES_MAX {
            let words = format!("it has {bytes} bytes, and {TARGET_BYTES_MAX} are taken over");
            return Err(Not::Spoilt(Spoilt::TooMany, words));
        }
        takes(bytes_left, bytes)?;
        let unread = || Not::Spoilt(Spoilt::Unreadable, "it cannot be read".into());
        let mut content = Vec::new();
        let file = set.open(path).map_err(|_| unread())?;
        file.take(TARGET_BYTES_MAX).read_to_end(&mut content).map_err(|_| unread())?;
        Ok(self.texts.put(&content).map_err(NotDone::from)?)
    }

    /// What stands at `path`, stored, if it still is what stood there before the command began.
    fn stood(
        &self,
        path: &RelPath,
        mode: Option<u32>,
        sha256: &[u8; 32],
        bytes_left: &mut u64,
    ) -> Result<(Place, FileFact), Not> {
        let found: Found = self.tree.read(os(path)).map_err(|refusal| {
            let words = refusal.to_string();
            match NotDone::from(refusal) {
                NotDone::Failed(failure) => Not::Done(NotDone::Failed(failure)),
                NotDone::Refused(_) | NotDone::Stale => Not::Spoilt(Spoilt::Conflict, words),
            }
        })?;
        let is_mode = mode.is_none_or(|mode| found.stat.mode & 0o7777 == mode);
        if digest(&found.bytes) != *sha256 || !is_mode {
            return Err(conflict());
        }
        takes(bytes_left, found.bytes.len() as u64)?;
        let content = self.texts.put(&found.bytes).map_err(NotDone::from)?;
        let place = Place { path: path.clone(), parent: found.parent_inode };
        Ok((place, FileFact { content, mode: found.stat.mode }))
    }
}

/// Takes room for one side of a change.
fn takes(bytes_left: &mut u64, bytes: u64) -> Result<(), Not> {
    let words =
        || format!("its changes have more than {PROMOTED_BYTES_MAX} bytes, both sides together");
    let left = bytes_left.checked_sub(bytes);
    *bytes_left = left.ok_or_else(|| Not::Spoilt(Spoilt::TooMany, words()))?;
    Ok(())
}

/// Whether a change is one of a file.
fn is_file(what: &What) -> bool {
    match what {
        What::Added(node) | What::Deleted(node) | What::Renamed { node, .. } => {
            matches!(node, Node::File { .. })
        }
        What::Modified { .. } => true,
        What::Mode { .. } => false,
    }
}

/// A line about a path, which stays one whatever its name holds.
fn named(path: &Path, words: &str) -> String {
    let name = path.to_string_lossy();
    match name.chars().any(char::is_control) {
        true => format!("{name:?}: {words}"),
        false => format!("{name}: {words}"),
    }
}

fn conflict() -> Not {
    Not::Spoilt(Spoilt::Conflict, "somebody else changed it meanwhile".into())
}

fn rel(path: &Path) -> Result<RelPath, Not> {
    let path = RelPath::from_bytes(path.as_os_str().as_bytes());
    path.map_err(|error| Not::Left(error.to_string()))
}

fn why(why: Why) -> (Option<Spoilt>, &'static str) {
    match why {
        Why::Special => (None, "it is no file, and is not taken over"),
        Why::Rights => (None, "its mode would give rights, and it is not taken over"),
        Why::LinkOut => (None, "it leads out of the workspace, and is not taken over"),
        Why::Attributes => (None, "it has rights beside its mode, and is not taken over"),
        Why::Protected => (None, "it is protected from commands, and is not taken over"),
        Why::Conflict => (Some(Spoilt::Conflict), "somebody else changed it meanwhile"),
        Why::Unreadable => (Some(Spoilt::Unreadable), "it cannot be read"),
        Why::TooMany => (Some(Spoilt::TooMany), "more changed than is looked at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_line_end_makes_no_line_of_its_own() {
        assert_eq!(named(Path::new("a b"), "no"), "a b: no");
        assert_eq!(named(Path::new("x\nleft out: y"), "no"), "\"x\\nleft out: y\": no");
    }
}
