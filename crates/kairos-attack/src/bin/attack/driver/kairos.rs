//! Ours, as a daemon would use it.
//!
//! Owns the policy that a case's wish is turned into, and the process that stands for the daemon: it is
//! started like every other driver, with all that is careless around it, asks the library for one command,
//! hands on what the command wrote, and tells in one line how it ended.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kairos_sandbox::{
    Binary, Capabilities, Command, Compiled, ExecRule, HostPort, Limits, Net, OnFlood, Outcome,
    PathRule, Policy, ProgramAt, Sandbox, Stdin, Streams, WriteMode,
};
use serde::{Deserialize, Serialize};

use super::{Driver, find};
use crate::arena::PROGRAMS;
use crate::case::{self, Broken, Case, Outside, Program, Writes};
use crate::world::{OTHER, PROTECTED, WORKSPACE};

pub(super) struct Kairos;

/// What the daemon's stand-in says of how a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// `code 0`, `timeout`, …; empty where the command did not run.
    pub(crate) exit: String,
    /// Why it did not run.
    pub(crate) refused: String,
    /// What was protected, absent before, and is there now.
    pub(crate) appeared: Vec<String>,
    pub(crate) truncated: bool,
    /// Most memory that the daemon's stand-in had.
    pub(crate) daemon_mib: u64,
}

/// Before the line.
pub(crate) const TOLD: &str = "outcome: ";

impl Driver for Kairos {
    fn name(&self) -> &'static str {
        crate::OURS
    }

    fn missing(&self) -> Option<String> {
        let helper = Path::new(PROGRAMS).join("kairos-sbx");
        (!helper.is_file()).then(|| "its helper `kairos-sbx` was not built".to_owned())
    }

    fn command(&self, case: &Case, argv: &[OsString]) -> Vec<OsString> {
        let own = format!("{PROGRAMS}/attack");
        let mut all = match case.wish.broken {
            Broken::Unknown(calls) => {
                super::words(&[&own, "--filter", "unknown", &calls.join(",")])
            }
            Broken::Deadly(call) => super::words(&[&own, "--filter", "deadly", call]),
            _ => Vec::new(),
        };
        all.extend(super::words(&[&own, "--confine", &case.id()]));
        all.extend(argv.iter().cloned());
        all
    }

    fn has_clock(&self) -> bool {
        true
    }
}

/// `attack --confine CASE PROGRAM ARG…`: the daemon's stand-in.
pub(crate) fn confine(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let id = args.next().context("a case is missing")?;
    let case = case::all().find(|case| id == *case.id()).context("no such case")?;
    let argv: Vec<OsString> = args.collect();
    match ask(case, argv) {
        Ok(outcome) => {
            std::io::stdout().write_all(&outcome.stdout.bytes())?;
            std::io::stderr().write_all(&outcome.stderr.bytes())?;
            tell(&told(&outcome))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            tell(&Told { refused: format!("{error:#}"), ..Told::default() })?;
            Ok(ExitCode::from(125))
        }
    }
}

fn tell(told: &Told) -> Result<()> {
    eprintln!("\n{TOLD}{}", serde_json::to_string(told)?);
    Ok(())
}

fn told(outcome: &Outcome) -> Told {
    let exit = format!("{:?}", outcome.exit).to_lowercase().replace('(', " ").replace(')', "");
    Told {
        exit,
        refused: String::new(),
        appeared: outcome.appeared.iter().map(|path| path.display().to_string()).collect(),
        truncated: outcome.stdout.truncated || outcome.stderr.truncated,
        daemon_mib: most_memory(),
    }
}

/// In MiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

fn ask(case: &Case, mut argv: Vec<OsString>) -> Result<Outcome> {
    let at = program_at(case.wish.broken)?;
    let sandbox = Sandbox::open(&at)?;
    if let (Broken::Program(Program::ReplacedLater), ProgramAt::Path(path)) =
        (case.wish.broken, &at)
    {
        replace(path)?;
    }
    if case.wish.broken == Broken::GiantArgument {
        argv.push("x".repeat(1 << 20).into());
    }
    let compiled = compiled(case, &kairos_sandbox::probe())?;
    let name = argv.first().context("a program is missing")?;
    let path = match name.to_str() {
        Some(name) if !name.contains('/') => find(name).with_context(|| format!("no `{name}`"))?,
        _ => name.into(),
    };
    let command =
        Command { binary: Binary::open(&path)?, argv, cwd: WORKSPACE.into(), stdin: stdin(case)? };
    if case.wish.broken == Broken::StarterEnds {
        let starter =
            std::thread::spawn(move || sandbox.spawn(command, &compiled, Streams::Captured));
        return Ok(starter.join().expect("the starter never panics")?.wait()?);
    }
    Ok(sandbox.run(command, &compiled)?)
}

