//! What the walls cost: a program that does nothing, and one that walks files, beside the same without
//! walls and beside bubblewrap where that is installed.
//!
//! All of them take turns in one loop, so that what else the machine does falls on each alike. A row's
//! value and control are medians, but for those that say p95.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as Plain, Stdio};
use std::time::Instant;

use kairos_sandbox::{
    Binary, Command, Compiled, Exit, PathRule, Policy, ProgramAt, Sandbox, Stdin, WriteMode,
    compile, probe,
};

/// Turns of each; the first few of them are not counted.
const TURNS: usize = 200;
const WALKS: usize = 12;
const WARM: usize = 5;

/// Owner of the workspace where this runs as root.
const OWNER: u32 = 65_534;

const BWRAP: &str = "/usr/bin/bwrap";

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = rustix::process::geteuid().is_root();
    let owner = root.then_some(OWNER);
    std::os::unix::fs::chown(dir.path(), owner, owner).expect("root may give away");
    let sandbox = Sandbox::open(&ProgramAt::Path(env!("CARGO_BIN_EXE_kairos-sbx").into()))
        .expect("the small program stands beside the bench");
    let policy = |writes| {
        let policy =
            Policy { write: vec![PathRule::required(dir.path())], writes, ..Policy::default() };
        compile(&policy, &probe()).expect("this host enforces the default layers")
    };
    let ours = |policy: &Compiled, argv: &[&str]| {
        let command = Command {
            binary: Binary::open(Path::new(argv[0])).expect("a program"),
            argv: argv.iter().map(Into::into).collect(),
            cwd: dir.path().into(),
            stdin: Stdin::Empty,
        };
        timed(|| matches!(sandbox.run(command, policy).expect("runs").exit, Exit::Code(_)))
    };
    let modes = [WriteMode::ReadOnly, WriteMode::Direct, WriteMode::Overlay].map(policy);
    let bwrap = Path::new(BWRAP).exists();
    let mut taken: [Vec<f64>; 5] = Default::default();
    for turn in 0..TURNS + WARM {
        let mut round = vec![bare(&["/bin/true"], None)];
        round.extend(modes.iter().map(|mode| ours(mode, &["/bin/true"])));
        round.extend(bwrap.then(|| timed(|| wrapped(dir.path(), owner))));
        if turn >= WARM {
            taken.iter_mut().zip(round).for_each(|(all, one)| all.push(one));
        }
    }
    let walk = ["/usr/bin/find", "/usr/share", "-name", "no-such-name"];
    let mut walks: [Vec<f64>; 2] = Default::default();
    for _ in 0..WALKS {
        walks[0].push(bare(&walk, owner));
        walks[1].push(ours(&modes[0], &walk));
    }
    let [plain, read_only, direct, overlay, wrapped] = taken.map(sorted);
    let [walk, walled] = walks.map(sorted);
    let mut rows = vec![
        row("sandbox true, read-only", at(&read_only, 0.5), at(&plain, 0.5), 5.0),
        row("sandbox true, read-only, p95", at(&read_only, 0.95), at(&plain, 0.5), 8.0),
        row("sandbox true, direct", at(&direct, 0.5), at(&plain, 0.5), 5.0),
        row("sandbox true, overlay", at(&overlay, 0.5), at(&plain, 0.5), 8.0),
        row("sandbox file walk", at(&walled, 0.5), at(&walk, 0.5), 1.15),
    ];
    if bwrap {
        let beside = row("sandbox true, beside bwrap", at(&direct, 0.5), at(&wrapped, 0.5), 0.75);
        rows.push(beside);
    }
    print(&rows);
}

/// Milliseconds.
fn timed(act: impl FnOnce() -> bool) -> f64 {
    let began = Instant::now();
    assert!(act(), "it ends well");
    began.elapsed().as_secs_f64() * 1e3
}

/// The same without walls, its output read as ours is. As the same account where files are walked, of
/// which it may not read the same ones otherwise.
fn bare(argv: &[&str], owner: Option<u32>) -> f64 {
    let mut plain = Plain::new(argv[0]);
    plain.args(&argv[1..]).stdin(Stdio::null());
    if let Some(owner) = owner {
        plain.uid(owner).gid(owner);
    }
    timed(|| plain.output().expect("starts").status.code().is_some())
}

fn wrapped(dir: &Path, owner: Option<u32>) -> bool {
    let mut bwrap = Plain::new(BWRAP);
    bwrap.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]);
    bwrap.args(["--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"]);
    bwrap.args(["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"]);
    bwrap.args(["--tmpfs", "/tmp", "--bind"]).args([dir, dir]).arg("/bin/true");
    if let Some(owner) = owner {
        bwrap.uid(owner).gid(owner);
    }
    bwrap.stdin(Stdio::null()).output().expect("starts").status.success()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], part: f64) -> f64 {
    let below = sorted.len().saturating_sub(1) as f64 * part;
    let index = (0..sorted.len()).rev().find(|index| *index as f64 <= below);
    index.map_or(f64::NAN, |index| sorted[index])
}

struct Row {
    name: &'static str,
    value: f64,
    control: f64,
    target: f64,
}

fn row(name: &'static str, value: f64, control: f64, target: f64) -> Row {
    Row { name, value, control, target }
}

#[expect(clippy::print_stdout, reason = "a bench prints its rows")]
fn print(rows: &[Row]) {
    let json = std::env::args().any(|argument| argument == "--json");
    for Row { name, value, control, target } in rows {
        let ratio = value / control;
        let met = ratio <= *target;
        match json {
            true => println!(
                "{{\"name\":\"{name}\",\"value\":{value:.4},\"unit\":\"ms\",\"control\":{control:.4},\
                 \"ratio\":{ratio:.4},\"target\":\"≤ {target:.2} ×\",\"met\":{met}}}"
            ),
            false => println!("{name:<34} {value:>8.3} ms {control:>8.3} {ratio:>6.2}  ≤ {target}"),
        }
    }
}
