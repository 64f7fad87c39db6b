//! Programs of the system.
//!
//! Owns how one that is missing is installed: by the system's own package manager, as root or not at
//! all. What needs it says so.

use std::path::Path;

use anyhow::{Result, bail};

use crate::call::Call;

/// Makes sure that `program` is there, whose package has the same name.
pub(crate) fn install(root: &Path, program: &str, why: &str) -> Result<()> {
    install_from(root, program, program, why)
}

/// Makes sure that `program` is there, which comes in `package`.
pub(crate) fn install_from(root: &Path, program: &str, package: &str, why: &str) -> Result<()> {
    if Call::new(program, &["--version"]).works(root) {
        return Ok(());
    }
    println!("installing {package}, which is missing");
    let install = ["apt-get", "install", "--yes", "--no-install-recommends", package];
    let call = match Call::new("id", &["-u"]).text(root)?.trim() {
        "0" => Call::new(install[0], &install[1..]),
        _ => Call::new("sudo", &[&["--non-interactive"], &install[..]].concat()),
    };
    if !call.show(root)? {
        bail!("`{program}` {why} and cannot be installed; repeat it alone: {call}");
    }
    Ok(())
}
