//! Signals, traces, descendants that stay, and other ways to run a program.
//!
//! Owns the acts against processes outside and those that try to outlive the sandbox. What stays behind
//! ends by itself within `STAY_SECONDS`, whatever nobody noticed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::report::{Denied, Try};
use crate::sys::{fork, fork_sibling, leave, reap, sys};
use crate::{Act, amount, number, text};

pub(crate) const ACTS: &[Act] = &[
    ("kill", kill),
    ("kill-all", kill_all),
    ("tgkill", tgkill),
    ("sigqueue", sigqueue),
    ("pidfd-signal", pidfd_signal),
    ("renice", renice),
    ("renice-user", renice_user),
    ("signal-by-fd", signal_by_fd),
    ("pidfd-getfd", pidfd_getfd),
    ("affinity", affinity),
    ("prlimit-other", prlimit_other),
    ("ptrace-attach", ptrace_attach),
    ("ptrace-seize", ptrace_seize),
    ("vm-read", vm_read),
    ("vm-write", vm_write),
    ("kill-init", kill_init),
    ("trace-init", trace_init),
    ("stay-orphan", stay_orphan),
    ("stay-stubborn", stay_stubborn),
    ("stay-stopped", stay_stopped),
    ("stay-forking", stay_forking),
    ("stay-sibling", stay_sibling),
    ("stay-vfork", stay_vfork),
    ("wait", wait),
    ("arguments", arguments),
    ("length", length),
    ("linger", linger),
    ("make-tree-and-linger", make_tree_and_linger),
    ("fork-many", fork_many),
    ("zombies", zombies),
    ("end-code", end_code),
    ("end-signal", end_signal),
    ("exec", exec),
    ("exec-memfd", exec_memfd),
    ("exec-copy", exec_copy),
    ("exec-script", exec_script),
    ("exec-loader", exec_loader),
    ("exec-setuid", exec_setuid),
    ("euid", euid),
    ("env", env),
    ("env-of-all", env_of_all),
    ("victim", victim),
];

const STAY_SECONDS: u64 = 20;

fn stay() -> ! {
    sleep(Duration::from_secs(STAY_SECONDS));
    leave(0)
}

fn ignore(signal: i32) -> Result<(), Denied> {
    let action = [libc::SIG_IGN as u64, 0, 0, 0].map(u64::to_ne_bytes).concat();
    sys!(SYS_rt_sigaction, signal, &action[..], 0, 8)?;
    Ok(())
}

fn kill(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    sys!(SYS_kill, pid, libc::SIGKILL)?;
    Ok("signal sent".to_owned())
}

/// In a namespace of its own the number may be somebody else's, or ours: that would tell nothing.
fn spare(pid: i64) -> Result<(), Denied> {
    let own = [sys!(SYS_getpid)?, sys!(SYS_getppid)?, 1];
    if own.contains(&pid) { Err(Denied::new("the number is our own")) } else { Ok(()) }
}

fn kill_all(_args: &[String]) -> Try {
    sys!(SYS_kill, -1, libc::SIGKILL)?;
    Ok("signal sent".to_owned())
}

fn tgkill(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    sys!(SYS_tgkill, pid, pid, libc::SIGKILL)?;
    Ok("signal sent".to_owned())
}

fn sigqueue(args: &[String]) -> Try {
    const SI_QUEUE: i32 = -1;
    let pid = number(args, 0)?;
    spare(pid)?;
    let mut what = [0_u8; 128];
    what[..4].copy_from_slice(&libc::SIGKILL.to_ne_bytes());
    what[8..12].copy_from_slice(&SI_QUEUE.to_ne_bytes());
    sys!(SYS_rt_sigqueueinfo, pid, libc::SIGKILL, &what[..])?;
    Ok("signal sent".to_owned())
}

fn pidfd_signal(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    let fd = sys!(SYS_pidfd_open, pid, 0)?;
    sys!(SYS_pidfd_send_signal, fd, libc::SIGKILL, 0, 0)?;
    Ok("signal sent".to_owned())
}

fn renice(args: &[String]) -> Try {
    sys!(SYS_setpriority, 0, number(args, 0)?, 19)?;
    Ok("nice 19".to_owned())
}

/// Everybody of the same user at once.
fn renice_user(_args: &[String]) -> Try {
    const USER: i32 = 2;
    let own = sys!(SYS_getuid)?;
    sys!(SYS_setpriority, USER, own, 19)?;
    Ok("nice 19".to_owned())
}

