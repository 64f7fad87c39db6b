//! `kill -9` at any moment changes nothing: the real binary, a real model server, real files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::count::{Count, Wrong, hold};
use crate::home::{Ended, Home, KAIROS, Model, follow};

/// Kills of each kind; `KAIROS_KILLS` asks for other numbers of them, in both kinds together.
const KILLS: u64 = 12;
/// Kills on one journal.
const KILLS_MAX: u64 = 12;
const MANDATES: usize = 20;
const RUNNING_MAX: usize = 4;

/// What the daemon asks of the system where something may be lost.
const CALLS: [&str; 8] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "renameat,renameat2",
    "unlinkat",
    "openat2",
    "statx",
    "fcntl",
];

/// A call that never comes is not waited for longer.
const CALL_WAIT: Duration = Duration::from_millis(2_500);

/// A mandate that wants to change what is protected.
fn knowledge(home: &Home) -> String {
    home.write(
        "mandate.yml",
        "goal: change 1.0 to 2.0 in .kairos/knowledge/release.md\n\
         project_scope: knowledge\nallow_llm_upload: [l1]\n",
    );
    home.root().join("mandate.yml").display().to_string()
}

#[test]
fn a_daemon_killed_while_an_l1_edit_waits_restarts_and_finishes_it() {
    let model = Model::start(&[]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
    let daemon = home.daemon();
    let file = knowledge(&home);
    let created = home.json(&["mandate", "create", "--file", &file]);
    let id = created["id"].as_str().expect("an id").to_owned();
    let mut proposal = String::new();
    follow(&home, |event| {
        if event["type"] == "proposal_opened" {
            proposal = event["proposal_id"].as_str().expect("an id").to_owned();
        }
        event["type"] == "mandate_parked"
    });
    drop(daemon);
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 1.0.\n");

    let daemon = home.daemon();
    let waiting = home.json(&["proposal", "show", &proposal]);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let hash = waiting["hash"].as_str().expect("a hash").to_owned();
    home.ok(&["proposal", "approve", &proposal, "--yes", "--hash", &hash]);
    follow(&home, |event| event["type"] == "mandate_finished");
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 2.0.\n");
    assert_eq!(home.json(&["mandate", "show", &id])["outcome"], "achieved");
    assert_eq!(model.requests().len(), 3);
    drop(daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

fn kills() -> u64 {
    let kills = std::env::var("KAIROS_KILLS").ok();
    kills.map_or(KILLS, |kills| kills.parse::<u64>().expect("kills are a number").div_ceil(2))
}

/// Kills `kills` daemons by `kill`, no more than a few on one journal, and checks what became of it.
fn kill_all(kills: u64, mut kill: impl FnMut(&Home, &mut u64)) {
    let mut random = u64::from(std::process::id());
    for done in (0..kills).step_by(usize::try_from(KILLS_MAX).expect("a few")) {
        let mut round = Round::new();
        for _ in 0..KILLS_MAX.min(kills - done) {
            random = next(random);
            kill(&round.home, &mut random);
            round.look();
        }
        round.end();
    }
}

#[test]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing() {
    let mut count = Count::new("kills at random times");
    count.of = Some(kills());
    kill_all(kills(), |home, random| {
        let daemon = home.daemon();
        // The moment is the point of the test, so it is drawn, not waited for.
        std::thread::sleep(Duration::from_millis(20 + *random % 300));
        drop(daemon);
        count.add();
    });
}

#[test]
fn kills_around_any_system_call_lose_nothing_and_repeat_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("`strace` is missing, so nothing was killed at its system calls");
        return;
    }
    let mut counts =
        [Count::new("kills before a system call"), Count::new("kills after a system call")];
    let mut missed = Count::new("kills at random times");
    kill_all(kills(), |home, random| {
        let site = Site::draw(random);
        match site.kill(home) {
            true => counts[usize::from(site.after)].add(),
            false => missed.add(),
        }
    });
}

/// A call of the daemon, and whether it has its effect.
struct Site {
    call: &'static str,
    /// Which of them, from 1; each thread counts for itself.
    nth: u64,
    after: bool,
}

