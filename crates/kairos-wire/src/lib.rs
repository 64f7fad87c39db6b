//! What crosses the front doors.
//!
//! Owns the public shapes of requests, answers and events, one noun a file; daemon and client use
//! the same types. Never sees an inner type: ids, hashes and instants are texts here, and words
//! whose list may grow (reasons, outcomes, classes) are texts too, so an older client can read a
//! newer daemon. A shape may be extended, never silently changed.

pub mod admin;
pub mod blob;
pub mod budget;
pub mod client;
pub mod duration;
pub mod effect;
pub mod event;
pub mod mandate;
pub mod problem;
pub mod proposal;
pub mod schedule;
pub mod status;

pub use budget::Budget;
pub use effect::Effect;
pub use event::EventRecord;
pub use mandate::{Mandate, MandateRequest};
pub use problem::Problem;
pub use proposal::Proposal;
pub use schedule::Schedule;
pub use status::Status;
