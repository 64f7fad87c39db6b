//! What may happen without a person, what needs one, and what nobody may allow.
//!
//! Owns the rules between a step and its permit. Never opens a path or executes anything: it
//! judges what `prepare` resolved, before the effect it would permit exists.

pub mod judge;
mod names;
pub mod proposal;
pub mod risk;
pub mod scope;
