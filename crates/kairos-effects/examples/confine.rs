//! The program that confines a command, for the tests of what stands above it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kairos_sandbox::inside::main()
}
