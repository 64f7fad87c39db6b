//! The whole daemon, in as many worlds as there is time for.

use std::time::Duration;

use kairos_sim::whole::{Profile, Script, Tally, Tried, attempt, shrink};

/// How many worlds are lived through: 60, or as many times that as `KAIROS_SIM_EFFORT` says. The
/// number of a world is its seed.
fn seeds() -> std::ops::Range<u64> {
    let effort = std::env::var("KAIROS_SIM_EFFORT").ok();
    0..60 * effort.map_or(1, |effort| effort.parse::<u64>().expect("an effort is a number"))
}

#[test]
fn whatever_happens_nothing_is_lost_or_done_twice() {
    let mut all = Tally::default();
    for script in seeds().map(|seed| Script::new(Profile::Work, seed)) {
        let (tally, broken) = attempt(&script);
        if let Some(first) = broken.first() {
            let short = shrink(&script, first, Duration::from_secs(60));
            panic!("seed {}: {first:?}\nagain: simulate --script '{short}'", script.seed);
        }
        all.add(tally);
    }
    println!("{all}");
    // Were one zero, nothing would have been tried of it. What is behind is of worlds of schedules.
    let mut of_work = Tried::ALL.iter().filter(|(what, _)| *what < Tried::Expected);
    let untried = of_work.find(|(what, _)| all.of(*what) == 0);
    assert_eq!(untried, None, "{all}");
}

#[test]
fn every_slot_has_one_fate_whatever_becomes_of_its_schedule() {
    for seed in seeds().take(12) {
        let script = Script::new(Profile::Schedules, seed);
        let (_, broken) = attempt(&script);
        if let Some(first) = broken.first() {
            let short = shrink(&script, first, Duration::from_secs(60));
            panic!("seed {seed}: {first:?}\nagain: simulate --script '{short}'");
        }
    }
}

/// The same seed is the same world, on every machine and at every time.
#[test]
fn world_is_made_by_its_seed_alone() {
    for seed in 0..4 {
        for profile in [Profile::Work, Profile::Schedules] {
            let script = Script::new(profile, seed);
            let shown = || attempt(&script).0.to_string();
            assert_eq!(shown(), shown());
        }
    }
}
