//! What decide yields: a graph of steps, checked before any of them exists.
//!
//! Owns the order of steps, what a failure does to the rest, the closed list of actions and how a
//! step can end. Never performs one.

pub mod end;
pub mod graph;
pub mod step;

pub use end::{StepEnd, StepFailure};
pub use graph::{FailurePolicy, Graph, GraphError, Node, Status, StepName};
pub use step::{Action, ActionKind, Step};
