//! What every route holds: the engine's handle and a fold for reading.
//!
//! Owns the task that folds records into views, and the rule that a read waits until the fold has
//! reached what was committed when the request came.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use kairos_core::digest::BlobRef;
use kairos_core::fold::Seq;
use kairos_core::kind::Kind;
use kairos_engine::Handle;
use kairos_views::Views;
use kairos_wire::status::Checkpoints;
use tokio::sync::watch;

use crate::problem::Refusal;

/// How long a read waits for the fold.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// A way in; cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    pub(crate) handle: Handle,
    views: Arc<RwLock<Views>>,
    folded: watch::Receiver<Seq>,
    checkpoints: Option<watch::Receiver<Checkpoints>>,
}

impl Door {
    /// Opens a door: begins to fold the journal from its first record. Must be called within a
    /// runtime; the fold ends with the engine.
    #[must_use]
    pub fn open(handle: Handle) -> Self {
        let views = Arc::new(RwLock::new(Views::default()));
        let (reached, folded) = watch::channel(Seq(0));
        let mut follower = handle.follow(Seq(1));
        let folding = Arc::clone(&views);
        tokio::spawn(async move {
            while let Some(record) = follower.next().await {
                let mut views = folding.write().unwrap_or_else(PoisonError::into_inner);
                views.apply(record.at, &record.events);
                drop(views);
                reached.send_replace(record.at.seq);
            }
        });
        Self { handle, views, folded, checkpoints: None }
    }

    /// A door that also shows how checkpoints stand.
    #[must_use]
    pub fn showing(self, checkpoints: watch::Receiver<Checkpoints>) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    /// How checkpoints stand, where somebody signs.
    pub(crate) fn checkpoints(&self) -> Option<Checkpoints> {
        self.checkpoints.as_ref().map(|shown| shown.borrow().clone())
    }

    /// The views, at least as new as what was durable when this was asked.
    pub(crate) async fn read(&self) -> Result<RwLockReadGuard<'_, Views>, Refusal> {
        self.read_after(self.handle.head()).await
    }

    /// The views, with the record at `seq` folded in. Whoever was just answered asks with the
    /// position of the answer: answers leave before records are shown to followers.
    pub(crate) async fn read_after(&self, seq: Seq) -> Result<RwLockReadGuard<'_, Views>, Refusal> {
        let mut folded = self.folded.clone();
        let reached =
            tokio::time::timeout(BEHIND_MAX, folded.wait_for(|reached| *reached >= seq)).await;
        if !matches!(reached, Ok(Ok(_))) {
            let detail = "what is shown lies behind what is recorded";
            return Err(Refusal::new(Kind::Unavailable, "behind", detail));
        }
        Ok(self.views.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stored text; `None` when it is gone or no text. Texts are small and their directory is
    /// local, so this is done in place.
    pub(crate) fn text(&self, blob: BlobRef) -> Option<String> {
        self.handle.get(blob).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    }
}
