//! Bytes on disk.
//!
//! Owns the [`Fs`] seam and its Linux implementation, content-addressed blobs, and the
//! exactly-once file exchange. Never knows a record or a mandate. The journal and the file
//! performer stand on it.

pub mod blob;
mod digest;
pub mod exchange;
pub mod fs;
pub mod real;
pub mod refusal;
pub mod tree;

pub use blob::Blobs;
pub use digest::{Digest, digest};
pub use exchange::Intent;
pub use fs::Fs;
pub use real::RealFs;
pub use refusal::Refusal;
pub use tree::Tree;
