//! Configuration: three YAML files, checked whole and turned into what the parts need.
//!
//! Owns every key and its meaning. Never applies anything: [`resolve::load`] answers a [`resolve::Resolved`] or all
//! that is wrong with file, line and column. A file becomes a tree ([`node`]), the tree typed values
//! ([`shape`]), each file has a module of its own, and [`resolve`] joins them.

pub(crate) mod daemon;
pub(crate) mod env;
mod node;
pub(crate) mod problem;
pub(crate) mod resolve;
pub(crate) mod schedules;
pub(crate) mod secrets;
mod shape;
pub(crate) mod show;
mod size;
#[cfg(test)]
mod tests;
mod whole;
mod witnesses;
pub(crate) mod zone;

pub(crate) use env::Env;
