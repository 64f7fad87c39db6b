//! The small program as its own first victim.
//!
//! Owns a handful of things no command may do, tried from inside as a command would. Says which of them
//! worked; the caller lets nothing run here if any did. A proof of these few and of nothing else: what
//! it is for is a host where a wall stands by name only.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Resource, getpid, getppid, getuid};
use rustix::thread::CapabilitySet;

use crate::enforcement::Layer;
use crate::sys::{self, Cloned};

/// What is said when nothing worked.
pub(crate) const HELD: &str = "held";

/// Said before [`super::PROVE`] where the kernel's access rules are to hold too.
pub(crate) const RULED: &str = "__ruled";

/// The wall it goes through, a name, and whether it works.
type Try = (Layer, &'static str, fn() -> bool);

const TRIES: [Try; 11] = [
    (Layer::Capabilities, "root's rights", has_rights),
    (Layer::NoNewPrivs, "raises of rights", || !rustix::thread::no_new_privs().unwrap_or(false)),
    (Layer::PidNs, "settings and first process", || exists("/proc/1") || exists("/proc/sys")),
    (Layer::MountNs, "files outside", || OUTSIDE.into_iter().any(exists)),
    (Layer::MountNs, "writing to the system", || creates("/usr/.kairos") || creates("/.kairos")),
    (Layer::MountNs, "mounts", || mount_change("/", MountPropagationFlags::PRIVATE).is_ok()),
    (Layer::NetDeny, "sockets", makes_sockets),
    (Layer::UserNs, "namespaces", makes_namespaces),
    (Layer::Rlimits, "bounds and precedence", is_unbounded),
    (Layer::Seccomp, "no filter", || !status().contains("Seccomp:\t2")),
    (Layer::Seccomp, "descriptors", || descriptors() != Some(4)),
];

const OUTSIDE: [&str; 5] = ["/root", "/home", "/var", "/sys", "/run"];

/// Tries everything: what worked, with the layer that let it. Where this is no first child of a first
/// process, nothing is tried: it would be done to whatever is outside.
pub(super) fn holes(ruled: bool) -> Vec<String> {
    let told = |layer: Layer, what: &str| format!("layer `{layer}`: {what}");
    let own = getpid().as_raw_nonzero().get();
    if own != 2 || getppid().map(|pid| pid.as_raw_pid()) != Some(1) {
        return vec![told(Layer::PidNs, "processes outside")];
    }
    let rules: Try = (Layer::Landlock, "no access rules", makes_a_socket_file);
    let tries = TRIES.into_iter().chain(ruled.then_some(rules));
    tries.filter(|(_, _, works)| works()).map(|(layer, what, _)| told(layer, what)).collect()
}

fn has_rights() -> bool {
    let none = CapabilitySet::empty();
    let sets = rustix::thread::capabilities(None);
    getuid().is_root()
        || !sets.is_ok_and(|sets| {
            sets.effective == none && sets.permitted == none && sets.inheritable == none
        })
}

fn exists(path: &str) -> bool {
    rustix::fs::stat(path).is_ok()
}

fn creates(path: &str) -> bool {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::open(Path::new(path), flags, Mode::from_raw_mode(0o600)).is_ok()
}

fn makes_sockets() -> bool {
    let families = [
        AddressFamily::UNIX,
        AddressFamily::INET,
        AddressFamily::INET6,
        AddressFamily::NETLINK,
        AddressFamily::VSOCK,
    ];
    families.into_iter().any(|family| socket(family, SocketType::DGRAM, None).is_ok())
}

/// What no view and no filter forbids in a directory that is the command's own.
fn makes_a_socket_file() -> bool {
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, "/tmp/.socket", FileType::Socket, mode, 0).is_ok()
}

fn is_unbounded() -> bool {
    let cores = rustix::process::getrlimit(Resource::Core).maximum;
    let nice = rustix::process::getpriority_process(None);
    cores != Some(1) || !nice.is_ok_and(|nice| nice >= 0)
}

fn makes_namespaces() -> bool {
    match sys::clone_into(super::NAMESPACES) {
        Ok(Cloned::Child) => sys::exit_now(0),
        Ok(Cloned::Parent { .. }) => true,
        Err(_) => false,
    }
}

fn status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// How many are open, with the one that is needed to look.
fn descriptors() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}
