//! What this host can enforce.
//!
//! Owns the looking: each layer is tried, not guessed from a version, as far as that is possible without
//! a command. What is found can only be worsened by whoever holds it, never improved.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::AsFd;

use crate::cgroup::Cgroup;
use crate::enforcement::Layer;
use crate::sys::{self, Cloned};

/// What each layer can do here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    layers: [Result<String, String>; Layer::ALL.len()],
    landlock: u32,
}

impl Capabilities {
    /// How a layer is there, or why it is not.
    pub fn of(&self, layer: Layer) -> Result<&str, &str> {
        self.layers[layer.index()].as_deref().map_err(String::as_str)
    }

    /// The same host without one layer.
    #[must_use]
    pub fn without(mut self, layer: Layer, why: &str) -> Self {
        self.layers[layer.index()] = Err(why.to_owned());
        self
    }

    /// The same host with a cgroup to divide.
    #[must_use]
    pub fn with_cgroup(mut self, _: &Cgroup) -> Self {
        self.layers[Layer::Cgroup.index()] = Ok("memory and processes of the tree".to_owned());
        self
    }

    /// Version of the kernel's access rules; 0 where there are none.
    pub fn landlock(&self) -> u32 {
        self.landlock
    }
}

/// Looks at this host. Costs a few milliseconds.
pub fn probe() -> Capabilities {
    let landlock = sys::access_version();
    let namespaces = namespaces();
    let of = |layer| match layer {
        Layer::UserNs | Layer::MountNs | Layer::PidNs | Layer::NetDeny | Layer::IpcNs => {
            namespaces.clone().map(|()| "made for a moment".to_owned())
        }
        Layer::TreeKill => namespaces.clone().map(|()| "with its first process".to_owned()),
        Layer::Capabilities | Layer::NoNewPrivs | Layer::Rlimits => Ok("every kernel".to_owned()),
        Layer::Landlock => match &landlock {
            Ok(version) => Ok(format!("version {version}")),
            Err(error) => Err(format!("the kernel has none: {error}")),
        },
        Layer::Seccomp => seccomp(),
        Layer::Cgroup => Err("no delegated cgroup".to_owned()),
    };
    Capabilities { layers: Layer::ALL.map(of), landlock: landlock.unwrap_or(0) }
}

/// Makes every namespace a command gets, around a process that ends at once.
fn namespaces() -> Result<(), String> {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let flags = u64::try_from(flags).expect("flags below the sign");
    match sys::clone_into(flags) {
        Ok(Cloned::Child) => sys::exit_now(0),
        Ok(Cloned::Parent { pidfd }) => ended(&pidfd).map_err(|error| error.to_string()),
        Err(error) => Err(refusal(&error)),
    }
}

fn ended(pidfd: &OwnedFd) -> io::Result<()> {
    let bound = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&bound))?;
    match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        // Where children are ignored, the kernel reaps them.
        Ok(_) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The likeliest reason, for whoever must lift it.
fn refusal(error: &io::Error) -> String {
    let setting = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let apparmor = setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1";
    match error.raw_os_error() {
        Some(libc::ENOSPC) => "`user.max_user_namespaces` leaves no user namespace".to_owned(),
        Some(libc::EPERM | libc::EACCES) if apparmor => {
            "AppArmor keeps user namespaces from programs without a profile".to_owned()
        }
        Some(libc::EPERM | libc::EACCES) => "user namespaces are denied here".to_owned(),
        _ => format!("namespaces cannot be made: {error}"),
    }
}

fn seccomp() -> Result<String, String> {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let has = |wanted: &str| actions.split_whitespace().any(|action| action == wanted);
    match has("errno") && has("kill_process") {
        true => Ok("filters".to_owned()),
        false => Err("the kernel offers no filter of system calls".to_owned()),
    }
}
