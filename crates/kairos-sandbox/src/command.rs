//! One command.
//!
//! Owns what is executed: a verified program, its arguments, where it starts and what it reads.
//! Whether it may is the policy's to say.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::catalog::Binary;

/// What to execute.
#[derive(Debug)]
pub struct Command {
    pub binary: Binary,
    /// With the name it is called by as the first.
    pub argv: Vec<OsString>,
    /// Absolute, and inside the view.
    pub cwd: PathBuf,
    pub stdin: Stdin,
}

/// What it reads.
#[derive(Debug)]
pub enum Stdin {
    /// Nothing: the end at once.
    Empty,
    /// These bytes, as a file that cannot be changed; nobody waits for it to be read.
    Bytes(Vec<u8>),
    /// This descriptor, as it is.
    Fd(OwnedFd),
}
