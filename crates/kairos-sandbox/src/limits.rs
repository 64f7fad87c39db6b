//! How much a command may use.
//!
//! Owns the bounds and their defaults. Which mechanism holds a bound is decided by `compile` and told
//! in the enforcement report; never here.

use std::time::Duration;

/// The bounds of one command. Every one of them is finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the request to end.
    pub wall: Duration,
    /// From that request (SIGTERM) to the kill.
    pub grace: Duration,
    /// Processor time of one process; whole seconds, rounded up.
    pub cpu: Duration,
    /// Bytes of memory: of the whole tree with cgroups, of each process's private data without.
    pub mem: u64,
    /// Processes and threads at once.
    pub pids: u32,
    /// Open files of one process.
    pub nofile: u32,
    /// Bytes of one file.
    pub fsize: u64,
    /// Bytes below `/tmp`, `/dev/shm` and the home directory together, and of an overlay's changes.
    pub tmpfs: u64,
    /// Files below those together, and of an overlay's changes.
    pub inodes: u64,
    /// Bytes kept of each output stream: the first half and the last.
    pub out_each: usize,
    pub on_flood: OnFlood,
    /// Bytes of input at most; more is refused.
    pub stdin_max: usize,
}

/// What happens when a stream has given more than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFlood {
    /// The tree is killed.
    Kill,
    /// The rest is read and dropped but for the end.
    Drain,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(120),
            grace: Duration::from_secs(2),
            cpu: Duration::from_secs(120),
            mem: 2 << 30,
            pids: 256,
            nofile: 1024,
            fsize: 1 << 30,
            tmpfs: 256 << 20,
            inodes: 65_536,
            out_each: 4 << 20,
            on_flood: OnFlood::Drain,
            stdin_max: 8 << 20,
        }
    }
}
