//! x
pub mod answer;
mod draft;
pub mod extract;
mod fields;
