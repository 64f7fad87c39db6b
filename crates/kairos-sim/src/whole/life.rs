//! A world from its beginning to its end.
//!
//! Owns the disk, the clock and the process, and what each act of a script does to them. Everything
//! a person, a provider or a machine can do happens here; what must hold is asked of
//! [`super::law`], [`super::book`] and [`super::shelf`].

use std::cell::RefCell;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kairos_core::event::{Event, Key};
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Pace, Verb};
use kairos_core::schedule::slot::SlotState;
use kairos_core::space::Shortage;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::Fs;
use kairos_engine::{Exits, Inputs, Shown, circumstances, turn};
use kairos_journal::{Permit, Tail, verify};

use super::book::Book;
use super::daemon::{Daemon, JOURNAL, NotStarted, lay_out, open_ledger};
use super::law::{Broken, Findings, History, Watched, Wrong};
use super::model::Asked;
use super::scene::Setting;
use super::script::{Act, Script};
use super::shelf::Shelf;
use super::tally::Tally;
use crate::{Bound, Call, Due, Errno, Fault, Harm, Plan, SimFs, Stop};

/// Starts tried before somebody would call for help.
const STARTS_MAX: usize = 6;
/// Of the disks a power loss may leave, so many are made.
const IMAGES: Bound = Bound { units_max: 4, samples: 6 };

/// How the machine or the process will end at a planned call.
#[derive(Clone, Copy)]
pub(super) struct Fall {
    power: bool,
    image: u64,
}

/// A world.
pub(super) struct Life {
    pub(super) fs: SimFs,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    pub(super) clock: Time,
    /// Drawn numbers: each seed of an input is another.
    drawn: u64,
    /// The configuration in the files.
    pub(super) number: u16,
    pub(super) daemon: Option<Daemon>,
    pub(super) book: Book,
    pub(super) shelf: Shelf,
    asked: Asked,
    /// Everything the process has recorded, whether or not it is on disk.
    history: Arc<Mutex<History>>,
    fall: Fall,
    /// What holds back new work.
    pub(super) low: Option<Shortage>,
}

/// Performs a script: what was tried, and what did not hold.
#[must_use]
pub(super) fn perform(script: &Script) -> (Tally, Vec<Broken>) {
    let mut life = Life::new(script.seed);
    for act in &script.acts {
        if life.findings.any() {
            break;
        }
        life.act(*act);
        life.look();
    }
    if !life.findings.any() {
        life.end();
    }
    life.close()
}

impl Life {
    fn new(seed: u64) -> Self {
        let setting = Setting::of(seed);
        let findings = Findings::default();
        let fs = SimFs::new(setting.disk);
        let shelf = Shelf::new(findings.clone(), &fs);
        lay_out(&fs);
        Self {
            fs: fs.settled(),
            tally: Tally::one(),
            clock: Time::from_ms(setting.start_ms),
            drawn: seed << 32,
            number: setting.configuration,
            daemon: None,
            book: Book::new(findings.clone()),
            shelf,
            asked: Asked::default(),
            history: Arc::default(),
            fall: Fall { power: true, image: 0 },
            low: None,
            findings,
        }
    }

    fn close(mut self) -> (Tally, Vec<Broken>) {
        let broken = self.findings.all();
        self.tally.broken(&broken);
        self.tally.events = self.book.events();
        self.tally.answers = self.book.answers;
        self.tally.changes = self.shelf.changes;
        (self.tally, broken)
    }

    pub(super) fn state(&self) -> &State {
        self.book.state()
    }

