//! Turns while the disk is short of room.

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{Attempt, Call, Outcome, Reply};
use kairos_core::event::{Event, Key};
use kairos_core::id::{CommandId, MandateId};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::schedule::definition::Definition;
use kairos_core::schedule::slot::SlotState;
use kairos_core::space::Shortage;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{
    Accepted, Calendar, Exits, Inputs, Ledger, Shown, Subject, SubmitError, start, turn,
};
use kairos_journal::{Ahead, Permit, Segments};

use crate::turn::{START_MS, ledger, ledger_of, minutely, now, zones};
use crate::world;

const LOW: Shortage = Shortage::Free { free_bytes: 1, keep_free_bytes: 2 };

struct Daemon {
    ledger: Option<Ledger<RealFs>>,
    calendar: Calendar,
    seed: u8,
    permits: Vec<Permit<State>>,
}

type Answers = Vec<Result<Accepted, SubmitError>>;

/// As small as the frames of these tests allow, the next one made when it is needed.
fn small() -> Segments {
    Segments::new(8192, 8192, Ahead::OnDemand)
}

impl Daemon {
    fn start(dir: &std::path::Path) -> Self {
        Self::with(ledger(dir), vec![minutely()])
    }

    /// Without schedules, in small segments.
    fn small(dir: &std::path::Path) -> Self {
        Self::with(ledger_of(dir, small()), Vec::new())
    }

    fn with(ledger: Ledger<RealFs>, schedules: Vec<Definition>) -> Self {
        let ledger = Some(ledger);
        let (calendar, permits) = (Calendar::default(), Vec::new());
        let mut daemon = Self { ledger, calendar, seed: 0, permits };
        let at = Time::from_ms(START_MS);
        let state = daemon.ledger.as_ref().expect("it is there").state();
        let configured = start::configured(state, world::rules(), schedules, zones, at);
        let (calendar, own) = configured.expect("few");
        daemon.calendar = calendar;
        daemon.take(0, Pace::Running, own, Vec::new());
        daemon
    }

    /// A turn so many minutes after the start: its events, and what whoever asked is told.
    fn take(
        &mut self,
        minutes: u64,
        pace: Pace,
        own: Vec<Input>,
        verbs: Vec<Verb>,
    ) -> (Vec<Event>, Answers) {
        let mut inputs = Inputs::default();
        inputs.own = own;
        let by = "user:ann(1000)".parse().expect("a principal");
        let ask = |verb| inputs.ask(Clone::clone(&by), verb, CommandId::from_u128(1));
        let answers: Vec<_> = verbs.into_iter().map(ask).collect();
        let at = Time::from_ms(START_MS).plus_ms(minutes * 60_000);
        let (seed, permits, mut events) = (&mut self.seed, &mut self.permits, Vec::new());
        let mut now = || {
            *seed += 1;
            Now { pace, ..now(at, *seed) }
        };
        let mut publish = |records: &[Shown], _: &State| {
            events.extend(records.iter().flat_map(|record| record.events.clone()));
        };
        let mut dispatch = |permit| permits.push(permit);
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let ledger = self.ledger.take().expect("the last turn gave it back");
        let turned = turn(ledger, inputs, &mut now, &self.calendar, exits).expect("it is written");
        self.ledger = Some(turned.ledger);
        let told = answers.into_iter().map(|mut answer| answer.try_recv().expect("answered"));
        (events, told.collect())
    }

    fn settle(&mut self, pace: Pace, outcome: Outcome) {
        let effect = self.permits.remove(0).effect().id();
        self.take(0, pace, vec![Input::Settled { effect, outcome }], Vec::new());
    }
}

fn create(goal: &[u8]) -> Verb {
    let key = Some(Key { key: Digest::of(goal), request: Digest::of(goal) });
    Verb::Create { spec: Box::new(world::spec(BlobRef::of(goal))), key }
}

fn subjects(answers: Answers) -> Vec<Option<MandateId>> {
    let subject = |answer: Result<Accepted, SubmitError>| match answer.expect("accepted").subject {
        Some(Subject::Mandate(mandate)) => Some(mandate),
        _ => None,
    };
    answers.into_iter().map(subject).collect()
}

#[test]
fn short_of_room_nothing_new_begins_and_what_runs_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let (_, made) = daemon.take(0, Pace::Running, Vec::new(), vec![create(b"first")]);
    let first = subjects(made);
    // It runs, and with it its scope: the next one queues.
    let (_, made) = daemon.take(0, Pace::Running, Vec::new(), vec![create(b"second")]);
    let second = subjects(made)[0].expect("a mandate");

    let low = Pace::Low(LOW);
    let fire = Verb::Fire { schedule: "minutely".parse().expect("a name"), slot: None, key: None };
    let own = vec![Input::Space { low: Some(LOW) }];
    let (events, answers) = daemon.take(0, low, own, vec![create(b"third"), fire]);
    assert_eq!(events, [Event::SpaceLow { shortage: LOW }]);
    let refused = Err(SubmitError::NoSpace(LOW));
    assert_eq!(answers, [refused.clone(), refused]);

    // What was asked before is answered as before, and the figures alone are no event.
    let less = Shortage::Free { free_bytes: 0, keep_free_bytes: 2 };
    let own = vec![Input::Space { low: Some(less) }];
    let (events, answers) = daemon.take(0, low, own, vec![create(b"first")]);
    assert_eq!((events, subjects(answers)), (Vec::new(), first));

    daemon.settle(low, Outcome::Observed { files: Vec::new(), left_out: 0 });
    let next = daemon.permits.first().expect("it goes on").effect().call();
    assert!(matches!(next, Call::Ask { .. }), "{next:?}");

    // It can be stopped, and what it held is free: the second could start, and has to wait.
    let running = |daemon: &Daemon| {
        let state = daemon.ledger.as_ref().expect("there").state();
        state.running().collect::<Vec<_>>()
    };
    let stop = Verb::Stop { mandate: running(&daemon)[0] };
    let (_, answers) = daemon.take(0, low, Vec::new(), vec![stop]);
    assert!(answers[0].is_ok(), "{answers:?}");
    let reply = Reply::Cancelled;
    let cancelled = Attempt { request: None, usage: None, said: None, reply };
    daemon.settle(low, Outcome::Asked(cancelled));
    assert_eq!(running(&daemon), []);
    let (events, _) = daemon.take(30, low, Vec::new(), Vec::new());
    assert_eq!(events, [], "no slot is touched");
    let own = vec![Input::Space { low: None }];
    daemon.take(0, Pace::Running, own, Vec::new());
    assert_eq!(running(&daemon), [second]);
}

