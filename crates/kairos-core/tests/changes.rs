//! What becomes of changes among the files that a schedule watches.

use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::event::{Event, Loaded};
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::Seed;
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::definition::{Concurrency, Definition, ScheduleName, Timing};
use kairos_core::schedule::{Contents, Trigger};
use kairos_core::state::State;
use kairos_core::time::Time;

struct World {
    state: State,
    seq: u64,
}

impl World {
    /// A workspace whose one schedule watches files.
    fn new(concurrency: Concurrency) -> Self {
        let mut world = Self { state: State::empty(), seq: 0 };
        let model = ModelRules {
            name: "m".into(),
            output_tokens_max: 100,
            prices: vec![NamedPrice { name: String::new(), price: Default::default() }],
        };
        let rules = Rules {
            max_running: 4,
            day: Default::default(),
            mandate_usd_micros_max: 1_000_000,
            proposal_ttl_ms: 1_000,
            proposals_max: 16,
            scopes: Vec::new(),
            secrets: Vec::new(),
            model: Some(model),
        };
        let (rules, set) = (Box::new(rules), vec![loaded(concurrency)]);
        world.take(&Input::Configured { rules, set, gone: Vec::new(), renamed: Vec::new() });
        world
    }

    fn take(&mut self, input: &Input) -> Vec<Event> {
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.seq.to_be_bytes());
        let time = Time::from_ms(1_800_000_000_000).plus_ms(self.seq);
        let now = Now {
            time,
            seed: Seed(seed),
            day: jiff::civil::date(2027, 1, 15),
            day_ends: time.plus_ms(86_400_000),
            pace: Pace::Running,
        };
        let events = decide(&self.state, input, &now).expect("nobody is refused");
        for event in &events {
            self.seq += 1;
            self.state.apply(At { seq: Seq(self.seq), time }, event, &mut Vec::new());
        }
        events
    }

    /// What became of the slot that these contents are: `fired`, or why not; nothing where they are no
    /// change. Also how many mandates were stopped for it.
    fn holds(&mut self, files: Contents) -> (Option<&'static str>, usize) {
        let events = self.take(&Input::Changed { schedule: inbox(), revision: 1, files });
        let stops = events.iter().filter(|event| matches!(event, Event::MandateFinished { .. }));
        let stops = stops.count();
        let fate = events.iter().find_map(|event| match event {
            Event::Slot { state, reason, mandate, civil, by, files: named, .. } => {
                assert_eq!((civil, by, named), (&None, &None, &Some(files)));
                assert_eq!(mandate.is_some(), reason.is_none());
                Some(reason.map_or(state.word(), |reason| reason.word()))
            }
            _ => None,
        });
        (fate, stops)
    }

    fn person(&mut self, verb: Verb) {
        let by = "user:ann(1000)".parse().expect("a principal");
        self.take(&Input::Command { by, verb });
    }
}

fn inbox() -> ScheduleName {
    "inbox".parse().expect("a name")
}

fn contents(n: u8) -> Contents {
    Contents::of([(&"inbox/a".parse().expect("a path"), Digest::of(&[n]))])
}

fn loaded(concurrency: Concurrency) -> Loaded {
    let spec = MandateSpec {
        goal: BlobRef::of(b"goal"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 1,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    };
    let timing = Timing::Trigger(Trigger::Path { glob: "inbox/**".into(), settle_ms: 2_000 });
    Loaded {
        definition: Definition { concurrency, ..Definition::new(inbox(), timing, spec) },
        revision: 1,
        cursor: Time::EPOCH,
        next: None,
        anchor: None,
        zone_data: None,
        zone_clock: None,
    }
}

#[test]
fn each_contents_that_were_not_seen_are_one_slot() {
    let mut world = World::new(Concurrency::Allow);
    let (none, seen) = (Contents::default(), (None, 0));
    assert_eq!(world.holds(none), seen, "no file before, no file now");
    let fates = [contents(1), contents(1), contents(2), contents(1), none, none, contents(1)]
        .map(|files| world.holds(files).0);
    let fired = Some("fired");
    assert_eq!(fates, [fired, None, fired, fired, Some("no_files"), None, fired]);
}

#[test]
fn overlap_is_what_it_is_for_other_slots() {
    for (concurrency, expected) in [
        (Concurrency::Queue, [(Some("fired"), 0), (Some("overlap"), 0), (None, 0)]),
        (Concurrency::Reject, [(Some("fired"), 0), (Some("overlap"), 0), (None, 0)]),
        (Concurrency::Allow, [(Some("fired"), 0), (Some("fired"), 0), (None, 0)]),
        (Concurrency::Replace, [(Some("fired"), 0), (Some("fired"), 1), (None, 0)]),
    ] {
        let mut world = World::new(concurrency);
        let fates = [contents(1), contents(2), contents(2)].map(|files| world.holds(files));
        assert_eq!(fates, expected, "{concurrency:?}");
    }
}

#[test]
fn a_pause_swallows_changes_and_an_adopted_journal_the_next_one() {
    let mut world = World::new(Concurrency::Allow);
    world.person(Verb::Pause { schedule: inbox() });
    assert_eq!(world.holds(contents(1)).0, Some("paused"));
    world.person(Verb::Resume { schedule: inbox() });
    assert_eq!(world.holds(contents(1)).0, None);
    world.take(&Input::Adopted);
    let fates = [contents(2), contents(3)].map(|files| world.holds(files).0);
    assert_eq!(fates, [Some("restored"), Some("fired")]);
    world.take(&Input::Adopted);
    let fates = [contents(3), contents(4)].map(|files| world.holds(files).0);
    assert_eq!(fates, [None, Some("fired")], "what was seen before is no change");
}

#[test]
fn what_is_told_of_a_rule_that_is_gone_is_nothing() {
    let mut world = World::new(Concurrency::Allow);
    let changed = |revision| Input::Changed { schedule: inbox(), revision, files: contents(1) };
    assert_eq!(world.take(&changed(2)), []);
    let rules = Box::new((*world.state.rules().expect("there are some")).clone());
    let (set, gone, renamed) = (Vec::new(), vec![inbox()], Vec::new());
    world.take(&Input::Configured { rules, set, gone, renamed });
    assert_eq!(world.take(&changed(1)), []);
}
