//! A state that was written and read again acts as the one that was not.

mod chance;
#[path = "snapshot/erasure.rs"]
mod erasure;

use std::collections::BTreeSet;

use chance::{Chance, World};
use kairos_core::clock::Held;
use kairos_core::effect::Outcome;
use kairos_core::event::Limit;
use kairos_core::fold::{Seq, Snapshot as _};
use kairos_core::id::Seed;
use kairos_core::input::{Input, Now, Verb};
use kairos_core::space::Shortage;
use kairos_core::state::State;
use kairos_core::time::Time;

fn written(state: &State) -> String {
    serde_json::to_string(state).expect("a state is JSON")
}

fn read(text: &str) -> State {
    serde_json::from_str(text).expect("what was written is read")
}

/// Compares two long texts and shows where they part.
fn same(one: &str, other: &str, after: &dyn std::fmt::Debug) {
    let both = one.char_indices().zip(other.chars());
    let parts = both.into_iter().find(|((_, a), b)| a != b).map_or(one.len(), |((at, _), _)| at);
    let around = |text: &str| {
        let from = parts.saturating_sub(150);
        text.get(from..text.len().min(parts + 80)).map(str::to_owned)
    };
    assert!(one == other, "after {after:?}: {:?}\nis not\n{:?}", around(one), around(other));
}

/// What a state can hold that is easy to lose.
const EVERYTHING: [&str; 22] = [
    "approval",
    "approved",
    "budget",
    "checkpoint",
    "clock",
    "delayed",
    "effect",
    "ending",
    "erasure",
    "fire",
    "gone",
    "half a plan",
    "invalid",
    "key",
    "promotion",
    "provider",
    "queued",
    "ready",
    "schedule",
    "told",
    "undecided",
    "unsettled",
];

