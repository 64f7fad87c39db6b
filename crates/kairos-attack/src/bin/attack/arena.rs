//! The world that is attacked.
//!
//! Owns how it is entered: namespaces of its own with no right over the machine (its root is an unused
//! user of the machine), a root of its own in memory of which nothing but programs and devices is the
//! machine's, and an init that ends everything with itself. **Invariant:** no probe, no driver and no
//! witness starts anywhere else; where the namespaces cannot be had, nothing is attacked and the verb fails.
//!
//! ```text
//! attack ──▶ attack --arena (apart; mapped from outside) ──▶ attack --init (pid 1) ──▶ attack --inside
//! ```

#![expect(unsafe_code, reason = "namespaces and interfaces have no safe interface")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{Resource, Rlimit, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use crate::mapping;

/// Where the new root is put together: a directory that every machine has.
const SCAFFOLD: &str = "/mnt";
/// Programs of ours in here.
pub(crate) const PROGRAMS: &str = "/opt/attack";

/// Enters the arena with these arguments and answers how the attack in it ended.
pub(crate) fn enter(args: &[String], programs: &[PathBuf]) -> Result<ExitCode> {
    let ranges = mapping::ranges()?;
    leave_precedence().context("the arena comes before others")?;
    widen_limits();
    let opened: Vec<String> = programs.iter().map(|path| path.display().to_string()).collect();
    let mut child = Command::new("/proc/self/exe")
        .arg("--arena")
        .args(&opened)
        .arg("--")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the arena cannot be started")?;
    let mut from = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.trim() != "apart" {
        let _ = child.wait();
        bail!("this host gives no user namespaces, so nothing can be attacked without danger");
    }
    mapping::map(child.id(), ranges)?;
    child.stdin.take().expect("stdin is a pipe").write_all(b"mapped\n")?;
    std::io::copy(&mut from, &mut std::io::stdout())?;
    let status = child.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Who comes before others at the processor shows in its controls what nobody else could do.
fn leave_precedence() -> Result<()> {
    if rustix::process::getpriority_process(None)? < 0 {
        rustix::process::setpriority_process(None, 0)?;
    }
    Ok(())
}

/// Limits that a sandbox has to lower: without them the control could show nothing.
fn widen_limits() {
    let to = |most| Rlimit { current: Some(most), maximum: Some(most) };
    let _ = rustix::process::setrlimit(Resource::Rtprio, to(1));
    let _ = rustix::process::setrlimit(Resource::Nice, to(25));
    let _ = rustix::process::setrlimit(Resource::Memlock, to(256 << 20));
    // And one that would take long to use up.
    let _ = rustix::process::setrlimit(Resource::Sigpending, to(8_192));
}

/// `attack --arena PROGRAM… -- ARG…`: goes apart, waits to be mapped, builds the root and starts its init.
pub(crate) fn build(args: &[String]) -> Result<ExitCode> {
    let middle = args.iter().position(|arg| arg == "--").context("no `--` in the arguments")?;
    let programs: Vec<(PathBuf, File)> = args[..middle]
        .iter()
        .map(|path| {
            let file = File::open(path).with_context(|| format!("`{path}` cannot be opened"))?;
            Ok((PathBuf::from(path), file))
        })
        .collect::<Result<_>>()?;
    go_apart()?;
    println!("apart");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    become_root()?;
    die_with_parent()?;
    build_root(programs).context("the root of the arena cannot be built")?;
    let status = Command::new(Path::new(PROGRAMS).join("attack"))
        .arg("--init")
        .args(&args[middle + 1..])
        .stdin(Stdio::null())
        .status()
        .context("the init of the arena cannot be started")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn go_apart() -> Result<()> {
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: the process has one thread and shares its descriptors with nobody.
    unsafe { rustix::thread::unshare_unsafe(all) }.context("the arena cannot be apart")
}

fn become_root() -> Result<()> {
    use rustix::process::{Gid, Uid};
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    // Whatever goes wrong with memory, this is what the kernel ends first.
    let _ = fs::write("/proc/self/oom_score_adj", "900");
    Ok(())
}

fn build_root(programs: Vec<(PathBuf, File)>) -> Result<()> {
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    rustix::mount::mount_change("/", private)?;
    let root = Path::new(SCAFFOLD);
    rustix::mount::mount("arena", root, "tmpfs", MountFlags::NODEV, Some(c"size=2g,mode=755"))?;
    for dir in DIRS {
        fs::create_dir_all(root.join(dir))?;
    }
    for dir in OPEN_DIRS {
        let dir = root.join(dir);
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777))?;
    }
    for dir in ["usr", "sys", "dev", "proc"] {
        rustix::mount::mount_bind_recursive(Path::new("/").join(dir), root.join(dir))?;
    }
    for (name, at) in [("shm", "dev/shm"), ("src", "usr/src")] {
        rustix::mount::mount(name, root.join(at), "tmpfs", MountFlags::NODEV, Some(c"mode=1777"))?;
    }
    rustix::mount::mount(
        "pts",
        root.join("dev/pts"),
        "devpts",
        MountFlags::empty(),
        Some(c"newinstance,ptmxmode=0666"),
    )?;
    for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
        let host = Path::new("/").join(name);
        if let Ok(target) = fs::read_link(&host) {
            symlink(target, root.join(name))?;
        } else if host.is_dir() {
            fs::create_dir_all(root.join(name))?;
            rustix::mount::mount_bind_recursive(&host, root.join(name))?;
        }
    }
    copy_settings(&root.join("etc"))?;
    let to = root.join(PROGRAMS.trim_start_matches('/'));
    for (path, mut file) in programs {
        let name = path.file_name().context("a program has a name")?;
        let mut copy = File::create(to.join(name))?;
        std::io::copy(&mut file, &mut copy)?;
        copy.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

const DIRS: [&str; 9] =
    ["usr", "sys", "dev", "proc", "etc", "srv", "opt/attack", "var/lib/attack", "run"];
const OPEN_DIRS: [&str; 2] = ["tmp", "var/tmp"];

/// The little of the machine's settings that programs cannot start or resolve without.
fn copy_settings(to: &Path) -> Result<()> {
    for name in ["ld.so.cache", "ld.so.conf", "localtime", "nsswitch.conf"] {
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            fs::write(to.join(name), bytes)?;
        }
    }
    let alternatives = to.join("alternatives");
    fs::create_dir_all(&alternatives)?;
    for entry in fs::read_dir("/etc/alternatives").into_iter().flatten() {
        let entry = entry?;
        if let Ok(target) = fs::read_link(entry.path()) {
            symlink(target, alternatives.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Somebody who ends the attack ends all of it.
fn die_with_parent() -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// `attack --init ARG…`: the first process in here. Reaps until the attack is over, and ends with it.
pub(crate) fn init(args: &[String]) -> Result<ExitCode> {
    die_with_parent()?;
    rustix::mount::mount("proc", "/proc", "proc", MountFlags::empty(), None)?;
    let queues = Path::new("/dev/mqueue");
    if queues.is_dir() {
        rustix::mount::mount("queues", queues, "mqueue", MountFlags::empty(), None)?;
    }
    lift_loopback().context("the loopback interface cannot be brought up")?;
    // Pings without rights, as many machines allow them: without it their control shows nothing.
    let _ = fs::write("/proc/sys/net/ipv4/ping_group_range", "0 65535");
    let own = Path::new(PROGRAMS).join("attack");
    let inside = Command::new(own).arg("--inside").args(args).spawn()?;
    let inside = i32::try_from(inside.id())?;
    loop {
        let Some((pid, status)) = rustix::process::wait(WaitOptions::empty())? else { continue };
        if pid.as_raw_nonzero().get() == inside {
            return Ok(ended(status));
        }
    }
}

fn ended(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Further addresses of the loopback interface in here: where clouds answer, and a network of one's own.
pub(crate) const ADDRESSES: [[u8; 4]; 2] = [[169, 254, 169, 254], [10, 9, 8, 7]];

fn lift_loopback() -> Result<()> {
    use std::os::fd::AsRawFd as _;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    interface(socket.as_raw_fd(), "lo", Setting::Up)?;
    for (at, address) in ADDRESSES.iter().enumerate() {
        interface(socket.as_raw_fd(), &format!("lo:{at}"), Setting::Address(*address))?;
    }
    Ok(())
}

enum Setting {
    Up,
    Address([u8; 4]),
}

fn interface(socket: i32, name: &str, setting: Setting) -> Result<()> {
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let number = match setting {
        Setting::Up => {
            let flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING)?;
            request[16..18].copy_from_slice(&flags.to_ne_bytes());
            libc::SIOCSIFFLAGS
        }
        Setting::Address(address) => {
            let family = u16::try_from(libc::AF_INET)?;
            request[16..18].copy_from_slice(&family.to_ne_bytes());
            request[20..24].copy_from_slice(&address);
            libc::SIOCSIFADDR
        }
    };
    // SAFETY: the request is as long as the kernel's `ifreq` and lives until the call has returned.
    let answer = unsafe { libc::ioctl(socket, number, request.as_mut_ptr()) };
    if answer == -1 {
        return Err(std::io::Error::last_os_error()).with_context(|| name.to_owned());
    }
    Ok(())
}
