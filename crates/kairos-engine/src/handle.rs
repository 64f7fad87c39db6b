//! What the doors hold of the engine: submit, read, follow.
//!
//! Owns no state. Every acknowledgement it brings back is durable and carries its position.

use std::sync::Arc;

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::event::Event;
use kairos_core::fold::{Seq, Snapshot};
use kairos_core::id::{CommandId, IdSource};
use kairos_core::input::Verb;
use kairos_core::principal::Principal;
use kairos_disk::blob::BlobError;
use kairos_disk::{Blobs, RealFs};
use tokio::sync::{oneshot, watch};

use crate::answer::{Accepted, SubmitError};
use crate::feed::{Follower, Source};
use crate::inbox::{Asked, Inbox, Returns, Urgent};
use crate::lifecycle::Status;
use crate::snapshots::Snapshots;
use crate::world;

/// Bytes of one text a door may store.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A way to the engine; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    pub(crate) source: Source,
    pub(crate) blobs: Arc<Blobs<RealFs>>,
    pub(crate) snapshots: Arc<Snapshots>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("status", &self.status.borrow()).finish_non_exhaustive()
    }
}

/// What may be asked past every queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Drain and stop; asked again, stop now.
    Shutdown,
    /// Read the configuration again: all of it, or none.
    Reload,
    /// Write the status to the log.
    Report,
}

/// A text could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobProblem {
    #[error("a text of {bytes} bytes is over {TEXT_BYTES_MAX}")]
    TooLarge { bytes: u64 },
    #[error("the stored text {blob:?} cannot be used")]
    Stored { blob: Digest, source: BlobError },
    #[error("the text cannot be stored")]
    Disk { source: BlobError },
}

impl Handle {
    /// Stores a text, synced when this returns. Blocks.
    ///
    /// # Errors
    /// It is too large, or the disk failed.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobRef, BlobProblem> {
        let length = bytes.len() as u64;
        if length > TEXT_BYTES_MAX {
            return Err(BlobProblem::TooLarge { bytes: length });
        }
        let digest = self.blobs.put(bytes).map_err(|source| BlobProblem::Disk { source })?;
        Ok(BlobRef { digest: Digest::from_bytes(digest), bytes: length })
    }

    /// Reads a stored text; its hash is checked. Blocks.
    ///
    /// # Errors
    /// It is missing or not what was written.
    pub fn get(&self, blob: BlobRef) -> Result<Vec<u8>, BlobProblem> {
        let read = self.blobs.get(blob.digest.as_bytes(), blob.bytes);
        read.map_err(|source| BlobProblem::Stored { blob: blob.digest, source })
    }

    /// The first `most` stored texts whose digest begins with these lower-case digits. Blocks.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn find(&self, digits: &str, most: usize) -> std::io::Result<Vec<Digest>> {
        let found = self.blobs.find(digits, most)?;
        Ok(found.into_iter().map(Digest::from_bytes).collect())
    }

    /// Submits a command and waits until its answer is true on disk.
    ///
    /// # Errors
    /// It was refused; nothing of it is recorded.
    pub async fn submit(&self, by: Principal, verb: Verb) -> Result<Accepted, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let command = new_command();
        self.inbox.ask(Asked { by, verb, command, answer });
        answered.await.unwrap_or(Err(SubmitError::Stopping))
    }

    /// Whether a command would be let in now: for who has work to do before submitting one.
    ///
    /// # Errors
    /// Too many wait, or the daemon is stopping.
    pub fn room(&self) -> Result<(), SubmitError> {
        self.inbox.room()
    }

    /// The same of what makes a mandate.
    ///
    /// # Errors
    /// And when the disk is short of room.
    pub fn room_for_new(&self) -> Result<(), SubmitError> {
        self.room()?;
        match self.status.borrow().space.low {
            Some(shortage) => Err(SubmitError::NoSpace(shortage)),
            None => Ok(()),
        }
    }

    /// Asks something past every queue, and answers what the order is called. A reload answers when
    /// it holds.
    ///
    /// # Errors
    /// The configuration was not reloaded, and why.
    pub async fn control(&self, control: Control) -> Result<CommandId, SubmitError> {
        match control {
            Control::Shutdown | Control::Report => self.signal(control),
            Control::Reload => {
                let (answer, answered) = oneshot::channel();
                self.inbox.urgent(Urgent::Reload(Some(answer)));
                answered.await.unwrap_or(Err(SubmitError::Stopping))?;
            }
        }
        Ok(new_command())
    }

    /// The same without waiting for an answer.
    pub fn signal(&self, control: Control) {
        match control {
            Control::Shutdown => self.inbox.stop(),
            Control::Reload => self.inbox.urgent(Urgent::Reload(None)),
            Control::Report => self.inbox.urgent(Urgent::Report),
        }
    }

    /// The daemon as of its last commit.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.borrow())
    }

    /// The newest record that may be shown.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.source.head()
    }

    /// Follows records from `from` on, inclusive: history first, then what comes.
    #[must_use]
    pub fn follow(&self, from: Seq) -> Follower {
        self.source.follow(from)
    }

    /// `empty`, or what it comes to with the records that a snapshot of it stands for; the position of
    /// the last of them. Blocks.
    pub fn restore<F: Snapshot>(&self, empty: F) -> (F, Seq) {
        self.snapshots.restore(empty)
    }

    /// Keeps snapshots of `F` from now on, on a thread of its own that ends with the engine. `newest`
    /// is the position of the newest there is.
    pub fn keep_snapshots<F: Snapshot<Event = Event> + Default>(&self, newest: Seq) {
        self.snapshots.keep::<F>(newest);
    }

    /// Where performers bring settled effects.
    #[must_use]
    pub fn returns(&self) -> Returns {
        Returns(Arc::clone(&self.inbox))
    }
}

fn new_command() -> CommandId {
    IdSource::new(world::time(), world::seed()).command()
}
