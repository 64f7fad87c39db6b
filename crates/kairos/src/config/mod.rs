//! Configuration: three YAML files, checked whole and turned into what the parts need.
//!
//! Owns every key and its meaning. Never applies anything: [`resolve::load`] answers a [`resolve::Resolved`] or all
//! that is wrong with file, line and column. A file becomes a tree ([`node`]), the tree typed values
//! ([`shape`]), each file has a module of its own, and [`resolve`] joins them.

pub(crate) mod append;
mod commands;
pub(crate) mod daemon;
pub(crate) mod draft;
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

use std::path::Path;

use kairos_wire::mandate::MandateRequest;

/// Reads a mandate file; everything that is wrong with it, as for the other files.
///
/// # Errors
/// At least one problem.
pub(crate) fn mandate(path: &Path, text: &str) -> Result<MandateRequest, problem::Problems> {
    let file = problem::File::new(path, text);
    let mut found = Vec::new();
    let read = match node::Node::read(&file) {
        Ok(node) => whole::read(&file, &node, &mut found),
        Err(problem) => {
            found.push(problem);
            None
        }
    };
    read.filter(|_| found.is_empty()).ok_or(problem::Problems(found))
}
