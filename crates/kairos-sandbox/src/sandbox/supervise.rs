//! One command's life, seen from outside.
//!
//! Owns every deadline: the walls must be up in time, the command must end in time, a request to end
//! is followed by a kill, and what was killed must be gone. Everything is over when the small program
//! is, which waits for the last process of the tree; nobody waits for a stream to end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::net::SendFlags;
use rustix::process::{Signal, pidfd_send_signal};

use super::orders::Before;
use super::{RunError, orders};
use crate::capture::Capture;
use crate::cgroup::Cell;
use crate::changes;
use crate::compile::Compiled;
use crate::egress::Egress;
use crate::limits::OnFlood;
use crate::message::{self, Received, Report, Step, TERMINATE};
use crate::outcome::{Exit, Outcome};
use crate::policy::Net;
use crate::spawner::{Spawner, wait_until};
use crate::sys::Usage;

/// Putting up the walls may take this long, and never longer than the command may.
pub(super) const SETUP_MAX: Duration = Duration::from_secs(30);

/// What was killed is gone within this, or it is stuck in the kernel.
const DYING_MAX: Duration = Duration::from_secs(30);

/// A command that was started.
#[derive(Debug)]
pub struct Running {
    child: OwnedFd,
    control: OwnedFd,
    /// The first process of the tree; to kill it is to kill all of it.
    first: Option<OwnedFd>,
    captures: [Capture; 2],
    policy: Compiled,
    before: Before,
    began: Instant,
    kill: Killer,
    seen: Seen,
    /// The process that waits for the tree's first has ended, and it is not known who that is.
    unattended: bool,
    over: bool,
    beside: Beside,
}

/// What lives as long as the tree does.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) egress: Option<Egress>,
    pub(super) cell: Option<Cell>,
    /// Whose thread must not end before.
    pub(super) _spawner: Spawner,
}

/// What the small program said so far.
#[derive(Debug, Default)]
struct Seen {
    ready: bool,
    failed: Option<(Step, i32, String)>,
    ended: Option<(i32, Usage)>,
    /// Its process ended before it became the command.
    unborn: bool,
    /// Layers for changes, by the number of their mount.
    layers: Vec<(u32, OwnedFd)>,
    garbled: bool,
}

/// Ends a command from another thread.
#[derive(Clone, Debug)]
pub struct Killer(Arc<OwnedFd>);

/// What a request to end adds to the counter; a kill adds more than there can be requests.
const ASKED: u64 = 1;
const KILLED: u64 = 1 << 32;

impl Killer {
    /// Everything inside is asked to end, and after the policy's grace killed. Does nothing once it has
    /// ended.
    pub fn end(&self) {
        self.raise(ASKED);
    }

    /// The tree ends now. Does nothing once it has ended.
    pub fn kill(&self) {
        self.raise(KILLED);
    }

    fn raise(&self, by: u64) {
        // A counter that cannot be raised is raised already.
        let _ = rustix::io::write(&*self.0, &by.to_ne_bytes());
    }

    /// Takes what was raised, so that it is not ready for ever while the tree dies.
    fn take(&self) -> u64 {
        let mut raised = [0; 8];
        match rustix::io::read(&*self.0, &mut raised) {
            Ok(8) => u64::from_ne_bytes(raised),
            _ => 0,
        }
    }
}

/// Why the tree was told to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Timeout,
    Flood,
    Caller,
    Setup,
}

/// How far an end has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Alive,
    Asked(Cause),
    Killed(Cause),
}

