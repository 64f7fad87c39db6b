//! `cargo xtask`: what a developer and the build machine type.
//!
//! Owns the verbs `test`, `tidy`, `vectors`, `bench`, `civil`, `slots`, `faults`, `attack` and `mutate`. Depends on no
//! crate of ours and never ships; it starts cargo and reads what comes back. Each verb is one module; `call` starts
//! programs, `packages` installs them, `metadata` asks cargo about the workspace, `table` prints.

#![expect(clippy::print_stdout, reason = "printing is what these verbs are for")]

mod attack;
mod bench;
mod call;
mod civil;
mod faults;
mod metadata;
mod mutate;
mod packages;
mod slots;
mod table;
mod test;
mod tidy;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

const USAGE: &str = "\
usage: cargo xtask VERB

  test                    check everything: format, house rules, lints, tests, recorded cases
  tidy                    check the rules of the house that a compiler does not know
  vectors [DIR]           compare with recorded cases, file by file (default: those in the tree)
  bench [NAME] [--json]   measure, each row beside its control
  civil [--nightly]       slots against an oracle around every change of every clock
  slots [--slots N] [--seed S] [--nightly]
                          whole lives of schedules; every slot accounted for once, `next` kept
  faults [--nightly] [--json] [NAME…]
                          crash, damage and kill it, and count what was tried and went wrong
  attack [--json] [--driver NAME]… [--writes HOW] [CASE…]
                          hostile cases in every sandbox there is; ours lets nothing through
  mutate [NAME…]          take each precaution out in turn; a test has to notice";

/// What a verb found. A program that could not be started is an error instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let verdict = match args.as_slice() {
        ["test"] => root().and_then(|root| test::test(&root)),
        ["tidy"] => root().and_then(|root| tidy::tidy(&root)),
        ["vectors"] => root().and_then(|root| vectors::vectors(&root, None)),
        ["vectors", dir] if !dir.starts_with('-') => {
            root().and_then(|root| vectors::vectors(&root, Some(Path::new(dir))))
        }
        ["bench", rest @ ..] => match bench::Request::parse(rest) {
            Some(request) => root().and_then(|root| bench::bench(&root, &request)),
            None => return usage(),
        },
        ["civil"] => root().and_then(|root| civil::civil(&root, false)),
        ["civil", "--nightly"] => root().and_then(|root| civil::civil(&root, true)),
        ["slots", rest @ ..] => match slots::Request::parse(rest) {
            Some(request) => root().and_then(|root| slots::slots(&root, &request)),
            None => return usage(),
        },
        ["faults", rest @ ..] => match faults::Request::parse(rest) {
            Some(request) => root().and_then(|root| faults::faults(&root, &request)),
            None => return usage(),
        },
        ["attack", rest @ ..] => match attack::Request::parse(rest) {
            Some(request) => root().and_then(|root| attack::attack(&root, &request)),
            None => return usage(),
        },
        ["mutate", names @ ..] if names.iter().all(|name| !name.starts_with('-')) => {
            root().and_then(|root| mutate::mutate(&root, names))
        }
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => return usage(),
    };
    match verdict {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// The workspace root: the nearest directory above with a lock file.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current directory cannot be read")?;
    here.ancestors()
        .find(|dir| dir.join("Cargo.lock").is_file())
        .map(Path::to_owned)
        .with_context(|| format!("no `Cargo.lock` in `{}` or above", here.display()))
}
