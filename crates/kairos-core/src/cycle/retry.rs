//! When a failed model call is tried again.
//!
//! Owns the rule; a performer makes one attempt and never waits. Three attempts in a row, then the
//! mandate parks and comes back with growing patience. Waits are spread by the effect's id, not by
//! chance, so a replay waits as long as the live call did.
//!
//! | failure | attempts 1, 2 | attempt 3 |
//! |---|---|---|
//! | 429, 5xx (529 among them), transport, cut, timeout, unreadable 200, no room | retry | park |
//! | every other status, not sent | fail | fail |

use sha2::{Digest as _, Sha256};

use crate::id::EffectId;

/// Attempts one call gets before its mandate parks.
pub const MAX_ATTEMPTS: u8 = 3;

/// The longest wait a provider can ask for between two attempts.
pub const MAX_RETRY_AFTER_MS: u64 = 60_000;

/// The longest a mandate stays parked for its provider before the next try.
pub const MAX_PARKED_MS: u64 = 15 * 60_000;

const FIRST_WAIT_MS: u64 = 2_000;
const FIRST_PARKED_MS: u64 = 30_000;

/// How one attempt of a model call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFailure {
    /// An answer other than 200, with the wait it asked for.
    Status { code: u16, retry_after_ms: Option<u64> },
    /// No answer: no connection, or it broke before a status.
    Transport,
    /// The answer broke off.
    Cut,
    /// No whole answer within the time a call has.
    Timeout,
    /// A 200 whose body is not what the wire format says.
    Unreadable,
    /// The request could not be made: a stored text is not to be had. Nothing was sent.
    NotSent,
    /// The disk had no room for the request. Nothing was sent.
    NoRoom,
}

impl CallFailure {
    /// Whether the same request may be answered later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::Status { code, .. } => code == 429 || (500..600).contains(&code),
            Self::Transport | Self::Cut | Self::Timeout | Self::Unreadable | Self::NoRoom => true,
            Self::NotSent => false,
        }
    }

    fn retry_after_ms(self) -> u64 {
        match self {
            Self::Status { retry_after_ms, .. } => retry_after_ms.unwrap_or(0),
            Self::Transport
            | Self::Cut
            | Self::Timeout
            | Self::Unreadable
            | Self::NotSent
            | Self::NoRoom => 0,
        }
    }
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this wait.
    Retry { wait_ms: u64 },
    /// The mandate parks for its provider; see [`parked_wait_ms`].
    Park,
    /// The call failed: asking again would be answered the same.
    Fail,
}

/// What follows `failure` of the attempt `effect`, the `attempts_made`th of its call (from 1).
#[must_use]
pub fn after(failure: CallFailure, attempts_made: u8, effect: EffectId) -> Next {
    if !failure.may_pass() {
        return Next::Fail;
    }
    if attempts_made >= MAX_ATTEMPTS {
        return Next::Park;
    }
    let doublings = u32::from(attempts_made.saturating_sub(1));
    let own_ms = spread(FIRST_WAIT_MS << doublings, effect);
    let asked_ms = failure.retry_after_ms().min(MAX_RETRY_AFTER_MS);
    Next::Retry { wait_ms: own_ms.max(asked_ms) }
}

/// How long a mandate stays parked after `effect`, the last attempt of a call, when it parked
/// `times_before` times in a row for its provider already: from half a minute, doubling, at most
/// [`MAX_PARKED_MS`].
#[must_use]
pub fn parked_wait_ms(times_before: u32, effect: EffectId) -> u64 {
    // Five doublings pass the cap already; more would shift the value away.
    spread(FIRST_PARKED_MS << times_before.min(5), effect).min(MAX_PARKED_MS)
}

/// How long a call waits that was lost with its daemon, as the `attempts_made`th attempt in a row:
/// not at all at first, then growing as for a silent provider, so that a daemon that crashes again
/// and again does not spend a mandate's money as fast as it starts.
#[must_use]
pub fn lost_wait_ms(attempts_made: u8, effect: EffectId) -> u64 {
    match u32::from(attempts_made).checked_sub(u32::from(MAX_ATTEMPTS)) {
        None => 0,
        Some(more) => spread(FIRST_WAIT_MS << more.min(9), effect).min(MAX_PARKED_MS),
    }
}

/// `span_ms` ± 20 %, the same for the same effect.
fn spread(span_ms: u64, effect: EffectId) -> u64 {
    let hash: [u8; 32] = Sha256::digest(effect.as_u128().to_be_bytes()).into();
    let draw = u64::from(u16::from_be_bytes([hash[0], hash[1]]));
    let permille = 800 + draw * 400 / u64::from(u16::MAX);
    span_ms * permille / 1000
}
