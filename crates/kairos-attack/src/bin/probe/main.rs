//! `probe CASE [ARG…]`: one hostile act from inside, told in JSON.
//!
//! Owns the names of the acts. Says before the act that it tries and after it what came of it, on stdout
//! or, as `probe --stderr CASE`, on stderr. Whether anything outside has felt it is not judged here:
//! witnesses of `attack` do. Stands on libc alone and is linked statically, so that it runs in any view.

#![expect(clippy::print_stdout, reason = "telling is what it is for")]

mod fs;
mod ipc;
mod kernel;
mod nest;
mod net;
mod process;
mod report;
mod resource;
mod sys;

use std::io::Write as _;
use std::process::ExitCode;

use report::{Denied, Try};

/// An act by its name.
type Act = (&'static str, fn(&[String]) -> Try);

/// Every group of acts.
const GROUPS: [&[Act]; 7] =
    [fs::ACTS, ipc::ACTS, kernel::ACTS, nest::ACTS, net::ACTS, process::ACTS, resource::ACTS];

fn main() -> ExitCode {
    let mut args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let stderr = args.first().is_some_and(|arg| arg == "--stderr");
    if stderr {
        args.remove(0);
    }
    let Some((case, args)) = args.split_first() else {
        eprintln!("usage: probe [--stderr] CASE [ARG…]");
        return ExitCode::from(2);
    };
    let Some(act) = act(case) else {
        eprintln!("probe: no case is named `{case}`");
        return ExitCode::from(2);
    };
    say(&report::begun(case), stderr);
    let result = act(args);
    say(&report::ended(case, &result), stderr);
    ExitCode::SUCCESS
}

fn act(case: &str) -> Option<fn(&[String]) -> Try> {
    GROUPS.iter().flat_map(|acts| acts.iter()).find(|(name, _)| *name == case).map(|(_, act)| *act)
}

/// Where nobody listens any more, nobody is told.
fn say(line: &str, stderr: bool) {
    let _ = if stderr {
        std::io::stderr().write_all(line.as_bytes())
    } else {
        let mut stdout = std::io::stdout();
        stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())
    };
}

/// The argument at `at`, which the case cannot do without.
fn text(args: &[String], at: usize) -> Result<&str, Denied> {
    args.get(at).map(String::as_str).ok_or_else(|| Denied::new(format!("argument {at} is missing")))
}

/// The argument at `at` as a number.
fn number(args: &[String], at: usize) -> Result<i64, Denied> {
    let text = text(args, at)?;
    text.parse().map_err(|_| Denied::new(format!("`{text}` is no number")))
}

/// The argument at `at` as an amount.
fn amount(args: &[String], at: usize) -> Result<usize, Denied> {
    usize::try_from(number(args, at)?).map_err(|_| Denied::new("an amount is not negative"))
}

/// The argument at `at` as the kernel takes it.
fn c_text(args: &[String], at: usize) -> Result<std::ffi::CString, Denied> {
    std::ffi::CString::new(text(args, at)?).map_err(|_| Denied::new("a NUL in an argument"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_a_name_of_its_own() {
        let mut names: Vec<&str> =
            GROUPS.iter().flat_map(|acts| acts.iter()).map(|(name, _)| *name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
