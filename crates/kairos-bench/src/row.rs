//! One printed figure.
//!
//! Owns the shape that `cargo xtask bench` reads and how it looks to a person. Judges by the target
//! it is given and nothing else.

use serde::Serialize;

use crate::Done;

/// A measured value beside its control.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    control: Option<f64>,
    ratio: Option<f64>,
    target: Option<String>,
    met: Option<bool>,
}

impl Row {
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let name = name.into();
        Self { name, value, unit, control: None, ratio: None, target: None, met: None }
    }

    /// Beside what it is compared with, in the same unit.
    #[must_use]
    pub fn beside(self, control: f64) -> Self {
        Self { control: Some(control), ratio: Some(self.value / control), ..self }
    }

    /// The same, with a ratio taken pair by pair.
    #[must_use]
    pub fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    /// Is to be at least so much of its control.
    #[must_use]
    pub fn at_least(self, target: f64) -> Self {
        let met = self.ratio.map(|ratio| ratio >= target);
        Self { target: Some(format!("≥ {target:.2}")), met, ..self }
    }

    /// Is to be at least so many times its control.
    #[must_use]
    pub fn at_least_times(self, target: f64) -> Self {
        let row = self.at_least(target);
        Self { target: row.target.map(|target| format!("{target} ×")), ..row }
    }

    /// Is to be at most so many times its control.
    #[must_use]
    pub fn at_most_times(self, target: f64) -> Self {
        let met = self.ratio.map(|ratio| ratio <= target);
        Self { target: Some(format!("≤ {target:.2} ×")), met, ..self }
    }

    /// Is to be at most `more` above its control.
    #[must_use]
    pub fn at_most_above(self, more: f64) -> Self {
        let met = self.control.map(|control| self.value <= control + more);
        Self { target: Some(format!("≤ control + {more:.0} {}", self.unit)), met, ..self }
    }

    /// Is to be at most `target`, which is less than one.
    #[must_use]
    pub fn at_most_of(self, target: f64) -> Self {
        let met = Some(self.value <= target);
        Self { target: Some(format!("≤ {target} {}", self.unit)), met, ..self }
    }

    /// Is to be at most `target`.
    #[must_use]
    pub fn at_most(self, target: f64) -> Self {
        let met = Some(self.value <= target);
        Self { target: Some(format!("≤ {target:.0} {}", self.unit)), met, ..self }
    }
}

/// Prints rows, as JSON lines where the arguments of the program ask for that.
///
/// # Errors
/// A row has a number that JSON has not.
#[expect(clippy::print_stdout, reason = "a bench prints its rows")]
pub fn print(rows: &[Row]) -> Done<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    for row in rows {
        if json {
            println!("{}", serde_json::to_string(row)?);
            continue;
        }
        let Row { name, value, unit, control, ratio, target, met } = row;
        let control = control.map_or(String::new(), |control| format!("{control:.1}"));
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"));
        let target = target.as_deref().unwrap_or_default();
        let mark = if *met == Some(false) { "  MISSED" } else { "" };
        println!("{name:<34} {value:>12.1} {unit:<9} {control:>12} {ratio:>7}  {target}{mark}");
    }
    Ok(())
}
