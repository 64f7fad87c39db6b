//! Public request, response and event shapes, and a small client.
//!
//! Owns what goes over the wire, as people outside see it. Never sees the types behind the doors.

pub mod client;
