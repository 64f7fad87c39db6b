//! What schedules cost that are there: a tick, a wake-up after a night, a start, and nothing to do.
//!
//! Owns how these are measured: turns by themselves first, then the program that ships, where it was
//! built beside (`cargo xtask bench` does that). `cargo bench -p kairos-bench --bench timers`.

mod turns;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kairos_bench::row::{Row, print};
use kairos_bench::slices::{count, micros, quantile};
use kairos_bench::{Done, temporary};
use kairos_core::time::Time;
use turns::{START, Turns, journal_bytes, schedules};

const TICKS: u64 = 60;
const NIGHT_MS: u64 = 8 * 60 * 60 * 1000;
const IDLE: Duration = Duration::from_secs(60);
const READY_MAX: Duration = Duration::from_secs(120);

fn main() -> Done<()> {
    let disk = temporary()?;
    let memory = tempfile::tempdir_in("/dev/shm").ok();
    let mut rows = vec![tick(disk.path(), "10,000 schedules, tick with 10 due")?];
    if let Some(memory) = &memory {
        rows.push(tick(memory.path(), "the same without the sync (in memory)")?);
    }
    rows.extend(wake_up()?);
    let program = program()?;
    if program.exists() {
        rows.extend(load(&program)?);
        rows.extend(idle(&program)?);
    } else {
        eprintln!("no `{}`: nothing is measured of the program itself", program.display());
    }
    print(&rows)
}

/// Where cargo puts it with the same profile.
fn program() -> Done<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.ancestors().nth(2).ok_or("a program in no directory")?.join("kairos"))
}

fn tick(dir: &Path, name: &str) -> Done<Row> {
    let mut turns = Turns::start(dir, schedules(10, 9_990))?;
    let mut took = Vec::new();
    for minute in 1..=TICKS {
        let at = START.plus_ms(minute * 60_000);
        let begun = Instant::now();
        let frames = turns.take(Vec::new(), at)?;
        took.push(micros(begun.elapsed()));
        if frames != 10 {
            return Err(format!("{frames} of 10 were due at {at}").into());
        }
    }
    Ok(Row::new(name, quantile(&took, 0.5) / 1e3, "ms").at_most(1.0))
}

