//! One case by one driver, once.
//!
//! Owns the order: lay the world, let witnesses look, start the driver as the agent with all that a
//! careless daemon would hand down, let things happen outside, wait, look again, sweep. Judges nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal};
use serde::Deserialize;

use crate::arena::PROGRAMS;
use crate::case::{Act, Broken, Case, Outside, Wish};
use crate::driver::Driver;
use crate::driver::kairos::{TOLD, Told};
use crate::hostile;
use crate::outside::{self, Terminal};
use crate::witness::Seen;
use crate::witness::listeners::{ABSTRACT, Listeners, PORT};
use crate::witness::processes::{Victim, name_of, strangers, sweep};
use crate::witness::snapshot::Snapshot;
use crate::world::{self, AGENT, HOME, OTHER, WORKSPACE};

/// A line of the probe.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    #[serde(default)]
    pub(crate) attempted: bool,
    /// Absent in the line before the attempt.
    pub(crate) succeeded: Option<bool>,
    #[serde(default)]
    pub(crate) detail: String,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The last line of the probe, where it has said anything.
    pub(crate) report: Option<Report>,
    pub(crate) seen: Seen,
    pub(crate) status: Option<ExitStatus>,
    /// Whether its processes were seen at work from outside, where it could not say so itself.
    pub(crate) watched: bool,
    /// What a driver that stands for a daemon told of it.
    pub(crate) told: Option<Told>,
    /// The end of what it wrote, for whoever looks into it.
    pub(crate) said: String,
}

const POLL: Duration = Duration::from_millis(2);
/// After the driver has returned, descendants and pipes have so long to be gone.
const AFTER: Duration = Duration::from_millis(150);
/// Beyond its own clock a driver may take so long.
const SLACK: Duration = Duration::from_millis(1_500);

/// Makes the attempt as often as the case wishes, and stops at the first effect.
pub(crate) fn attempt(case: &Case, driver: &dyn Driver) -> Result<Attempt> {
    let mut last = once(case, driver)?;
    for _ in 1..case.wish.times {
        if !last.seen.effects().is_empty() {
            break;
        }
        last = once(case, driver)?;
    }
    Ok(last)
}

