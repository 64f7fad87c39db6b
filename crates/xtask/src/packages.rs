//! Programs of the system.
//!
//! Owns how one that is missing is installed: by the system's own package manager, as root or not at
//! all. What needs it says so.

use std::path::Path;

use anyhow::{Result, bail};

use crate::call::Call;

/// Where the sandbox looks for programs, whatever `PATH` says.
const SYSTEM: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Makes sure that `program` is there, whose package has the same name.
pub(crate) fn install(root: &Path, program: &str, why: &str) -> Result<()> {
    install_from(root, program, program, why)
}

/// Makes sure that `program` is there, which comes in `package`.
pub(crate) fn install_from(root: &Path, program: &str, package: &str, why: &str) -> Result<()> {
    match Call::new(program, &["--version"]).works(root) {
        true => Ok(()),
        false => add(root, program, package, why),
    }
}

/// Makes sure that `program` is one of the system's own, wherever else it may be.
pub(crate) fn install_in_system(
    root: &Path,
    program: &str,
    package: &str,
    why: &str,
) -> Result<()> {
    match SYSTEM.iter().any(|dir| Path::new(dir).join(program).exists()) {
        true => Ok(()),
        false => add(root, program, package, why),
    }
}

fn add(root: &Path, program: &str, package: &str, why: &str) -> Result<()> {
    println!("installing {package}, which is missing");
    let is_root = Call::new("id", &["-u"]).text(root)?.trim() == "0";
    let call = |args: &[&str]| match is_root {
        true => Call::new("apt-get", args),
        false => Call::new("sudo", &[&["--non-interactive", "apt-get"], args].concat()),
    };
    let install = call(&["install", "--yes", "--no-install-recommends", package]);
    // A fresh machine knows no packages yet.
    if install.show(root)? || (call(&["update"]).show(root)? && install.show(root)?) {
        return Ok(());
    }
    bail!("`{program}` {why} and cannot be installed; repeat it alone: {install}");
}
