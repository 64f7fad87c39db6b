//! Power loss before and after every call, and again during the recovery.

use kairos_sim::{Bound, Image, Item, Order, Plan, Rules, SimFs, Stop};

use crate::book::{Reached, Script, Seen, open, refold_on, seeds, stopped};
use crate::count::Count;

/// What was tried.
struct Tally {
    /// By operation and surviving subset.
    images: Count,
    seconds: Count,
    /// What recovery started from.
    distinct: Seen,
    of_those: Count,
}

impl Default for Tally {
    fn default() -> Self {
        let [images, seconds, of_those] =
            ["crash points", "second crashes", "distinct images"].map(Count::new);
        Self { images, seconds, distinct: Seen::new(), of_those }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.of_those.tried = self.distinct.len() as u64;
    }
}

/// Every place at which a scenario can stop: `calls` calls, before and after each.
pub(crate) fn stops(calls: u64) -> impl Iterator<Item = Stop> {
    (0..calls).flat_map(|number| [Stop::Before(number), Stop::After(number)])
}

/// How many calls `act` makes on a copy of `fs`.
pub(crate) fn calls<T>(fs: &SimFs, act: impl FnOnce(&SimFs) -> T) -> u64 {
    let fs = fs.kill();
    drop(act(&fs));
    fs.calls()
}

/// Stops `act` on a copy of `fs`.
pub(crate) fn stopped_at<T>(fs: &SimFs, stop: Stop, act: impl FnOnce(&SimFs) -> T) -> (SimFs, T) {
    let fs = fs.kill();
    fs.plan(Plan::stop(stop));
    let outcome = act(&fs);
    assert!(fs.is_stopped(), "{stop:?} is behind the end");
    (fs, outcome)
}

/// All scripts, stopped everywhere. Of the recoveries, every `share`-th is stopped again.
fn crash_everywhere(rules: Rules, share: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds() {
        crash_script(rules, &Script::new(seed), (seed, share), &mut tally);
    }
    tally
}

fn crash_script(rules: Rules, script: &Script, (seed, share): (u64, usize), tally: &mut Tally) {
    let fresh = SimFs::new(rules);
    for stop in stops(calls(&fresh, |fs| script.perform(fs))) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script.perform(fs));
        for (nth, image) in fs.crash_images(Bound::default(), seed).enumerate() {
            let case = || format!("{rules:?}, seed {seed}, {stop:?}, image {nth}:\n{image:?}");
            let left = image.mount();
            tally.images.add();
            let new = script.check_once(&mut tally.distinct, &left, reached, &case);
            if new && nth % share == 0 {
                crash_again(script, &image, reached, tally, &case);
            }
        }
    }
}

/// A second crash at every call of the recovery of `image`.
fn crash_again(
    script: &Script,
    image: &Image,
    reached: Reached,
    tally: &mut Tally,
    case: &dyn Fn() -> String,
) {
    let bound = Bound { units_max: 3, samples: 2 };
    let first = image.mount();
    for stop in stops(calls(&first, open)) {
        let (fs, opened) = stopped_at(&first, stop, open);
        if let Err(error) = opened {
            assert!(stopped(&error), "{error}\n{}", case());
        }
        for (nth, image) in fs.crash_images(bound, stop.number()).enumerate() {
            let case = || format!("{}second {stop:?}, image {nth}:\n{image:?}", case());
            script.check_once(&mut tally.distinct, &image.mount(), reached, &case);
            tally.seconds.add();
        }
    }
}

#[test]
fn every_crash_image_opens_with_all_that_was_acknowledged() {
    let tally = crash_everywhere(Rules { order: Order::Free, names_with_sync: false }, 16);
    assert!(tally.images.tried > 10_000 && tally.seconds.tried > 40_000);
}

#[test]
fn every_crash_image_opens_on_a_file_system_that_keeps_order() {
    let tally = crash_everywhere(Rules { order: Order::Journaled, names_with_sync: true }, 32);
    assert!(tally.images.tried > 10_000 && tally.seconds.tried > 10_000);
}

