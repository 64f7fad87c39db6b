//! Cases 45, 47, 83, 84 and 91 to 93: what a driver tells, and what it does when it cannot confine.
//!
//! Owns the rows and nothing else. A driver that knows nothing of such things has nothing broken: it is
//! attacked as ever.

use crate::case::{BOUNDS, Bounds, Broken, Case, Program, Shows, USUAL, Wish};

use Shows::{Answer, Leak, Told, Works};

/// Hundreds take their time.
const MANY: Wish =
    Wish { bounds: Bounds { wall_ms: 60_000, ..BOUNDS }, broken: Broken::Many, ..USUAL };

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

/// Without a wall it would read the secret of another project.
const fn closed(number: u8, name: &'static str, broken: Broken) -> Case {
    case(number, name, Leak, &["read", "{other}/secret"]).broken(broken)
}

const fn unknown(name: &'static str, calls: &'static [&'static str]) -> Case {
    closed(91, name, Broken::Unknown(calls))
}

const fn deadly(call: &'static str) -> Case {
    closed(93, call, Broken::Deadly(call))
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(45, "starter-ends", Works, &["wait", "400"]).broken(Broken::StarterEnds),
    case(47, "code-7", Told, &["end-code", "7"]).told("code 7"),
    case(47, "code-137", Told, &["end-code", "137"]).told("code 137"),
    case(47, "code-143", Told, &["end-code", "143"]).told("code 143"),
    case(47, "signal-9", Told, &["end-signal", "9"]).told("signal 9"),
    case(47, "signal-15", Told, &["end-signal", "15"]).told("signal 15"),
    case(47, "signal-6", Told, &["end-signal", "6"]).told("signal 6"),
    case(83, "giant-argument", Told, &["read", "readme.txt"])
        .broken(Broken::GiantArgument)
        .told("Argument list too long"),
    case(84, "many", Works, &["wait", "0"]).wishing(MANY).told("code 0"),
    case(91, "seccomp-unknown", Answer, &["io-uring"]).broken(Broken::Unknown(&["seccomp"])),
    case(91, "landlock-unknown", Leak, &["read", "{other}/secret"])
        .broken(Broken::Unknown(&["landlock_create_ruleset"])),
    unknown("clone3-unknown", &["clone3"]),
    unknown("namespaces-unknown", &["clone3", "unshare"]),
    unknown("mount-unknown", &["mount"]),
    unknown("move-mount-unknown", &["move_mount"]),
    unknown("open-tree-unknown", &["open_tree"]),
    unknown("mount-setattr-unknown", &["mount_setattr"]),
    unknown("pivot-root-unknown", &["pivot_root"]),
    unknown("umount-unknown", &["umount2"]),
    unknown("capset-unknown", &["capset"]),
    unknown("close-range-unknown", &["close_range"]),
    unknown("limits-unknown", &["setrlimit"]),
    closed(91, "no-namespaces-left", Broken::NoNamespaces),
    closed(92, "missing", Broken::Program(Program::Missing)),
    closed(92, "writable", Broken::Program(Program::Writable)),
    closed(92, "another", Broken::Program(Program::Another)),
    closed(92, "replaced-later", Broken::Program(Program::ReplacedLater)),
    deadly("setsid"),
    deadly("close_range"),
    deadly("mount"),
    deadly("move_mount"),
    deadly("open_tree"),
    deadly("mount_setattr"),
    deadly("pivot_root"),
    deadly("umount2"),
    deadly("capset"),
    deadly("fchdir"),
    deadly("chdir"),
    deadly("landlock_add_rule"),
    deadly("landlock_restrict_self"),
    deadly("seccomp"),
    deadly("execveat"),
];
