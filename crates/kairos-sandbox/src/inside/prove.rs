//! The small program as its own first victim.
//!
//! Owns a handful of things no command may do, tried from inside as a command would. Says which of them
//! worked; the caller lets nothing run here if any did. A proof of these few and of nothing else: what
//! it is for is a host where a wall stands by name only.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{getpid, getppid, getuid};
use rustix::thread::CapabilitySet;

use crate::sys::{self, Cloned};

/// What is said when nothing worked.
pub(crate) const HELD: &str = "held";

/// A name, and whether it works.
type Try = (&'static str, fn() -> bool);

/// Tries everything: the names of what worked.
pub(super) fn holes() -> Vec<&'static str> {
    let tries: [Try; 10] = [
        ("root's rights", has_rights),
        ("raises of rights", || !rustix::thread::no_new_privs().unwrap_or(false)),
        ("processes outside", sees_processes),
        ("files outside", || ["/root", "/home", "/var", "/sys", "/run"].into_iter().any(exists)),
        ("writing to the system", || creates("/usr/.kairos") || creates("/.kairos")),
        ("sockets", makes_sockets),
        ("namespaces", makes_namespaces),
        ("mounts", || mount_change("/", MountPropagationFlags::PRIVATE).is_ok()),
        ("no filter", || !status().contains("Seccomp:\t2")),
        ("descriptors", || descriptors() != Some(4)),
    ];
    tries.into_iter().filter(|(_, works)| works()).map(|(name, _)| name).collect()
}

fn has_rights() -> bool {
    let none = CapabilitySet::empty();
    let sets = rustix::thread::capabilities(None);
    getuid().is_root()
        || !sets.is_ok_and(|sets| {
            sets.effective == none && sets.permitted == none && sets.inheritable == none
        })
}

fn sees_processes() -> bool {
    let (own, parent) = (getpid().as_raw_nonzero().get(), getppid().map(|pid| pid.as_raw_pid()));
    own != 2 || parent != Some(1) || exists("/proc/1") || exists("/proc/sys")
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
