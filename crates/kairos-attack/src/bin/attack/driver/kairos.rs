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
use kairos_sandbox::catalog::{Catalog, Place, RepositoryConfig, Rewritten, Trust};
use kairos_sandbox::{
    Binary, Command, Compiled, ExecRule, HostPort, Limits, Net, OnFlood, Outcome, PathRule, Policy,
    ProgramAt, Sandbox, Stdin, Streams, WriteMode,
};
use serde::{Deserialize, Serialize};

use super::Driver;
use crate::arena::PROGRAMS;
use crate::case::{self, Act, Broken, Case, Outside, Program, Writes};
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
    /// What it did in a layer and what will not be taken over from there.
    pub(crate) not_promoted: Vec<String>,
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
        all.extend(super::words(&[&own, "--confine", &case.id(), case.wish.writes.name()]));
        all.extend(argv.iter().cloned());
        all
    }

    fn has_clock(&self) -> bool {
        true
    }
}

/// `attack --confine CASE WRITES PROGRAM ARG…`: the daemon's stand-in.
pub(crate) fn confine(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let id = args.next().context("a case is missing")?;
    let mut case = *case::all().find(|case| id == *case.id()).context("no such case")?;
    let writes = args.next().context("how to write is missing")?;
    case.wish.writes = writes.to_str().and_then(Writes::parse).context("no such way to write")?;
    let argv: Vec<OsString> = args.collect();
    match ask(&case, argv) {
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
        not_promoted: outcome
            .changes
            .iter()
            .flat_map(|changes| &changes.refused)
            .map(|refused| refused.path.display().to_string())
            .collect(),
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
    let (command, policy) = match case.act {
        Act::Probe(_) => plain(case, argv)?,
        Act::Tool(_) => catalogued(case, &argv, &sandbox)?,
    };
    let compiled = kairos_sandbox::compile(&policy, &kairos_sandbox::probe())?;
    if case.wish.broken == Broken::Many {
        return many(case, &sandbox, &compiled);
    }
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

/// A program by its path, as it is asked for.
fn plain(case: &Case, argv: Vec<OsString>) -> Result<(Command, Policy)> {
    let path = argv.first().context("a program is missing")?;
    let binary = Binary::open(Path::new(path))?;
    let command = Command { binary, argv, cwd: WORKSPACE.into(), stdin: stdin(case)? };
    Ok((command, policy(case)))
}

/// A program by its name, as far as the catalogue lets it be asked for.
fn catalogued(case: &Case, argv: &[OsString], sandbox: &Sandbox) -> Result<(Command, Policy)> {
    /// Whom files of the machine's root belong to in the arena, where the machine's root is nobody.
    const NOBODY: u32 = 65_534;
    let (name, rest) = argv.split_first().context("a program is missing")?;
    let name = name.to_str().context("a name is text")?;
    let prefixes = Trust::system(WORKSPACE).prefixes().to_vec();
    let catalog = Catalog::shipped(Trust::new("/", prefixes, vec![0, NOBODY], WORKSPACE));
    let rule = catalog.rule(name)?;
    let mut place = Place::new(WORKSPACE, WORKSPACE)?;
    let ready = |rewritten: Rewritten| -> Result<(Command, Policy)> {
        let program = catalog.resolve(name)?;
        let argv = program.argv(rewritten.argv);
        let mut policy = policy(case);
        policy.writes = rewritten.grant.writes.mode();
        policy.exec = rewritten.grant.starts.exec_rule();
        policy.net = rewritten.grant.net;
        let set = rewritten.env.into_iter().map(|(name, value)| (name.into(), value));
        policy.env.set.extend(set);
        let binary = program.into_binary();
        Ok((Command { binary, argv, cwd: WORKSPACE.into(), stdin: Stdin::Empty }, policy))
    };
    if let Some(question) = rule.question(&place) {
        let (command, policy) = ready(question)?;
        let compiled = kairos_sandbox::compile(&policy, &kairos_sandbox::probe())?;
        let listing = sandbox.run(command, &compiled)?.stdout.bytes();
        place = place.with_repository(RepositoryConfig::parse(&listing)?);
    }
    ready(rule.check(rest, &place)?)
}

/// A hundred at once and three hundred in a row, and nothing left of them. Answers with the last.
fn many(case: &Case, sandbox: &Sandbox, compiled: &Compiled) -> Result<Outcome> {
    const AT_ONCE: usize = 100;
    const IN_A_ROW: usize = 300;
    let small = super::find("true").context("no `true`")?;
    let one = || -> Result<Outcome> {
        Ok(sandbox.run(plain(case, vec![small.clone().into()])?.0, compiled)?)
    };
    let count = |path: &str| std::fs::read_dir(path).map(Iterator::count).unwrap_or(0);
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    one()?;
    let before = (count("/proc/self/fd"), count("/proc/self/task"), mounts(), count("/tmp"));
    std::thread::scope(|scope| {
        let begun: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        let mut ended = begun.into_iter().map(|one| one.join().expect("it never panics"));
        ended.try_for_each(|one| one.map(drop))
    })?;
    for _ in 0..IN_A_ROW {
        one()?;
    }
    let after = (count("/proc/self/fd"), count("/proc/self/task"), mounts(), count("/tmp"));
    let children = std::fs::read_to_string("/proc/self/task/self/children").unwrap_or_default();
    if before != after || !children.is_empty() {
        anyhow::bail!("left behind: {before:?} became {after:?}, children `{children}`");
    }
    let (last, _) =
        plain(case, vec![format!("{PROGRAMS}/probe").into(), "wait".into(), "0".into()])?;
    Ok(sandbox.run(last, compiled)?)
}

/// The policy that a wish asks for.
fn policy(case: &Case) -> Policy {
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
    Policy {
        read: vec![PathRule::required(PROGRAMS)],
        write: std::iter::once(WORKSPACE.to_owned()).chain(also).map(PathRule::required).collect(),
        protect: protect(),
        hide: vec![PathRule::optional(".kairos")],
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
    }
}
