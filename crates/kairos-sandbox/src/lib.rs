//! Running one command confined.
//!
//! Owns what a command may see, write, execute and reach ([`Policy`]), what of it this host can
//! enforce (`probe`, `compile`), and the supervision of the one process tree that results (`Sandbox`). A
//! command runs behind every layer its policy requires, or not at all. Never knows a mandate, a
//! record or why a command is wanted; never reads configuration or takes an environment variable's
//! word for anything.
//!
//! Commands are executed on Linux only. Elsewhere there are the words, the catalogue, and for macOS the
//! profile of a policy ([`seatbelt`]), which leaves the waiting and the bounds to the caller.

pub mod catalog;
pub mod changes;
pub mod command;
pub mod enforcement;
mod kind;
pub mod limits;
pub mod outcome;
pub mod policy;
pub mod seatbelt;

#[cfg(target_os = "linux")]
mod bytes;
#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod compile;
#[cfg(target_os = "linux")]
mod egress;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub mod inside;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
pub mod probe;
#[cfg(target_os = "linux")]
pub mod sandbox;
#[cfg(target_os = "linux")]
mod spawner;
#[cfg(target_os = "linux")]
mod sys;

pub use catalog::Binary;
pub use changes::{Change, ChangeSet, Node, Refused, What, Why};
pub use command::{Command, Stdin};
pub use enforcement::{Enforcement, Layer, State};
pub use kind::Kind;
pub use limits::{Limits, OnFlood};
pub use outcome::{Captured, Exit, Outcome};
pub use policy::{
    Absent, Account, Cache, EnvPolicy, ExecRule, HostPort, Layers, Net, PathRule, Policy,
    Requirement, WriteMode,
};

#[cfg(target_os = "linux")]
pub use self::{
    cgroup::{Cgroup, CgroupError},
    compile::{Compiled, Unenforceable, compile},
    message::Step,
    probe::{Capabilities, probe},
    sandbox::{Killer, ProgramAt, RunError, Running, Sandbox, Streams},
};
