//! The exactly-once file exchange, on real files.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod below;
mod crash;
mod failing;
#[path = "../mounts/mapper.rs"]
mod mapper;
mod path;
mod plain;
mod tables;
mod watched;
mod window;
mod world;