    pub(super) fn pass(&mut self, span_ms: u64) {
        self.clock = self.clock.plus_ms(span_ms);
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn act(&mut self, act: Act) {
        if self.daemon.is_none() {
            self.start(None);
        }
        match act {
            Act::Work { most } => self.work(1 + usize::from(most % 6)),
            Act::Next { times } => (0..=times % 4).for_each(|_| self.next()),
            Act::Sleep { span } => self.pass(sleep_ms(span)),
            Act::Back { span } => {
                let back_ms = [60_000, 1_800_000, 10_800_000, 93_600_000][usize::from(span % 4)];
                self.clock = Time::from_ms(self.clock.as_ms() - back_ms);
            }
            Act::Create { .. } | Act::Fire { .. } | Act::Stop { .. } => self.command(act),
            Act::Decide { .. } | Act::Judge { .. } => self.command(act),
            Act::Touch { file, how } => (self.shelf.touch(file, how))(&self.fs),
            Act::Beside { calls, file, how } => {
                let touch = self.shelf.touch(file, how);
                self.fs.plan(Plan::person(u64::from(calls % 60), touch));
            }
            Act::Reload { configuration } => self.reload(configuration),
            Act::Lose { which, done } => {
                if let Some(daemon) = &mut self.daemon {
                    daemon.lose(usize::from(which), done % 2 == 1);
                }
                self.turn(Vec::new(), Vec::new(), Pace::Running);
            }
            Act::Restart { configuration, patience } => {
                self.stop(patience);
                if configuration % 2 == 0 {
                    self.number = configuration / 2;
                }
                self.start(None);
            }
            Act::Kill { again } => {
                self.fall = Fall { power: again % 3 > 0, image: again.into() };
                self.kill();
                self.start(second(again));
            }
            Act::Cut { image, again } => {
                self.fall = Fall { power: true, image: image.into() };
                self.cut();
                self.start(second(again));
            }
            Act::Crash { calls, how, image } => {
                self.fall = Fall { power: how % 6 < 4, image: image.into() };
                let calls = match calls % 4 {
                    0 => calls % 400,
                    1 => calls % 120,
                    _ => calls % 40,
                };
                let call = u64::from(calls);
                let stop = if how % 2 == 0 { Stop::Before(call) } else { Stop::After(call) };
                self.fs.plan(Plan::stop(stop));
            }
            Act::Fault { calls, harm } => {
                self.tally.faults += 1;
                self.shelf.litter = true;
                self.fs.plan(Plan::fault(fault(calls, harm)));
            }
            Act::Room { how } => {
                let low = match how % 2 {
                    0 => Shortage::Free { free_bytes: how.into(), keep_free_bytes: 1 << 20 },
                    _ => Shortage::Used { used_bytes: 1 << 20, cap_bytes: how.into() },
                };
                self.low = if self.low.is_some() { None } else { Some(low) };
                self.turn(Vec::new(), Vec::new(), Pace::Running);
            }
        }
    }

    /// Looks at the files; a machine that has stopped is started again first.
    pub(super) fn look(&mut self) {
        if self.fs.is_stopped() {
            self.daemon = None;
            self.crash();
            self.start(None);
        }
        self.shelf.look(&self.fs, false);
    }

    pub(super) fn work(&mut self, most: usize) {
        self.pass(120);
        let Some(daemon) = &mut self.daemon else { return };
        let inputs = daemon.perform(&self.fs, most);
        if !self.fs.is_stopped() {
            self.turn(inputs, Vec::new(), Pace::Running);
        }
    }

    /// Goes to what is due next, at most a day on.
    fn next(&mut self) {
        let due = match self.low {
            // Slots wait for room.
            Some(_) => self.state().next_due_of_work(),
            None => self.state().next_due().map(|(at, _)| at),
        };
        let latest = self.clock.plus_ms(86_400_000);
        self.clock = due.map_or(latest, |due| due.min(latest)).max(self.clock.plus_ms(20));
        self.turn(Vec::new(), Vec::new(), Pace::Running);
    }

    pub(super) fn reload(&mut self, number: u16) {
        // The engine takes a turn before, too.
        self.turn(Vec::new(), Vec::new(), Pace::Running);
        let Some(daemon) = &mut self.daemon else { return };
        self.number = number;
        if let Some(own) = daemon.reload(number, self.clock) {
            self.turn(own, Vec::new(), Pace::Running);
        }
    }

    fn command(&mut self, act: Act) {
        let Some(daemon) = &self.daemon else { return };
        let asked = super::people::verb(act, self.book.state(), daemon);
        if let Some(verb) = asked {
            self.pass(20);
            self.turn(Vec::new(), vec![verb], Pace::Running);
        }
    }

    /// Takes a turn. A process whose disk failed is gone afterwards.
    pub(super) fn turn(&mut self, own: Vec<Input>, verbs: Vec<Verb>, pace: Pace) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let Some(ledger) = daemon.ledger.take() else { return };
        self.tally.turns += 1;
        let mut inputs = Inputs::default();
        let pace = match (pace, self.low) {
            (Pace::Running, Some(low)) => Pace::Low(low),
            (pace, _) => pace,
        };
        inputs.own = daemon.losses();
        inputs.own.extend(own);
        let recorded = ledger.state().state().low();
        if recorded.map(|low| low.word()) != self.low.map(|low| low.word()) {
            inputs.own.push(Input::Space { low: self.low });
        }
        inputs.mark = self.tally.turns.is_multiple_of(8);
        let mut answers = Vec::new();
        for verb in verbs {
            let command = IdSource::new(self.clock, seed(self.draw())).command();
            let by = "user:ann(1000)".parse().expect("a principal");
            answers.push((key(&verb), inputs.ask(by, verb, command)));
        }
        let (clock, zone, drawn) = (self.clock, daemon.day_zone.clone(), &mut self.drawn);
        let mut now = || {
            *drawn += 1;
            circumstances(clock, seed(*drawn), &zone, pace)
        };
        let (book, mut permits) = (RefCell::new(&mut self.book), Vec::new());
        let (shelf, findings) = (&mut self.shelf, &self.findings);
        let mut publish = |records: &[Shown], _: &State| {
            book.borrow_mut().publish(records);
            for event in records.iter().flat_map(|record| &record.events) {
                shelf.record(event);
                let held_back = !(matches!(pace, Pace::Low(_)) && begins(event));
                findings.check(held_back, Wrong::Accepted, || format!("without room: {event:?}"));
            }
        };
        let mut dispatch = |permit: Permit<Watched>| {
            book.borrow_mut().dispatch(permit.effect());
            permits.push(permit);
        };
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let turned = turn(ledger, inputs, &mut now, &daemon.calendar, exits);
        for (key, mut answer) in answers {
            if let Ok(Ok(accepted)) = answer.try_recv() {
                self.book.accepted(&accepted, key.map(|key| key.key));
            }
        }
        match turned {
            Ok(turned) => {
                daemon.ledger = Some(turned.ledger);
                permits.into_iter().for_each(|permit| daemon.dispatch(permit, &mut self.asked));
                self.daemon = Some(daemon);
            }
            // The binary aborts.
            Err(_) if !self.fs.is_stopped() => self.kill(),
            Err(_) => {}
        }
    }

