//! One pass through the phases.

pub mod retry;
