//! What leaves and enters through the doors.
//!
//! Owns the public shapes and a small client. Never sees an inner type: doors convert.

pub mod duration;
pub mod mandate;
