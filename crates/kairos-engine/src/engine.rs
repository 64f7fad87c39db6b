//! The engine's start and its one thread: a loop around the turn.
//!
//! Owns the lifecycle from the opened journal to the closed one: start, deadlines, reload, drain,
//! heartbeat. Never performs an effect and never blocks but on its inbox and the disk.
//! Long because all that only this thread may touch stands here.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kairos_core::digest::Digest;
use kairos_core::erasure::{ErasureEnd, of_definition};
use kairos_core::event::{Event, Limit};
use kairos_core::fold::Seq;
use kairos_core::id::{IdSource, MandateId, NodeId};
use kairos_core::input::{Input, Now, Pace};
use kairos_core::mandate::outcome::ParkReason;
use kairos_core::schedule::condition::Found;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::{Blobs, Fs, RealFs};
use kairos_journal::{Ahead, Inspected, OpenError, Opened, Opening, Permit, Poisoned, Segments};
use tokio::sync::{oneshot, watch};

use crate::answer::SubmitError;
use crate::calendar::{self, Calendar};
use crate::clocks::HeldClock;
use crate::condition::Probed;
use crate::configuration::{Configuration, Options, Retention};
use crate::feed::Feed;
use crate::handle::Handle;
use crate::inbox::{Batch, Inbox, Returns, Urgent};
use crate::lifecycle::{Lifecycle, Status};
use crate::notice::Notice;
use crate::pulse::Pulse;
use crate::retention::{self, Retain};
use crate::snapshots::Snapshots;
use crate::space::Space;
use crate::start::{self, NotConfigured};
use crate::turn::{Admit, Exits, Inputs, Ledger, Shown, turn};
use crate::upkeep::{BlobNotice, Upkeep};
use crate::watch::{LookAt, watches};
use crate::world::{self, boot_ms, seed, time};
use crate::{ENGINE_THREAD, heartbeat, poison};

/// The version of events this program writes, and the highest it reads: one more with every event or
/// field that a program before could not have read. Lower ones are read for ever. 2: retention, room,
/// erasures, clocks, timings and pauses. 3: triggers and conditions. 4: commands.
const SCHEMA: u32 = 4;

/// How long is waited for commands that were killed, in milliseconds.
const KILLED_WAIT_MS: u64 = 2_000;

/// A drain under way.
#[derive(Clone, Copy, Debug)]
struct Drain {
    /// When its grace ends, in milliseconds since the machine was started.
    until: u64,
    /// The grace is over, and what has to be is killed.
    killed: bool,
}

/// A segment is no longer than this part of what journal and blobs may take, within bounds: the one
/// in use, the next, and those behind two snapshots cannot be deleted.
const SEGMENTS_OF_CAP: u64 = 16;
/// Why a configuration is not read.
const CLOCK_IS_HELD: &str = "the wall clock was set and is held; wait a minute, or say that it is \
                             right with `kairos clock confirm`, and reload then";

/// Whether everything is served, or one mandate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Daemon,
    /// No slots, no other mandate; the one that is submitted.
    Once,
}

/// Where the engine's own files lie.
#[derive(Clone, Debug)]
pub struct Places {
    pub heartbeat: PathBuf,
    pub poison: PathBuf,
}

/// Where a journal is opened, and whether it may be one that comes from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity {
    /// This machine, as a digest; `None` where it cannot be told.
    pub machine: Option<Digest>,
    /// Go on with a restored or copied journal; no missed slot fires then.
    pub adopt: bool,
}

/// What the engine is assembled from.
pub struct Parts {
    pub focus: Focus,
    pub version: String,
    pub identity: Identity,
    /// The journal's directory.
    pub journal: <RealFs as Fs>::Dir,
    pub blobs: Arc<Blobs<RealFs>>,
    pub places: Places,
    pub configuration: Configuration,
    pub outside: Outside,
    /// Without it no segment is ever deleted.
    pub retain: Option<Retain>,
}

/// A configuration that was read again.
pub struct Reloaded {
    pub configuration: Configuration,
    /// Brings what lies outside the engine in line, once the configuration is on disk.
    pub apply: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Reloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloaded")
            .field("configuration", &self.configuration)
            .finish_non_exhaustive()
    }
}

/// A reload on its way to disk.
struct Pending {
    schedules: usize,
    /// Taken when it is done.
    apply: Option<Box<dyn FnOnce() + Send>>,
    answer: Option<oneshot::Sender<Result<(), SubmitError>>>,
}

impl Pending {
    fn apply(&mut self) {
        if let Some(apply) = self.apply.take() {
            apply();
        }
    }
}

