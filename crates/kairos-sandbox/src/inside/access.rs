//! Access rules beside the view.
//!
//! Owns which rights of the kernel's access rules are asked for at which version of the interface. All
//! rights a version knows are ruled, and whatever is not granted here is denied. Asked for a version
//! the kernel does not have, it fails; nothing is left out to please an older one.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::{At, Failure};
use crate::message::Step;
use crate::plan::Rules;
use crate::sys;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
/// What a rule about a file, not a directory, can grant.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

const BIND_AND_CONNECT: u64 = 0b11;
const CONNECT: u64 = 0b10;
const ABSTRACT_SOCKETS_AND_SIGNALS: u64 = 0b11;

/// Every right on files that `abi` rules.
fn rights(abi: u32) -> u64 {
    let first = (1 << 13) - 1;
    first
        | if abi >= 2 { REFER } else { 0 }
        | if abi >= 3 { TRUNCATE } else { 0 }
        | if abi >= 5 { IOCTL_DEV } else { 0 }
}

/// Restricts this process and everything it starts, for good.
pub(super) fn restrict(rules: &Rules) -> Result<(), Failure> {
    let step = Step::Landlock;
    let all = rights(rules.abi);
    let net = if rules.abi >= 4 { BIND_AND_CONNECT } else { 0 };
    let scopes = if rules.abi >= 6 { ABSTRACT_SOCKETS_AND_SIGNALS } else { 0 };
    let set = sys::access_rules(all, net, scopes)
        .at(step, || format!("version {} is not what this kernel has", rules.abi))?;
    let anywhere = if rules.exec.is_empty() { EXECUTE } else { 0 };
    allow(&set, Path::new("/"), all & (READ_FILE | READ_DIR | anywhere))?;
    let devices = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEV;
    allow(&set, Path::new("/dev"), all & devices)?;
    let write = all & !(MAKE_CHAR | MAKE_BLOCK | MAKE_SOCK | IOCTL_DEV | EXECUTE) | anywhere;
    for path in &rules.write {
        allow(&set, path, write)?;
    }
    for path in &rules.exec {
        allow(&set, path, EXECUTE | READ_FILE)?;
    }
    if rules.port != 0 && rules.abi >= 4 {
        sys::allow_port(&set, rules.port, CONNECT).at(step, || "the proxy's port".into())?;
    }
    sys::restrict_self(&set).at(step, || "cannot be put on".into())
}

fn allow(set: &OwnedFd, path: &Path, rights: u64) -> Result<(), Failure> {
    let what = || format!("`{}`", path.display());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).at(Step::Landlock, what)?;
    let found = rustix::fs::fstat(&fd).at(Step::Landlock, what)?;
    let is_dir = rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir();
    let rights = if is_dir { rights } else { rights & OF_FILES };
    sys::allow_path(set, &fd, rights).at(Step::Landlock, what)
}
