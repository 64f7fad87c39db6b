//! One pass through the phases: what a call is told, what it may answer, when it is tried again.

pub mod answer;
pub mod brief;
pub mod phase;
pub mod promotion;
pub mod retry;
pub mod standing;
