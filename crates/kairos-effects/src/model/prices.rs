//! What models cost, as far as kairos knows by itself.
//!
//! Owns the shipped, dated table and the step from USD to the integers of the budget. An operator's
//! own `prices:` stand before it; a model that neither names has no price.

use kairos_core::budget::Price;
use kairos_core::rules::NamedPrice;
use serde::Deserialize;

/// The table and the day it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// `2025-12-31`.
    pub as_of: String,
    pub prices: Vec<NamedPrice>,
}

/// Prices in USD per million tokens, as tables and configuration write them.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsdPrice {
    pub input: f64,
    pub output: f64,
    /// As `input` when absent.
    pub cache_read: Option<f64>,
    /// As `input` when absent.
    pub cache_write: Option<f64>,
}

/// A price that is negative, not a number, or above a million USD.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("`{usd}` USD for a million tokens is no price")]
pub struct PriceError {
    pub usd: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    as_of: String,
    models: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
}

/// The shipped table.
#[must_use]
pub fn shipped() -> Prices {
    let table: Table =
        toml::from_str(include_str!("prices.toml")).expect("the shipped table is read by a test");
    let named = |row: Row| {
        let Row { name, input, output, cache_read, cache_write } = row;
        let price = UsdPrice { input, output, cache_read, cache_write };
        let price = price.in_micros().expect("the shipped table is read by a test");
        NamedPrice { name, price }
    };
    Prices { as_of: table.as_of, prices: table.models.into_iter().map(named).collect() }
}

impl UsdPrice {
    /// The price in millionths of a USD for a million tokens.
    ///
    /// # Errors
    /// One of them is no price.
    pub fn in_micros(self) -> Result<Price, PriceError> {
        Ok(Price {
            input: micros(self.input)?,
            output: micros(self.output)?,
            cache_read: micros(self.cache_read.unwrap_or(self.input))?,
            cache_write: micros(self.cache_write.unwrap_or(self.input))?,
        })
    }
}

/// Millionths of a USD, rounded.
///
/// # Errors
/// Negative, not a number, or above a million.
pub fn micros(usd: f64) -> Result<u64, PriceError> {
    if !(0.0..=1_000_000.0).contains(&usd) {
        return Err(PriceError { usd });
    }
    // Through text: a cast would hide what it cuts.
    format!("{:.0}", usd * 1e6).parse().map_err(|_| PriceError { usd })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_shipped_table_names_each_model_once_and_no_price_is_zero() {
        let prices = shipped();
        let names: BTreeSet<&str> = prices.prices.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names.len(), prices.prices.len());
        assert!(prices.as_of.parse::<kairos_core::time::Time>().is_err());
        for NamedPrice { name, price } in &prices.prices {
            assert!(price.input > 0 && price.output > price.input, "{name}");
            assert!(price.cache_read <= price.input && price.cache_write >= price.input, "{name}");
        }
    }

    #[test]
    fn cache_prices_default_to_the_input() {
        let price = UsdPrice { input: 3.0, output: 15.0, cache_read: Some(0.3), cache_write: None };
        let expected = Price {
            input: 3_000_000,
            output: 15_000_000,
            cache_read: 300_000,
            cache_write: 3_000_000,
        };
        assert_eq!(price.in_micros(), Ok(expected));
        assert_eq!(micros(-1.0), Err(PriceError { usd: -1.0 }));
    }
}
