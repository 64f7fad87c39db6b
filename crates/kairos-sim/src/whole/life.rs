//! A world from its beginning to its end.
//!
//! Owns the disk, the clock and the process, and what each act of a script does to them. Everything
//! a person, a provider or a machine can do begins here; ends and starts are [`super::boot`]'s, and
//! what must hold is asked of [`super::law`], [`super::book`] and [`super::shelf`].

use std::cell::RefCell;

use kairos_core::event::{Key, Loaded};
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Pace, Verb};
use kairos_core::space::Shortage;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_engine::{Admit, Exits, Inputs, Shown, circumstances, turn};
use kairos_journal::Permit;

use super::book::Book;
use super::boot::{Fall, again_at};
use super::daemon::{Daemon, lay_out};
use super::law::{Broken, Findings};
use super::model::Asked;
use super::once;
use super::poison::{Notes, survive};
use super::room;
use super::scene::{NIGHT, Setting};
use super::script::{Act, Profile, Script};
use super::shelf::Shelf;
use super::snapshots::Spoiled;
use super::tally::{Tally, Tried};
use super::timetables::Ground;
use super::watched::{Watch, Watched};
use crate::{Call, Due, Errno, Fault, Harm, Plan, SimFs, Stop};

/// How long a machine is asleep overnight.
const NIGHT_MS: u64 = 8 * 3_600_000;
/// Schedules of which so many are due in the morning are many.
const DUE_MANY: usize = 50;

/// What is known of the journal beside what it holds.
pub(super) struct Known {
    /// Everything the process has recorded, whether or not it is on disk.
    pub(super) watch: Watch,
    pub(super) spoiled: Spoiled,
    pub(super) notes: Notes,
    /// What holds back new work: the room for it.
    pub(super) low: Option<Shortage>,
    /// Milliseconds since the machine was started, sleep included.
    pub(super) boot_ms: u64,
    /// What the last turn that failed said.
    pub(super) failed: String,
}

impl Known {
    fn new(findings: &Findings) -> Self {
        let watch = Watch::new(findings.clone());
        Self {
            watch,
            spoiled: Spoiled::default(),
            notes: Notes::default(),
            low: None,
            boot_ms: 0,
            failed: String::new(),
        }
    }
}

/// A world.
pub(super) struct Life {
    pub(super) fs: SimFs,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    pub(super) clock: Time,
    /// Drawn numbers: each seed of an input is another.
    drawn: u64,
    /// What the configuration in the files is made of.
    setup: (Profile, Ground),
    pub(super) daemon: Option<Daemon>,
    pub(super) book: Book,
    pub(super) shelf: Shelf,
    asked: Asked,
    /// Of the journal, beside what it holds.
    pub(super) known: Known,
    pub(super) fall: Fall,
}

