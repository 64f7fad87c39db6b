//! The `kairos` command.
//!
//! Owns the way from the command line to an exit code: parse, find the verb, let it talk, end.
//! Everything a verb does stands under [`cli`]; everything it says, under [`output`].

mod accounts;
mod assemble;
mod checkpoints;
mod cli;
mod config;
mod crontab;
mod daemon;
mod demo;
mod doctor;
mod door;
mod hints;
mod identity;
mod init;
mod keys;
mod log;
mod looks;
mod notices;
mod once;
mod output;
mod performers;
mod protected;
mod shell;
mod signals;
mod startup;
mod watching;
mod witness;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use output::{Exit, Failure, Out};

/// The first argument of a copy of this program that confines a command, where the small program made
/// for it is not beside this one.
const CONFINES: &str = "__sbx";

fn main() -> ExitCode {
    // Before anything else: what follows would only be in the way of whoever confines itself.
    if std::env::args_os().nth(1).is_some_and(|first| first == CONFINES) {
        return kairos_sandbox::inside::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let json = cli.global.json;
    if let Err(error) = signals::survive_full_quota() {
        return Failure::of(Exit::Usage, "signals", &error).tell(json).into();
    }
    let mut out = Out::new(json);
    // What was written before a failure is still data.
    let done = cli.perform(&mut out);
    let flushed = out.flush();
    match done.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell(json).into(),
    }
}

/// Help and version are answers; everything else clap says is wrong usage.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let said = text.lines().next().unwrap_or_default();
        let said = said.strip_prefix("error: ").unwrap_or(said);
        return Failure::usage(said).tell(true).into();
    }
    match error.print() {
        Ok(()) if !error.use_stderr() => Exit::Ok.into(),
        Err(failed) if failed.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Ok(()) | Err(_) => Exit::Usage.into(),
    }
}
