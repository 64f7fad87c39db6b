//! Power loss before and after every call, and again during the recovery.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use kairos_sim::{Bound, Image, Order, Plan, Rules, SimFs, Stop};

use crate::book::{Reached, TURNS, check, check_again, go_on, open, script, stopped};

/// What was tried.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) stops: u64,
    pub(crate) images: u64,
    pub(crate) seconds: u64,
    pub(crate) distinct: BTreeSet<u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stops, images, seconds, distinct } = self;
        let distinct = distinct.len();
        write!(f, "{stops} stops, {images} images, {distinct} distinct, {seconds} second crashes")
    }
}

/// Every place at which a scenario can stop: `calls` calls, before and after each.
pub(crate) fn stops(calls: u64) -> impl Iterator<Item = Stop> {
    (0..calls).flat_map(|number| [Stop::Before(number), Stop::After(number)])
}

/// How many calls `act` makes on a copy of `fs`.
pub(crate) fn calls(fs: &SimFs, act: impl FnOnce(&SimFs)) -> u64 {
    let fs = fs.kill();
    act(&fs);
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

fn crash_everywhere(order: Order, names_with_sync: bool, seed: u64) -> Tally {
    let fresh = SimFs::new(Rules { order, names_with_sync });
    let whole = calls(&fresh, |fs| drop(script(fs, TURNS)));
    let mut tally = Tally::default();
    for stop in stops(whole) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script(fs, TURNS));
        tally.stops += 1;
        for (nth, image) in fs.crash_images(Bound::default(), seed).enumerate() {
            let case = || format!("{order:?}, seed {seed}, {stop:?}, image {nth}:\n{image:?}");
            let left = image.mount();
            tally.images += 1;
            let new = tally.distinct.insert(left.fingerprint());
            let frames = check(&left, reached, &case);
            if nth % 8 == 0 {
                check_again(&left, frames, &case);
            }
            // What recovery starts from is all that matters to it.
            if new && nth % 4 == 0 {
                tally.seconds += crash_again(&image, reached, seed, &case);
            }
        }
    }
    tally
}

/// A second crash at every call of the recovery of `image`; how many.
fn crash_again(image: &Image, reached: Reached, seed: u64, case: &dyn Fn() -> String) -> u64 {
    let bound = Bound { units_max: 3, samples: 2 };
    let first = image.mount();
    let mut tried = 0;
    for stop in stops(calls(&first, |fs| drop(open(fs)))) {
        let (fs, opened) = stopped_at(&first, stop, open);
        if let Err(error) = opened {
            assert!(stopped(&error), "{error}\n{}", case());
        }
        for (nth, image) in fs.crash_images(bound, seed).enumerate() {
            let case = || format!("{}second {stop:?}, image {nth}:\n{image:?}", case());
            check(&image.mount(), reached, &case);
            tried += 1;
        }
    }
    tried
}

#[test]
fn every_crash_image_opens_with_all_that_was_acknowledged() {
    let begun = Instant::now();
    let tally = crash_everywhere(Order::Loose, false, 1);
    println!("loose: {tally}, {:?}", begun.elapsed());
    let begun = Instant::now();
    let tally = crash_everywhere(Order::Journaled, true, 2);
    println!("journaled: {tally}, {:?}", begun.elapsed());
}

/// What recovery and the first turn after it wrote is as safe as what was written before.
#[test]
fn journal_goes_on_after_a_crash_and_crashes_again() {
    let seed = 3;
    let fresh = SimFs::new(Rules::default());
    let whole = calls(&fresh, |fs| drop(script(fs, TURNS)));
    let mut tally = Tally::default();
    for stop in stops(whole).step_by(5) {
        let (fs, reached) = stopped_at(&fresh, stop, |fs| script(fs, TURNS));
        for (nth, image) in fs.crash_images(Bound { units_max: 3, samples: 3 }, seed).enumerate() {
            let first = image.mount();
            tally.images += 1;
            for again in stops(calls(&first, |fs| drop(go_on(fs)))) {
                let (fs, then) = stopped_at(&first, again, go_on);
                let reached = Reached {
                    acknowledged: reached.acknowledged.max(then.acknowledged),
                    recorded: reached.recorded.max(then.recorded),
                };
                let bound = Bound { units_max: 4, samples: 4 };
                for (last, image) in fs.crash_images(bound, seed).enumerate() {
                    let case = || {
                        format!(
                            "seed {seed}, {stop:?} image {nth}, {again:?} image {last}:\n{image:?}"
                        )
                    };
                    check(&image.mount(), reached, &case);
                    tally.seconds += 1;
                }
            }
        }
    }
    println!("going on: {tally}");
}
