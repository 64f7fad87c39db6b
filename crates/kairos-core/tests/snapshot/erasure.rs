//! What may be erased, and that nothing open is left without its texts.

use crate::chance::{Chance, World};
use kairos_core::decide::decide;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::erasure::{ERASURES_MAX, ErasureEnd, Need};
use kairos_core::event::Event;
use kairos_core::fold::{At, Fold as _, Seq};
use kairos_core::id::Seed;
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::principal::Principal;
use kairos_core::refusal::Refusal;
use kairos_core::state::State;
use kairos_core::time::Time;

fn ann() -> Principal {
    "user:ann(1000)".parse().expect("a principal")
}

fn reason() -> BlobRef {
    BlobRef::of(b"a key stood in it")
}

fn now() -> Now {
    let time = Time::from_ms(1_800_000_000_000);
    let day = jiff::civil::date(2027, 1, 15);
    Now { time, seed: Seed([0; 16]), day, day_ends: time.plus_ms(1), pace: Pace::Running }
}

fn asked(state: &State, blob: Digest) -> Result<Vec<Event>, Refusal> {
    let verb = Verb::Erase { blob, reason: reason() };
    decide(state, &Input::Command { by: ann(), verb }, &now())
}

fn settled(state: &State, blob: Digest, end: ErasureEnd) -> Vec<Event> {
    decide(state, &Input::Erased { blob, end }, &now()).expect("nobody is refused")
}

fn fold(state: &mut State, events: &[Event]) {
    let at = At { seq: Seq(1), time: now().time };
    let mut effects = Vec::new();
    events.iter().for_each(|event| state.apply(at, event, &mut effects));
    assert!(effects.is_empty());
}

/// Every stored text that a written state refers to.
fn references(written: &str) -> impl Iterator<Item = Digest> {
    let behind = written.split(r#""sha256":""#).skip(1);
    behind.map(|text| text[..64].parse().expect("a digest"))
}

#[test]
fn every_text_that_the_state_names_is_needed_and_no_other() {
    let mut needed = 0;
    for seed in 1..=7 {
        let mut chance = Chance::new(seed);
        let (mut world, mut twin) = (World::default(), State::empty());
        for _ in 0..400 {
            let (input, now) = world.next(&mut chance);
            world.take(&input, &now, &mut twin);
            if !chance.one_in(4) {
                continue;
            }
            let written = serde_json::to_string(&world.state).expect("a state is JSON");
            for digest in references(&written) {
                assert!(world.state.need_of(digest).is_some(), "{digest} after {input:?}");
                needed += 1;
            }
            assert_eq!(world.state.need_of(Digest::of(b"nobody has seen it")), None);
        }
    }
    assert!(needed > 1_000, "{needed}");
}

#[test]
fn what_open_work_needs_is_refused_and_says_who_needs_it() {
    let mut chance = Chance::new(3);
    let (mut world, mut twin) = (World::default(), State::empty());
    while world.state.mandates().next().is_none() || world.state.schedules().next().is_none() {
        let (input, now) = world.next(&mut chance);
        world.take(&input, &now, &mut twin);
    }
    let mandate = world.state.mandates().next().expect("one is open");
    let (goal, need) = (mandate.spec.goal.digest, Need::Mandate(mandate.id));
    assert_eq!(asked(&world.state, goal), Err(Refusal::StillNeeded { blob: goal, need }));
    let mut schedules = world.state.schedules().map(|loaded| &loaded.definition);
    let of_mandates = |d: Digest| matches!(world.state.need_of(d), Some(Need::Mandate(_)));
    let schedule = schedules.find(|definition| !of_mandates(definition.spec.goal.digest));
    let schedule = schedule.expect("a schedule's goal that no mandate has");
    let (goal, need) = (schedule.spec.goal.digest, Need::Schedule(schedule.name.clone()));
    assert_eq!(asked(&world.state, goal), Err(Refusal::StillNeeded { blob: goal, need }));
}

#[test]
fn an_erasure_is_under_way_until_it_is_settled_and_asked_twice_it_is_one() {
    let (mut state, blob) = (State::empty(), Digest::of(b"a key"));
    let erased = asked(&state, blob).expect("nothing needs it");
    assert_eq!(erased, [Event::BlobErased { blob, reason: reason(), by: ann() }]);
    fold(&mut state, &erased);
    assert_eq!(state.erasing().collect::<Vec<_>>(), [blob]);
    assert_eq!(asked(&state, blob), Ok(Vec::new()));
    let other = Digest::of(b"another");
    assert_eq!(settled(&state, other, ErasureEnd::Gone), []);
    for end in [ErasureEnd::Gone, ErasureEnd::Needed] {
        let settled = settled(&state, blob, end);
        assert_eq!(settled, [Event::ErasureSettled { blob, end }]);
        let mut state = serde_json::from_str(&serde_json::to_string(&state).expect("JSON"));
        let state: &mut State = state.as_mut().expect("what was written is read");
        fold(state, &settled);
        assert_eq!(state.erasing().count(), 0);
        assert_eq!(self::settled(state, blob, end), []);
        assert_eq!(asked(state, blob), Ok(erased.clone()));
    }
}

#[test]
fn only_so_many_erasures_are_under_way() {
    let mut state = State::empty();
    for n in 0..ERASURES_MAX {
        let events = asked(&state, Digest::of(&n.to_be_bytes())).expect("there is room");
        fold(&mut state, &events);
    }
    assert_eq!(asked(&state, Digest::of(b"one more")), Err(Refusal::TooManyErasures));
    let first = state.erasing().next().expect("they are under way");
    let end = settled(&state, first, ErasureEnd::Gone);
    fold(&mut state, &end);
    asked(&state, Digest::of(b"one more")).expect("there is room again");
}
