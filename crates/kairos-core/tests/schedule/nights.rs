//! What another cron did in recorded nights, and where we do otherwise on purpose.

use kairos_core::schedule::Rule;
use kairos_core::time::Time;

use super::zone::{rule, time};

const RECORDED: &str = include_str!("nights.txt");

/// The minutes (UTC) at which `rule` is due, as they are recorded.
fn ours(rule: &Rule, from: Time, until: Time) -> Vec<String> {
    let next = |after: Time| rule.next_after(after).filter(|slot| slot.at <= until);
    let slots = std::iter::successors(next(from), |slot| next(slot.at));
    slots.map(|slot| slot.at.timestamp().strftime("%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn recorded_nights_of_cron_are_ours_but_for_two_stated_differences() {
    let (mut equal, mut grouped, mut made_up) = (0, 0, 0);
    let mut night = ("", Time::EPOCH, Time::EPOCH);
    for line in RECORDED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(about) = line.strip_prefix("night ") {
            let parts: Vec<_> = about.split(' ').collect();
            night = (parts[0], time(parts[1]), time(parts[2]));
            continue;
        }
        let (expression, recorded) = line.split_once('|').expect("an entry");
        let recorded: Vec<String> = recorded.split_whitespace().map(str::to_owned).collect();
        let (zone, from, until) = night;
        let found = ours(&rule(expression.trim(), zone), from, until);
        let mut once = recorded.clone();
        once.dedup();
        let about = format!("{expression}in {zone} from {from}");
        if found == recorded {
            equal += 1;
        } else if found == once {
            // Of a group that one gap swallowed cron runs each, we fire once.
            grouped += 1;
        } else {
            // A gap of three hours or more is for cron a clock set anew, for us a gap like any other.
            assert_eq!(zone, "Pacific/Apia", "{about}: {found:?} and {recorded:?}");
            let mut with_gap = vec!["12-30T10:00".to_owned()];
            with_gap.extend(once);
            with_gap.sort();
            assert_eq!(found, with_gap, "{about}");
            made_up += 1;
        }
    }
    assert_eq!((equal, grouped, made_up), (99, 3, 10));
}