impl Running {
    pub(super) fn new(
        child: OwnedFd,
        control: OwnedFd,
        captures: [Capture; 2],
        policy: Compiled,
        before: Before,
        began: Instant,
        beside: Beside,
    ) -> Result<Self, RunError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let kill = eventfd(0, flags).map_err(|error| RunError::Spawn { source: error.into() })?;
        Ok(Self {
            child,
            control,
            first: None,
            captures,
            policy,
            before,
            began,
            kill: Killer(Arc::new(kill)),
            seen: Seen::default(),
            unattended: false,
            over: false,
            beside,
        })
    }

    /// Something that can kill it while another thread waits.
    pub fn killer(&self) -> Killer {
        self.kill.clone()
    }

    /// Waits for the end of the whole tree.
    pub fn wait(mut self) -> Result<Outcome, RunError> {
        let phase = self.attend()?;
        self.drain();
        if let Some((step, errno, what)) = self.seen.failed.take() {
            let source = io::Error::from_raw_os_error(errno);
            return Err(RunError::Setup { step, what, source });
        }
        let cause = match phase {
            Phase::Asked(cause) | Phase::Killed(cause) => Some(cause),
            Phase::Alive => None,
        };
        if !self.seen.ready || self.seen.unborn {
            return Err(match cause {
                Some(Cause::Setup | Cause::Timeout) => RunError::Slow,
                _ => RunError::Vanished,
            });
        }
        Ok(self.outcome(cause))
    }

    /// Until the small program has ended.
    fn attend(&mut self) -> Result<Phase, RunError> {
        let limits = self.policy.inner().policy.limits.clone();
        let mut phase = Phase::Alive;
        let mut until = self.began + limits.wall.min(SETUP_MAX);
        let mut ready = false;
        loop {
            let known = self.first.is_some();
            let looks = self.look(until).map_err(|source| RunError::Spawn { source })?;
            if looks.control {
                self.listen();
            }
            let raised = if looks.kill { self.kill.take() } else { 0 };
            if self.seen.ready && !ready {
                ready = true;
                // Who was asked to end before has that long to do it.
                if phase == Phase::Alive {
                    until = self.began + limits.wall;
                }
            }
            self.captures.iter_mut().for_each(|capture| {
                capture.read();
            });
            if looks.ended && !known {
                self.unattended = true;
            }
            if self.is_over(looks.ended && known) {
                self.over = true;
                return Ok(phase);
            }
            let flood =
                self.captures.iter().any(Capture::is_over) && limits.on_flood == OnFlood::Kill;
            let late = Instant::now() >= until;
            phase = match phase {
                Phase::Alive | Phase::Asked(_) if raised >= KILLED => self.kill(Cause::Caller),
                Phase::Alive if flood => self.kill(Cause::Flood),
                Phase::Alive if late && !ready => self.kill(Cause::Setup),
                Phase::Alive if late => self.ask(Cause::Timeout),
                Phase::Alive if raised >= ASKED => self.ask(Cause::Caller),
                Phase::Asked(cause) if late => self.kill(cause),
                Phase::Killed(_) if late => return Err(RunError::Stuck),
                Phase::Alive | Phase::Asked(_) | Phase::Killed(_) => continue,
            };
            until = Instant::now()
                + match phase {
                    Phase::Asked(_) => limits.grace,
                    _ => DYING_MAX,
                };
        }
    }

    /// Whether the whole tree is gone. Until it is known who its first process is, that is only sure
    /// when nobody holds the other end of the talk any more.
    fn is_over(&self, first_ended: bool) -> bool {
        match self.first {
            Some(_) => first_ended,
            None => self.unattended && self.seen.garbled,
        }
    }

    /// Waits for something to happen.
    fn look(&self, until: Instant) -> io::Result<Looks> {
        // Once it is known, the tree's first process says more than the one that waits for it: it is
        // gone when everything below it is.
        let tree = self.first.as_ref().unwrap_or(&self.child);
        let mut looks = vec![PollFd::new(&*self.kill.0, PollFlags::IN)];
        if self.first.is_some() || !self.unattended {
            looks.push(PollFd::new(tree, PollFlags::IN));
        }
        // Nobody is left to speak; a closed socket would be ready for ever.
        if !self.seen.garbled {
            looks.push(PollFd::new(&self.control, PollFlags::IN));
        }
        for stream in self.captures.iter().filter_map(|capture| capture.stream.as_ref()) {
            looks.push(PollFd::new(stream, PollFlags::IN));
        }
        wait_until(&mut looks, until)?;
        let ready = |fd: &OwnedFd| {
            use std::os::fd::AsRawFd;
            looks.iter().any(|look| {
                look.as_fd().as_raw_fd() == fd.as_raw_fd() && !look.revents().is_empty()
            })
        };
        Ok(Looks { ended: ready(tree), control: ready(&self.control), kill: ready(&self.kill.0) })
    }

    /// Takes every message that is there.
    fn listen(&mut self) {
        loop {
            match message::receive(&self.control) {
                Ok(Received::Report(report, fd)) => self.hear(report, fd),
                Ok(Received::Nothing) => return,
                Ok(Received::Closed | Received::Garbled) | Err(_) => {
                    self.seen.garbled = true;
                    return;
                }
            }
        }
    }

    fn hear(&mut self, report: Report, fd: Option<OwnedFd>) {
        match report {
            Report::Hello => {}
            // Without its door the network reaches nothing, which is no less than was allowed.
            Report::Door => {
                if let (Some(door), Net::Allow(hosts)) = (fd, &self.policy.inner().policy.net) {
                    self.beside.egress = Egress::start(door, hosts).ok();
                }
            }
            Report::Changes { root } => self.seen.layers.extend(fd.map(|fd| (root, fd))),
            Report::Started => self.first = fd,
            Report::Ready => self.seen.ready = true,
            Report::Failed { step, errno, what } => self.seen.failed = Some((step, errno, what)),
            Report::Ended { status, executed, usage } => {
                self.seen.ended = Some((status, usage));
                self.seen.unborn = !executed;
            }
        }
    }

    /// Asks everything inside to end.
    fn ask(&self, cause: Cause) -> Phase {
        let _ = rustix::net::send(&self.control, &[TERMINATE], SendFlags::NOSIGNAL);
        Phase::Asked(cause)
    }

    fn kill(&self, cause: Cause) -> Phase {
        let victim = self.first.as_ref().unwrap_or(&self.child);
        let _ = pidfd_send_signal(victim, Signal::KILL);
        if let Some(cell) = &self.beside.cell {
            cell.kill();
        }
        Phase::Killed(cause)
    }

    /// What is still in the streams; whoever wrote it is dead, so it ends.
    fn drain(&mut self) {
        self.listen();
        for capture in &mut self.captures {
            capture.read();
        }
    }

    fn outcome(mut self, cause: Option<Cause>) -> Outcome {
        let layers = std::mem::take(&mut self.seen.layers);
        let inner = self.policy.inner();
        let (status, usage) = match self.seen.ended {
            Some((status, usage)) => (Some(status), usage),
            None => (None, Usage::default()),
        };
        let full = self.beside.cell.as_ref().is_some_and(Cell::was_full);
        let crowded = self.beside.cell.as_ref().is_some_and(Cell::was_crowded);
        let exit = match (cause, status) {
            (Some(Cause::Timeout | Cause::Setup), _) => Exit::Timeout,
            (Some(Cause::Flood), _) => Exit::OutputCap,
            // With the tree its first process was killed too, and told nothing.
            (None, None) if full => Exit::Oom,
            (Some(Cause::Caller), _) | (None, None) => Exit::Killed,
            (None, Some(status)) if crowded && status != 0 => Exit::PidsCap,
            (None, Some(status)) => exit(status, usage, inner.bounds.cpu_s),
        };
        let [stdout, stderr] =
            std::mem::replace(&mut self.captures, [0; 2].map(|keep| Capture::new(None, keep)))
                .map(Capture::finish);
        Outcome {
            exit,
            stdout,
            stderr,
            wall: self.began.elapsed(),
            cpu: Duration::from_micros(usage.cpu_us),
            max_rss: usage.rss_bytes,
            enforcement: inner.enforcement.clone(),
            policy_hash: inner.hash,
            appeared: self.before.appeared(&self.policy),
            changes: layers
                .into_iter()
                .filter_map(|(mount, upper)| {
                    Some(changes::read(orders::layer(inner, mount, upper, self.before.stamp)?))
                })
                .collect(),
        }
    }
}

/// What one look found.
struct Looks {
    ended: bool,
    control: bool,
    kill: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.listen();
        self.kill(Cause::Caller);
        let end = Instant::now() + DYING_MAX;
        let tree = self.first.as_ref().unwrap_or(&self.child);
        let _ = wait_until(&mut [PollFd::new(tree, PollFlags::IN)], end);
    }
}

/// Why a command ended that nobody told to.
fn exit(status: i32, usage: Usage, cpu_s: u64) -> Exit {
    if libc::WIFEXITED(status) {
        return Exit::Code(libc::WEXITSTATUS(status));
    }
    let spent = usage.cpu_us >= cpu_s.saturating_mul(1_000_000);
    match libc::WTERMSIG(status) {
        libc::SIGXCPU => Exit::CpuCap,
        libc::SIGKILL if spent => Exit::CpuCap,
        libc::SIGSYS => Exit::SeccompKill,
        signal => Exit::Signal(signal),
    }
}
