//! Reserving, settling and pricing.

use jiff::civil::date;
use kairos_core::budget::{Amounts, Budget, Caps, Price, Short, Unit, Usage};

const SONNET: Price =
    Price { input: 3_000_000, output: 15_000_000, cache_read: 300_000, cache_write: 3_750_000 };

fn amounts(calls: u64, tokens: u64, usd_micros: u64) -> Amounts {
    Amounts { calls, tokens, usd_micros }
}

#[test]
fn cost_rounds_up_and_never_overflows() {
    let one = |input| Usage { input, ..Usage::default() };
    assert_eq!(SONNET.cost(Usage::default()), 0);
    assert_eq!(SONNET.cost(one(1)), 3);
    assert_eq!(Price { input: 1, ..Price::default() }.cost(one(1)), 1);
    assert_eq!(Price { input: 1, ..Price::default() }.cost(one(1_000_001)), 2);
    let all = Usage { input: 1_000, output: 200, cache_read: 5_000, cache_write: 700 };
    assert_eq!(SONNET.cost(all), 3_000 + 3_000 + 1_500 + 2_625);
    let most = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    let dear = Price { input: u64::MAX, output: u64::MAX, ..Price::default() };
    assert_eq!((dear.cost(most), most.tokens()), (u64::MAX, u64::MAX));
}

#[test]
fn a_reservation_covers_the_dearest_kind_of_input() {
    let reserved = SONNET.reservation(10_000, 4_096);
    assert_eq!(reserved, amounts(1, 11_024 + 4_096, 41_340 + 61_440));
    let written = Usage { cache_write: 11_024, output: 4_096, ..Usage::default() };
    assert_eq!(SONNET.spent(written), reserved);
    assert_eq!(Price::default().reservation(0, 10), amounts(1, 1_034, 0));
}

#[test]
fn open_calls_together_cannot_pass_a_cap() {
    let caps = Caps { calls: Some(3), tokens: Some(100), usd_micros: Some(1_000) };
    let mut budget = Budget::default();
    let call = amounts(1, 40, 300);
    for _ in 0..2 {
        budget.fits(&caps, call).expect("room");
        budget.hold(call);
    }
    let short = Short { unit: Unit::Tokens, used: 0, held: 80, cap: 100, wanted: 40 };
    assert_eq!(budget.fits(&caps, call), Err(short));
    assert_eq!(short.to_string(), "40 tokens do not fit: 0 used and 80 held of 100");
    budget.settle(call, amounts(1, 10, 50));
    assert_eq!(budget.fits(&caps, call), Ok(()));
    assert_eq!((budget.used, budget.held), (amounts(1, 10, 50), call));
}

#[test]
fn a_cap_can_be_reached_exactly() {
    let caps = Caps { calls: Some(2), ..Caps::default() };
    let mut budget = Budget::default();
    budget.settle(Amounts::default(), amounts(1, 0, 0));
    assert_eq!(budget.fits(&caps, amounts(1, u64::MAX, u64::MAX)), Ok(()));
    budget.settle(Amounts::default(), amounts(1, 0, 0));
    let short = Short { unit: Unit::Calls, used: 2, held: 0, cap: 2, wanted: 1 };
    assert_eq!(budget.fits(&caps, amounts(1, 0, 0)), Err(short));
}

#[test]
fn more_than_was_held_is_booked_as_reported() {
    let caps = Caps { tokens: Some(100), ..Caps::default() };
    let mut budget = Budget::default();
    budget.hold(amounts(1, 90, 0));
    budget.settle(amounts(1, 90, 0), amounts(1, 140, 0));
    assert_eq!((budget.used, budget.held), (amounts(1, 140, 0), Amounts::default()));
    let short = Short { unit: Unit::Tokens, used: 140, held: 0, cap: 100, wanted: 0 };
    assert_eq!(budget.fits(&caps, Amounts::default()), Err(short));
}

#[test]
fn amounts_saturate() {
    let mut budget = Budget::default();
    budget.hold(amounts(u64::MAX, u64::MAX, u64::MAX));
    budget.hold(amounts(1, 1, 1));
    budget.settle(amounts(1, 1, 1), amounts(u64::MAX, 0, 0));
    budget.settle(amounts(u64::MAX, u64::MAX, u64::MAX), amounts(1, 0, 0));
    assert_eq!((budget.used, budget.held), (amounts(u64::MAX, 0, 0), Amounts::default()));
}

#[test]
fn only_a_later_day_begins_afresh() {
    let mut budget = Budget::default();
    assert!(budget.roll(date(2026, 5, 2)));
    budget.hold(amounts(1, 10, 10));
    budget.settle(Amounts::default(), amounts(3, 30, 30));
    assert!(!budget.roll(date(2026, 5, 2)));
    assert!(!budget.roll(date(2026, 5, 1)));
    assert_eq!(budget.used, amounts(3, 30, 30));
    assert!(budget.roll(date(2026, 5, 3)));
    assert_eq!(
        budget,
        Budget { day: Some(date(2026, 5, 3)), used: Amounts::default(), held: amounts(1, 10, 10) }
    );
}
