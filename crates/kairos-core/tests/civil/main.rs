//! The evaluator against a second, dumber reader of clocks, calendars and expressions.
//!
//! Owns the search for a list of slots on which both differ: around every change of the clock in
//! every zone. Shares no line and no arithmetic with the evaluator: `tzif` and `posix` read zone
//! data from its bytes, `calendar` counts days, `expression` matches text, `night` walks each minute
//! or second. `sweep` compares, `opinion` asks a third.

#![expect(
    clippy::disallowed_methods,
    reason = "the rules have no clock and no environment; what searches them for an hour has both"
)]

mod calendar;
mod expression;
mod invent;
mod night;
mod opinion;
mod posix;
mod sweep;
mod tzif;

use std::time::Duration;

use sweep::{Effort, Sweep};

/// Without a word from outside: a few seconds of what `cargo xtask civil` does for longer.
const USUAL_SECONDS: u64 = 5;

/// `KAIROS_CIVIL_SEED`, `KAIROS_CIVIL_SECONDS` (of search) and `KAIROS_CIVIL_ALL` (every name, every
/// change, however long) say how much is tried.
#[test]
fn slots_agree_with_an_oracle_around_changes_of_the_clock() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seed = number("KAIROS_CIVIL_SEED").unwrap_or_else(clock);
    let effort = match number("KAIROS_CIVIL_ALL") {
        Some(1..) => Effort::All,
        _ => {
            let seconds = number("KAIROS_CIVIL_SECONDS").unwrap_or(USUAL_SECONDS);
            Effort::For(Duration::from_secs(seconds))
        }
    };
    println!("civil: seed {seed}; the same again with KAIROS_CIVIL_SEED={seed}");
    let sweep = Sweep::new(seed, effort);
    println!("civil: {sweep}");
    let found = sweep.search();
    println!("civil: {found}");
    assert!(found.mismatches.is_empty(), "{}", found.mismatches.join("\n"));
    assert!(found.lists > 0, "nothing was compared");
}