fn once(case: &Case, driver: &dyn Driver) -> Result<Attempt> {
    let secret = world::new_secret()?;
    world::lay(case.ground, &secret)?;
    let listeners = Listeners::open()?;
    let mut victim = Victim::start(&secret)?;
    let swaps = (case.wish.outside == Outside::Swaps).then(outside::swap);
    let _few = (case.wish.broken == Broken::NoNamespaces).then(outside::without_namespaces);
    let before = Snapshot::take()?;
    let mut driven = Driven::start(case, driver, &victim, &secret)?;
    let ended = driven.wait(&case.wish, driver.has_clock(), victim.id());
    let stays = driven.after(&case.wish, victim.id());
    drop(swaps);
    let after = Snapshot::take()?;
    let mut seen = Seen {
        changes: after.changes_since(&before),
        harm: victim.harm(),
        contacts: listeners.contacts(),
        stays,
        late: ended.late,
        ..Seen::default()
    };
    sweep(&[victim.id()]);
    victim.end();
    let said = driven.said(&mut seen);
    seen.leak = said.contains(&secret) || said.contains(&hex(&secret));
    let mark = Path::new(WORKSPACE).join(hostile::MARK);
    seen.start = said.contains(hostile::CRY) || mark.exists();
    let status = ended.status;
    let told = said.lines().rev().find_map(|line| line.strip_prefix(TOLD));
    let told = told.and_then(|line| serde_json::from_str(line).ok());
    let report = last_report(&said);
    Ok(Attempt { report, seen, status, watched: ended.killed, told, said: tail(&said) })
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn last_report(said: &str) -> Option<Report> {
    let lines = said.lines().filter_map(|line| line.find("{\"case\":").map(|at| &line[at..]));
    lines.filter_map(|line| serde_json::from_str(line).ok()).next_back()
}

fn tail(said: &str) -> String {
    const CHARS: usize = 600;
    let skip = said.chars().count().saturating_sub(CHARS);
    said.chars().skip(skip).collect()
}

/// A driver at work.
struct Driven {
    child: Child,
    pipes: Vec<Pipe>,
    terminal: Option<Terminal>,
    visitor: Option<JoinHandle<bool>>,
    /// At work beside the driver: what kept them from it.
    neighbour: Option<JoinHandle<Option<String>>>,
    /// Ours, handed down; what is written to the other end was sent by somebody inside.
    socket: std::os::unix::net::UnixStream,
    held: Option<String>,
}

struct Ended {
    status: Option<ExitStatus>,
    late: Option<String>,
    /// By us, in the middle.
    killed: bool,
}

impl Driven {
    fn start(case: &Case, driver: &dyn Driver, victim: &Victim, secret: &str) -> Result<Self> {
        let argv = argv(case, victim);
        let words = driver.command(case, &argv);
        let terminal = match case.wish.outside {
            Outside::Terminal | Outside::LeakedTerminal => Some(Terminal::open()?),
            _ => None,
        };
        let mut words = match &terminal {
            Some(terminal) if case.wish.outside == Outside::Terminal => terminal.before(words),
            _ => words,
        };
        let mut command = Command::new(words.remove(0));
        command.args(words).current_dir(WORKSPACE).uid(AGENT).gid(AGENT).process_group(0);
        command.env_clear().envs(environment(secret));
        if case.wish.outside == Outside::PathInside {
            command.env("PATH", format!("{WORKSPACE}:/usr/bin:/bin"));
        }
        command.stdin(match (case.wish.outside, &terminal) {
            (Outside::Input(_), _) => Stdio::piped(),
            (Outside::LeakedTerminal, Some(terminal)) => terminal.as_stdin()?,
            _ => Stdio::null(),
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (socket, theirs) = std::os::unix::net::UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let files = [File::open(format!("{OTHER}/secret"))?, File::open(OTHER)?];
        files.iter().try_for_each(hand_down)?;
        hand_down(&theirs)?;
        let mut child = command.spawn().context("the driver cannot be started")?;
        if let (Outside::Input(mib), Some(mut stdin)) = (case.wish.outside, child.stdin.take()) {
            spawn(move || stdin.write_all(&vec![b'i'; mib << 20]));
        }
        let visitor = match case.wish.outside {
            Outside::Connects(port) => Some(spawn(move || outside::visit(port))),
            _ => None,
        };
        let neighbour = match case.wish.outside {
            Outside::Works(args) => Some(spawn(move || outside::work(args))),
            _ => None,
        };
        let stdout = Pipe::read(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Pipe::read(child.stderr.take().expect("stderr is a pipe"));
        Ok(Self {
            child,
            pipes: vec![stdout, stderr],
            terminal,
            visitor,
            neighbour,
            socket,
            held: None,
        })
    }

    /// Until the driver returns. One that has no clock of its own is told to end when its time is up.
    fn wait(&mut self, wish: &Wish, has_clock: bool, victim: u32) -> Ended {
        let begun = Instant::now();
        let wall = Duration::from_millis(wish.bounds.wall_ms);
        let limit = wall + Duration::from_millis(wish.bounds.grace_ms) + SLACK;
        let mut told = has_clock;
        let mut killed = false;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ended { status: Some(status), late: None, killed };
            }
            if wish.outside == Outside::DriverKilled && !killed && lingers(victim, self.child.id())
            {
                killed = true;
                let _ = self.child.kill();
            }
            if !told && begun.elapsed() > wall {
                told = true;
                self.signal(Signal::TERM);
            }
            if begun.elapsed() > limit {
                let _ = self.child.kill();
                let status = self.child.wait().ok();
                let late = format!("still at work after {} ms", limit.as_millis());
                return Ended { status, late: Some(late), killed };
            }
            sleep(POLL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Who is left a moment after the driver has returned, and whether its output is closed by then.
    fn after(&mut self, wish: &Wish, victim: u32) -> Vec<String> {
        let begun = Instant::now();
        let is_open = |pipes: &[Pipe]| pipes.iter().any(|pipe| !pipe.ended.load(Ordering::Acquire));
        loop {
            let left = strangers(&[victim]);
            let open = is_open(&self.pipes);
            if (left.is_empty() && !open) || begun.elapsed() > AFTER {
                if open && wish.outside != Outside::DriverKilled {
                    self.held = Some("output stayed open".to_owned());
                }
                return left.into_iter().map(name_of).collect();
            }
            sleep(POLL);
        }
    }

    /// Everything it wrote. What only shows now is added to what was seen.
    fn said(self, seen: &mut Seen) -> String {
        if self.held.is_some() {
            seen.late = seen.late.take().or(self.held);
        }
        seen.typed = self.terminal.is_some_and(|terminal| terminal.has_input());
        if self.visitor.is_some_and(|visitor| visitor.join().unwrap_or(false)) {
            seen.contacts.push("came in from outside".to_owned());
        }
        let kept_from = self.neighbour.and_then(|neighbour| neighbour.join().ok());
        seen.starved = kept_from.flatten();
        let mut bytes = [0_u8; 16];
        if matches!((&self.socket).read(&mut bytes), Ok(count) if count > 0) {
            seen.contacts.push("a socket that was handed down".to_owned());
        }
        let all: Vec<String> = self.pipes.into_iter().map(Pipe::text).collect();
        all.join("\n")
    }
}

/// Whether the probe that waits for the end of its driver has begun.
fn lingers(victim: u32, driver: u32) -> bool {
    let lingers = |id: &u32| name_of(*id).contains("linger");
    strangers(&[victim, driver]).iter().filter(|id| lingers(id)).count() >= 3
}

/// Open in the child too, as a careless daemon leaves it.
fn hand_down(file: &impl AsFd) -> Result<()> {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?;
    Ok(())
}

/// What nobody should have handed down.
fn environment(secret: &str) -> Vec<(&'static str, String)> {
    let secrets = ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "DATABASE_PASSWORD"];
    let loads = ["PYTHONPATH", "PERL5LIB", "NODE_PATH", "RUSTC_WRAPPER", "BASH_ENV", "GIT_ASKPASS"];
    let mut all = vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", HOME.to_owned()),
        ("USER", "agent".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("SSH_AUTH_SOCK", format!("/tmp/ssh-agent.sock#{secret}")),
        ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path=/run/user/1000/bus#{secret}")),
    ];
    all.extend(secrets.map(|name| (name, secret.to_owned())));
    all.extend(loads.map(|name| (name, format!("{OTHER}/{secret}"))));
    all
}

fn argv(case: &Case, victim: &Victim) -> Vec<OsString> {
    let put_in = |arg: &&str| {
        let arg = arg
            .replace("{ws}", WORKSPACE)
            .replace("{home}", HOME)
            .replace("{other}", OTHER)
            .replace("{victim}", &victim.id().to_string())
            .replace("{address}", &victim.address().to_string())
            .replace("{port}", &PORT.to_string())
            .replace("{abstract}", ABSTRACT)
            .replace("{long}", &"x".repeat(100_000))
            .replace("{programs}", PROGRAMS);
        OsString::from(arg)
    };
    match case.act {
        Act::Probe(args) => {
            let probe = OsString::from(format!("{PROGRAMS}/probe"));
            std::iter::once(probe).chain(args.iter().map(put_in)).collect()
        }
        Act::Tool(args) => args.iter().map(put_in).collect(),
    }
}

/// A reader that never blocks its writer and keeps the beginning and the end.
struct Pipe {
    reader: JoinHandle<Vec<u8>>,
    ended: Arc<AtomicBool>,
}

impl Pipe {
    const KEPT_MAX: usize = 256 * 1024;

    fn read(mut from: impl Read + Send + 'static) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&ended);
        let reader = spawn(move || {
            let mut kept = Vec::new();
            let mut block = vec![0_u8; 64 * 1024];
            while let Ok(count) = from.read(&mut block) {
                if count == 0 {
                    break;
                }
                kept.extend_from_slice(&block[..count]);
                if kept.len() > Self::KEPT_MAX {
                    kept.drain(Self::KEPT_MAX / 4..Self::KEPT_MAX / 2);
                }
            }
            tell.store(true, Ordering::Release);
            kept
        });
        Self { reader, ended }
    }

    fn text(self) -> String {
        let bytes = self.reader.join().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_probe_counts() {
        let said = "x\n{\"case\":\"a\",\"attempted\":true}\n\
                    {\"case\":\"a\",\"attempted\":true,\"succeeded\":false,\"errno\":1,\"detail\":\"no\"}\ny\n";
        let report = last_report(said).unwrap();
        assert_eq!((report.succeeded, report.detail.as_str()), (Some(false), "no"));
        let killed = last_report("{\"case\":\"a\",\"attempted\":true}\n").unwrap();
        assert!(killed.attempted && killed.succeeded.is_none());
    }
}
