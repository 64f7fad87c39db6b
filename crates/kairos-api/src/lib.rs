//! The front doors: routes over the socket, live events, and the way between the public shapes and
//! the inner types.
//!
//! Owns no state but a fold for reading. Submits commands and follows records through the engine's
//! handle; never touches the journal.

pub mod convert;
mod door;
pub mod event;
mod hooks;
mod problem;
mod queue;
mod router;
mod routes;
pub mod show;
pub mod unix;
pub mod words;

pub use door::{Door, Trouble};
pub use hooks::Hooks;
pub use router::router;
