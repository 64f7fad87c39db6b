//! What a person or a program reads.
//!
//! Owns the form of everything the command line says: data on stdout, talk on stderr, exit codes,
//! tables and hints. Never asks the daemon and never decides; the verbs under [`crate::cli`] do.

pub(crate) mod diff;
pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod hint;
pub(crate) mod table;
pub(crate) mod talk;
pub(crate) mod visible;
pub(crate) mod voice;
pub(crate) mod when;

pub(crate) use exit::Exit;
pub(crate) use failure::Failure;
pub(crate) use table::Table;
pub(crate) use talk::Out;
pub(crate) use voice::{Speech, Voice};
