//! What the kernel offers beside files and processes.
//!
//! Owns the acts on mounts, modules, tracing, clocks, terminals, devices of the machine and rarely used
//! entries. Each is harmless where it succeeds: arguments are chosen so that the kernel grants the right
//! and changes nothing that outlives the probe, or refuses them only after it has granted it.

use std::fs;

use crate::report::{Denied, Try};
use crate::sys::{call, call_32, sys};
use crate::{Act, text};

pub(crate) const ACTS: &[Act] = &[
    ("mount-tmpfs", mount_tmpfs),
    ("mount-bind", mount_bind),
    ("remount-rw", remount_rw),
    ("open-tree", open_tree),
    ("fsopen", fsopen),
    ("move-mount", move_mount),
    ("mount-setattr", mount_setattr),
    ("chroot", chroot),
    ("pivot-root", pivot_root),
    ("hostname", hostname),
    ("io-uring", io_uring),
    ("bpf", bpf),
    ("perf", perf),
    ("userfaultfd", userfaultfd),
    ("kexec", kexec),
    ("init-module", init_module),
    ("fanotify", fanotify),
    ("quotactl", quotactl),
    ("acct", acct),
    ("swapon", swapon),
    ("reboot", reboot),
    ("settimeofday", settimeofday),
    ("syslog", syslog),
    ("tty-push", tty_push),
    ("tty-push-high", tty_push_high),
    ("tty-linux", tty_linux),
    ("tty-take", tty_take),
    ("x32", x32),
    ("int80", int80),
    ("unknown-call", unknown_call),
    ("personality", personality),
    ("modify-ldt", modify_ldt),
    ("sched-fifo", sched_fifo),
    ("nice-less", nice_less),
    ("raise-limit", raise_limit),
    ("mlockall", mlockall),
    ("oom-score", oom_score),
    ("cgroup-make", cgroup_make),
    ("cgroup-leave", cgroup_leave),
    ("sys-write", sys_write),
    ("no-new-privs", no_new_privs),
    ("capabilities", capabilities),
];

fn mount_tmpfs(_args: &[String]) -> Try {
    sys!(SYS_mount, c"none", c"/", c"tmpfs", 0, 0)
        .or_else(|_| sys!(SYS_mount, c"none", c".", c"tmpfs", 0, 0))?;
    Ok("mounted".to_owned())
}

fn mount_bind(_args: &[String]) -> Try {
    sys!(SYS_mount, c"/", c".", 0, libc::MS_BIND | libc::MS_REC, 0)?;
    Ok("bound".to_owned())
}

/// Of a mount that is read-only.
fn remount_rw(args: &[String]) -> Try {
    let path = crate::c_text(args, 0)?;
    sys!(SYS_mount, 0, path.as_c_str(), 0, libc::MS_REMOUNT | libc::MS_BIND, 0)?;
    Ok("writable".to_owned())
}

const OPEN_TREE_CLONE: i32 = 1;

fn open_tree(_args: &[String]) -> Try {
    let tree = sys!(SYS_open_tree, libc::AT_FDCWD, c"/", OPEN_TREE_CLONE | libc::AT_RECURSIVE)?;
    Ok(format!("tree {tree}"))
}

fn fsopen(_args: &[String]) -> Try {
    let fs = sys!(SYS_fsopen, c"tmpfs", 0)?;
    Ok(format!("filesystem {fs}"))
}

fn move_mount(_args: &[String]) -> Try {
    const FROM_FD_ITSELF: i32 = 4;
    let flags = OPEN_TREE_CLONE | libc::AT_RECURSIVE;
    let tree = sys!(SYS_open_tree, libc::AT_FDCWD, c"/", flags)?;
    sys!(SYS_move_mount, tree, c"", libc::AT_FDCWD, c".", FROM_FD_ITSELF)?;
    Ok("moved here".to_owned())
}

fn mount_setattr(args: &[String]) -> Try {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let path = crate::c_text(args, 0)?;
    let how = [0, MOUNT_ATTR_RDONLY, 0, 0].map(u64::to_ne_bytes).concat();
    sys!(SYS_mount_setattr, libc::AT_FDCWD, path.as_c_str(), 0, &how[..], how.len())?;
    Ok("writable".to_owned())
}

fn chroot(_args: &[String]) -> Try {
    sys!(SYS_chroot, c".")?;
    Ok("another root".to_owned())
}

fn pivot_root(_args: &[String]) -> Try {
    sys!(SYS_mount, c".", c".", 0, libc::MS_BIND | libc::MS_REC, 0)?;
    let cwd = std::env::current_dir()?;
    std::env::set_current_dir(&cwd)?;
    sys!(SYS_pivot_root, c".", c".")?;
    Ok("another root".to_owned())
}

fn hostname(_args: &[String]) -> Try {
    sys!(SYS_sethostname, c"attacked", 8)?;
    Ok("named".to_owned())
}