/// What a drain stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Model calls, at once.
    Calls,
    /// Commands, when their grace is over.
    Commands,
}

/// What the engine reaches outside through. None of these may block.
pub struct Outside {
    /// Reads the configuration again: all of it, or says why not.
    pub reload: Box<dyn FnMut() -> Result<Reloaded, String> + Send>,
    /// Hands a permit over.
    pub dispatch: Box<dyn FnMut(Permit<State>) + Send>,
    /// Looks at files for schedules.
    pub look: Box<dyn FnMut(LookAt) + Send>,
    /// Stops what is under way of a kind, and tells how much that was.
    pub cancel: Box<dyn FnMut(Cancel) -> usize + Send>,
    pub notice: Box<dyn FnMut(Notice) + Send>,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("focus", &self.focus).finish_non_exhaustive()
    }
}

/// The engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the journal cannot be opened")]
    Journal(#[from] OpenError),
    #[error(
        "the journal ends at {head}, but a heartbeat saw {seen}: it was restored, or its end is gone"
    )]
    Restored { head: Seq, seen: Seq },
    #[error("the journal was last worked on at another machine: it was copied")]
    Copied,
    #[error(transparent)]
    NotConfigured(#[from] NotConfigured),
    #[error("the first turn failed")]
    Poisoned(#[from] Poisoned),
    #[error("the engine's thread cannot be made")]
    Thread(#[source] std::io::Error),
}

/// An engine that runs.
#[derive(Debug)]
pub struct Started {
    pub handle: Handle,
    /// Ends when the engine has stopped, or its disk has failed.
    pub thread: JoinHandle<Result<(), Poisoned>>,
}

/// An engine before its start: what performers need to know of it.
#[derive(Debug, Default)]
pub struct Engine {
    inbox: Arc<Inbox>,
    origin: Option<NodeId>,
}

impl Engine {
    /// The node that a journal begun now belongs to; one of its own choice otherwise.
    #[must_use]
    pub fn of(self, origin: NodeId) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Where performers bring settled effects.
    #[must_use]
    pub fn returns(&self) -> Returns {
        Returns(Arc::clone(&self.inbox))
    }

    /// Recovers the journal, takes up what was open, and goes on in a thread of its own. When this
    /// returns, the state is whole and the first turn is on disk.
    ///
    /// # Errors
    /// The journal or the configuration cannot be used; nothing was dispatched then.
    pub fn start(self, parts: Parts) -> Result<Started, StartError> {
        let (space, opening) = begin(&self, &parts)?;
        let to_read = open_again(&parts.journal)?;
        let journal = open_again(&parts.journal)?;
        let to_fold = Arc::new(open_again(&parts.journal)?);
        let identity = parts.identity;
        let (mut outside, mut elsewhere) = (parts.outside, false);
        let (ledger, opened) = open_ledger(&self.inbox, parts.journal, opening, |found| {
            let beat = (&*parts.places.heartbeat, &mut outside);
            known(&found, beat, identity).map(|known| elsewhere = known)
        })?;
        let first = first(ledger.state(), &journal)?;
        let newest = opened.snapshot.unwrap_or_default();
        let noted = (!opened.repaired.is_empty()).then(|| open_again(&journal)).transpose()?;
        passed_over(&opened, &mut outside);
        let Identity { machine, adopt } = identity;
        let (version, pid) = (parts.version, std::process::id());
        let begun = Input::Started { version, pid, machine };
        let mut own = start::opened(begun, opened.recovered, opened.repaired, adopt);
        let (feed, source) = Feed::new(ledger.head(), to_read);
        let snapshots = Snapshots::new(to_fold, opening, Arc::clone(&self.inbox));
        let upkeep = Upkeep::new(&parts.blobs, journal, &source, &self.inbox);
        let (show, status) = watch::channel(Arc::new(Status::default()));
        let handle = Handle {
            inbox: Arc::clone(&self.inbox),
            status,
            source,
            blobs: Arc::clone(&parts.blobs),
            snapshots: Arc::clone(&snapshots),
        };
        let status = Status::starting(time(), first, ledger.head());
        let shown =
            Display { status, until: None, show, feed, snapshots: Arc::clone(&snapshots), upkeep };
        let pulse = Pulse::new(&self.inbox, ledger.state(), space, elsewhere);
        let mut engine = Running {
            shown,
            inbox: self.inbox,
            options: parts.configuration.options.clone(),
            calendar: Calendar::default(),
            places: parts.places,
            outside,
            focus: parts.focus,
            only: None,
            pending: Vec::new(),
            out: 0,
            drain: None,
            pulse,
        };
        engine.heartbeat();
        let now = engine.pulse.clocks.clock.begins(ledger.state());
        own.extend(engine.configured(ledger.state(), parts.configuration, now)?);
        if parts.focus == Focus::Daemon {
            snapshots.keep::<State>(newest);
            let retention = snapshots.retention();
            retention.recorded(ledger.state().kept_from(), None);
            let ages_from_ms =
                engine.pulse.clocks.last.reading().ages_from_ms(ledger.state().newest());
            if let Some(retain) = parts.retain {
                retention.begin(&snapshots, retain, ages_from_ms);
            }
            engine.shown.upkeep.begin();
        }
        engine.pulse.room.first();
        let thread = engine.spawn(ledger, own)?;
        if let Some(dir) = noted {
            // A note that stays is recorded once more, which says nothing wrong.
            kairos_journal::recorded(&RealFs, &dir).ok();
        }
        Ok(Started { handle, thread })
    }
}

fn open_again(dir: &<RealFs as Fs>::Dir) -> Result<<RealFs as Fs>::Dir, OpenError> {
    let opened = RealFs.open_dir(dir, std::path::Path::new("."));
    opened.map_err(|source| OpenError::Io { doing: "open the journal's directory", source })
}

/// Where the journal begins: as recorded, or as it is. What a repair gave up may have been the record of a
/// deletion.
fn first(state: &State, dir: &<RealFs as Fs>::Dir) -> Result<Seq, OpenError> {
    let doing = "list the journal's directory";
    let begins = kairos_journal::retention::begin(&RealFs, dir);
    Ok(state.kept_from().max(begins.map_err(|source| OpenError::Io { doing, source })?))
}

/// Whether the journal comes from elsewhere or has lost its end, and may go on here.
fn known(
    found: &Inspected<'_, State>,
    (heartbeat, outside): (&std::path::Path, &mut Outside),
    identity: Identity,
) -> Result<bool, StartError> {
    if identity.adopt || !found.repaired.is_empty() {
        return Ok(true);
    }
    let seen = heartbeat::head(heartbeat).unwrap_or_else(|error| {
        (outside.notice)(Notice::HeartbeatUnreadable { error: error.to_string() });
        None
    });
    if let Some(seen) = seen.filter(|seen| *seen > found.head) {
        return Err(StartError::Restored { head: found.head, seen });
    }
    match (found.state.machine(), identity.machine) {
        (Some(before), Some(here)) if before != here => Err(StartError::Copied),
        _ => Ok(false),
    }
}

/// The looks at the disk, which take place beside the recovery, and how the journal is opened.
fn begin(engine: &Engine, parts: &Parts) -> Result<(Space, Opening), StartError> {
    let limits = parts.configuration.options.retention;
    let (journal, blobs) = (open_again(&parts.journal)?, Arc::clone(&parts.blobs));
    let space = Space::begin(journal, blobs, Arc::clone(&engine.inbox), limits);
    Ok((space.map_err(StartError::Thread)?, opening(engine.origin, limits)))
}

fn opening(origin: Option<NodeId>, limits: Retention) -> Opening {
    let origin = origin.unwrap_or_else(|| IdSource::new(time(), seed()).node());
    let bytes_max = (limits.bytes / SEGMENTS_OF_CAP).clamp(4 << 20, 64 << 20);
    let segments = Segments::new(1 << 20, bytes_max, Ahead::Thread);
    Opening { origin, epoch: 1, schema: SCHEMA, segments }
}

/// Recovers the journal, unless `admit` refuses what is found.
fn open_ledger(
    inbox: &Arc<Inbox>,
    journal: <RealFs as Fs>::Dir,
    opening: Opening,
    admit: impl FnOnce(Inspected<'_, State>) -> Result<(), StartError>,
) -> Result<(Ledger<Disk>, Opened), StartError> {
    let lost = Arc::clone(inbox);
    let lost = Arc::new(move |effect| lost.dropped(&effect));
    #[expect(clippy::disallowed_methods, reason = "the one start of the engine")]
    Ledger::open_if(Arc::new(RealFs), journal, (State::empty(), lost), opening, admit)
}

/// Tells which snapshots a start could not use.
fn passed_over(opened: &Opened, outside: &mut Outside) {
    for over in &opened.passed_over {
        let (name, why) = (over.name.clone(), over.flaw.to_string());
        (outside.notice)(Notice::SnapshotPassedOver { name, why });
    }
}

/// The thread's own things.
struct Running {
    shown: Display,
    inbox: Arc<Inbox>,
    options: Options,
    calendar: Calendar,
    places: Places,
    outside: Outside,
    focus: Focus,
    /// The mandate that `once` is about, when it is known.
    only: Option<MandateId>,
    /// Reloads of this turn.
    pending: Vec<Pending>,
    /// Permits out.
    out: usize,
    drain: Option<Drain>,
    pulse: Pulse,
}

/// What others see of the engine.
struct Display {
    status: Status,
    /// When a held clock is believed.
    until: Option<Time>,
    show: watch::Sender<Arc<Status>>,
    feed: Feed,
    snapshots: Arc<Snapshots>,
    upkeep: Arc<Upkeep>,
}

impl Display {
    /// Ends what works beside the engine.
    fn close(&self) {
        self.snapshots.close();
        self.upkeep.close();
    }

    /// Shows the state, then the records that led to it: who sees a record sees its state too.
    fn publish(&mut self, records: &[Shown], state: &State) {
        let counts = state.counts();
        let status = &mut self.status;
        if let Some(last) = records.last() {
            status.head = last.at.seq;
        }
        (status.running, status.queued, status.waiting) =
            (counts.running, counts.queued, counts.waiting);
        status.active = state.longest_running();
        status.active_mandates = state.running().collect();
        // What a repair gave up may have been the record of a deletion.
        status.first = status.first.max(state.kept_from());
        status.budget = *state.budget();
        status.day_ends = state.day_ends();
        status.rules = state.rules();
        let until = self.until.unwrap_or_default();
        status.clock = state.clock().map(|held| HeldClock { stepped_ms: held.by_ms, until });
        self.show.send_replace(Arc::new(status.clone()));
        self.feed.publish(records);
    }
}

type Disk = RealFs;

impl Running {
    /// Takes the first turn in the engine's own thread, and goes on there.
    fn spawn(
        mut self,
        ledger: Ledger<Disk>,
        own: Vec<Input>,
    ) -> Result<JoinHandle<Result<(), Poisoned>>, StartError> {
        let (began, begun) = std::sync::mpsc::sync_channel(1);
        // A commit that fails takes the ledger along; what works beside it has to end first.
        let held = ledger.held();
        let thread = thread::Builder::new().name(ENGINE_THREAD.into()).spawn(move || {
            match self.begin(ledger, own) {
                Ok(ledger) => {
                    began.send(Ok(())).ok();
                    let served = self.serve(ledger);
                    self.shown.close();
                    drop(held);
                    self.ended(served.is_ok());
                    served
                }
                Err(poisoned) => {
                    self.shown.close();
                    drop(held);
                    began.send(Err(poisoned)).ok();
                    Ok(())
                }
            }
        });
        let thread = thread.map_err(StartError::Thread)?;
        match begun.recv() {
            Ok(Ok(())) => Ok(thread),
            Ok(Err(poisoned)) => Err(poisoned.into()),
            // The thread's panic has ended the process already, where a hook is installed.
            Err(_) => Err(StartError::Thread(std::io::Error::other("it panicked at once"))),
        }
    }

    /// Makes the inputs for a configuration, and its calendar the one in use.
    fn configured(
        &mut self,
        state: &State,
        configuration: Configuration,
        now: Time,
    ) -> Result<Vec<Input>, NotConfigured> {
        let Configuration { rules, schedules, missing, zones, options } = configuration;
        start::still_there(state, missing.as_deref())?;
        let (calendar, inputs) = start::configured(state, rules, schedules, zones, now)?;
        // At a start the first look at the disk may still be under way; then it is believed.
        if !self.pulse.room.takes(start::frame_bytes(&inputs)) {
            // A frame that finds no room would end the daemon, and the next start could not go on.
            return Err(NotConfigured::NoRoom);
        }
        self.calendar = calendar.after(std::mem::take(&mut self.calendar));
        self.pulse.room.limit(options.retention);
        self.options = options;
        let retention = self.pulse.room.retention();
        self.shown.snapshots.retention().limit(retention);
        Ok(inputs)
    }

    /// The first turn: start, configuration, quarantine, open ends.
    fn begin(
        &mut self,
        ledger: Ledger<Disk>,
        mut own: Vec<Input>,
    ) -> Result<Ledger<Disk>, Poisoned> {
        let notes = poison::notes(&self.places.poison);
        let bad = notes.into_iter().filter(poison::Note::quarantines).map(|note| note.mandate);
        own.extend(start::quarantined(bad.inspect(|mandate| {
            (self.outside.notice)(Notice::Quarantined { mandate: *mandate });
        })));
        if self.focus == Focus::Daemon {
            own.extend(start::left_open(ledger.state()));
        }
        self.shown.status.state = Lifecycle::Running;
        let ledger = self.take(ledger, Inputs { own, ..Inputs::default() }, 0)?;
        if self.focus == Focus::Daemon {
            (self.outside.look)(LookAt::Files(watches(ledger.state())));
        }
        // Those that the last engine did not come to.
        self.shown.upkeep.erase(ledger.state(), ledger.state().erasing());
        // A note that stays too long can only quarantine its own mandate, and that is over.
        let open = |mandate| ledger.state().mandate(mandate).is_some();
        poison::forget(&self.places.poison, open).ok();
        self.heartbeat();
        (self.outside.notice)(Notice::Started { status: self.shown.status.clone() });
        Ok(ledger)
    }

    fn serve(&mut self, mut ledger: Ledger<Disk>) -> Result<(), Poisoned> {
        loop {
            let wait = self.wait(ledger.state());
            let mut batch = self.inbox.take(wait);
            if batch.rang {
                self.pulse.timers.rang();
            }
            for _ in 0..batch.stops {
                self.shut_down();
            }
            // By the limits of a reload beside it.
            batch.urgent.sort_by_key(|urgent| matches!(urgent, Urgent::Delete(..)));
            if batch.urgent.iter().any(|urgent| matches!(urgent, Urgent::Reload(_))) {
                // What is due falls under the rules by which it came due.
                ledger = self.take(ledger, Inputs::default(), batch.waiting)?;
            }
            let mut inputs = Inputs::default();
            for urgent in batch.urgent {
                self.urgent(urgent, ledger.state(), &mut inputs);
            }
            let waiting = batch.waiting;
            let batch = Batch { urgent: Vec::new(), ..batch };
            self.out = self.out.saturating_sub(batch.ended.len());
            inputs.ended = batch.ended;
            inputs.decisions = batch.decisions;
            inputs.commands = batch.commands;
            inputs.inbox = Some(Arc::clone(&self.inbox));
            inputs.blobs = Some(Arc::clone(self.shown.upkeep.blobs()));
            inputs.mark = boot_ms() >= self.pulse.beat;
            ledger = self.take(ledger, inputs, waiting)?;
            self.reloaded();
            if boot_ms() >= self.pulse.beat {
                self.heartbeat();
            } else if self.pulse.room.wait().is_some_and(|left| left.is_zero()) {
                self.look();
            }
            if self.drain.is_some() && self.drained() {
                return self.stop(ledger);
            }
        }
    }

    /// Whether a drain is over. When its grace is, commands are killed, and what became of them is
    /// waited for once more.
    fn drained(&mut self) -> bool {
        let Some(drain) = &mut self.drain else { return false };
        let over = boot_ms() >= drain.until;
        if self.out > 0 && over && !drain.killed {
            drain.killed = true;
            drain.until = boot_ms().saturating_add(KILLED_WAIT_MS);
            (self.outside.notice)(Notice::GracefulTimeoutExceeded { open: self.out });
            // Nothing but a command ends by being told to.
            return (self.outside.cancel)(Cancel::Commands) == 0;
        }
        self.out == 0 || over
    }

    /// The last turn: what settled at the last moment, and the durable mark.
    fn stop(&mut self, ledger: Ledger<Disk>) -> Result<(), Poisoned> {
        let batch = self.inbox.take(Duration::ZERO);
        let inputs = Inputs { ended: batch.ended, mark: true, ..Inputs::default() };
        let ledger = self.take(ledger, inputs, 0)?;
        // Before the journal's lock is given back: the next to hold it must be alone.
        self.shown.close();
        for mandate in ledger.state().mandates().filter(|mandate| mandate.open.is_some()) {
            (self.outside.notice)(Notice::CycleInterrupted { mandate: mandate.id });
        }
        Ok(())
    }

    /// Shows how it ended: the journal is closed, or the disk has failed.
    fn ended(&mut self, well: bool) {
        if !well && self.drain.is_none() {
            // Nobody asked for a stop, and what is true only the next start can tell.
            return;
        }
        self.shown.status.state = if well { Lifecycle::Stopped } else { Lifecycle::Error };
        self.shown.show.send_replace(Arc::new(self.shown.status.clone()));
        self.heartbeat();
        (self.outside.notice)(Notice::Stopped { status: self.shown.status.clone() });
    }

    /// Takes a turn and shows what came of it.
    fn take(
        &mut self,
        ledger: Ledger<Disk>,
        mut inputs: Inputs,
        waiting: usize,
    ) -> Result<Ledger<Disk>, Poisoned> {
        inputs.admit = match self.focus {
            Focus::Daemon => Admit::All,
            Focus::Once => Admit::Only(self.only),
        };
        let pace = self.pace(ledger.state(), &mut inputs);
        let clocks = &self.pulse.clocks;
        let mut today = world::Today::new(self.options.day_zone.clone(), clocks.last);
        let mut circumstances = move || -> Now { today.now(pace) };
        let mut out = 0;
        let dispatch = &mut self.outside.dispatch;
        let mut hand_over = |permit: Permit<State>| {
            out += 1;
            dispatch(permit);
        };
        self.shown.status.tick_count += 1;
        self.shown.status.mailbox_size = waiting;
        self.shown.status.shutdown_requested = self.drain.is_some();
        self.shown.status.tick_interval_ms = self.options.tick_interval_ms;
        self.shown.status.graceful_timeout_ms = self.options.graceful_timeout_ms;
        let (shown, pending) = (&mut self.shown, &mut self.pending);
        let mut publish = |records: &[Shown], state: &State| {
            let events = records.iter().flat_map(|record| &record.events);
            if events.into_iter().any(|event| matches!(event, Event::RulesLoaded(_))) {
                // What goes out under the new rules finds the new world.
                pending.iter_mut().for_each(Pending::apply);
            }
            shown.publish(records, state);
        };
        let exits = Exits { publish: &mut publish, dispatch: &mut hand_over };
        let (looked, sealed) = (self.pulse.clocks.last.reading().wall, ledger.sealed());
        let turned = turn(ledger, inputs, &mut circumstances, &self.calendar, exits)?;
        self.ask(looked, &turned.records, turned.ledger.state());
        self.pulse.fruitless = turned.records.is_empty().then_some(looked);
        self.out += out;
        self.notices(&turned.records);
        self.ahead(&turned.records, turned.ledger.state());
        self.shown.upkeep.recorded(turned.ledger.state(), &turned.records);
        self.look_back(turned.tight, turned.ledger.sealed() > sealed);
        self.shown.snapshots.sealed(turned.ledger.sealed());
        Ok(turned.ledger)
    }

    /// Whether new work may begin in this turn. A verdict that is another one is recorded with it.
    fn pace(&mut self, state: &State, inputs: &mut Inputs) -> Pace {
        let (low, recorded) = self.pulse.room.verdict(state);
        inputs.own.extend(recorded);
        // Before anything that goes by the clock, and behind who says so.
        let first = usize::from(matches!(inputs.own.first(), Some(Input::Started { .. })));
        let clock = self.pulse.clocks.look(state);
        let passes = self.pulse.clocks.passes(state, clock.as_ref());
        inputs.own.splice(first..first, clock);
        if passes {
            let now = self.pulse.clocks.last.reading().wall;
            inputs.own.extend(self.calendar.pass_all(state, &inputs.own, now));
        }
        self.shown.until = self.pulse.clocks.clock.settles();
        self.shown.status.space = self.pulse.room.standing();
        match (self.drain, low) {
            (Some(_), _) => Pace::Draining,
            (None, Some(shortage)) => Pace::Low(shortage),
            (None, None) => Pace::Running,
        }
    }

    /// Shows and tells what a turn found of the room on the disk.
    fn look_back(&mut self, tight: bool, sealed: bool) {
        if let Some(notice) = self.pulse.room.turned(tight) {
            self.shown.status.space = self.pulse.room.standing();
            self.shown.show.send_replace(Arc::new(self.shown.status.clone()));
            if let Notice::SpaceLow { .. } = notice {
                self.shown.upkeep.collect();
            }
            (self.outside.notice)(notice);
        }
        if sealed {
            self.pulse.room.count();
        }
    }

    fn look(&mut self) {
        if let Some(retention) = self.pulse.room.look() {
            self.shown.snapshots.retention().limit(retention);
        }
    }

    /// Asks for the looks that schedules want: for conditions, and for files once they are others.
    fn ask(&mut self, now: Time, records: &[Shown], state: &State) {
        let look = &mut self.outside.look;
        self.calendar.probes.ask(now, &mut |probe| look(LookAt::Condition(probe)));
        for (schedule, error) in self.calendar.probes.overdue() {
            (self.outside.notice)(Notice::ConditionUnknown { schedule, error });
        }
        let mut events = records.iter().flat_map(|record| &record.events);
        let changes =
            |event: &Event| matches!(event, Event::RulesLoaded(_) | Event::SchedulesLoaded { .. });
        if self.focus == Focus::Daemon && events.any(changes) {
            look(LookAt::Files(watches(state)));
        }
    }

    /// Tells of schedules that have no slot for a while because the clock had been further, each time
    /// that may have come about.
    fn ahead(&mut self, records: &[Shown], state: &State) {
        let mut events = records.iter().flat_map(|record| &record.events);
        let may_be = |event: &Event| {
            matches!(
                event,
                Event::DaemonStarted { .. }
                    | Event::SchedulesLoaded { .. }
                    | Event::ClockSettled { .. }
            )
        };
        if self.focus == Focus::Daemon && state.clock().is_none() && events.any(may_be) {
            let ahead = calendar::ahead(state, time());
            ahead.into_iter().for_each(|ahead| (self.outside.notice)(ahead));
        }
    }

    fn notices(&mut self, records: &[Shown]) {
        for (at, event) in records.iter().flat_map(|r| r.events.iter().map(move |e| (r.at, e))) {
            if let Some(notice) = self.pulse.clocks.recorded(event) {
                (self.outside.notice)(notice);
            }
            match event {
                Event::Recovered { after, bytes, saved_as } => {
                    let (after, bytes, saved_as) = (*after, *bytes, saved_as.clone());
                    (self.outside.notice)(Notice::Recovered { after, bytes, saved_as });
                }
                Event::MandateParked { mandate, reason: ParkReason::Budget, .. } => {
                    (self.outside.notice)(Notice::BudgetExceeded { mandate: *mandate });
                }
                Event::CycleFinished { mandate, failed } => {
                    self.shown.status.last_cycle_at = Some(at.time);
                    if *failed {
                        (self.outside.notice)(Notice::CycleFailed { mandate: *mandate });
                    }
                }
                Event::SegmentsDeleted { first, over, .. } => {
                    self.shown.snapshots.retention().recorded(*first, Some(*over));
                    if *over == Limit::Bytes {
                        self.pulse.room.gave_up();
                    }
                }
                Event::DayBegan { .. } | Event::ClockSettled { .. } => {
                    self.shown.snapshots.retention().look();
                }
                Event::MandateFinished { .. } => self.shown.status.last_cycle_at = Some(at.time),
                Event::SchedulePaused { schedule, why } => {
                    let (schedule, why) = (schedule.clone(), why.clone());
                    (self.outside.notice)(Notice::SchedulePaused { schedule, why });
                }
                Event::ScheduleResumed { schedule, by } => {
                    let (schedule, by) = (schedule.clone(), by.clone());
                    (self.outside.notice)(Notice::ScheduleResumed { schedule, by });
                }
                Event::ErasureSettled { blob, end: ErasureEnd::Gone } => {
                    (self.outside.notice)(Notice::Blobs(BlobNotice::Erased(*blob)));
                }
                Event::MandateCreated { mandate, .. } if self.focus == Focus::Once => {
                    // Started in the next turn, which the wake-up below brings at once.
                    self.only = Some(*mandate);
                    self.inbox.urgent(Urgent::Look);
                }
                _ => {}
            }
        }
    }

    fn urgent(&mut self, urgent: Urgent, state: &State, inputs: &mut Inputs) {
        match urgent {
            Urgent::Look => {}
            Urgent::SpaceUnknown { error } => {
                (self.outside.notice)(Notice::SpaceUnknown { error });
            }
            Urgent::SnapshotFailed { kind, error } => {
                (self.outside.notice)(Notice::SnapshotFailed { kind, error });
            }
            Urgent::Erased { blob, end } => inputs.own.push(Input::Erased { blob, end }),
            Urgent::Looked(look, found) => {
                let found = found.unwrap_or_else(|error| {
                    let schedule = look.schedule.clone();
                    (self.outside.notice)(Notice::ConditionUnknown { schedule, error });
                    Found::Unknown
                });
                let now = self.pulse.clocks.last.reading().wall;
                self.calendar.probes.told(Probed { look, found }, now);
            }
            Urgent::SettledOn(watch, Ok(files)) => self.calendar.watched.told(watch, files),
            Urgent::SettledOn(watch, Err(error)) => {
                let schedule = watch.schedule;
                (self.outside.notice)(Notice::FilesUnknown { schedule, error });
            }
            Urgent::EraseAgain(blobs) => self.shown.upkeep.erase(state, blobs.into_iter()),
            Urgent::Blobs(notice) => {
                if matches!(notice, BlobNotice::Collected(_)) {
                    self.pulse.room.count();
                }
                (self.outside.notice)(Notice::Blobs(notice));
            }
            // Whoever drains has no time for it; the next start finds it again.
            Urgent::Delete(..) if self.drain.is_some() => {}
            Urgent::Delete(excess, limits) => {
                if self.shown.snapshots.retention().goes_by(limits) {
                    inputs.own.push(retention::input(excess));
                }
            }
            Urgent::Swept { first, deleted, over } => {
                // What only these records named may go too.
                self.shown.upkeep.collect();
                (self.outside.notice)(Notice::SegmentsDeleted { first, deleted, over });
            }
            Urgent::RetentionFailed { error } => {
                (self.outside.notice)(Notice::RetentionFailed { error });
            }
            Urgent::Report => {
                (self.outside.notice)(Notice::Status { status: self.shown.status.clone() })
            }
            Urgent::Reload(answer) => self.reload(answer, state, inputs),
        }
    }

    /// Reads the configuration again; it is answered when the turn that records it has committed.
    fn reload(
        &mut self,
        answer: Option<oneshot::Sender<Result<(), SubmitError>>>,
        state: &State,
        inputs: &mut Inputs,
    ) {
        if let Some(Pending { schedules, .. }) = self.pending.first() {
            // Asked twice before one turn: the files were read after both had asked.
            let schedules = *schedules;
            return self.pending.push(Pending { schedules, apply: None, answer });
        }
        let read = if state.clock().is_some() {
            // What is new begins at an instant that may be none.
            Err(CLOCK_IS_HELD.to_owned())
        } else {
            (self.outside.reload)()
        };
        let read = read.and_then(|reloaded| {
            let Reloaded { configuration, apply } = reloaded;
            let schedules = configuration.schedules.len();
            self.keeps_texts(state, &configuration)?;
            // Set while the files were read?
            let now = self.pulse.clocks.believed(state).ok_or_else(|| CLOCK_IS_HELD.to_owned())?;
            let own = self.configured(state, configuration, now);
            own.map(|own| (own, schedules, apply)).map_err(|error| match error.hint() {
                Some(hint) => format!("{error} ({hint})"),
                None => error.to_string(),
            })
        });
        match read {
            Ok((own, schedules, apply)) => {
                inputs.own.extend(own);
                self.pending.push(Pending { schedules, apply: Some(apply), answer });
            }
            Err(error) => {
                (self.outside.notice)(Notice::ReloadFailed { error: error.clone() });
                if let Some(answer) = answer {
                    answer.send(Err(SubmitError::NotReloaded(error))).ok();
                }
            }
        }
    }

    /// Whether every text of the schedules is there to stay: read and stored while a person has one
    /// erased, it may be gone.
    fn keeps_texts(&self, state: &State, configuration: &Configuration) -> Result<(), String> {
        for definition in &configuration.schedules {
            let is_gone = |text: &Digest| self.shown.upkeep.blobs().is_erased(text.as_bytes());
            let gone = || of_definition(definition).map(|text| text.digest).find(is_gone);
            if let Some(blob) = state.erasing_of(of_definition(definition)).or_else(gone) {
                let name = &definition.name;
                return Err(format!(
                    "schedule `{name}` needs the text `{blob}`, which is being erased: reload again"
                ));
            }
        }
        Ok(())
    }

    /// What was reloaded is on disk.
    fn reloaded(&mut self) {
        for mut pending in self.pending.drain(..) {
            pending.apply();
            (self.outside.notice)(Notice::Reloaded { schedules: pending.schedules });
            if let Some(answer) = pending.answer {
                answer.send(Ok(())).ok();
            }
        }
    }

    fn shut_down(&mut self) {
        let now = boot_ms();
        if self.drain.is_some() {
            // Asked again: the grace ends now.
            if let Some(drain) = self.drain.as_mut().filter(|drain| !drain.killed) {
                drain.until = now;
            }
            return;
        }
        let until = now.saturating_add(self.options.graceful_timeout_ms);
        self.drain = Some(Drain { until, killed: false });
        self.shown.status.state = Lifecycle::Draining;
        (self.outside.notice)(Notice::ShutdownBegin { open: self.out });
        self.inbox.close();
        self.shown.snapshots.stop();
        self.shown.upkeep.stop();
        (self.outside.cancel)(Cancel::Calls);
    }

    /// How long nothing can be due.
    fn wait(&mut self, state: &State) -> Duration {
        let due = match self.focus {
            _ if self.drain.is_some() => None,
            // Slots wait until there is room.
            Focus::Daemon if self.pulse.room.holds_slots() => state.next_due_of_work(),
            Focus::Daemon => state.next_due(),
            Focus::Once => self.only.and_then(|only| state.due_of(only)),
        };
        let until = self.drain.map(|drain| drain.until);
        self.pulse.wait(due, until, self.options.tick_interval_ms)
    }

    fn heartbeat(&mut self) {
        self.pulse.beat = boot_ms().saturating_add(self.options.heartbeat_interval_ms);
        self.look();
        if self.focus == Focus::Once {
            return;
        }
        let now = time();
        if let Err(error) = heartbeat::write(&self.places.heartbeat, &self.shown.status, now) {
            (self.outside.notice)(Notice::HeartbeatFailed { error: error.to_string() });
        }
    }
}
