//! `kairos demo`: a small workspace, a real daemon in it, and what happens, told as it happens.
//!
//! Owns the example and the telling. The daemon is another process, reached through its socket and
//! nothing else: what works here works anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use kairos_wire::admin::Ordered;
use kairos_wire::client::{Client, Conditions};
use kairos_wire::event::Event;
use kairos_wire::proposal::{Decided, Decision, Proposals};
use kairos_wire::schedule::{Fire, Fired};
use kairos_wire::{EventRecord, Proposal, Status};
use rustix::process::{Pid, Signal as Sign, kill_process};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Stored;
use crate::cli::story;
use crate::cli::tale::Tale;
use crate::config::Env;
use crate::init;
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, diff, talk};
use crate::startup::Startup;

/// How long the daemon may take from its start to its first word.
const READY_MAX: Duration = Duration::from_secs(10);

const FILES: [(&str, &str); 6] = [
    ("README.md", include_str!("demo/README.md")),
    ("docs/install.md", include_str!("demo/install.md")),
    (".kairos/knowledge/release.md", include_str!("demo/release.md")),
    (".kairos/config/daemon.yml", include_str!("demo/daemon.yml")),
    (".kairos/config/schedules.yml", include_str!("demo/schedules.yml")),
    ("playbook.yml", include_str!("demo/playbook.yml")),
];

/// Watch a small workspace work
#[derive(Debug, Args)]
#[command(after_help = "Example: kairos demo --once --approve")]
pub(crate) struct Demo {
    /// Make the workspace here (absent or empty); a new directory when left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End when nothing is left to do but wait
    #[arg(long)]
    once: bool,
    /// Approve what waits, through the same door you would
    #[arg(long)]
    approve: bool,
}

/// The signals that end a demo.
struct Told {
    interrupt: Signal,
    terminate: Signal,
}

impl Told {
    fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn pass(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What the demo came to.
#[derive(Debug, Default, Serialize)]
struct Summary {
    dir: String,
    mandates: BTreeMap<String, u64>,
    edits_applied: u64,
    proposals: BTreeMap<String, u64>,
    journal_head: u64,
}

/// A daemon of this demo; ended when dropped.
struct Daemon(Child);

/// How long the daemon of a demo that failed may take to drain.
const DRAIN_MAX: Duration = Duration::from_secs(5);

impl Drop for Daemon {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.0), Sign::TERM).ok();
        let told = Instant::now();
        while told.elapsed() < DRAIN_MAX && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Demo {
    pub(crate) fn perform(self, out: &mut Out) -> Result<Exit, Failure> {
        let dir = self.dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("kairos-demo-{}", std::process::id()))
        });
        make(&dir)?;
        let dir = dir.canonicalize().map_err(Startup::cannot("find the demo's directory"))?;
        talk::say(format!("a small workspace: {}", dir.display()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Startup::cannot("make the runtime"))?;
        // From here on a signal is kept until somebody looks: no daemon is left behind.
        let told = {
            let _entered = runtime.enter();
            Told::listen().map_err(Startup::cannot("listen to signals"))?
        };
        git(&dir);
        let mut daemon = start(&dir)?;
        let mut summary = Summary { dir: dir.display().to_string(), ..Summary::default() };
        runtime.block_on(self.watch(&dir, told, &mut summary))?;
        let status = daemon.0.wait().map_err(Startup::cannot("wait for the daemon"))?;
        if !status.success() {
            return Err(Failure::new(
                Exit::Bug,
                "daemon",
                format!("the daemon ended with {status}"),
            ));
        }
        if out.json {
            out.object(&summary)?;
        } else {
            tell(&summary, out)?;
        }
        Ok(Exit::Ok)
    }

    async fn watch(
        &self,
        dir: &Path,
        mut told: Told,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let client = Client::new(dir.join(".kairos/run/kairos.sock"));
        let mut stream = client.events(Some(1)).await?;
        talk::say("the schedule `docs` is due at seven in the morning; we fire it now");
        let none = Conditions::default();
        let fired: Fired = client.post("/v1/schedules/docs/fire", &Fire::default(), &none).await?;
        let (mut parked, mut tale) = (false, Tale::past(Stored::below(dir)));
        loop {
            let message = tokio::select! {
                message = stream.next() => message?,
                () = told.pass() => break,
            };
            let Some(message) = message else { return Ok(()) };
            let Ok(record) = serde_json::from_str::<EventRecord>(&message.data) else { continue };
            summary.journal_head = record.seq;
            for event in &record.events {
                self.count(event, summary);
                let line = match event.kind.as_str() {
                    "slot" => Some(story::line(&record.at, event)),
                    _ if event.mandate_id.as_deref() != Some(&fired.mandate_id) => continue,
                    _ => tale.line(&record.at, event),
                };
                line.into_iter().for_each(|line| talk::say(format!("  {line}")));
                parked = event.kind == "mandate_parked";
                let done = event.kind == "mandate_finished";
                if parked {
                    self.waits(&client, dir).await?;
                }
                if self.once && (done || (parked && !self.approve)) {
                    return stop(&client, summary).await;
                }
                if done {
                    talk::say("done; the daemon goes on. Ctrl-C ends it");
                }
            }
        }
        if parked {
            talk::say("the proposal still waits: the journal remembers it");
        }
        // Ctrl-C in a terminal reached the daemon as well, which may be gone by now: a second order
        // would end its grace.
        match client.get::<Status>("/v1/status").await {
            Ok(status) if !status.shutdown_requested => stop(&client, summary).await,
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn count(&self, event: &Event, summary: &mut Summary) {
        let text = |name: &str| event.fields.get(name).and_then(|value| value.as_str());
        match event.kind.as_str() {
            "mandate_finished" => {
                let outcome = text("outcome").unwrap_or_default().to_owned();
                *summary.mandates.entry(outcome).or_default() += 1;
            }
            "effect_settled" => {
                let outcome = event.fields.get("outcome");
                let changed = outcome.and_then(|value| value.get("changed")).is_some();
                summary.edits_applied += u64::from(changed);
            }
            "mandate_parked" => {
                summary.mandates.insert("parked".to_owned(), 1);
            }
            "mandate_resumed" => {
                summary.mandates.remove("parked");
            }
            "proposal_opened" => *summary.proposals.entry("waiting".into()).or_default() += 1,
            "decided" => {
                let state =
                    if text("decision") == Some("approve") { "approved" } else { "rejected" };
                if let Some(waiting) = summary.proposals.get_mut("waiting") {
                    *waiting -= 1;
                }
                *summary.proposals.entry(state.into()).or_default() += 1;
                summary.proposals.retain(|_, count| *count > 0);
            }
            _ => {}
        }
    }

    /// Shows what waits, and decides it when the demo was told to.
    async fn waits(&self, client: &Client, dir: &Path) -> Result<(), Failure> {
        let waiting: Proposals = client.get("/v1/proposals").await?;
        for proposal in &waiting.proposals {
            show(proposal);
            if self.approve {
                let path = format!("/v1/proposals/{}/approve", proposal.id);
                let hash = Some(proposal.hash.clone());
                let conditions = Conditions { if_match: hash, ..Conditions::default() };
                let _: Decided = client.post(&path, &Decision::default(), &conditions).await?;
            } else {
                let program = std::env::current_exe().unwrap_or_else(|_| "kairos".into());
                let kairos = format!("{} --root {}", program.display(), dir.display());
                if self.once {
                    talk::say("it waits in the journal; start the daemon again, then approve it:");
                    talk::say(format!("  {kairos} daemon"));
                } else {
                    talk::say("approve it from another terminal:");
                }
                talk::say(format!("  {kairos} proposal approve {}", proposal.id));
            }
        }
        Ok(())
    }
}

fn show(proposal: &Proposal) {
    let path = one_line(&proposal.path);
    talk::say(format!("waits for you: 1 edit to {path} [{}]", proposal.scope));
    if let Some(text) = &proposal.diff {
        diff::lines(text, talk::talk_coloured()).for_each(|line| talk::say(format!("    {line}")));
    }
}

async fn stop(client: &Client, summary: &mut Summary) -> Result<(), Failure> {
    let status: Status = client.get("/v1/status").await?;
    summary.journal_head = status.journal_head;
    let none = Conditions::default();
    let _: Ordered = client.post("/v1/admin/shutdown", &(), &none).await?;
    Ok(())
}

/// Makes the example workspace.
fn make(dir: &Path) -> Result<(), Failure> {
    let taken = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        let message = format!("`{}` is not empty", dir.display());
        return Err(Failure::usage(message).hint("kairos demo --dir NEW_DIRECTORY"));
    }
    // The example's own configuration first: `init` leaves what is there.
    for (name, text) in FILES {
        let file = dir.join(name);
        let parent = file.parent().unwrap_or(dir);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&file, text));
        written.map_err(Startup::cannot("write the example"))?;
    }
    init::init(dir, &Env::of_process())?;
    Ok(())
}

