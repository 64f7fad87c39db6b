//! The small program that confines itself.
//!
//! Owns nothing: what it does stands in the library, so that both sides are of one version. Started by
//! the library and by nobody else. Where the library executes nothing, neither does this.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    kairos_sandbox::inside::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("kairos-sbx confines commands on Linux only");
    ExitCode::from(2)
}
