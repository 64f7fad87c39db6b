//! Cases from 94 on: what building the suite taught.
//!
//! Owns the rows and nothing else.

use crate::case::{BOUNDS, Bounds, Case, Outside, Shows, USUAL, Wish, Writes};

use Shows::{Answer, Harm, Starve};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

/// A file of the workspace is taken while somebody wants to save it.
const fn lease(name: &'static str, writes: Writes) -> Case {
    let outside = Outside::Works(&["write-into", "readme.txt"]);
    case(95, name, Starve, &["lease", "readme.txt"]).wishing(Wish { writes, outside, ..USUAL })
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(94, "renice-user", Harm, &["renice-user"]),
    case(94, "signal-by-fd", Harm, &["signal-by-fd", "{victim}"]),
    case(94, "pidfd-getfd", Answer, &["pidfd-getfd", "{victim}"]),
    lease("lease-direct", Writes::Direct),
    lease("lease-read-only", Writes::ReadOnly),
    lease("lease-overlay", Writes::Overlay),
    case(95, "advisory-lock", Starve, &["flock", "readme.txt", "2500"])
        .while_outside(Outside::Works(&["flock", "readme.txt", "0"]))
        .not_claimed("docs/internals/sandbox.md, advisory locks"),
    case(96, "inotify", Starve, &["inotify", "128"])
        .while_outside(Outside::Works(&["inotify", "1"])),
    case(96, "inotify-many-files", Starve, &["inotify", "128"]).wishing(Wish {
        bounds: Bounds { files: 1_024, ..BOUNDS },
        outside: Outside::Works(&["inotify", "1"]),
        ..USUAL
    }),
    case(96, "timers", Starve, &["timers", "20000"])
        .while_outside(Outside::Works(&["timers", "1", "200"])),
    case(96, "aio", Answer, &["aio", "128"]),
    case(97, "sysv", Answer, &["memory-sysv", "512"]),
    case(97, "semaphores", Answer, &["semaphores", "1024"]),
    // Each of these would make a path that is protected and absent lead to what nobody protects.
    case(98, "link-on-the-way", Answer, &["link-to", "planted-dir", ".zed"]).kept_back(".zed"),
    case(98, "file-on-the-way", Answer, &["write", ".zed"]).kept_back(".zed"),
];