/// Makes it a git repository, where git is there.
fn git(dir: &Path) {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let author = ["-c", "user.name=kairos demo", "-c", "user.email=demo@localhost"];
    let made = git(&["init", "-q"])
        && git(&["add", "-A"])
        && git(&[author.as_slice(), &["commit", "-q", "-m", "Begin"]].concat());
    if !made {
        talk::say("git is not here: the workspace is a plain directory");
    }
}

fn start(dir: &Path) -> Result<Daemon, Failure> {
    let program = std::env::current_exe().map_err(Startup::cannot("find this program"))?;
    let child = Command::new(program)
        .arg("--root")
        .arg(dir)
        .arg("daemon")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut daemon = Daemon(child.map_err(Startup::cannot("start the daemon"))?);
    let (said, ready) = std::sync::mpsc::channel();
    if let Some(stderr) = daemon.0.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("daemon ready") {
                    said.send(()).ok();
                } else {
                    writeln!(std::io::stderr(), "{line}").ok();
                }
            }
        });
    }
    ready.recv_timeout(READY_MAX).map_err(Startup::cannot("start the daemon"))?;
    Ok(daemon)
}

fn tell(summary: &Summary, out: &mut Out) -> Result<(), Failure> {
    let counts = |counts: &BTreeMap<String, u64>| {
        let words: Vec<String> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    out.line(format!("mandates       {}", counts(&summary.mandates)))?;
    out.line(format!("edits applied  {}", summary.edits_applied))?;
    out.line(format!("proposals      {}", counts(&summary.proposals)))?;
    out.line(format!("journal head   {}", summary.journal_head))?;
    out.line(format!("kept in        {}", summary.dir))?;
    out.line("next, in your own repository:")?;
    out.line("  kairos init")?;
    out.line("  kairos daemon")?;
    out.line("  kairos mandate create --goal 'what you want' --follow")
}
