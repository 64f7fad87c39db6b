//! Power loss before and after every call of a change, and again during the recovery.

use std::collections::BTreeSet;

use kairos_sim::{Bound, Order, Plan, Rules};

use crate::count::{Count, Wrong, hold};
use crate::world::{BELOW, Ended, KINDS, Kind, Recorded, Way, all, end, files, stops};

const ORDERS: [Rules; 3] = [
    Rules { order: Order::Free, names_with_sync: false },
    Rules { order: Order::Loose, names_with_sync: false },
    Rules { order: Order::Journaled, names_with_sync: true },
];

/// The change ends as asked for, nothing of it is left beside, and no power loss takes that back.
fn check_end(way: &Way, case: &dyn Fn() -> String) {
    let (way, ended) = way.planned(Plan::default());
    let (left, wanted) = (files(&way.fs.listing()), end(way.kind));
    let told = || format!("{ended:?}\n{}\n{left:?}, not {wanted:?}", case());
    hold(Wrong::Refused, matches!(ended, Ended::Done), told);
    hold(Wrong::Accepted, left == wanted, told);
    for image in way.fs.crash_images(Bound::default(), 3) {
        let stays = files(&image.mount().listing()) == wanted;
        hold(Wrong::Lost, stays, || format!("{}then, at the end:\n{image:?}", case()));
    }
}

struct Tally {
    /// Of the recovery, and of the change.
    crashes: [Count; 2],
    distinct: BTreeSet<(Kind, u64, Recorded)>,
}

/// Stops `way` everywhere, and takes it up again after the end of the process and after a power
/// loss; `depth` times over.
fn crash_everywhere(way: &Way, depth: usize, tally: &mut Tally, before: &dyn Fn() -> String) {
    for stop in stops(way.calls()) {
        let (stopped, _) = way.planned(Plan::stop(stop));
        let killed = || format!("{}{stop:?}, killed\n", before());
        take_up(&stopped.after_crash(stopped.fs.kill()), depth, tally, &killed);
        let bound = if depth > 0 { Bound::default() } else { Bound { units_max: 4, samples: 4 } };
        for image in stopped.fs.crash_images(bound, depth as u64) {
            let case = || format!("{}{stop:?}, power lost:\n{image:?}", before());
            let next = stopped.after_crash(image.mount());
            // Nothing is un-synced there, so the listing says all.
            if tally.distinct.insert((next.kind, next.fs.fingerprint(), next.recorded)) {
                take_up(&next, depth, tally, &case);
            } else {
                tally.crashes[depth].add();
            }
        }
    }
}

fn take_up(way: &Way, depth: usize, tally: &mut Tally, case: &dyn Fn() -> String) {
    tally.crashes[depth].add();
    check_end(way, case);
    if depth > 0 {
        crash_everywhere(way, depth - 1, tally, case);
    }
}

#[test]
fn change_stands_once_whatever_a_crash_leaves() {
    stands_once(&KINDS, ["exchange crash points", "exchange second crashes"]);
    stands_once(&BELOW, ["crash points, new directory", "second crashes, new directory"]);
}

fn stands_once(kinds: &[Kind], names: [&'static str; 2]) {
    let [first, second] = names.map(Count::new);
    let mut tally = Tally { crashes: [second, first], distinct: BTreeSet::new() };
    for rules in ORDERS {
        tally.distinct.clear();
        for &kind in kinds {
            let case = || format!("{kind:?}, {rules:?}: ");
            crash_everywhere(&Way::new(kind, rules), 1, &mut tally, &case);
        }
    }
}

#[test]
fn change_that_nothing_disturbs_ends_as_asked_for() {
    for kind in all() {
        check_end(&Way::new(kind, Rules::default()), &|| format!("{kind:?}"));
    }
}
