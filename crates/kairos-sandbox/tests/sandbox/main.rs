//! Commands in the real sandbox, started by the real small program.

mod basics;
mod common;
mod direct;
mod egress;
mod layer;
mod outcomes;
mod overlay;
mod refusal;
mod view;