/// Performs a script: what was tried, and what did not hold.
#[must_use]
pub(super) fn perform(script: &Script) -> (Tally, Vec<Broken>) {
    let mut life = Life::new(script);
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
    fn new(script: &Script) -> Self {
        let (seed, profile) = (script.seed, script.profile);
        let setting = Setting::of(seed, profile);
        let findings = Findings::default();
        let fs = SimFs::new(setting.disk);
        let shelf = Shelf::new(findings.clone(), &fs);
        lay_out(&fs);
        Self {
            fs: fs.settled(),
            tally: Tally::one(),
            clock: Time::from_ms(setting.start_ms),
            drawn: seed << 32,
            setup: (
                profile,
                Ground {
                    seed,
                    start: Time::from_ms(setting.start_ms),
                    number: setting.configuration,
                },
            ),
            daemon: None,
            book: Book::new(findings.clone()),
            shelf,
            asked: Asked::default(),
            known: Known::new(&findings),
            fall: Fall { power: true, image: 0 },
            findings,
        }
    }

    fn close(mut self) -> (Tally, Vec<Broken>) {
        let broken = self.findings.all();
        self.tally.broken(&broken);
        self.tally.add_to(Tried::Events, self.book.events());
        self.tally.add_to(Tried::Answers, self.book.answers);
        self.tally.add_to(Tried::Changes, self.shelf.changes);
        (self.tally, broken)
    }

    pub(super) fn state(&self) -> &State {
        self.book.state()
    }

    /// What the present configuration is made of.
    pub(super) const fn setup(&self) -> (Profile, Ground) {
        self.setup
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
            Act::Sleep { span } => {
                self.tally.count(Tried::Suspends);
                self.pass(sleep_ms(span));
            }
            Act::Night {} => self.night(),
            Act::Back { span } => self.step(-step_ms(span)),
            Act::Forward { span } => self.step(step_ms(span)),
            Act::Create { .. } | Act::Fire { .. } | Act::Stop { .. } => self.command(act),
            Act::Decide { .. } | Act::Judge { .. } | Act::Confirm {} => self.command(act),
            Act::Snapshot { kind, every } => self.snapshot(kind, every),
            Act::Retain { limit, every } => self.retain(limit, every),
            Act::Spoil { which, how } => self.spoil(which, how),
            Act::Rotate { often } if often % 4 == 0 => self.rotate(),
            Act::Rotate { .. } => {}
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
                    self.setup.1.number = configuration / 2;
                }
                self.start(None);
            }
            Act::Once { goal, patience } => self.once(goal, patience),
            Act::Kill { again } => {
                self.fall = Fall { power: again % 3 > 0, image: again.into() };
                self.kill();
                self.start(again_at(again));
            }
            Act::Cut { image, again } => {
                self.fall = Fall { power: true, image: image.into() };
                self.cut();
                self.start(again_at(again));
            }
            Act::Crash { calls, how, image } => {
                self.fall = Fall { power: how % 6 < 4, image: image.into() };
                self.fs.plan(Plan::stop(stop(calls, how)));
            }
            Act::Fault { calls, harm } => {
                self.tally.count(Tried::Faults);
                self.shelf.litter = true;
                self.fs.plan(Plan::fault(fault(calls, harm)));
            }
            Act::Room { how } => self.room(how),
            Act::Days { times, most } => self.days(times, most),
            Act::Pause { .. } | Act::Resume { .. } => self.command(act),
            Act::Nudge { span } => {
                self.tally.count(Tried::Nudges);
                self.step([-90_000, -1_500, -300, 700, 20_000, 110_000][usize::from(span % 6)]);
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
        self.after_once();
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
        let due = match self.known.low {
            // Slots wait for room.
            Some(_) => self.state().next_due_of_work(),
            None => self.state().next_due(),
        };
        let latest = self.clock.plus_ms(86_400_000);
        let next = due.map_or(latest, |due| due.min(latest)).max(self.clock.plus_ms(20));
        self.pass(self.held_ms().unwrap_or(next.ms_since(self.clock)));
        self.turn(Vec::new(), Vec::new(), Pace::Running);
    }

    /// Goes from one thing that is due to the next, as far as it goes.
    fn days(&mut self, times: u16, most: u16) {
        for nth in 0..8 + times % 56 {
            if self.daemon.is_none() || self.fs.is_stopped() || self.findings.any() {
                return;
            }
            self.next();
            if nth % 3 == 0 {
                self.work(1 + usize::from(most % 8));
            }
        }
    }

    pub(super) fn reload(&mut self, number: u16) {
        // The engine takes a turn before, too.
        self.turn(Vec::new(), Vec::new(), Pace::Running);
        if self.daemon.is_none() && !self.fs.is_stopped() {
            // A mandate has brought it down.
            self.start(None);
        }
        self.stand();
        self.tally.count(Tried::Reloads);
        let before = self.setup.1.number;
        self.setup.1.number = number;
        let setup = self.setup;
        let Some(daemon) = &mut self.daemon else { return };
        if let Some(own) = daemon.reload(setup, self.clock) {
            self.turn(own, Vec::new(), Pace::Running);
        }
        if self.daemon.is_none() && number.is_multiple_of(4) {
            // Whoever edited the files takes it back before the next start.
            self.setup.1.number = before;
        }
    }

    /// Many schedules are loaded, and the machine is asleep for eight hours.
    fn night(&mut self) {
        self.reload(NIGHT);
        self.work(8);
        if self.daemon.is_none() {
            return;
        }
        self.pass(NIGHT_MS);
        let due = |loaded: &&Loaded| loaded.next.is_some_and(|next| next <= self.clock);
        let many = self.state().schedules().filter(due).count() >= DUE_MANY;
        self.tally.count(Tried::Nights);
        self.tally.add_to(Tried::ManyDue, u64::from(many));
        self.turn(Vec::new(), Vec::new(), Pace::Running);
    }

    fn command(&mut self, act: Act) {
        // No door is open to a `once`.
        let Some(daemon) = self.daemon.as_ref().filter(|daemon| daemon.admit == Admit::All) else {
            return;
        };
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
        self.tally.count(Tried::Turns);
        let sealed = ledger.sealed();
        let mut inputs = Inputs::default();
        let (pace, space) = room::pace(pace, self.known.low, ledger.state().state());
        let clock = daemon.clock.look(self.reading(), ledger.state().state());
        inputs.own = in_order(daemon.losses(), own, space, clock);
        inputs.admit = daemon.admit;
        inputs.mark = self.tally.of(Tried::Turns).is_multiple_of(8);
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
        let (admit, quarantined) = (daemon.admit, self.known.notes.quarantined());
        let daemon_clock = &mut daemon.clock;
        let (shelf, notes, findings) = (&mut self.shelf, &self.known.notes, &self.findings);
        let mut publish = |records: &[Shown], _: &State| {
            book.borrow_mut().publish(records);
            for event in records.iter().flat_map(|record| &record.events) {
                shelf.record(event);
                daemon_clock.recorded(event);
                notes.check(event, findings);
                once::check(admit, event, &quarantined, findings);
                room::check(pace, event, findings);
            }
        };
        let mut dispatch = |permit: Permit<Watched>| {
            book.borrow_mut().dispatch(permit.effect());
            permits.push(permit);
        };
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let turned = survive(|| turn(ledger, inputs, &mut now, &daemon.calendar, exits));
        for (key, mut answer) in answers {
            if let Ok(Ok(accepted)) = answer.try_recv() {
                self.book.accepted(&accepted, key.map(|key| key.key));
            }
        }
        match turned {
            Ok(Ok(turned)) => {
                self.tally.add_to(Tried::Segments, u64::from(turned.ledger.sealed() > sealed));
                daemon.admit = once::admits(admit, &turned.records);
                daemon.ledger = Some(turned.ledger);
                permits.into_iter().for_each(|permit| daemon.dispatch(permit, &mut self.asked));
                self.daemon = Some(daemon);
            }
            // The binary aborts.
            Ok(Err(why)) if !self.fs.is_stopped() => {
                self.known.failed = format!("{why:?}");
                self.kill();
            }
            Ok(Err(_)) => {}
            Err(mandate) => {
                self.tally.count(Tried::Aborts);
                self.known.notes.aborted(mandate, &self.findings);
                self.kill();
            }
        }
    }
}