/// Lets a pipe send the signal, to whom it is said to belong.
fn signal_by_fd(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    let mut ends = [0_u8; 8];
    sys!(SYS_pipe2, &mut ends[..], libc::O_NONBLOCK)?;
    let end = |at: usize| i32::from_ne_bytes([ends[at], ends[at + 1], ends[at + 2], ends[at + 3]]);
    let (read, write) = (end(0), end(4));
    sys!(SYS_fcntl, read, libc::F_SETOWN, pid)?;
    sys!(SYS_fcntl, read, 10 /* F_SETSIG */, libc::SIGKILL)?;
    sys!(SYS_fcntl, read, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)?;
    sys!(SYS_write, write, &b"x"[..], 1)?;
    sleep(Duration::from_millis(50));
    Ok("a pipe was told to".to_owned())
}

/// A descriptor of another process.
fn pidfd_getfd(args: &[String]) -> Try {
    let pidfd = sys!(SYS_pidfd_open, number(args, 0)?, 0)?;
    let fd = sys!(SYS_pidfd_getfd, pidfd, 1, 0)?;
    Ok(format!("fd {fd}"))
}

fn affinity(args: &[String]) -> Try {
    let first = 1_u64.to_ne_bytes();
    sys!(SYS_sched_setaffinity, number(args, 0)?, 8, &first[..])?;
    Ok("on the first processor".to_owned())
}

fn prlimit_other(args: &[String]) -> Try {
    let none = [0_u64, 0].map(u64::to_ne_bytes).concat();
    sys!(SYS_prlimit64, number(args, 0)?, 7, &none[..], 0)?;
    Ok("no more files".to_owned())
}

const PTRACE_ATTACH: i64 = 16;
const PTRACE_SEIZE: i64 = 0x4206;

fn ptrace_attach(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    sys!(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0)?;
    Ok("attached".to_owned())
}

fn ptrace_seize(args: &[String]) -> Try {
    let pid = number(args, 0)?;
    spare(pid)?;
    sys!(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0)?;
    Ok("seized".to_owned())
}