fn io_uring(_args: &[String]) -> Try {
    let mut how = [0_u8; 120];
    let ring = sys!(SYS_io_uring_setup, 4, &mut how[..])?;
    Ok(format!("ring {ring}"))
}

/// An array of one element.
fn bpf(_args: &[String]) -> Try {
    const ARRAY: u32 = 2;
    let mut what = [0_u8; 72];
    what[..20].copy_from_slice(&[ARRAY, 4, 4, 1, 0].map(u32::to_ne_bytes).concat());
    let map = sys!(SYS_bpf, 0, &what[..], what.len())?;
    Ok(format!("map {map}"))
}

/// A count of its own context switches.
fn perf(_args: &[String]) -> Try {
    let mut what = [0_u8; 112];
    what[..4].copy_from_slice(&1_u32.to_ne_bytes());
    what[4..8].copy_from_slice(&112_u32.to_ne_bytes());
    what[8] = 3;
    let event = sys!(SYS_perf_event_open, &what[..], 0, -1, -1, 0)?;
    Ok(format!("event {event}"))
}

fn userfaultfd(_args: &[String]) -> Try {
    const USER_MODE_ONLY: i32 = 1;
    let fd = sys!(SYS_userfaultfd, USER_MODE_ONLY)?;
    Ok(format!("fd {fd}"))
}

/// Loads nothing: no segments, and a flag that no kernel knows.
fn kexec(_args: &[String]) -> Try {
    permitted(sys!(SYS_kexec_load, 0, 0, 0, 0x7777))
}

/// No module is that short.
fn init_module(_args: &[String]) -> Try {
    permitted(sys!(SYS_init_module, c"none", 4, c""))
}

fn fanotify(_args: &[String]) -> Try {
    const REPORT_FID: i32 = 0x200;
    let group = sys!(SYS_fanotify_init, REPORT_FID, libc::O_RDONLY)?;
    Ok(format!("group {group}"))
}

/// Of a device that is none.
fn quotactl(_args: &[String]) -> Try {
    const Q_SETQUOTA: i32 = 0x80_0008 << 8;
    permitted(sys!(SYS_quotactl, Q_SETQUOTA, c"/dev/null", 0, 0))
}

/// Into a file that cannot be one.
fn acct(_args: &[String]) -> Try {
    permitted(sys!(SYS_acct, c"/"))
}

fn swapon(_args: &[String]) -> Try {
    permitted(sys!(SYS_swapon, c"/dev/null", 0))
}

/// With magic numbers that are none: nothing can come of it.
fn reboot(_args: &[String]) -> Try {
    permitted(sys!(SYS_reboot, 0, 0, 0, 0))
}

/// To an instant that is none.
fn settimeofday(_args: &[String]) -> Try {
    let never = [0_i64, -1].map(i64::to_ne_bytes).concat();
    permitted(sys!(SYS_clock_settime, 0, &never[..]))
}

/// A refusal of nonsense means that the right to ask was granted.
fn permitted(answer: Result<i64, Denied>) -> Try {
    match answer {
        Ok(_) => Ok("granted".to_owned()),
        Err(denied) if [libc::EPERM, libc::EACCES, libc::ENOSYS].contains(&denied.errno) => {
            Err(denied)
        }
        Err(denied) => {
            Err(Denied { what: format!("not refused outright: {}", denied.what), ..denied })
        }
    }
}

