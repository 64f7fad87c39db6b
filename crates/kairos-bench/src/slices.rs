//! Slices that take turns.
//!
//! Owns how long a slice is, how many pairs there are and what is kept of them. Two sides measured so
//! see the same machine, however busy it is.

use std::time::{Duration, Instant};

use crate::Done;

/// How long one side has the machine.
pub const SLICE: Duration = Duration::from_millis(120);
/// How often.
pub const PAIRS: usize = 21;

/// What one side of a comparison did in its slices.
#[derive(Debug, Default)]
pub struct Side {
    /// Operations a second, one figure a slice.
    pub rates: Vec<f64>,
    /// Microseconds an operation took, of all slices.
    pub micros: Vec<f64>,
}

impl Side {
    /// Does `once` until the slice is over.
    ///
    /// # Errors
    /// What `once` says.
    pub fn slice(&mut self, mut once: impl FnMut() -> Done<()>) -> Done<()> {
        let start = Instant::now();
        let before = self.micros.len();
        while start.elapsed() < SLICE {
            let begun = Instant::now();
            once()?;
            self.micros.push(micros(begun.elapsed()));
        }
        self.took(self.micros.len() - before, start.elapsed());
        Ok(())
    }

    /// Notes that a slice had so many operations.
    pub fn took(&mut self, operations: usize, time: Duration) {
        self.rates.push(count(operations) / time.as_secs_f64());
    }

    #[must_use]
    pub fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    /// The median of this side's rates over the other's, pair by pair.
    #[must_use]
    pub fn rate_to(&self, other: &Self) -> f64 {
        let pairs = self.rates.iter().zip(&other.rates);
        quantile(&pairs.map(|(a, b)| a / b).collect::<Vec<_>>(), 0.5)
    }

    /// Microseconds within which this share of the operations was done.
    #[must_use]
    pub fn within(&self, share: f64) -> f64 {
        quantile(&self.micros, share)
    }
}

/// Lets sides take turns, each round beginning with the next one.
///
/// # Errors
/// What a side says.
pub fn alternate(sides: &mut [&mut dyn FnMut() -> Done<()>]) -> Done<()> {
    for round in 0..PAIRS {
        for at in 0..sides.len() {
            let next = (round + at) % sides.len();
            sides[next]()?;
        }
    }
    Ok(())
}

#[must_use]
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// As a number to reckon with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn count(operations: usize) -> f64 {
    operations as f64
}

/// The value below which this share of them lies.
///
/// # Panics
/// There are none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the slice")]
    let at = (count(sorted.len() - 1) * share).round() as usize;
    sorted[at]
}
