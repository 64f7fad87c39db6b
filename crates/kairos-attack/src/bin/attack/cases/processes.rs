//! Cases 36 to 52: processes outside, those that stay, and what may be executed.
//!
//! Owns the rows and nothing else.

use crate::case::{BOUNDS, Bounds, Case, Outside, Shows, USUAL, Wish};

use Shows::{Answer, Harm, Late, Leak, Stay, Works};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

/// With little time.
const SHORT: Wish = Wish { bounds: Bounds { wall_ms: 800, grace_ms: 300, ..BOUNDS }, ..USUAL };
/// Only what is listed may be executed.
const LISTED: Wish = Wish { listed: true, ..USUAL };
const KILLED: Wish = Wish { outside: Outside::DriverKilled, ..USUAL };

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(36, "kill", Harm, &["kill", "{victim}"]),
    case(36, "kill-all", Harm, &["kill-all"]),
    case(36, "tgkill", Harm, &["tgkill", "{victim}"]),
    case(36, "sigqueue", Harm, &["sigqueue", "{victim}"]),
    case(36, "pidfd", Harm, &["pidfd-signal", "{victim}"]),
    case(36, "renice", Harm, &["renice", "{victim}"]),
    case(36, "affinity", Harm, &["affinity", "{victim}"]),
    case(36, "limits", Harm, &["prlimit-other", "{victim}"]),
    case(37, "attach", Answer, &["ptrace-attach", "{victim}"]),
    case(37, "seize", Answer, &["ptrace-seize", "{victim}"]),
    case(37, "read-memory", Leak, &["vm-read", "{victim}", "{address}"]),
    case(37, "write-memory", Harm, &["vm-write", "{victim}", "{address}"]),
    case(37, "proc-mem", Answer, &["sys-write", "/proc/{victim}/mem"]),
    case(38, "trace-init", Answer, &["trace-init", "{victim}"]),
    case(38, "kill-init", Stay, &["kill-init"]),
    case(39, "orphan", Stay, &["stay-orphan"]),
    case(40, "stubborn", Late, &["stay-stubborn"]).wishing(SHORT).told("timeout"),
    case(40, "stopped-children", Stay, &["stay-stopped"]).wishing(SHORT).told("timeout"),
    case(41, "many", Answer, &["fork-many", "200"]),
    case(42, "forking", Stay, &["stay-forking"]),
    case(43, "sibling", Stay, &["stay-sibling"]),
    case(43, "vfork", Stay, &["stay-vfork"]),
    case(44, "daemon-killed", Stay, &["linger"]).wishing(KILLED),
    case(46, "zombies", Works, &["zombies", "40"]),
    case(48, "unshare-user", Answer, &["unshare", "user"]),
    case(48, "unshare-user-mount", Answer, &["unshare", "user,mount"]),
    case(48, "unshare-user-net", Answer, &["unshare", "user,net"]),
    case(48, "unshare-mount", Answer, &["unshare", "mount"]),
    case(48, "clone-user", Answer, &["clone", "user"]),
    case(48, "clone-user-pid", Answer, &["clone", "user,pid"]),
    case(48, "clone3-user", Answer, &["clone3", "user"]),
    case(48, "clone3-all", Answer, &["clone3", "user,mount,pid,net,ipc,uts,cgroup"]),
    case(48, "setns", Answer, &["setns", "{victim}"]),
    case(48, "hostname", Answer, &["nested", "hostname"]),
    case(49, "setuid-root", Answer, &["exec-setuid", "{programs}/probe-setuid"]),
    case(50, "memfd", Answer, &["exec-memfd"]).wishing(LISTED),
    case(50, "copy-in-workspace", Answer, &["exec-copy", "./planted-copy"]).wishing(LISTED),
    case(50, "copy-in-tmp", Answer, &["exec-copy", "/tmp/planted-copy"]).wishing(LISTED),
    case(50, "copy-in-dev-shm", Answer, &["exec-copy", "/dev/shm/planted-copy"]).wishing(LISTED),
    case(50, "script", Answer, &["exec-script", "/bin/sh"]).wishing(LISTED),
    case(50, "loader", Answer, &["exec-loader", "/bin/true"]).wishing(LISTED),
    case(50, "shell", Answer, &["exec", "/bin/sh", "-c", "echo started"]).wishing(LISTED),
    case(
        51,
        "loads",
        Leak,
        &["env", "PYTHONPATH", "PERL5LIB", "NODE_PATH", "RUSTC_WRAPPER", "BASH_ENV", "GIT_ASKPASS"],
    ),
    case(
        52,
        "secrets",
        Leak,
        &["env", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "DATABASE_PASSWORD"],
    ),
    case(52, "agents", Leak, &["env", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"]),
    case(52, "of-init", Leak, &["env-of-all"]),
    case(52, "all", Leak, &["env"]),
];