/// Reads the memory of `PID` at `ADDRESS`.
fn vm_read(args: &[String]) -> Try {
    let (pid, at) = (number(args, 0)?, amount(args, 1)?);
    let mut bytes = [0_u8; 64];
    let here = [bytes.as_mut_ptr().expose_provenance(), bytes.len()];
    let there = [at, bytes.len()];
    sys!(SYS_process_vm_readv, pid, &here[..], 1, &there[..], 1, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes one byte that is there already.
fn vm_write(args: &[String]) -> Try {
    let (pid, at) = (number(args, 0)?, amount(args, 1)?);
    let bytes = *b"attacked";
    let here = [bytes.as_ptr().expose_provenance(), bytes.len()];
    let there = [at, bytes.len()];
    sys!(SYS_process_vm_writev, pid, &here[..], 1, &there[..], 1, 0)?;
    Ok("written".to_owned())
}

/// Ends the init of the sandbox and goes on without it.
fn kill_init(_args: &[String]) -> Try {
    if fork()?.is_none() {
        sys!(SYS_setsid)?;
        stay();
    }
    let parent = sys!(SYS_getppid)?;
    let to = if parent == 0 { 1 } else { parent };
    sys!(SYS_kill, to, libc::SIGKILL)?;
    sleep(Duration::from_millis(300));
    Ok("signal sent and still here".to_owned())
}

/// Whoever it was started by, the first process, or the one it is told.
fn trace_init(args: &[String]) -> Try {
    let mut last = Denied::new("nobody");
    for pid in [sys!(SYS_getppid)?, 1, number(args, 0)?] {
        match sys!(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0) {
            Ok(_) => return Ok(format!("seized {pid}")),
            Err(denied) => last = denied,
        }
    }
    Err(last)
}

/// Leaves a grandchild in a group and a session of its own, with no output of ours.
fn stay_orphan(_args: &[String]) -> Try {
    let Some(child) = fork()? else {
        let _ = sys!(SYS_setsid);
        if matches!(fork(), Ok(None)) {
            let _ = ignore(libc::SIGTERM).and(ignore(libc::SIGHUP));
            for fd in 0..3 {
                let _ = sys!(SYS_close, fd);
            }
            stay();
        }
        leave(0);
    };
    reap(child)?;
    Ok("a grandchild stays".to_owned())
}

/// Never ends by itself nor by SIGTERM.
fn stay_stubborn(_args: &[String]) -> Try {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        ignore(signal)?;
    }
    sleep(Duration::from_secs(STAY_SECONDS));
    Ok("waited to the end".to_owned())
}

/// As `stay-stubborn`, with children that are stopped.
fn stay_stopped(_args: &[String]) -> Try {
    for _ in 0..4 {
        if fork()?.is_none() {
            let _ = sys!(SYS_setsid);
            let me = sys!(SYS_getpid)?;
            let _ = sys!(SYS_kill, me, libc::SIGSTOP);
            stay();
        }
    }
    stay_stubborn(&[])
}

/// Children that fork while they are ended, each for a moment.
fn stay_forking(_args: &[String]) -> Try {
    for _ in 0..4 {
        if fork()?.is_none() {
            let _ = sys!(SYS_setsid);
            let until = Instant::now() + Duration::from_secs(STAY_SECONDS);
            while Instant::now() < until {
                match fork() {
                    Ok(Some(_)) => leave(0),
                    Ok(None) => sleep(Duration::from_millis(2)),
                    Err(_) => sleep(Duration::from_millis(20)),
                }
            }
            leave(0);
        }
    }
    Ok("they fork".to_owned())
}

/// A child whose parent is our own parent.
fn stay_sibling(_args: &[String]) -> Try {
    match fork_sibling()? {
        None => {
            let _ = sys!(SYS_setsid);
            for fd in 0..3 {
                let _ = sys!(SYS_close, fd);
            }
            stay()
        }
        Some(child) => Ok(format!("child {child} of our parent")),
    }
}

/// A process that shares no memory, only the wait of `vfork`, and leaves a child behind.
fn stay_vfork(_args: &[String]) -> Try {
    let child = sys!(SYS_clone, libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0)?;
    if child == 0 {
        let _ = sys!(SYS_setsid);
        if matches!(fork(), Ok(None)) {
            for fd in 0..3 {
                let _ = sys!(SYS_close, fd);
            }
            stay();
        }
        leave(0);
    }
    Ok("a grandchild stays".to_owned())
}

/// Sleeps, with children in sessions of their own, until somebody ends whoever started us.
fn linger(_args: &[String]) -> Try {
    for _ in 0..3 {
        if fork()?.is_none() {
            let _ = sys!(SYS_setsid);
            let _ = ignore(libc::SIGTERM).and(ignore(libc::SIGHUP));
            stay();
        }
    }
    sleep(Duration::from_secs(STAY_SECONDS));
    Ok("waited to the end".to_owned())
}

/// Does nothing for so many milliseconds.
fn wait(args: &[String]) -> Try {
    sleep(Duration::from_millis(u64::try_from(amount(args, 0)?).unwrap_or(0)));
    Ok("waited".to_owned())
}

/// Whether the arguments are those of the case, byte for byte.
fn arguments(args: &[String]) -> Try {
    let wanted = ["a\nb", "", " ", "'\"$(x)`", "-", "--", "\u{7f}\u{1b}[2J", "ü"];
    if args == wanted {
        Ok("as they were".to_owned())
    } else {
        Err(Denied::new(format!("{args:?}")))
    }
}

/// Whether an argument is that long.
fn length(args: &[String]) -> Try {
    let (is, wanted) = (text(args, 0)?.len(), amount(args, 1)?);
    if is == wanted { Ok(format!("{is} bytes")) } else { Err(Denied::new(format!("{is} bytes"))) }
}

/// Leaves a file and then sleeps as `linger` does.
fn make_tree_and_linger(args: &[String]) -> Try {
    // Where it may not, it lingers all the same: what stays afterwards is the question.
    let _ = crate::act("make-tree").map(|make| make(args));
    linger(&[])
}

/// Has so many children at once. The limit of processes of one user bounds it besides.
fn fork_many(args: &[String]) -> Try {
    let wanted = amount(args, 0)?;
    let mut children = Vec::new();
    let stopped = loop {
        if children.len() == wanted {
            break None;
        }
        match fork() {
            Ok(Some(child)) => children.push(child),
            Ok(None) => stay(),
            Err(error) => break Some(error),
        }
    };
    for child in &children {
        let _ = sys!(SYS_kill, *child, libc::SIGKILL);
        let _ = reap(*child);
    }
    match stopped {
        None => Ok(format!("{wanted} at once")),
        Some(error) => Err(Denied {
            errno: error.raw_os_error().unwrap_or(0),
            what: format!("after {}: {error}", children.len()),
        }),
    }
}

/// Leaves so many ended orphans and looks whether somebody has reaped them.
fn zombies(args: &[String]) -> Try {
    const LOOKS: u32 = 40;
    for _ in 0..amount(args, 0)? {
        let Some(child) = fork()? else {
            if matches!(fork(), Ok(None)) {
                leave(0);
            }
            leave(0);
        };
        reap(child)?;
    }
    for _ in 0..LOOKS {
        if zombies_seen()? == 0 {
            return Ok("all reaped".to_owned());
        }
        sleep(Duration::from_millis(50));
    }
    Err(Denied::new(format!("{} are not reaped", zombies_seen()?)))
}

fn zombies_seen() -> Result<usize, Denied> {
    let stats = fs::read_dir("/proc")?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let state = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    Ok(stats.filter(|stat| state(stat)).count())
}

fn end_code(args: &[String]) -> Try {
    leave(i32::try_from(number(args, 0)?).unwrap_or(1))
}

fn end_signal(args: &[String]) -> Try {
    let me = sys!(SYS_getpid)?;
    sys!(SYS_kill, me, number(args, 0)?)?;
    Err(Denied::new("still here"))
}

/// Starts a program and says what it wrote.
fn exec(args: &[String]) -> Try {
    started(Command::new(text(args, 0)?).args(&args[1..]))
}

fn started(command: &mut Command) -> Try {
    let output = command.stdin(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(told);
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Denied::new(format!("{}: {why}", output.status)))
}

/// A program that is in no directory.
fn exec_memfd(_args: &[String]) -> Try {
    let own = fs::read("/proc/self/exe")?;
    let fd = sys!(SYS_memfd_create, c"planted", 0)?;
    let mut rest = &own[..];
    while !rest.is_empty() {
        let written = sys!(SYS_write, fd, rest, rest.len())?;
        rest = &rest[usize::try_from(written).unwrap_or(0)..];
    }
    let (name, act) = (c"probe", c"euid");
    let argv = [name.as_ptr().expose_provenance(), act.as_ptr().expose_provenance(), 0];
    let no_env = [0_usize];
    let Some(child) = fork()? else {
        let _ = sys!(SYS_execveat, fd, c"", &argv[..], &no_env[..], libc::AT_EMPTY_PATH);
        leave(126);
    };
    match reap(child)? {
        0 => Ok("started".to_owned()),
        status => Err(Denied::new(format!("status {status:#x}"))),
    }
}

/// A copy of a program, at a path of the attacker's choice.
fn exec_copy(args: &[String]) -> Try {
    let path = text(args, 0)?;
    fs::copy("/proc/self/exe", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    let result = started(Command::new(path).arg("euid"));
    fs::remove_file(path)?;
    result
}

/// A script in the workspace, for an interpreter of its choice.
fn exec_script(args: &[String]) -> Try {
    fs::write("planted-script", format!("#!{}\n", args.join(" ")))?;
    fs::set_permissions("planted-script", fs::Permissions::from_mode(0o755))?;
    started(&mut Command::new("./planted-script"))
}

/// The loader as a program: it maps another file instead of executing it.
fn exec_loader(args: &[String]) -> Try {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loaders.into_iter().find(|path| fs::exists(path).unwrap_or(false));
    let loader =
        loader.ok_or_else(|| Denied { errno: libc::ENOENT, what: "no loader".to_owned() })?;
    fs::copy(text(args, 0)?, "planted-program")?;
    fs::set_permissions("planted-program", fs::Permissions::from_mode(0o644))?;
    started(Command::new(loader).arg0("ld.so").arg("./planted-program"))
}

/// A program that belongs to somebody else and would become them.
fn exec_setuid(args: &[String]) -> Try {
    let own = sys!(SYS_getuid)?;
    let told = started(Command::new(text(args, 0)?).arg("euid"))?;
    if told.contains(&format!("uid {own} euid {own}")) {
        return Err(Denied::new("still itself"));
    }
    Ok(told)
}

/// Whether it has become somebody else than who it was started by.
fn euid(_args: &[String]) -> Try {
    let (real, effective) = (sys!(SYS_getuid)?, sys!(SYS_geteuid)?);
    Ok(format!("uid {real} euid {effective}"))
}

/// The whole environment, or what these variables hold.
fn env(args: &[String]) -> Try {
    let wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let found: Vec<String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| format!("{name}={}", value.to_string_lossy()))
        .collect();
    if found.is_empty() { Err(Denied::new("none of them")) } else { Ok(found.join(" ")) }
}

/// The environment of every process it can see.
fn env_of_all(_args: &[String]) -> Try {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid.parse::<u32>().is_ok()
            && pid != own
            && let Ok(bytes) = fs::read(entry.path().join("environ"))
        {
            found.push(format!("{pid}: {}", String::from_utf8_lossy(&bytes)));
        }
    }
    if found.is_empty() { Err(Denied::new("nobody's")) } else { Ok(found.join("; ")) }
}

/// Not hostile: the process outside that the acts are against. Has a secret in its environment, under a
/// name it is told, and so in its memory; puts it into its keyring and into segments and queues that others
/// can ask for; says where it is, and waits until it is ended.
fn victim(args: &[String]) -> Try {
    let secret = std::env::var(text(args, 0)?).map_err(|_| Denied::new("no secret"))?;
    crate::ipc::offer(&secret)?;
    println!("victim at {}", secret.as_ptr().expose_provenance());
    loop {
        sys!(SYS_pause)?;
    }
}
