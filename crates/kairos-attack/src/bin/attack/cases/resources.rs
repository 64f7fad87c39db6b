//! Cases 73 to 83: memory, descriptors, threads, processors and pipes.
//!
//! Owns the rows and nothing else.

use crate::case::{BOUNDS, Bounds, Case, Needs, Outside, Shows, USUAL, Wish};

use Shows::{Answer, Late, Works};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

const CPU: Wish = Wish { bounds: Bounds { cpu_s: 1, ..BOUNDS }, ..USUAL };

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(73, "touch", Answer, &["memory", "512"]),
    case(73, "told", Answer, &["memory", "512"]).told("oom").needing(Needs::MemoryGroup),
    case(73, "shared", Answer, &["memory-shared", "512"]).needing(Needs::MemoryGroup),
    case(73, "memfd", Answer, &["memory-memfd", "512"]),
    case(73, "children", Answer, &["memory-children", "8", "64"]).needing(Needs::MemoryGroup),
    case(74, "files", Answer, &["files", "900"]),
    case(75, "threads", Answer, &["threads", "200"]),
    case(76, "spin", Answer, &["spin", "3"]).wishing(CPU),
    case(77, "flood", Works, &["--stderr", "flood", "1", "192"]).told("code 0"),
    case(78, "flood", Works, &["flood", "2", "192"]).told("code 0"),
    case(79, "held", Late, &["hold-stdout", "6"]),
    case(80, "unread", Works, &["stdin-unread"]).while_outside(Outside::Input(1)),
    case(81, "closed", Works, &["--stderr", "stdout-closed"]),
    case(82, "bytes", Works, &["bytes", "all"]),
];
