//! Which failed calls are tried again, and when.

use kairos_core::cycle::retry::{CallFailure, MAX_PARKED_MS, Next, after, parked_wait_ms};
use kairos_core::id::EffectId;

fn effects() -> impl Iterator<Item = EffectId> {
    (0..500u128).map(|n| EffectId::from_u128((n << 80) | (n * 0x9e37_79b9_7f4a_7c15)))
}

fn status(code: u16) -> CallFailure {
    CallFailure::Status { code, retry_after_ms: None }
}

const PASSING: [CallFailure; 8] = [
    CallFailure::Status { code: 429, retry_after_ms: None },
    CallFailure::Status { code: 500, retry_after_ms: None },
    CallFailure::Status { code: 529, retry_after_ms: None },
    CallFailure::Status { code: 599, retry_after_ms: None },
    CallFailure::Transport,
    CallFailure::Cut,
    CallFailure::Timeout,
    CallFailure::Unreadable,
];

#[test]
fn what_may_pass_is_tried_three_times_then_parks() {
    for failure in PASSING {
        for effect in effects() {
            let waits = [1, 2].map(|made| match after(failure, made, effect) {
                Next::Retry { wait_ms } => wait_ms,
                other => panic!("{failure:?} gave {other:?}"),
            });
            assert!((1_600..=2_400).contains(&waits[0]), "{waits:?}");
            assert!((3_200..=4_800).contains(&waits[1]), "{waits:?}");
            assert_eq!(after(failure, 3, effect), Next::Park);
            assert_eq!(after(failure, u8::MAX, effect), Next::Park);
        }
    }
}

#[test]
fn waits_are_spread_over_effects_and_the_same_for_one() {
    let waits: std::collections::BTreeSet<_> =
        effects().map(|effect| format!("{:?}", after(CallFailure::Cut, 1, effect))).collect();
    assert!(waits.len() > 200, "only {} different waits", waits.len());
    let effect = EffectId::from_u128(7);
    assert_eq!(after(CallFailure::Cut, 1, effect), after(CallFailure::Cut, 1, effect));
}

#[test]
fn other_statuses_fail_at_once() {
    for code in (0..=999).filter(|code| *code != 429 && !(500..600).contains(code)) {
        assert_eq!(after(status(code), 1, EffectId::from_u128(1)), Next::Fail, "{code}");
    }
}

#[test]
fn a_provider_can_ask_for_a_longer_wait_up_to_a_minute() {
    let effect = EffectId::from_u128(1);
    let asked = |ms| after(CallFailure::Status { code: 503, retry_after_ms: Some(ms) }, 1, effect);
    assert_eq!(asked(9_000), Next::Retry { wait_ms: 9_000 });
    assert_eq!(asked(u64::MAX), Next::Retry { wait_ms: 60_000 });
    assert_eq!(asked(0), after(status(503), 1, effect));
}

#[test]
fn a_parked_mandate_waits_longer_each_time_up_to_a_quarter_hour() {
    for effect in effects() {
        let waits = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|times| parked_wait_ms(times, effect));
        assert!((24_000..=36_000).contains(&waits[0]), "{waits:?}");
        assert!(waits.is_sorted() && waits[7] <= MAX_PARKED_MS, "{waits:?}");
        assert!(waits[7] >= MAX_PARKED_MS * 4 / 5, "{waits:?}");
    }
}
