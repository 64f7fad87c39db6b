//! Namespaces of its own.
//!
//! Owns the act that does another act with the rights that a user namespace of one's own gives, and the
//! acts that make or enter namespaces. What is done in one is done in a child, which ends with it.

use std::fs;

use crate::report::{Denied, Try};
use crate::sys::{in_child, sys};
use crate::{Act, act, text};

pub(crate) const ACTS: &[Act] = &[
    ("nested", nested),
    ("unshare", unshare),
    ("clone", clone),
    ("clone3", clone3),
    ("setns", setns),
];

/// Name, flag.
const SPACES: [(&str, i32); 7] = [
    ("user", libc::CLONE_NEWUSER),
    ("mount", libc::CLONE_NEWNS),
    ("pid", libc::CLONE_NEWPID),
    ("net", libc::CLONE_NEWNET),
    ("ipc", libc::CLONE_NEWIPC),
    ("uts", libc::CLONE_NEWUTS),
    ("cgroup", libc::CLONE_NEWCGROUP),
];

/// The flags of the namespaces that a list names: `user,mount`.
fn flags(list: &str) -> Result<i32, Denied> {
    list.split(',').try_fold(0, |flags, wanted| {
        let space = SPACES.iter().find(|(name, _)| *name == wanted);
        space
            .map(|(_, flag)| flags | flag)
            .ok_or_else(|| Denied::new(format!("no namespace is named `{wanted}`")))
    })
}

/// Does another act as the root of namespaces of its own: every right that nesting brings.
fn nested(args: &[String]) -> Try {
    let inner = act(text(args, 0)?).ok_or_else(|| Denied::new("no such case"))?;
    in_child(|| {
        enter()?;
        inner(&args[1..])
    })
}

/// Becomes the root of a user namespace of its own and of all others.
fn enter() -> Result<(), Denied> {
    let all = SPACES.iter().filter(|(name, _)| *name != "pid").fold(0, |all, (_, flag)| all | flag);
    let (uid, gid) = (sys!(SYS_getuid)?, sys!(SYS_getgid)?);
    sys!(SYS_unshare, all)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    sys!(SYS_mount, c"none", c"/", 0, libc::MS_REC | libc::MS_PRIVATE, 0)?;
    Ok(())
}

fn unshare(args: &[String]) -> Try {
    let flags = flags(text(args, 0)?)?;
    in_child(|| sys!(SYS_unshare, flags).map(|_| "apart".to_owned()))
}

fn clone(args: &[String]) -> Try {
    let flags = flags(text(args, 0)?)?;
    in_child(|| match sys!(SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0)? {
        0 => crate::sys::leave(0),
        child => Ok(format!("child {child}")),
    })
}

fn clone3(args: &[String]) -> Try {
    let flags = u64::try_from(flags(text(args, 0)?)?).expect("flags are not negative");
    in_child(|| {
        let signal = u64::try_from(libc::SIGCHLD).expect("a signal is not negative");
        let how = [flags, 0, 0, 0, signal, 0, 0, 0].map(u64::to_ne_bytes).concat();
        match sys!(SYS_clone3, &how[..], 64)? {
            0 => crate::sys::leave(0),
            child => Ok(format!("child {child}")),
        }
    })
}

/// Enters the namespaces of another process, through files or through its pidfd.
fn setns(args: &[String]) -> Try {
    let other: i64 = crate::number(args, 0)?;
    in_child(|| {
        if let Ok(fd) = sys!(SYS_pidfd_open, other, 0) {
            sys!(SYS_setns, fd, libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
            return Ok("entered by its pidfd".to_owned());
        }
        let path = std::ffi::CString::new(format!("/proc/{other}/ns/user"))
            .map_err(|_| Denied::new("a NUL in a path"))?;
        let fd = sys!(SYS_open, path.as_c_str(), libc::O_RDONLY, 0)?;
        sys!(SYS_setns, fd, 0)?;
        Ok("entered by its file".to_owned())
    })
}
