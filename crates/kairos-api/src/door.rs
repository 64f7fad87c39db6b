//! What every route holds: the engine's handle and a fold for reading.
//!
//! Owns the thread that folds records into views, and the rule that a read waits until the fold has
//! reached what was committed when the request came.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::fold::{At, Seq};
use kairos_core::id::MandateId;
use kairos_core::kind::Kind;
use kairos_core::schedule::Zone;
use kairos_engine::{Handle, SubmitError, Zones};
use kairos_views::{ErasureView, MandateView, Past, Views};
use kairos_wire::status::Checkpoints;
use tokio::sync::{Semaphore, watch};

use crate::hooks::Hooks;
use crate::problem::Refusal;

/// How long a read waits for the fold.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// How long the journal is read for one old mandate.
const PAST_TIME: Duration = Duration::from_secs(20);
/// How long somebody who erases a text waits until it is gone.
const ERASE_TIME: Duration = Duration::from_secs(5);
/// Records folded before readers get in again.
const BATCH_MAX: usize = 64;

/// A way in; cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub(crate) handle: Handle,
    views: Arc<RwLock<Views>>,
    folded: watch::Receiver<Seq>,
    checkpoints: Option<watch::Receiver<Checkpoints>>,
    past: Arc<Semaphore>,
    pub(crate) hooks: Hooks,
    zones: Zones,
    tell: Arc<dyn Fn(&Trouble) + Send + Sync>,
}

/// What goes wrong at a door and is nobody's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody can come in. Told once, until somebody can again.
    CannotAccept { error: String },
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Door {
    /// Opens a door: begins to fold the journal, from what a snapshot of the views stands for or else
    /// from its first record, on a thread of its own that ends with the engine. Has snapshots of the
    /// views made from now on. Must be called within a runtime.
    #[must_use]
    pub fn open(handle: Handle) -> Self {
        Self::over(handle, Views::default())
    }

    /// The same over `empty` views, in which nothing is folded yet.
    #[must_use]
    pub fn over(handle: Handle, empty: Views) -> Self {
        let views = Arc::new(RwLock::new(Views::default()));
        let (reached, folded) = watch::channel(Seq(0));
        let (engine, folding) = (handle.clone(), Arc::clone(&views));
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let seq = begin(&engine, empty, &folding);
            reached.send_replace(seq);
            fold(&runtime, &engine, seq, &folding, &reached);
        });
        let past = Arc::new(Semaphore::new(1));
        let zones: Zones = |_| None;
        let hooks = Hooks::default();
        let tell: Arc<dyn Fn(&Trouble) + Send + Sync> = Arc::new(|_| {});
        Self { handle, views, folded, checkpoints: None, past, hooks, zones, tell }
    }

    /// A door at which these hooks can be delivered to.
    #[must_use]
    pub fn hooked(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// A door that knows zones, so that a slot can be named to it.
    #[must_use]
    pub fn knowing(self, zones: Zones) -> Self {
        Self { zones, ..self }
    }

    /// A zone's data.
    pub(crate) fn zone(&self, name: &str) -> Option<Zone> {
        (self.zones)(name)
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

    /// The same door, whose troubles are told to `tell`, which must not block.
    #[must_use]
    pub fn telling(self, tell: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell), ..self }
    }

    pub(crate) fn tell(&self, trouble: &Trouble) {
        (self.tell)(trouble);
    }

    /// The views, at least as new as what was durable when this was asked.
    pub(crate) async fn read(&self) -> Result<RwLockReadGuard<'_, Views>, Refusal> {
        self.read_after(self.handle.head()).await
    }

    /// The views, with the record at `seq` folded in. Whoever was just answered asks with the
    /// position of the answer: answers leave before records are shown to followers.
    pub(crate) async fn read_after(&self, seq: Seq) -> Result<RwLockReadGuard<'_, Views>, Refusal> {
        let mut folded = self.folded.clone();
        let wait = folded.wait_for(|reached| *reached >= seq);
        match tokio::time::timeout(BEHIND_MAX, wait).await.map(|reached| reached.is_ok()) {
            Ok(true) => Ok(self.views.read().unwrap_or_else(PoisonError::into_inner)),
            Ok(false) => Err(SubmitError::Stopping.into()),
            Err(_) => Err(self.behind(seq)),
        }
    }

    fn behind(&self, seq: Seq) -> Refusal {
        let reached = *self.folded.borrow();
        let detail = format!("the views are still being read: at seq {reached} of {seq}");
        Refusal::new(Kind::Unavailable, "behind", detail).retry_after(1)
    }

    /// How the erasure recorded up to `seq` stands: settled, or under way when that takes long. `None`
    /// when the views do not reach it in time.
    pub(crate) async fn erasure(&self, blob: Digest, seq: Seq) -> Option<ErasureView> {
        drop(self.read_after(seq).await.ok()?);
        let (mut folded, until) = (self.folded.clone(), Instant::now() + ERASE_TIME);
        loop {
            folded.borrow_and_update();
            let view = {
                let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
                views.erasures.get(blob).cloned()
            };
            let left = until.saturating_duration_since(Instant::now());
            if view.as_ref().is_none_or(|view| view.end.is_some()) || left.is_zero() {
                return view;
            }
            // What ends it is looked at above.
            tokio::time::timeout(left, folded.changed()).await.ok();
        }
    }

    /// The views as far as the record at `seq` alone tells: what it made, as it was made. `None`
    /// when it cannot be read now.
    pub(crate) async fn alone(&self, seq: Seq) -> Option<Views> {
        let (runtime, mut follower) = (tokio::runtime::Handle::current(), self.handle.follow(seq));
        // It may be shown to followers a moment after its answer, and stand in a file by now.
        let read = move || {
            runtime.block_on(async { tokio::time::timeout(BEHIND_MAX, follower.next()).await })
        };
        let record = tokio::task::spawn_blocking(read).await.ok()?.ok()??;
        let mut views = Views::default();
        views.apply(record.at, &record.events);
        Some(views)
    }

    /// A mandate that is older than those the views keep, read from the journal: one at a time, and
    /// for as long as a client waits.
    pub(crate) async fn past(&self, id: MandateId) -> Result<Option<MandateView>, Refusal> {
        let busy = || {
            let detail = "another old mandate is being read from the journal";
            Refusal::new(Kind::Unavailable, "busy", detail).retry_after(1)
        };
        let place = tokio::time::timeout(BEHIND_MAX, Arc::clone(&self.past).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
        let (head, first) = (self.handle.head(), self.handle.status().first);
        let mut follower = self.handle.follow(first);
        let read = tokio::task::spawn_blocking(move || {
            let (_place, began, mut past) = (place, Instant::now(), Past::of(id));
            let mut begins = None;
            while follower.position() <= head && began.elapsed() < PAST_TIME {
                let Some(record) = follower.try_next() else { return Err(unread(id, head)) };
                begins = begins.or(Some(record.at));
                if past.apply(record.at, &record.events) {
                    break;
                }
            }
            match (past.view(), begins) {
                (Some(view), _) => Ok(Some(view.clone())),
                (None, _) if follower.position() <= head => Err(unread(id, head)),
                (None, Some(begins)) if is_deleted(id, begins) => {
                    let first = begins.seq;
                    let detail =
                        format!("the journal begins with record {first}, and `{id}` is older");
                    Err(Refusal::unknown("too_long_ago", detail).with_status(StatusCode::GONE))
                }
                (None, _) => Ok(None),
            }
        });
        read.await.map_err(|_| Refusal::new(Kind::Bug, "panicked", "reading panicked"))?
    }

    /// A stored text; `None` when it is gone or no text. Texts are small and their directory is
    /// local, so this is done in place.
    pub(crate) fn text(&self, blob: BlobRef) -> Option<String> {
        self.handle.get(blob).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    }
}

