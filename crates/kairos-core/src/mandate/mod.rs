//! A goal with limits, from its creation to its end.

pub mod outcome;
pub mod spec;
pub mod standing;
