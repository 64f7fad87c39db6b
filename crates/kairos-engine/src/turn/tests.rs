//! Turns with what only the engine gives them: texts that went, and more that is asked.

use super::*;
use crate::start;
use kairos_core::budget::{Caps, Price};
use kairos_core::digest::BlobRef;
use kairos_core::gate::risk::Risk;
use kairos_core::id::{EffectId, IdSource, Seed};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::mandate::standing::Mandate;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::Dst;
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::time::Time;
use kairos_journal::{Opening, Segments};

fn ledger(dir: &std::path::Path) -> Ledger<RealFs> {
    let root = RealFs.root(dir).expect("the root");
    let origin = IdSource::new(Time::from_ms(0), Seed([7; 16])).node();
    let opening = Opening { origin, epoch: 1, schema: 1, segments: Segments::default() };
    #[expect(clippy::disallowed_methods, reason = "the turn is driven without its engine")]
    let opened = Ledger::open(Arc::new(RealFs), root, State::empty(), Arc::new(drop), opening);
    opened.expect("a new journal").0
}

fn take(ledger: Ledger<RealFs>, inputs: Inputs) -> Turned<RealFs> {
    let mut seed = u128::from(ledger.head().0) << 64;
    let mut now = || {
        seed += 1;
        Now {
            time: Time::from_ms(0),
            seed: Seed(seed.to_be_bytes()),
            day: jiff::civil::date(1970, 1, 1),
            day_ends: Time::from_ms(1),
            pace: Pace::Running,
        }
    };
    let exits = Exits { publish: &mut |_, _| {}, dispatch: &mut drop };
    turn(ledger, inputs, &mut now, &Calendar::default(), exits).expect("it is written")
}

fn rules() -> Rules {
    let free = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
    let prices = vec![NamedPrice { name: String::new(), price: free }];
    Rules {
        max_running: 1,
        day: Caps::default(),
        mandate_usd_micros_max: 1,
        proposal_ttl_ms: 1,
        proposals_max: 1,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules { name: "m".into(), output_tokens_max: 1, prices }),
    }
}

/// A schedule that is never due.
fn rare(concurrency: Concurrency, goal: BlobRef) -> Vec<Definition> {
    let spec = MandateSpec {
        goal,
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 1,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: Vec::new(),
        hints: None,
        model: None,
        timeout_ms: None,
    };
    let (cron, zone, dst) = ("0 0 29 2 *".into(), "UTC".into(), Dst::default());
    let timing = Timing::Cron { cron, zone, dst };
    let name = "rare".parse().expect("a name");
    vec![Definition { concurrency, ..Definition::new(name, timing, spec) }]
}

#[test]
fn a_fire_refused_for_a_text_that_went_has_stopped_none_of_the_many_it_would_replace() {
    const OPEN: usize = 300;
    let dir = tempfile::tempdir().expect("a directory");
    let blobs = dir.path().join("blobs");
    std::fs::create_dir(&blobs).expect("made");
    let blobs = Arc::new(Blobs::new(RealFs, RealFs.root(&blobs).expect("it is there")));
    let goal = BlobRef::of(b"goal");
    let by: Principal = "user:ann(1000)".parse().expect("a principal");
    let fire = |inputs: &mut Inputs| {
        let schedule = "rare".parse().expect("a name");
        let verb = Verb::Fire { schedule, slot: None, key: None };
        inputs.ask(by.clone(), verb, CommandId::from_u128(1))
    };
    let configured = |ledger: &Ledger<RealFs>, concurrency| {
        let (schedules, at) = (rare(concurrency, goal), Time::from_ms(0));
        let zones = |_: &str| Some(jiff::tz::TimeZone::UTC.into());
        start::configured(ledger.state(), rules(), schedules, zones, at).expect("one").1
    };
    let journal = dir.path().join("journal");
    std::fs::create_dir(&journal).expect("made");
    let mut ledger = ledger(&journal);
    let mut inputs = Inputs { own: configured(&ledger, Concurrency::Allow), ..Inputs::default() };
    for _ in 0..OPEN {
        drop(fire(&mut inputs));
    }
    ledger = take(ledger, inputs).ledger;
    assert_eq!(ledger.state().mandates().count(), OPEN);
    let own = configured(&ledger, Concurrency::Replace);
    ledger = take(ledger, Inputs { own, ..Inputs::default() }).ledger;

    blobs.erase(goal.digest.as_bytes()).expect("gone");
    let head = ledger.head();
    let mut inputs = Inputs { blobs: Some(Arc::clone(&blobs)), ..Inputs::default() };
    let mut answer = fire(&mut inputs);
    ledger = take(ledger, inputs).ledger;
    let refused = answer.try_recv().expect("answered").expect_err("its goal is gone");
    assert_eq!(refused, SubmitError::Erased { blob: goal.digest });
    assert_eq!(ledger.head(), head, "what is refused records nothing");

    blobs.put(b"goal").expect("stored anew");
    let mut inputs = Inputs { blobs: Some(blobs), ..Inputs::default() };
    let mut answer = fire(&mut inputs);
    ledger = take(ledger, inputs).ledger;
    assert!(answer.try_recv().expect("answered").is_ok());
    // One was under way, and ends when its effect has.
    let stay = |mandate: &&Mandate| mandate.ending.is_none();
    assert_eq!(ledger.state().mandates().filter(stay).count(), 1);
}

#[test]
fn what_is_asked_late_joins_only_as_far_as_outcomes_leave_room() {
    let by: Principal = "user:ann(1000)".parse().expect("a principal");
    for (outcomes, answered) in [(0, ASKED_MAX), (TURN_MAX - 3, 3), (TURN_MAX, 0)] {
        let dir = tempfile::tempdir().expect("a directory");
        let inbox = Arc::new(Inbox::default());
        let ask = || {
            let (answer, answered) = oneshot::channel();
            let verb = Verb::Stop { mandate: MandateId::from_u128(1) };
            let command = CommandId::from_u128(1);
            inbox.ask(Asked { by: by.clone(), verb, command, answer });
            answered
        };
        let mut answers: Vec<_> = (0..TURN_MAX).map(|_| ask()).collect();
        let ended = |n: usize| Ended::Dropped {
            effect: EffectId::from_u128(n as u128),
            outcome: Box::new(Outcome::Lost),
        };
        let ended = (0..outcomes).map(ended).collect();
        let inputs = Inputs { ended, inbox: Some(Arc::clone(&inbox)), ..Inputs::default() };
        drop(take(ledger(dir.path()), inputs));
        let told = answers.iter_mut().filter_map(|answer| answer.try_recv().ok()).count();
        assert_eq!(told, answered, "{outcomes}");
    }
}
