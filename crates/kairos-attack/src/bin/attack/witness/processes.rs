//! Processes outside, and those that stay.
//!
//! Owns the victim, the look at whether it is as it was, and the search for processes that no longer have
//! anybody to answer to. Ends what it finds, by its id, within the arena's own process namespace.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::arena::PROGRAMS;
use crate::world::{AGENT, HOME};

/// Where ids begin for victims: inside a namespace of its own nobody has such a number.
const FIRST_ID: u32 = 20_000;
const SECRET: &str = "VICTIM_SECRET";

/// A process of the same user, outside.
#[derive(Debug)]
pub(crate) struct Victim {
    child: Child,
    address: u64,
    before: State,
}

/// Of the victim, what an attempt must leave alone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Lines of `/proc/PID/status` and `/proc/PID/limits`, and fields of `stat`.
    lines: Vec<String>,
    memory: Vec<u8>,
    /// Shared memory, semaphores and queues of this world.
    ipc: String,
}

impl Victim {
    pub(crate) fn start(secret: &str) -> Result<Self> {
        // Without the right to choose ids they are small, and the probe spares its own.
        let _ = fs::write("/proc/sys/kernel/ns_last_pid", FIRST_ID.to_string());
        let mut child = Command::new(Path::new(PROGRAMS).join("probe"))
            .args(["victim", SECRET])
            .env_clear()
            .env(SECRET, secret)
            .current_dir(HOME)
            .uid(AGENT)
            .gid(AGENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the victim cannot be started")?;
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let address = loop {
            let line = lines.next().context("the victim has died")??;
            if let Some(address) = line.strip_prefix("victim at ") {
                break address.parse()?;
            }
        };
        let before = State::look(child.id(), address).context("the victim cannot be looked at")?;
        Ok(Self { child, address, before })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    /// What was done to it.
    pub(crate) fn harm(&mut self) -> Option<String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(format!("ended: {status}"));
        }
        let Some(now) = State::look(self.child.id(), self.address) else {
            return Some("cannot be looked at any more".to_owned());
        };
        if now == self.before {
            return None;
        }
        let line = now.lines.iter().zip(&self.before.lines).find(|(now, before)| now != before);
        let what = line.map_or("memory or queues are other".to_owned(), |(now, _)| now.clone());
        Some(what)
    }

    pub(crate) fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl State {
    fn look(id: u32, address: u64) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let limits = fs::read_to_string(format!("/proc/{id}/limits")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let wanted = ["TracerPid", "ShdPnd", "Cpus_allowed:", "Uid", "Threads"];
        let mut lines: Vec<String> = status
            .lines()
            .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect();
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // Asleep, or for a moment still on its way there.
        let alive = matches!(fields.first(), Some(&("S" | "R")));
        lines.push(format!("alive {alive}"));
        lines.push(format!("nice {}", fields.get(16)?));
        lines.extend(limits.lines().map(str::to_owned));
        let mut memory = vec![0_u8; 16];
        let file = fs::File::open(format!("/proc/{id}/mem")).ok()?;
        file.read_exact_at(&mut memory, address).ok()?;
        let kinds = ["shm", "sem", "msg"];
        let ipc = kinds
            .map(|kind| fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default());
        Some(Self { lines, memory, ipc: ipc.concat() })
    }
}

/// Every process in here but ourselves, those we know of, and what was here before us.
pub(crate) fn strangers(known: &[u32]) -> Vec<u32> {
    others(known).into_iter().filter(|id| is_alive(*id)).collect()
}

fn others(known: &[u32]) -> Vec<u32> {
    let own = std::process::id();
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id > own && !known.contains(id)).collect()
}

fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// Ends strangers until there are none, for a while; answers how many were left in the end.
pub(crate) fn sweep(known: &[u32]) -> usize {
    const WHILE: Duration = Duration::from_secs(5);
    let begun = Instant::now();
    loop {
        let found = others(known);
        if found.is_empty() || begun.elapsed() > WHILE {
            return found.len();
        }
        for pid in found.into_iter().filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            // A probe can make us the parent of its child.
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a process is called, for a person.
pub(crate) fn name_of(id: u32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned()
}