    /// Stops as asked: calls of a model are cut short, files are finished, for a while.
    fn stop(&mut self, patience: u16) {
        if let Some(daemon) = &mut self.daemon {
            daemon.cancel(|_| true);
        }
        for _ in 0..patience % 6 {
            let Some(daemon) = self.daemon.as_mut().filter(|d| !d.under_way.is_empty()) else {
                break;
            };
            let inputs = daemon.perform(&self.fs, usize::MAX);
            if self.fs.is_stopped() {
                return self.look();
            }
            self.turn(inputs, Vec::new(), Pace::Draining);
        }
        if let Some(ledger) = self.daemon.as_ref().and_then(|daemon| daemon.ledger.as_ref()) {
            self.same_state(ledger.state().state(), "live");
        }
        self.daemon = None;
        if self.fs.is_stopped() { self.crash() } else { self.fs = self.fs.kill() }
    }

    /// The process ends.
    fn kill(&mut self) {
        self.tally.crashes += 1;
        self.daemon = None;
        self.fs = self.fs.kill();
    }

    /// What was planned for the call at which everything stopped. Now and then somebody is at the
    /// files before the next start.
    fn crash(&mut self) {
        if self.fall.power {
            self.cut()
        } else {
            self.kill()
        }
        let how = u16::try_from(self.fall.image % 11).expect("below 11");
        if how < 8 {
            (self.shelf.touch(1, how))(&self.fs);
            self.shelf.look(&self.fs, false);
        }
    }

    /// The power goes. Of the disks that may be left, one is gone on with and a few are read.
    fn cut(&mut self) {
        self.tally.crashes += 1;
        self.daemon = None;
        let images = self.fs.crash_images(IMAGES, self.fall.image);
        let chosen = usize::try_from(self.fall.image).unwrap_or(0) % images.len().max(1);
        let last = images.len() - 1;
        let mut left = None;
        for (nth, image) in images.enumerate() {
            if nth == chosen {
                left = Some(image.mount());
            } else if nth == 0 || nth == last || nth % 5 == 2 {
                self.read_image(&image.mount());
            }
        }
        self.fs = left.expect("there is always one");
        self.tally.image(self.fs.fingerprint());
        self.shelf.look(&self.fs, true);
    }

    /// Reads what a power loss may leave, and goes no further with it.
    fn read_image(&mut self, fs: &SimFs) {
        self.tally.image(fs.fingerprint());
        self.shelf.could_be(fs);
        let (history, lost) = (Arc::default(), Arc::default());
        match open_ledger(fs, &self.findings, &history, &lost) {
            Ok((ledger, _)) => self.compare(&history, ledger.head()),
            Err(error) => self.findings.add(Wrong::Refused, format!("an image: {error}")),
        }
    }

    fn compare(&self, read: &Mutex<History>, head: kairos_core::fold::Seq) {
        let lock = PoisonError::into_inner;
        let read = read.lock().unwrap_or_else(lock);
        self.book.compare(&read, &self.history.lock().unwrap_or_else(lock), head);
    }

    /// Starts until it works; `again` is a crash in the first attempt.
    pub(super) fn start(&mut self, again: Option<Stop>) {
        if let Some(stop) = again {
            self.fs.plan(Plan::stop(stop));
        }
        for attempt in 0..STARTS_MAX {
            let started = self.try_start();
            if self.daemon.is_some() || self.findings.any() {
                return;
            }
            if self.fs.is_stopped() {
                self.tally.seconds += 1;
                self.crash();
            } else if attempt < 2 {
                // A call failed: what was planned goes with the process.
                self.kill();
            } else {
                let error = started.err().map(|error| error.to_string());
                self.findings.add(Wrong::Refused, format!("it does not start: {error:?}"));
            }
        }
    }

