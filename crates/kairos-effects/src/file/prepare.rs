//! Making a step's change out of what the target holds now.
//!
//! Owns the fixing of both sides: what stands there, what is to stand there, and the directory it
//! stands in. Changes nothing but the blobs, and stores nothing of what belongs to a daemon.

use kairos_core::digest::BlobRef;
use kairos_core::edit;
use kairos_core::effect::{Change, Failure, FileFact, FileRefusal, Outcome, Place};
use kairos_core::gate::scope::{Classified, Scopes};
use kairos_core::path::RelPath;
use kairos_core::plan::{Action, StepName};
use kairos_disk::Fs;
use kairos_disk::tree::{Found, TARGET_BYTES_MAX};

use super::refusal::NotDone;
use super::{Acting, diff, os};
use crate::model::answer::{StepTexts, step_texts};

/// A prepared change and what a person reads of it.
struct Made {
    change: Change,
    diff: String,
}

impl<F: Fs> Acting<'_, F> {
    pub(super) fn prepare(
        &self,
        action: &Action,
        answer: BlobRef,
        step: &StepName,
    ) -> Result<Outcome, NotDone> {
        let made = match action {
            Action::CodeEdit { path } => self.edit(path, &self.step_texts(answer, step)?)?,
            Action::FileCreate { path } => self.create(path, &self.step_texts(answer, step)?)?,
            Action::FileMove { path, to } => self.relocate(path, to)?,
            Action::FileDelete { path } => self.delete(path)?,
            Action::Shell | Action::ToolCall | Action::PdfBuild | Action::Noop => {
                panic!("a step that changes no file was handed to the file performer")
            }
        };
        let diff = self.texts.put(made.diff.as_bytes())?;
        Ok(Outcome::Prepared { change: made.change, diff })
    }

    /// What a person reads of a change whose both sides are stored.
    pub(super) fn diff(&self, change: &Change) -> Result<Outcome, NotDone> {
        let path = change.path().to_string();
        let text = |side: Option<BlobRef>| side.map(|side| self.texts.get(side)).transpose();
        let diff = match change {
            Change::Move { to, .. } => diff::renamed(&path, &to.path.to_string()),
            Change::Edit { .. } | Change::Create { .. } | Change::Delete { .. } => {
                let (pre, post) = (text(change.pre())?, text(change.post())?);
                diff::unified(&path, pre.as_deref(), post.as_deref())
            }
        };
        let diff = self.texts.put(diff.as_bytes())?;
        Ok(Outcome::Prepared { change: change.clone(), diff })
    }

    /// The answer was read when it came, so one that cannot be read now is not what was stored.
    fn step_texts(&self, answer: BlobRef, step: &StepName) -> Result<StepTexts, NotDone> {
        let bytes = self.texts.get(answer)?;
        let not_the_answer = || NotDone::Failed(Failure::Blob);
        let text = String::from_utf8(bytes).map_err(|_| not_the_answer())?;
        step_texts(&text, step).map_err(|_| not_the_answer())
    }

    fn edit(&self, path: &RelPath, texts: &StepTexts) -> Result<Made, NotDone> {
        let StepTexts::Edit { old, new, which } = texts else {
            return Err(NotDone::Failed(Failure::Blob));
        };
        let found = self.read(path)?;
        let edited = edit::apply(&found.bytes, old, new, *which)?;
        let post = self.put(&edited.bytes)?;
        let diff = diff::unified(&path.to_string(), Some(&found.bytes), Some(&edited.bytes));
        let change = Change::Edit { at: place(path, &found), pre: self.fact(&found)?, post };
        Ok(Made { change, diff })
    }

    fn create(&self, path: &RelPath, texts: &StepTexts) -> Result<Made, NotDone> {
        let StepTexts::Create { content } = texts else {
            return Err(NotDone::Failed(Failure::Blob));
        };
        if content.len() as u64 > TARGET_BYTES_MAX {
            return Err(NotDone::Refused(FileRefusal::TooLarge));
        }
        let parent = self.tree.vacant(os(path))?;
        let post = self.put(content.as_bytes())?;
        let diff = diff::unified(&path.to_string(), None, Some(content.as_bytes()));
        let at = Place { path: path.clone(), parent };
        Ok(Made { change: Change::Create { at, post, mode: None }, diff })
    }

    fn relocate(&self, path: &RelPath, to: &RelPath) -> Result<Made, NotDone> {
        let found = self.read(path)?;
        let parent = self.tree.vacant(os(to))?;
        let diff = diff::renamed(&path.to_string(), &to.to_string());
        let to = Place { path: to.clone(), parent };
        let change = Change::Move { at: place(path, &found), to, pre: self.fact(&found)? };
        Ok(Made { change, diff })
    }

    fn delete(&self, path: &RelPath) -> Result<Made, NotDone> {
        let found = self.read(path)?;
        let diff = diff::unified(&path.to_string(), Some(&found.bytes), None);
        let change = Change::Delete { at: place(path, &found), pre: self.fact(&found)? };
        Ok(Made { change, diff })
    }

    fn read(&self, path: &RelPath) -> Result<Found, NotDone> {
        // The gate refuses these whatever stands there, but only after the bytes were stored.
        if let Classified::Refused { .. } = Scopes::default().classify(path) {
            return Err(NotDone::Refused(FileRefusal::Protected));
        }
        Ok(self.tree.read(os(path))?)
    }

    /// Stores the content before too, so that the change can be undone.
    fn fact(&self, found: &Found) -> Result<FileFact, NotDone> {
        Ok(FileFact { content: self.put(&found.bytes)?, mode: found.stat.mode })
    }

    fn put(&self, bytes: &[u8]) -> Result<BlobRef, NotDone> {
        Ok(self.texts.put(bytes)?)
    }
}

fn place(path: &RelPath, found: &Found) -> Place {
    Place { path: path.clone(), parent: found.parent_inode }
}