#[test]
fn a_state_read_back_decides_and_folds_as_the_one_that_was_written() {
    let mut seen = BTreeSet::new();
    for seed in 1..=9 {
        let mut chance = Chance::new(seed);
        let mut world = World::default();
        let mut twin = read(&written(&State::empty()));
        for _ in 0..400 {
            let (input, now) = world.next(&mut chance);
            let events = world.take(&input, &now, &mut twin);
            if events > 0 && chance.one_in(4) {
                let text = written(&world.state);
                twin = read(&text);
                same(&format!("{twin:?}"), &format!("{:?}", world.state), &input);
                same(&written(&twin), &text, &input);
                seen.extend(chance::holds(&world.state));
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), EVERYTHING);
}

/// A million of them is measured by `cargo xtask bench snapshot`.
#[test]
fn finished_mandates_leave_nothing_in_the_state() {
    let (mut world, mut chance, mut twin) = (World::default(), Chance::new(2), State::empty());
    let (configured, now) = world.next(&mut chance);
    world.take(&configured, &now, &mut twin);
    let before = written(&world.state);
    for n in 0..3_000u32 {
        let mut seed = [0; 16];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        let now = Now { seed: Seed(seed), ..now };
        let by = || "user:ann(1000)".parse().expect("a principal");
        let verb = Verb::Create { spec: Box::new(chance::spec("come and go")), key: None };
        world.take(&Input::Command { by: by(), verb }, &now, &mut twin);
        world.take(&Input::Admit { only: None }, &now, &mut twin);
        let mandate = world.state.mandates().next().expect("it was created").id;
        let stop = Input::Command { by: by(), verb: Verb::Stop { mandate } };
        world.take(&stop, &now, &mut twin);
        world.settle_all(Outcome::Lost, &now, &mut twin);
        assert_eq!(world.state.mandates().count(), 0, "mandate {n} is over");
    }
    assert_eq!(written(&world.state), before);
}

/// The written forms as they lie in journals. When this fails, old snapshots are no longer read as
/// they were: count `SCHEMA` up and go on reading these.
#[test]
fn a_state_that_each_version_wrote_is_read_as_it_was() {
    let texts = [
        include_str!("snapshot/state-1.json"),
        include_str!("snapshot/state-2.json"),
        include_str!("snapshot/state-3.json"),
        include_str!("snapshot/state-4.json"),
        include_str!("snapshot/state-5.json"),
        include_str!("snapshot/state-6.json"),
        include_str!("snapshot/state-7.json"),
    ];
    for text in texts {
        assert_eq!(written(&read(text)), text.trim_end());
    }
    let kept_from = texts.map(|text| read(text).kept_from());
    assert_eq!(
        kept_from,
        [1, 4711, 4711, 4711, 4711, 4711, 4711].map(Seq),
        "version 1 knew of no deleted segment"
    );
    let low = Shortage::Free { free_bytes: 1, keep_free_bytes: 2 };
    let read_low = texts.map(|text| read(text).low());
    assert_eq!(
        read_low,
        [None, None, Some(low), Some(low), Some(low), Some(low), Some(low)],
        "version 2 knew of no shortage"
    );
    let erasing = texts.map(|text| read(text).erasing().count());
    assert_eq!(erasing, [0, 0, 0, 1, 1, 1, 1], "version 3 knew of no erasure");
    let yearly = "yearly".parse().expect("a name");
    let begins = texts.map(|text| read(text).begins(&yearly, Time::EPOCH).as_ms());
    let went = 1_800_068_400_000;
    assert_eq!(
        begins,
        [0, 0, 0, went, went, went, went],
        "nor the first three of a schedule that went"
    );
    let beat = "beat".parse().expect("a name");
    let fares = texts.map(|text| read(text).fare(&beat).map(|fare| fare.failures));
    assert_eq!(
        fares,
        [None, None, None, None, Some(2), Some(2), Some(2)],
        "version 4 knew of no pause"
    );
    let tick = Some("tick".to_owned());
    let named = texts.map(|text| Some(read(text).identified(&beat)?.definition.name.to_string()));
    assert_eq!(named, [None, None, None, None, tick.clone(), tick.clone(), tick]);
    let clock = texts.map(|text| read(text).clock());
    let held = Some(Held { by_ms: -7_200_000 });
    assert_eq!(
        clock,
        [None, None, None, None, held, held, held],
        "version 4 knew of no clock that was set"
    );
    let watches = |text| {
        let state = read(text);
        let loaded = state.schedule(&"inbox".parse().expect("a name"))?.clone();
        loaded.definition.watches().map(|(glob, settle_ms)| (glob.to_owned(), settle_ms))
    };
    let inbox = Some(("inbox/**".to_owned(), 2_000));
    assert_eq!(
        texts.map(watches),
        [None, None, None, None, None, inbox.clone(), inbox],
        "version 5 knew of no trigger"
    );
    let promoted = |text| {
        let state = read(text);
        let plans = state.mandates().filter_map(|mandate| mandate.cycle.as_ref()?.plan.clone());
        let promotions = plans.flat_map(|plan| plan.promotions);
        promotions.map(|promotion| promotion.left).collect::<Vec<_>>()
    };
    let mut left = vec![Vec::new(); 6];
    left.push(vec![vec![1]]);
    assert_eq!(texts.map(promoted).to_vec(), left, "version 6 knew of no command");
    assert_eq!(State::SCHEMA as usize, texts.len());
}

#[test]
fn what_was_given_up_is_not_given_up_again() {
    let (mut world, mut chance, mut twin) = (World::default(), Chance::new(3), State::empty());
    let (configured, now) = world.next(&mut chance);
    world.take(&configured, &now, &mut twin);
    let mut gives_up = |first| {
        let (first, over) = (Seq(first), Limit::Bytes);
        let delete = Input::Delete { first, segments: 1, bytes: 4096, over };
        (world.take(&delete, &now, &mut twin), world.state.kept_from())
    };
    let given = [5, 5, 4, 1, 9].map(&mut gives_up);
    assert_eq!(given, [(1, 5), (0, 5), (0, 5), (0, 5), (1, 9)].map(|(n, seq)| (n, Seq(seq))));
}

#[test]
fn a_form_that_no_state_has_is_refused() {
    let refused = |from: &str, to: &str| {
        let text = include_str!("snapshot/state-1.json");
        assert!(text.contains(from), "`{from}` is in the fixture");
        let error = serde_json::from_str::<State>(&text.replacen(from, to, 1)).unwrap_err();
        error.to_string()
    };
    let place = refused(r#"{"place":"#, r#"{"plaice":"#);
    assert!(place.starts_with("unknown field `plaice`"), "{place}");
    let place = refused(r#""standing":"queued""#, r#""standing":"running""#);
    assert!(place.contains("queues without a place, or has one and does not queue"), "{place}");
    let graph = refused(r#""graph":["#, r#""graph":["pending","#);
    assert!(graph.starts_with("the steps of a plan are no graph"), "{graph}");
}