/// Where the small program is said to be.
fn program_at(broken: Broken) -> Result<ProgramAt> {
    let Broken::Program(program) = broken else { return Ok(ProgramAt::Beside) };
    let programs = Path::new(PROGRAMS);
    let own = Path::new(WORKSPACE).join("kairos-sbx");
    Ok(ProgramAt::Path(match program {
        Program::Missing => programs.join("kairos-sbx.away"),
        Program::Another => programs.join("probe"),
        Program::Writable | Program::ReplacedLater => {
            std::fs::copy(programs.join("kairos-sbx"), &own)?;
            let mode = if program == Program::Writable { 0o777 } else { 0o755 };
            std::fs::set_permissions(&own, std::fs::Permissions::from_mode(mode))?;
            own
        }
    }))
}

/// Puts a hostile program in the small one's place.
fn replace(path: &Path) -> Result<()> {
    let hostile = path.with_extension("hostile");
    let script = format!("#!/bin/sh\necho {} >&2\ncat {OTHER}/secret >&2\n", crate::hostile::CRY);
    std::fs::write(&hostile, script)?;
    std::fs::set_permissions(&hostile, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(hostile, path)?;
    Ok(())
}

fn stdin(case: &Case) -> Result<Stdin> {
    let stdin = std::io::stdin();
    Ok(match case.wish.outside {
        Outside::Input(_) => {
            let mut bytes = Vec::new();
            stdin.lock().read_to_end(&mut bytes)?;
            Stdin::Bytes(bytes)
        }
        Outside::Terminal | Outside::LeakedTerminal => {
            Stdin::Fd(stdin.as_fd().try_clone_to_owned()?)
        }
        _ => Stdin::Empty,
    })
}

/// What is protected; where there is no repository, whether there is one is too.
fn protect() -> Vec<PathRule> {
    let repository = Path::new(WORKSPACE).join(".git");
    let absent = (!repository.is_dir()).then_some(".git");
    PROTECTED.iter().copied().chain(absent).map(PathRule::optional).collect()
}

/// The policy that a wish asks for.
fn compiled(case: &Case, host: &Capabilities) -> Result<Compiled> {
    const MIB: u64 = 1 << 20;
    let (wish, bounds) = (&case.wish, &case.wish.bounds);
    let also = wish.also.iter().map(|below| format!("{WORKSPACE}/{below}"));
    let limits = Limits {
        wall: Duration::from_millis(bounds.wall_ms),
        grace: Duration::from_millis(bounds.grace_ms),
        cpu: Duration::from_secs(bounds.cpu_s),
        mem: bounds.memory_mib * MIB,
        pids: bounds.processes,
        nofile: bounds.files,
        fsize: bounds.file_mib * MIB,
        tmpfs: bounds.tmpfs_mib * MIB,
        inodes: 4_096,
        out_each: 256 << 10,
        on_flood: OnFlood::Drain,
        ..Limits::default()
    };
    let policy = Policy {
        read: vec![PathRule::required(PROGRAMS)],
        write: std::iter::once(WORKSPACE.to_owned()).chain(also).map(PathRule::required).collect(),
        protect: protect(),
        exec: match wish.listed {
            true => ExecRule::Listed(vec![format!("{PROGRAMS}/probe").into()]),
            false => ExecRule::System,
        },
        net: match wish.allow {
            [] => Net::Deny,
            hosts => Net::Allow(hosts.iter().filter_map(|host| HostPort::parse(host)).collect()),
        },
        limits,
        writes: match wish.writes {
            Writes::Direct => WriteMode::Direct,
            Writes::Overlay => WriteMode::Overlay,
            Writes::ReadOnly => WriteMode::ReadOnly,
        },
        ..Policy::default()
    };
    Ok(kairos_sandbox::compile(&policy, host)?)
}