fn unread(id: MandateId, head: Seq) -> Refusal {
    let detail = format!("the journal's records up to {head} were not read in time");
    let hint = format!("kairos mandate logs {id}");
    Refusal::new(Kind::Unavailable, "too_long_ago", detail).hint(hint)
}

/// Whether records of the mandate, if there were any, stood before the first that is kept.
fn is_deleted(id: MandateId, begins: At) -> bool {
    begins.seq > Seq(1) && id.made_at() < begins.time
}

/// Takes up what a snapshot stands for, and answers its position.
fn begin(engine: &Handle, empty: Views, views: &RwLock<Views>) -> Seq {
    let (restored, seq) = engine.restore(empty);
    *views.write().unwrap_or_else(PoisonError::into_inner) = Views { seq, ..restored };
    engine.keep_snapshots::<Views>(seq);
    seq
}

/// Folds what comes behind `seq` until the engine ends. Reads files, so it has a thread of its own;
/// readers get in between batches.
fn fold(
    runtime: &tokio::runtime::Handle,
    engine: &Handle,
    seq: Seq,
    views: &RwLock<Views>,
    reached: &watch::Sender<Seq>,
) {
    let mut follower = engine.follow(seq.next());
    loop {
        // What is durable and cannot be read now, for want of a descriptor say, is tried again.
        let next = runtime.block_on(async {
            if follower.lags() {
                tokio::time::timeout(BEHIND_MAX, follower.next()).await.ok()
            } else {
                Some(follower.next().await)
            }
        });
        let first = match next {
            None => continue,
            Some(None) => break,
            Some(Some(first)) => first,
        };
        let more = std::iter::from_fn(|| follower.try_next()).take(BATCH_MAX - 1);
        let batch: Vec<_> = std::iter::once(first).chain(more).collect();
        let mut folded = views.write().unwrap_or_else(PoisonError::into_inner);
        let whole = batch.iter().all(|record| {
            let follows = record.at.seq == folded.seq.next();
            if follows {
                folded.apply(record.at, &record.events);
            }
            follows
        });
        let seq = folded.seq;
        drop(folded);
        reached.send_replace(seq);
        if !whole {
            follower = engine.follow(again(engine, views).next());
        }
    }
}

/// Takes up the newest snapshot once more: retention deleted what was not folded yet, and that one
/// stands for it. Answers how far the views are.
fn again(engine: &Handle, views: &RwLock<Views>) -> Seq {
    let kept = views.read().unwrap_or_else(PoisonError::into_inner).mandates.finished_max();
    let (restored, seq) = engine.restore(Views::keeping(kept));
    let mut views = views.write().unwrap_or_else(PoisonError::into_inner);
    let newer = seq > views.seq;
    if newer {
        *views = Views { seq, ..restored };
    }
    let seq = views.seq;
    drop(views);
    if !newer {
        // None can be read now. What is not complete is not shown: whoever asks is told to wait.
        std::thread::sleep(BEHIND_MAX);
    }
    seq
}
