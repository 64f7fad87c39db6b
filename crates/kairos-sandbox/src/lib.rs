//! Running one command confined.
//!
//! Owns what a command may see, write, execute and reach ([`Policy`]), what of it this host can
//! enforce ([`probe()`], [`compile()`]), and the supervision of the one process tree that results
//! ([`Sandbox`]). A
//! command runs behind every layer its policy requires, or not at all. Never knows a mandate, a
//! record or why a command is wanted; never reads configuration or takes an environment variable's
//! word for anything.

mod bytes;
mod capture;
pub mod catalog;
pub mod cgroup;
pub mod changes;
pub mod command;
pub mod compile;
mod egress;
pub mod enforcement;
mod filter;
#[doc(hidden)]
pub mod inside;
pub mod limits;
mod message;
pub mod outcome;
mod plan;
pub mod policy;
pub mod probe;
pub mod sandbox;
mod spawner;
mod sys;

pub use catalog::Binary;
pub use cgroup::{Cgroup, CgroupError};
pub use changes::{Change, ChangeSet, Node, Refused, What, Why};
pub use command::{Command, Stdin};
pub use compile::{Compiled, Unenforceable, compile};
pub use enforcement::{Enforcement, Layer, State};
pub use limits::{Limits, OnFlood};
pub use message::Step;
pub use outcome::{Captured, Exit, Outcome};
pub use policy::{
    Absent, Account, Cache, EnvPolicy, ExecRule, HostPort, Layers, Net, PathRule, Policy,
    Requirement, WriteMode,
};
pub use probe::{Capabilities, probe};
pub use sandbox::{Killer, Kind, ProgramAt, RunError, Running, Sandbox, Streams};
