//! How a command ended.
//!
//! Owns the causes and what was kept of its output. Every outcome here is of a command that was
//! executed; one that was not is a `RunError`.

use std::path::PathBuf;
use std::time::Duration;

use crate::changes::ChangeSet;
use crate::enforcement::Enforcement;

/// A command that ran, and all that is known of it.
#[derive(Debug)]
pub struct Outcome {
    pub exit: Exit,
    pub stdout: Captured,
    pub stderr: Captured,
    /// From the call to the death of the last process.
    pub wall: Duration,
    /// Processor time of every process that was waited for, user and system.
    pub cpu: Duration,
    /// Bytes resident at most in one process.
    pub max_rss: u64,
    pub enforcement: Enforcement,
    /// SHA-256 of the policy's explanation.
    pub policy_hash: [u8; 32],
    /// Protected paths that were absent before and are there now, or that are or lead to another file by
    /// now, whoever put it there; only with direct writes.
    pub appeared: Vec<PathBuf>,
    /// What it changed, for each write root; only with a layer for writes.
    pub changes: Vec<ChangeSet>,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited.
    Code(i32),
    /// A signal of its own making or of somebody else inside ended it.
    Signal(i32),
    /// The wall clock's bound passed.
    Timeout,
    /// The kernel found no memory within the bound.
    Oom,
    /// A stream gave more than is kept, and the policy says kill.
    OutputCap,
    /// It exited after the bound on processes had refused it one.
    PidsCap,
    /// The bound on processor time passed.
    CpuCap,
    /// It made a system call that is answered with death: one of another architecture.
    SeccompKill,
    /// Somebody outside killed it: the caller, or the kernel.
    Killed,
}

/// What was kept of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes; empty unless something between them is missing.
    pub tail: Vec<u8>,
    /// Bytes read in all.
    pub total: u64,
    /// Whether bytes between head and tail are missing.
    pub truncated: bool,
}

impl Captured {
    /// Head and tail together, as if nothing stood between them.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), self.tail.as_slice()].concat()
    }
}