/// The daemon's own inputs of a turn: what a clock shows comes before everything that goes by it, but
/// behind the record of a start.
fn in_order(
    losses: Vec<Input>,
    own: Vec<Input>,
    space: Option<Input>,
    clock: Option<Input>,
) -> Vec<Input> {
    let mut inputs = losses;
    inputs.extend(own);
    inputs.extend(space);
    let first = usize::from(matches!(inputs.first(), Some(Input::Started { .. })));
    inputs.splice(first..first, clock);
    inputs
}

fn seed(drawn: u64) -> Seed {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&drawn.to_be_bytes());
    Seed(seed)
}

fn key(verb: &Verb) -> Option<Key> {
    match verb {
        Verb::Create { key, .. } | Verb::Fire { key, .. } => *key,
        Verb::Stop { .. }
        | Verb::Decide { .. }
        | Verb::Judge { .. }
        | Verb::Erase { .. }
        | Verb::Pause { .. }
        | Verb::Resume { .. }
        | Verb::ConfirmClock
        | Verb::Deliver { .. } => None,
    }
}

fn step_ms(span: u16) -> i64 {
    [60_000, 1_800_000, 10_800_000, 93_600_000][usize::from(span % 4)]
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

fn stop(calls: u16, how: u16) -> Stop {
    let call = u64::from(match calls % 4 {
        0 => calls % 400,
        1 => calls % 120,
        _ => calls % 40,
    });
    if how.is_multiple_of(2) { Stop::Before(call) } else { Stop::After(call) }
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