#[test]
fn with_room_again_the_missed_policy_decides_and_what_queued_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let low = Pace::Low(LOW);
    let own = vec![Input::Space { low: Some(LOW) }];
    let (events, _) = daemon.take(60, low, own, Vec::new());
    assert_eq!(events, [Event::SpaceLow { shortage: LOW }]);
    let (events, _) = daemon.take(60, Pace::Draining, Vec::new(), Vec::new());
    assert_eq!(events, [], "a drain decides nothing for the next start");
    let own = vec![Input::Space { low: None }];
    let (events, _) = daemon.take(61, Pace::Running, own, Vec::new());
    assert_eq!(events.first(), Some(&Event::SpaceEnough {}));
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    // At most fifty are caught up with; the eleven before are too many.
    let fired = count(|event| matches!(event, Event::Slot { state: SlotState::Fired, .. }));
    let started = count(|event| matches!(event, Event::MandateStarted { .. }));
    assert_eq!((fired, started), (50, 1));
    // Twice the same is nothing.
    let own = vec![Input::Space { low: None }];
    let (events, _) = daemon.take(61, Pace::Running, own, Vec::new());
    assert_eq!(events, []);
}

/// Takes the name under which the journal's next segment is made.
fn block(dir: &std::path::Path) -> std::path::PathBuf {
    let next = dir.join("next.tmp");
    std::fs::remove_file(&next).ok();
    std::fs::create_dir(&next).expect("made");
    next
}

#[test]
fn without_a_next_segment_only_what_makes_a_mandate_is_held_back_until_no_byte_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::small(dir.path());
    // Until the last segment has just begun.
    let segments = || {
        let names = std::fs::read_dir(dir.path()).expect("listed");
        names
            .filter(|entry| {
                entry.as_ref().is_ok_and(|e| e.path().extension() == Some("kj".as_ref()))
            })
            .count()
    };
    let (mut first, began) = (Vec::new(), segments());
    while segments() < began + 2 {
        let key = u8::try_from(first.len()).expect("some dozens");
        let (_, answers) = daemon.take(0, Pace::Running, Vec::new(), vec![create(&[key])]);
        first.extend(subjects(answers));
    }
    drop(daemon.ledger.take());
    let next = block(dir.path());
    daemon.ledger = Some(ledger_of(dir.path(), small()));

    // What is known is answered, what ends work is recorded, and nothing new begins.
    let stop = Verb::Stop { mandate: first[0].expect("a mandate") };
    let verbs = vec![create(b"new"), create(&[0]), stop];
    let (events, answers) = daemon.take(0, Pace::Running, Vec::new(), verbs);
    let stopped = |event: &Event| matches!(event, Event::StopAsked { .. });
    assert!(matches!(&events[..], [stop, ..] if stopped(stop)), "{events:?}");
    let [new, again, stopped] = &answers[..] else { panic!("{answers:?}") };
    let full = || Err(SubmitError::NoSpace(Shortage::Segment));
    assert_eq!(new, &full());
    assert_eq!(subjects(vec![again.clone()]), first[..1]);
    assert!(stopped.is_ok(), "{stopped:?}");

    // So it goes until the segment is full; then the disk is to blame, and nothing is lost.
    let erase =
        |n: u8| Verb::Erase { blob: Digest::of(&[n, n]), reason: BlobRef::of(b"it leaked") };
    let refused = (0..64).find_map(|n| {
        let (_, mut answers) = daemon.take(0, Pace::Running, Vec::new(), vec![erase(n)]);
        answers.remove(0).err()
    });
    assert_eq!(refused, full().err());
    // What is due and has no room comes again: here the keys, a day later.
    const DAY: u64 = 24 * 60;
    let forgotten = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::KeyForgotten { .. })).count()
    };
    let (events, answers) = daemon.take(DAY, Pace::Running, Vec::new(), vec![erase(99)]);
    let before = forgotten(&events);
    assert!(before < first.len(), "{before}");
    assert_eq!(answers, [full()]);

    std::fs::remove_dir(next).expect("removed");
    let (events, answers) = daemon.take(DAY + 1, Pace::Running, Vec::new(), vec![create(b"new")]);
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(before + forgotten(&events), first.len());
}
