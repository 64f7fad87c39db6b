//! What model calls cost today, and the caps.
//!
//! Owns the public shape of the day's budget. Never a mandate's own spending, which stands in the
//! mandate.

use serde::{Deserialize, Serialize};

/// The day's budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The civil day in the budget's zone; null before the first day began.
    pub day: Option<String>,
    /// When the next day begins, and with it a fresh budget.
    pub day_ends: Option<String>,
    pub calls: Line,
    pub tokens: Line,
    pub usd_micros: Line,
}

/// One kind of amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Settled.
    pub used: u64,
    /// Reserved by calls that are open.
    pub held: u64,
    /// Null = no limit.
    pub cap: Option<u64>,
}
