//! The small program that confines itself.
//!
//! Owns nothing: what it does stands in the library, so that both sides are of one version. Started by
//! the library and by nobody else.

use std::process::ExitCode;

fn main() -> ExitCode {
    kairos_sandbox::inside::main()
}
