//! Commands in the real sandbox, started by the real small program.

mod basics;
mod common;