impl Site {
    fn draw(random: &mut u64) -> Self {
        let mut draw = |of: u64| {
            *random = next(*random);
            *random % of
        };
        let call = CALLS[usize::try_from(draw(CALLS.len() as u64)).expect("a few")];
        // Few of the threads live long.
        let most = [2, 6, 30][usize::try_from(draw(3)).expect("three")];
        Self { call, nth: 1 + draw(most), after: draw(2) == 1 }
    }

    /// Starts a daemon that ends there, and answers whether it came there.
    fn kill(&self, home: &Home) -> bool {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(log.path());
        strace.args(["-e", &format!("trace={}", self.call), "-e"]);
        let (call, nth) = (self.call, self.nth);
        // A signal comes before the call has its effect; a delay behind it leaves time to send one.
        strace.arg(match self.after {
            false => format!("inject={call}:signal=SIGKILL:when={nth}"),
            true => format!("inject={call}:delay_exit=60000000:when={nth}"),
        });
        strace.arg(KAIROS).arg("--root").arg(home.root()).arg("daemon");
        strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut strace = Ended(strace.spawn().expect("strace starts"));
        let begun = Instant::now();
        let came = loop {
            if strace.0.try_wait().expect("our child").is_some() {
                break true;
            }
            if self.after
                && std::fs::read_to_string(log.path()).is_ok_and(|log| log.contains("DELAYED"))
            {
                break true;
            }
            if begun.elapsed() > CALL_WAIT {
                break false;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        // The one who watches must not end first: the daemon would go on without. It is ended then,
        // because it would sit out a delay.
        let daemon = only_child(&strace.0);
        if let Some(daemon) = daemon {
            kill_process(daemon, Signal::KILL).ok();
        }
        drop(strace);
        while daemon.is_some_and(|daemon| test_kill_process(daemon).is_ok()) {
            assert!(begun.elapsed() < 20 * CALL_WAIT, "it outlived its end");
            std::thread::sleep(Duration::from_millis(1));
        }
        came
    }
}

fn only_child(parent: &Child) -> Option<Pid> {
    let pid = parent.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// A journal whose daemons are killed.
struct Round {
    home: Home,
    model: Model,
    goals: BTreeMap<String, String>,
    /// Model calls that were open at a kill.
    open: BTreeSet<String>,
}

impl Round {
    fn new() -> Self {
        let model = Model::start(&["--latency-ms", "20..200"]);
        let home = Home::new();
        let more = format!("max_running: {RUNNING_MAX}\n");
        home.configure("openai", &model.base_url("openai"), &more);
        for n in 0..MANDATES {
            home.write(&format!("docs/{n}.md"), &format!("# Page {n}\n\nversion-{n} is old\n"));
        }
        home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
        let daemon = home.daemon();
        let mut goals = BTreeMap::new();
        for n in 0..MANDATES {
            let goal = format!("change version-{n} to release-{n} in docs/{n}.md");
            let scope = format!("page-{n}");
            let ask = ["mandate", "create", "--goal", &goal, "--project-scope", &scope];
            goals.insert(text(&home.json(&ask)["id"]), goal);
        }
        let made = home.json(&["mandate", "create", "--file", &knowledge(&home)]);
        goals.insert(text(&made["id"]), text(&made["goal"]));
        drop(daemon);
        let mut round = Self { home, model, goals, open: BTreeSet::new() };
        round.look();
        round
    }

    /// What a kill left is sound, and says which model calls it caught.
    fn look(&mut self) {
        let verdict = self.home.json(&["journal", "verify"]);
        hold(Wrong::Refused, verdict["ok"] == true, || verdict.to_string());
        let left = Calls::of(&self.home.events()).open();
        assert!(left.len() <= RUNNING_MAX, "{left:?}");
        self.open.extend(left);
    }

    /// Everything comes to its end, once.
    fn end(mut self) {
        let home = &self.home;
        let daemon = home.daemon();
        let (mut finished, mut parked) = (0, String::new());
        follow(home, |event| {
            match event["type"].as_str() {
                Some("mandate_finished") => finished += 1,
                Some("proposal_opened") => {
                    parked = event["proposal_id"].as_str().expect("an id").to_owned();
                }
                _ => {}
            }
            finished == MANDATES && !parked.is_empty()
        });
        let proposal = home.json(&["proposal", "show", &parked]);
        assert_eq!(proposal["state"], "waiting", "{proposal}");
        let knowledge = home.read(".kairos/knowledge/release.md");
        hold(Wrong::Accepted, knowledge == "The release is 1.0.\n", || knowledge.clone());
        let hash = proposal["hash"].as_str().expect("a hash").to_owned();
        home.ok(&["proposal", "approve", &parked, "--yes", "--hash", &hash]);
        let mut finished = 0;
        follow(home, |event| {
            finished += usize::from(event["type"] == "mandate_finished");
            finished == MANDATES + 1
        });
        drop(daemon);
        self.look();
        check(&self.home);
        let calls = Calls::of(&self.home.events());
        compare(&calls, &self.open, &self.goals, &self.model.requests());
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Attempts of model calls, by effect: whose, and in which phase.
#[derive(Default)]
struct Calls {
    reserved: BTreeMap<String, (String, String)>,
    ended: BTreeSet<String>,
}

impl Calls {
    fn of(events: &[Value]) -> Self {
        let mut calls = Self::default();
        let mut begun = BTreeMap::new();
        for event in events {
            let effect = event["effect_id"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str().expect("a type") {
                "effect_begun" if event["intent"]["ask"].is_object() => {
                    let phase = text(&event["intent"]["ask"]["phase"]);
                    begun.insert(effect, (text(&event["mandate_id"]), phase));
                }
                "budget_reserved" => {
                    let first = !calls.reserved.contains_key(&effect);
                    hold(Wrong::Duplicated, first, || format!("{event} is the second"));
                    calls.reserved.insert(effect, Default::default());
                }
                "effect_settled" => {
                    calls.ended.insert(effect);
                }
                _ => {}
            }
        }
        // Nothing is asked without a reservation, and nothing is reserved that is not asked.
        assert!(calls.reserved.keys().eq(begun.keys()), "{:?} {begun:?}", calls.reserved);
        Self { reserved: begun, ..calls }
    }

    /// Those without an outcome.
    fn open(&self) -> BTreeSet<String> {
        self.reserved.keys().filter(|call| !self.ended.contains(*call)).cloned().collect()
    }
}

/// For each mandate and phase, the server saw every attempt that was reserved once; only of those
/// that were open at a kill it may have seen nothing.
fn compare(
    calls: &Calls,
    open: &BTreeSet<String>,
    goals: &BTreeMap<String, String>,
    requests: &[Value],
) {
    let mut counts: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    for (effect, (mandate, phase)) in &calls.reserved {
        let count = counts.entry((goals[mandate].clone(), phase.clone())).or_default();
        count[0] += 1;
        count[1] += usize::from(open.contains(effect));
    }
    for request in requests {
        counts.entry((text(&request["goal"]), text(&request["phase"]))).or_default()[2] += 1;
    }
    for (whose, [reserved, open, seen]) in &counts {
        let told = || format!("{whose:?}: {reserved} reserved, {open} open, {seen} seen");
        hold(Wrong::Duplicated, seen <= reserved, told);
        hold(Wrong::Lost, *seen >= reserved - open, told);
    }
}

/// The next number of a small generator (xorshift, Marsaglia 2003).
fn next(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

fn check(home: &Home) {
    for n in 0..MANDATES {
        let text = home.read(&format!("docs/{n}.md"));
        let once = text == format!("# Page {n}\n\nrelease-{n} is old\n");
        hold(Wrong::Lost, once, || format!("docs/{n}.md: {text}"));
    }
    let knowledge = home.read(".kairos/knowledge/release.md");
    hold(Wrong::Lost, knowledge == "The release is 2.0.\n", || knowledge.clone());
    let events = home.events();
    let mut ends = BTreeSet::new();
    for event in events.iter().filter(|event| event["type"] == "mandate_finished") {
        assert_eq!(event["outcome"], "achieved", "{event}");
        let first = ends.insert(text(&event["mandate_id"]));
        hold(Wrong::Duplicated, first, || format!("{event} ended twice"));
    }
    hold(Wrong::Lost, ends.len() == MANDATES + 1, || format!("{ends:?}"));
    check_litter(home.root());
}

/// No file of an exchange, and no half-written blob, is left anywhere.
fn check_litter(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = name.starts_with(".kairos-") || name.starts_with(".tmp-");
        hold(Wrong::Accepted, !left, || format!("{} is left", entry.path().display()));
        if entry.file_type().expect("a type").is_dir() {
            check_litter(&entry.path());
        }
    }
}
