//! The performer of file effects.
//!
//! Owns the way from a call about files to its outcome: one call, done once, over `kairos-disk`.
//! Never decides whether a change may be made and never tries twice. Blocks: it is called on an
//! operating system thread, and a panic in it is the caller's to catch.

mod change;
mod diff;
mod look;
mod observe;
mod prepare;
mod promote;
mod refusal;
mod verify;
mod walk;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Call, Effect, Failure, Outcome};
use kairos_core::fold::Fold;
use kairos_core::path::RelPath;
use kairos_disk::fs::Identity;
use kairos_disk::{Fs, RealFs, Tree};

pub use look::Unclear;
pub(crate) use promote::Promotable;
pub(crate) use refusal::NotDone;

use crate::store::Texts;
use crate::{Permit, Settled};

/// Performs file effects beneath one root. Threads share it.
pub struct Files<F: Fs = RealFs> {
    fs: F,
    root: F::Dir,
    protected: Protected,
    texts: Texts<F>,
    wait: fn(Duration),
}

/// Directories no path may lead through or to, and files no effect may read, as they are known at
/// the moment: files are replaced, and configuration is read again.
pub type Protected = Box<dyn Fn() -> Vec<Identity> + Send + Sync>;

/// One call on its way: what the performers of the single calls work with.
struct Acting<'a, F: Fs> {
    fs: &'a F,
    root: &'a F::Dir,
    tree: Tree<F>,
    texts: &'a Texts<F>,
    wait: fn(Duration),
}

impl<F: Fs> Files<F> {
    /// `protected` is asked once for each effect; `wait` lets time pass while somebody has a target
    /// open for writing (at most four seconds in all).
    pub fn new(
        fs: F,
        root: F::Dir,
        protected: Protected,
        texts: Texts<F>,
        wait: fn(Duration),
    ) -> Self {
        Self { fs, root, protected, texts, wait }
    }
}

impl<F: Fs + Clone> Files<F> {
    /// Performs one file effect; a check that is a command is none.
    ///
    /// # Panics
    /// On a call that is no file's: dispatching it here is a bug, and the permit is lost then.
    #[must_use = "an outcome nobody records is an effect lost"]
    pub fn perform<S: Fold<Effect = Effect>>(&self, permit: Permit<S>) -> Settled<S> {
        let outcome = match self.acting() {
            Ok(acting) => acting.outcome(permit.effect().call()),
            // Nothing was touched.
            Err(_) => Outcome::Failed(Failure::Disk),
        };
        permit.settle(outcome)
    }

    /// Why a check about a file does not hold; `None` when it does.
    pub(crate) fn unmet(&self, file: &RelPath, text: BlobRef) -> Result<Option<String>, NotDone> {
        let acting = self.acting().map_err(|_| NotDone::Failed(Failure::Disk))?;
        acting.unmet(file, text)
    }

    fn acting(&self) -> io::Result<Acting<'_, F>> {
        let root = self.fs.open_dir(&self.root, Path::new(""))?;
        let tree = Tree::new(self.fs.clone(), root, (self.protected)());
        Ok(Acting { fs: &self.fs, root: &self.root, tree, texts: &self.texts, wait: self.wait })
    }
}

impl<F: Fs> Acting<'_, F> {
    fn outcome(&self, call: &Call) -> Outcome {
        let done = match call {
            Call::Observe { goal, globs, upload, scopes } => {
                self.observe(*goal, globs, upload, scopes)
            }
            Call::Prepare { action, answer, step } => self.prepare(action, *answer, step),
            Call::Change { change, temp } => self.change(change, *temp),
            Call::Reconcile { change, temp } => self.reconcile(change, *temp),
            Call::Clear { change, temp } => self.clear(change, *temp),
            Call::Verify { checks } => self.verify(checks),
            Call::Diff { change } => self.diff(change),
            Call::Ask { .. } | Call::Execute { .. } | Call::Cancel { .. } => {
                panic!("a call that is no file's was handed to the file performer")
            }
        };
        done.unwrap_or_else(Outcome::from)
    }
}

impl<F: Fs> fmt::Debug for Files<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// The path as the system wants it.
pub(crate) fn os(path: &RelPath) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()))
}