/// No crash leaves a snapshot that does not hold, and none leaves a journal that its snapshot is
/// ahead of.
#[test]
fn every_crash_image_with_snapshots_opens_with_all_that_was_acknowledged() {
    for rules in [
        Rules { order: Order::Free, names_with_sync: false },
        Rules { order: Order::Journaled, names_with_sync: true },
    ] {
        let mut tally = Tally::default();
        for seed in seeds().take(1) {
            crash_script(rules, &Script::with_snapshots(seed), (seed, 32), &mut tally);
        }
        assert!(tally.images.tried > 1_000 && tally.seconds.tried > 1_000);
    }
}

/// Beside a writer, what can be read need not be on disk: a snapshot made of it must not outlive it.
#[test]
fn a_snapshot_of_frames_that_were_never_synced_is_not_ahead_of_its_journal() {
    let script = Script::new(0);
    let fresh = SimFs::new(Rules { order: Order::Free, names_with_sync: false });
    let (mut tally, mut made) = (Tally::default(), 0);
    for stop in stops(calls(&fresh, |fs| script.perform(fs))) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script.perform(fs));
        let left = fs.kill();
        if refold_on(&left).expect("it holds so far").is_none() {
            continue;
        }
        made += 1;
        for (nth, image) in left.crash_images(Bound::default(), stop.number()).enumerate() {
            let case = || format!("{stop:?}, refolded, image {nth}:\n{image:?}");
            script.check_once(&mut tally.distinct, &image.mount(), reached, &case);
            tally.images.add();
        }
    }
    assert!(made > 50);
}

/// Goes on with `first` for so many turns, and loses power at every `step`-th place.
fn go_on_and_crash(
    script: &Script,
    (first, reached): (&SimFs, Reached),
    (turns, step): (usize, usize),
    tally: &mut Tally,
    case: &dyn Fn() -> String,
) {
    let bound = Bound { units_max: 4, samples: 4 };
    for again in stops(calls(first, |fs| script.go_on(fs, turns))).step_by(step) {
        let (fs, then) = stopped_at(first, again, |fs| script.go_on(fs, turns));
        let reached = Reached {
            acknowledged: reached.acknowledged.max(then.acknowledged),
            recorded: reached.recorded.max(then.recorded),
        };
        for (last, image) in fs.crash_images(bound, again.number()).enumerate() {
            let case = || format!("{}, {again:?} image {last}:\n{image:?}", case());
            script.check_once(&mut tally.distinct, &image.mount(), reached, &case);
            tally.seconds.add();
        }
    }
}

/// What recovery and the first turn after it wrote is as safe as what was written before.
#[test]
fn journal_goes_on_after_a_crash_and_crashes_again() {
    let script = Script::new(0);
    let fresh = SimFs::new(Rules::default());
    let mut tally = Tally::default();
    for stop in stops(calls(&fresh, |fs| script.perform(fs))).step_by(9) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script.perform(fs));
        for (nth, image) in fs.crash_images(Bound { units_max: 3, samples: 3 }, 3).enumerate() {
            let case = || format!("{stop:?} image {nth}");
            tally.images.add();
            let first = (&image.mount(), reached);
            go_on_and_crash(&script, first, (1, 1), &mut tally, &case);
        }
    }
}

/// The end of the process loses nothing, and leaves un-synced what the next one builds on.
#[test]
fn journal_goes_on_after_a_kill_and_loses_power_over_the_next_segment() {
    let script = Script::new(1);
    let fresh = SimFs::new(Rules::default());
    let mut tally = Tally::default();
    for stop in stops(calls(&fresh, |fs| script.perform(fs))) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script.perform(fs));
        let case = || format!("{stop:?}, killed");
        script.check(&fs.kill(), reached, &case);
        go_on_and_crash(&script, (&fs.kill(), reached), (8, 5), &mut tally, &case);
    }
}

/// Nobody has synced what `cp` wrote.
#[test]
fn journal_that_was_copied_here_is_durable_once_it_was_opened() {
    for script in seeds().flat_map(|seed| [Script::new(seed), Script::with_snapshots(seed)]) {
        let whole = SimFs::new(Rules::default());
        let reached = script.perform(&whole);
        let copy = SimFs::new(Rules::default());
        for (path, item) in whole.listing() {
            let Item::File { bytes, mode } = item else { continue };
            copy.put(&path, &bytes, mode).unwrap();
        }
        drop(open(&copy).unwrap());
        for image in copy.crash_images(Bound::default(), 1) {
            script.check(&image.mount(), reached, &|| format!("copied:\n{image:?}"));
        }
    }
}
