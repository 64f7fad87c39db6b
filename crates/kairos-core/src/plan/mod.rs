//! What decide yields: a graph of steps, checked before any of them exists.
//!
//! Owns the order of steps and what a failure does to the rest. Never knows what a step does: an
//! action, its gate and its effect are found by the step's name.

pub mod graph;
