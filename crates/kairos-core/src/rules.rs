//! What the operator's configuration means to the rules.
//!
//! Owns the values that decisions read: caps, limits, scope rules, the default model and prices.
//! Never reads a file: configuration arrives as an input, is journaled as `rules_loaded`, and from
//! then on is part of the state, so a replay decides with the values of its time.

use serde::{Deserialize, Serialize};

use crate::budget::{Caps, Price};
use crate::gate::scope::Raise;
use crate::path::RelPath;

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Mandates running at the same time, 1–64.
    pub max_running: u16,
    /// What a day may cost.
    pub day: Caps,
    /// What one mandate may cost, in millionths of a USD.
    pub mandate_usd_micros_max: u64,
    /// How long a proposal waits before it expires.
    pub proposal_ttl_ms: u64,
    /// Proposals waiting at the same time.
    pub proposals_max: u16,
    /// Raises of protection; built-in scopes are never lowered.
    pub scopes: Vec<Raise>,
    /// Files of the workspace that hold secrets: no act changes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<RelPath>,
    /// `None`: no model is configured, and mandates that need one are refused.
    pub model: Option<ModelRules>,
}

/// The default model and what models cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRules {
    /// The model asked when a mandate names none.
    pub name: String,
    /// Output tokens asked for at most; also what a call reserves.
    pub output_tokens_max: u32,
    /// Prices by model name: an exact name first, then the longest prefix. An entry with the
    /// empty name prices every model (a local server, or the operator's own `prices:`).
    pub prices: Vec<NamedPrice>,
}

/// A price and the model names it holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPrice {
    pub name: String,
    pub price: Price,
}

impl ModelRules {
    /// What `model` costs: exact name, then longest prefix. `None` when nobody said.
    #[must_use]
    pub fn price_of(&self, model: &str) -> Option<Price> {
        self.prices
            .iter()
            // The compare with an empty name is slow where it is done with masked loads.
            .filter(|p| p.name.is_empty() || model.starts_with(&p.name))
            .max_by_key(|p| (p.name == model, p.name.len()))
            .map(|p| p.price)
    }
}
