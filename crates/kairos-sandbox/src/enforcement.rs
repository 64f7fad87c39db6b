//! What held a command.
//!
//! Owns the layers' names and the report of what each of them did. Never decides what is required;
//! the report of a command that did not run does not exist.

use std::fmt;

/// One of the walls between a command and the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// User namespace: no right over anything of the host; nested ones cannot be made.
    UserNs,
    /// Mount namespace: a view that holds only what the policy names.
    MountNs,
    /// Process namespace: no process outside can be named.
    PidNs,
    /// Network namespace, and no socket that leaves it.
    NetDeny,
    /// System V and POSIX message queues, semaphores and shared memory of its own.
    IpcNs,
    /// Every capability dropped, and none to be gained.
    Capabilities,
    /// `no_new_privs`: no program raises its rights.
    NoNewPrivs,
    /// Bounds per process and, with the user namespace, on the number of processes.
    Rlimits,
    /// Access rules of the kernel, beside the view.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// The whole tree dies with its first process.
    TreeKill,
    /// Bounds of the whole tree.
    Cgroup,
}

impl Layer {
    /// All of them, in the order in which they are put up.
    pub const ALL: [Self; 12] = [
        Self::UserNs,
        Self::MountNs,
        Self::PidNs,
        Self::NetDeny,
        Self::IpcNs,
        Self::Capabilities,
        Self::NoNewPrivs,
        Self::Rlimits,
        Self::Landlock,
        Self::Seccomp,
        Self::TreeKill,
        Self::Cgroup,
    ];

    /// Its name in reports and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNs => "user_ns",
            Self::MountNs => "mount_ns",
            Self::PidNs => "pid_ns",
            Self::NetDeny => "net_deny",
            Self::IpcNs => "ipc_ns",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no_new_privs",
            Self::Rlimits => "rlimits",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::TreeKill => "tree_kill",
            Self::Cgroup => "cgroup",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a layer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Enforced {
        detail: String,
    },
    /// In place, and weaker than it could be.
    Degraded {
        why: String,
    },
    Absent {
        why: String,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced { detail } => write!(f, "enforced: {detail}"),
            Self::Degraded { why } => write!(f, "degraded: {why}"),
            Self::Absent { why } => write!(f, "absent: {why}"),
        }
    }
}

/// What every layer did for one command, in the order of [`Layer::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement(pub(crate) Vec<(Layer, State)>);

impl Enforcement {
    pub fn of(&self, layer: Layer) -> &State {
        &self.0[layer.index()].1
    }

    pub fn iter(&self) -> impl Iterator<Item = (Layer, &State)> {
        self.0.iter().map(|(layer, state)| (*layer, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_stands_where_its_index_says() {
        for (at, layer) in Layer::ALL.into_iter().enumerate() {
            assert_eq!(layer.index(), at);
        }
    }
}
