//! Which programs may be asked for.

mod binary;

pub use binary::{Binary, BinaryError};