fn syslog(_args: &[String]) -> Try {
    const READ_ALL: i32 = 3;
    let mut bytes = [0_u8; 128];
    sys!(SYS_syslog, READ_ALL, &mut bytes[..], 128)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const TIOCSCTTY: u64 = 0x540e;

/// Types `!` into the terminal it was given.
fn tty_push(_args: &[String]) -> Try {
    sys!(SYS_ioctl, 0, TIOCSTI, c"!")?;
    Ok("typed".to_owned())
}

/// The same with a bit set that the kernel throws away and a filter may compare.
fn tty_push_high(_args: &[String]) -> Try {
    sys!(SYS_ioctl, 0, TIOCSTI | 1 << 32, c"!")?;
    Ok("typed".to_owned())
}

fn tty_linux(_args: &[String]) -> Try {
    const SHIFT_STATE: u8 = 6;
    let mut what = [SHIFT_STATE];
    sys!(SYS_ioctl, 0, TIOCLINUX, &mut what[..])?;
    Ok("answered".to_owned())
}

/// Makes the terminal it was given its own, and types.
fn tty_take(_args: &[String]) -> Try {
    crate::sys::in_child(|| {
        sys!(SYS_setsid)?;
        sys!(SYS_ioctl, 0, TIOCSCTTY, 0)?;
        sys!(SYS_ioctl, 0, TIOCSTI, c"!")?;
        Ok("taken".to_owned())
    })
}

fn x32(_args: &[String]) -> Try {
    const X32: i64 = 0x4000_0000;
    let pid = call("x32 getpid", X32 | libc::SYS_getpid, &mut [])?;
    Ok(format!("pid {pid}"))
}

fn int80(_args: &[String]) -> Try {
    const GETPID_32: u32 = 20;
    crate::sys::in_child(|| match call_32(GETPID_32) {
        Some(pid) if pid > 0 => Ok(format!("pid {pid}")),
        Some(errno) => Err(Denied { errno: -errno, what: "turned down".to_owned() }),
        None => Err(Denied::new("this processor has no such entry")),
    })
}

/// A filter may answer with anything but success.
fn unknown_call(_args: &[String]) -> Try {
    const UNKNOWN: i64 = 10_000;
    call("syscall 10000", UNKNOWN, &mut []).map(|answer| format!("answered {answer}"))
}

/// Addresses that do not vary, in a child.
fn personality(_args: &[String]) -> Try {
    const ADDR_NO_RANDOMIZE: i64 = 0x0004_0000;
    crate::sys::in_child(|| {
        sys!(SYS_personality, ADDR_NO_RANDOMIZE)?;
        Ok("no longer random".to_owned())
    })
}

#[cfg(target_arch = "x86_64")]
fn modify_ldt(_args: &[String]) -> Try {
    let mut bytes = [0_u8; 16];
    sys!(SYS_modify_ldt, 0, &mut bytes[..], 16)?;
    Ok("answered".to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn modify_ldt(_args: &[String]) -> Try {
    Err(Denied::new("this processor has no such table"))
}

/// For an instant, in a child.
fn sched_fifo(_args: &[String]) -> Try {
    crate::sys::in_child(|| {
        let lowest = 1_i32.to_ne_bytes();
        sys!(SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &lowest[..])?;
        Ok("before everybody".to_owned())
    })
}

fn nice_less(_args: &[String]) -> Try {
    crate::sys::in_child(|| {
        sys!(SYS_setpriority, 0, 0, -1)?;
        Ok("nice -1".to_owned())
    })
}

/// Lifts a limit that the sandbox has set: `raise-limit NUMBER` of the kernel's numbers.
fn raise_limit(args: &[String]) -> Try {
    let limit = crate::number(args, 0)?;
    let none = [u64::MAX; 2].map(u64::to_ne_bytes).concat();
    sys!(SYS_prlimit64, 0, limit, &none[..], 0)?;
    // A filter can say yes and change nothing.
    let mut now = [0_u8; 16];
    sys!(SYS_prlimit64, 0, limit, 0, &mut now[..])?;
    if now[..] != none[..] {
        return Err(Denied::new("granted in words, and not raised"));
    }
    Ok("unlimited".to_owned())
}

/// All its memory and all to come, in a child.
fn mlockall(_args: &[String]) -> Try {
    crate::sys::in_child(|| {
        sys!(SYS_mlockall, libc::MCL_CURRENT | libc::MCL_FUTURE)?;
        Ok("locked".to_owned())
    })
}

fn oom_score(_args: &[String]) -> Try {
    let before = fs::read_to_string("/proc/self/oom_score_adj")?;
    let before: i32 = before.trim().parse().map_err(|_| Denied::new("no number"))?;
    fs::write("/proc/self/oom_score_adj", (before - 1).to_string())?;
    Ok("ended later than others".to_owned())
}

/// Where the second version's hierarchy may be, and what it is in.
fn cgroup_dirs() -> Vec<String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned();
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|root| format!("{root}{own}")).to_vec()
}

fn cgroup_make(_args: &[String]) -> Try {
    let mut last = Denied::new("no hierarchy");
    for dir in cgroup_dirs() {
        match fs::create_dir(format!("{dir}/planted")) {
            Ok(()) => return Ok(format!("made in {dir}")),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Moves itself to the group above its own.
fn cgroup_leave(_args: &[String]) -> Try {
    let mut last = Denied::new("no hierarchy");
    for dir in cgroup_dirs() {
        match fs::write(format!("{dir}/../cgroup.procs"), "0") {
            Ok(()) => return Ok("moved".to_owned()),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Writes to a setting of the kernel what stands there already.
fn sys_write(args: &[String]) -> Try {
    let path = text(args, 0)?;
    let file = fs::OpenOptions::new().write(true).open(path)?;
    drop(file);
    Ok("open for writing".to_owned())
}

/// Whether a program with more rights would get them.
fn no_new_privs(_args: &[String]) -> Try {
    const PR_GET_NO_NEW_PRIVS: i32 = 39;
    match sys!(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)? {
        0 => Ok("new rights are possible".to_owned()),
        _ => Err(Denied::new("no new rights")),
    }
}

/// Rights it has or could get, of any of the five sets.
fn capabilities(_args: &[String]) -> Try {
    let status = fs::read_to_string("/proc/self/status")?;
    let sets: Vec<&str> = status
        .lines()
        .filter(|line| line.starts_with("Cap") && !line.ends_with("0000000000000000"))
        .collect();
    if sets.is_empty() { Err(Denied::new("none in any set")) } else { Ok(sets.join(" ")) }
}
