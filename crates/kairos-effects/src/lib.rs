//! Performers: one permit, one thing done once.
//!
//! Owns how each effect is carried out: files through `kairos-disk`, model calls over HTTP or from a
//! playbook, commands through `kairos-sandbox`. A performer takes a [`Permit`] by value and gives back [`Settled`]; it never records,
//! never decides, never tries again. The assembly hands permits over and outcomes back.

pub mod cancel;
pub mod file;
pub mod model;
pub mod secret;
pub mod shell;
pub mod store;

use kairos_core::effect::Outcome;
use kairos_core::state::State;

/// Leave to perform one effect, once; out of a ledger of the daemon's state, or of a fold around it.
pub type Permit<F = State> = kairos_journal::Permit<F>;

/// An effect and how it ended.
pub type Settled<F = State> = kairos_journal::Settled<F, Outcome>;
