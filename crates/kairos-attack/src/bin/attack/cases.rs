//! The tables of cases.
//!
//! Owns nothing but their order, which is that of the reference. A number with several inputs has several
//! rows.

mod closed;
mod files;
mod git;
mod kernel;
mod network;
mod processes;
mod resources;
mod taught;
mod tools;

use crate::case::Case;

pub(crate) const GROUPS: [(&str, &[Case]); 9] = [
    ("files", files::CASES),
    ("git and metadata", git::CASES),
    ("processes and signals", processes::CASES),
    ("kernel and other processes", kernel::CASES),
    ("network", network::CASES),
    ("resources", resources::CASES),
    ("programs of the machine", tools::CASES),
    ("ends and missing walls", closed::CASES),
    ("taught by building this", taught::CASES),
];