    fn try_start(&mut self) -> Result<(), NotStarted> {
        let history = Arc::default();
        let (daemon, own) =
            Daemon::start(&self.fs, &self.findings, &history, self.number, self.clock)?;
        let Some(ledger) = daemon.ledger.as_ref() else { return Ok(()) };
        self.compare(&history, ledger.head());
        if self.findings.any() {
            return Ok(());
        }
        let read = history.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for event in self.book.take_up(&read, ledger.head()) {
            self.shelf.record(&event);
        }
        self.same_state(ledger.state().state(), "read");
        self.verify();
        self.history = history;
        let waiting = super::people::waiting(self.state(), self.clock);
        self.daemon = Some(daemon);
        self.turn(own, Vec::new(), Pace::Running);
        for (mandate, stood) in waiting {
            let stands = self.state().mandate(mandate).map(|mandate| mandate.standing);
            self.findings.check(stands == Some(stood), Wrong::Lost, || {
                format!("{mandate} waited as {stood:?}, and after a start is {stands:?}")
            });
        }
        Ok(())
    }

    /// Whether a state is the one that the records shown come to.
    fn same_state(&self, state: &State, which: &str) {
        let (state, shown) = (text(state), text(self.state()));
        self.findings.check(state == shown, Wrong::Lost, || {
            let alike = state.bytes().zip(shown.bytes()).take_while(|(a, b)| a == b).count();
            let from = |text: &str| {
                let start = text.floor_char_boundary(alike.saturating_sub(80));
                text[start..].chars().take(200).collect::<String>()
            };
            format!(
                "the state {which} has `{}`, and records shown `{}`",
                from(&state),
                from(&shown)
            )
        });
    }

    /// Whether the journal holds together.
    pub(super) fn verify(&self) {
        let fs = self.fs.aside();
        let dir = fs.open_dir(&fs.root(), Path::new(JOURNAL));
        let verdict = dir.map(|dir| verify(&fs, &dir, Tail::Still, NonZero::<usize>::MIN));
        if let Ok(Ok(verdict)) = verdict {
            self.findings.check(verdict.ok && verdict.problem.is_none(), Wrong::Refused, || {
                format!("{verdict:?}")
            });
        }
    }
}

/// A state as text, but for the compiled rules of scopes, which remember who used them.
fn text(state: &State) -> String {
    let text = format!("{state:?}");
    let cut = text.split_once(", scopes: Scopes {").and_then(|(rules, rest)| {
        let (_, rest) = rest.split_once(", budget: Budget {")?;
        Some(format!("{rules}, budget: Budget {{{rest}"))
    });
    cut.unwrap_or(text)
}

fn seed(drawn: u64) -> Seed {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&drawn.to_be_bytes());
    Seed(seed)
}

fn key(verb: &Verb) -> Option<Key> {
    match verb {
        Verb::Create { key, .. } | Verb::Fire { key, .. } => *key,
        Verb::Stop { .. } | Verb::Decide { .. } | Verb::Judge { .. } => None,
    }
}

/// Whether it is new work.
const fn begins(event: &Event) -> bool {
    matches!(
        event,
        Event::MandateCreated { .. }
            | Event::MandateStarted { .. }
            | Event::Slot { state: SlotState::Fired, .. }
    )
}

fn sleep_ms(span: u16) -> u64 {
    let minutes = match span % 16 {
        0..5 => 1,
        5..9 => 13,
        9..12 => 70,
        12..14 => 330,
        14 => 26 * 60,
        _ => 5 * 24 * 60,
    };
    minutes * 60_000
}

/// A crash in the recovery, in three of four.
fn second(again: u16) -> Option<Stop> {
    let call = u64::from(again / 4 % 150);
    match again % 4 {
        0 => None,
        1 | 2 => Some(Stop::Before(call)),
        _ => Some(Stop::After(call)),
    }
}

fn fault(calls: u16, harm: u16) -> Fault {
    let at = Due::Nth(u64::from(calls % 300));
    match harm % 7 {
        0 => Fault::once(at, Harm::Fails(Errno::IO)),
        1 => Fault::once(at, Harm::Fails(Errno::NOSPC)),
        2 => Fault::once(at, Harm::FailsDone(Errno::IO)),
        3 => Fault::once(Due::NthOf(Call::Sync, u64::from(calls % 20)), Harm::Lies),
        4 => Fault::once(Due::NthOf(Call::SyncAll, 0), Harm::Lies),
        5 => Fault::for_ever(at, Harm::Short(700)),
        _ => {
            let write = Due::NthOf(Call::Write, u64::from(calls % 60));
            Fault::for_ever(write, Harm::Fails(Errno::NOSPC))
        }
    }
}