fn wake_up() -> Done<Vec<Row>> {
    let dir = temporary()?;
    let mut turns = Turns::start(dir.path(), schedules(10_000, 0))?;
    let before = journal_bytes(dir.path())?;
    let at: Time = START.plus_ms(NIGHT_MS);
    let (begun, mut frames, mut longest) = (Instant::now(), 0, Duration::ZERO);
    loop {
        let turn = Instant::now();
        let wrote = turns.take(Vec::new(), at)?;
        longest = longest.max(turn.elapsed());
        if wrote == 0 {
            break;
        }
        frames += wrote;
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if frames != 10_000 {
        return Err(format!("{frames} of 10,000 were due").into());
    }
    let wrote = count(journal_bytes(dir.path())? - before) / (1024.0 * 1024.0);
    Ok(vec![
        Row::new("10,000 minutely asleep for 8 h", took, "ms").at_most(1_000.0),
        Row::new("the longest turn of it", micros(longest) / 1e3, "ms"),
        Row::new("the journal of it", wrote, "MiB").at_most(10.0),
    ])
}

fn load(program: &Path) -> Done<Vec<Row>> {
    let none = Daemon::start(program, 0)?;
    let control = none.ready.as_secs_f64() * 1e3;
    none.stop()?;
    let many = Daemon::start(program, 100_000)?;
    let first = many.ready.as_secs_f64() * 1e3;
    let again = many.again(program)?;
    let ready = again.ready.as_secs_f64() * 1e3;
    let checked = Instant::now();
    let check = again.kairos(program).args(["config", "check"]).stdout(Stdio::null()).status()?;
    let read = checked.elapsed().as_secs_f64() * 1e3;
    if !check.success() {
        return Err("the configuration does not hold".into());
    }
    again.stop()?;
    Ok(vec![
        Row::new("100,000 schedules, first start", first, "ms").beside(control).at_most(1_000.0),
        Row::new("the same, started again", ready, "ms").beside(control).at_most(1_000.0),
        Row::new("of it to read and check the file", read, "ms"),
    ])
}

fn idle(program: &Path) -> Done<Vec<Row>> {
    let daemon = Daemon::start(program, 10_000)?;
    // What a start leaves to do is done by then.
    std::thread::sleep(Duration::from_secs(12));
    let (busy, woke) = daemon.spent()?;
    std::thread::sleep(IDLE);
    let (busy_then, woke_then) = daemon.spent()?;
    daemon.traced(IDLE);
    daemon.stop()?;
    let a_second = (busy_then - busy) / 1e6 / IDLE.as_secs_f64();
    let name = "10,000 schedules idle, CPU a second";
    Ok(vec![
        Row::new(name, a_second, "ms").at_most_of(0.1),
        Row::new("wake-ups in 60 s, all threads", woke_then - woke, "wake-ups"),
    ])
}

/// The program at work over a workspace of its own.
struct Daemon {
    child: Child,
    root: tempfile::TempDir,
    ready: Duration,
}

impl Daemon {
    fn start(program: &Path, schedules: usize) -> Done<Self> {
        let root = temporary()?;
        let init = Command::new(program).arg("init").arg(root.path()).output()?;
        if !init.status.success() {
            return Err(String::from_utf8_lossy(&init.stderr).into_owned().into());
        }
        let mut text = String::from("schedules:\n");
        for n in 0..schedules {
            let (minute, hour, day) = (n % 60, n / 60 % 24, n / 1440 % 28 + 1);
            writeln!(
                text,
                "  - {{name: s{n:06}, cron: \"{minute} {hour} {day} 1 *\", timezone: Europe/Zurich, \
                 mandate: {{goal: Put the notes in order}}}}"
            )?;
        }
        if schedules == 0 {
            text = "schedules: []\n".to_owned();
        }
        std::fs::write(root.path().join(".kairos/config/schedules.yml"), text)?;
        Self::at(program, root)
    }

    fn at(program: &Path, root: tempfile::TempDir) -> Done<Self> {
        let begun = Instant::now();
        let mut daemon = Command::new(program);
        let daemon = daemon.arg("--root").arg(root.path()).arg("daemon");
        let mut child = daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let socket = root.path().join(".kairos/run/kairos.sock");
        // The socket is there once the engine is; a refused one is a file that was left.
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the daemon ended before it was ready: {status}").into());
            }
            if begun.elapsed() > READY_MAX {
                return Err("the daemon did not become ready".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child, root, ready: begun.elapsed() })
    }

    fn kairos(&self, program: &Path) -> Command {
        let mut kairos = Command::new(program);
        kairos.arg("--root").arg(self.root.path());
        kairos
    }

    fn again(self, program: &Path) -> Done<Self> {
        Self::at(program, self.stop()?)
    }

    fn stop(mut self) -> Done<tempfile::TempDir> {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(pid).status()?;
        self.child.wait()?;
        Ok(self.root)
    }

    /// Nanoseconds on a processor, and how often a thread of it went to sleep.
    fn spent(&self) -> Done<(f64, f64)> {
        let (mut busy, mut slept) = (0.0, 0.0);
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let thread = thread?.path();
            let stat = std::fs::read_to_string(thread.join("schedstat"))?;
            busy += stat.split(' ').next().ok_or("no figure")?.parse::<f64>()?;
            let status = std::fs::read_to_string(thread.join("status"))?;
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            slept += line.ok_or("no figure")?.trim().parse::<f64>()?;
        }
        Ok((busy, slept))
    }

    /// Shows which calls it makes, where there is somebody who counts them.
    fn traced(&self, time: Duration) {
        let mut strace = Command::new("timeout");
        strace.args(["-s", "INT", &time.as_secs().to_string(), "strace", "-c", "-f", "-p"]);
        let counted = strace.arg(self.child.id().to_string()).stdin(Stdio::null()).output();
        if let Ok(counted) = counted {
            eprintln!("{}", String::from_utf8_lossy(&counted.stderr));
        }
    }
}
