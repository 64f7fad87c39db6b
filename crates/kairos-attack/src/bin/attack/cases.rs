//! The tables of cases.
//!
//! Owns nothing but their order, which is that of the reference. A number with several inputs has several
//! rows. Cases of the rules for arguments, and of layers that are missing, ask the library and not a probe:
//! they are in `asked`.

mod files;
mod git;
mod kernel;
mod network;
mod processes;
mod resources;

use crate::case::Case;

pub(crate) const GROUPS: [(&str, &[Case]); 6] = [
    ("files", files::CASES),
    ("git and metadata", git::CASES),
    ("processes and signals", processes::CASES),
    ("kernel and other processes", kernel::CASES),
    ("network", network::CASES),
    ("resources", resources::CASES),
];
