//! Appetite.
//!
//! Owns the acts that take memory, processors, descriptors, threads and pipes. Each takes a stated amount
//! and no more, so that it is over where nothing limits it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::report::{Denied, Try};
use crate::sys::{fork, leave, map_and_touch, reap, sys};
use crate::{Act, amount, text};

pub(crate) const ACTS: &[Act] = &[
    ("memory", memory),
    ("memory-shared", memory_shared),
    ("memory-children", memory_children),
    ("memory-memfd", memory_memfd),
    ("memory-sysv", memory_sysv),
    ("inotify", inotify),
    ("flock", flock),
    ("timers", timers),
    ("semaphores", semaphores),
    ("aio", aio),
    ("lease", lease),
    ("files", files),
    ("threads", threads),
    ("spin", spin),
    ("flood", flood),
    ("hold-stdout", hold_stdout),
    ("stdin-unread", stdin_unread),
    ("stdout-closed", stdout_closed),
    ("bytes", bytes),
];

const MIB: usize = 1024 * 1024;

/// Touches so many MiB.
fn memory(args: &[String]) -> Try {
    let mib = amount(args, 0)?;
    map_and_touch(mib * MIB, false)?;
    Ok(format!("{mib} MiB"))
}

fn memory_shared(args: &[String]) -> Try {
    let mib = amount(args, 0)?;
    map_and_touch(mib * MIB, true)?;
    Ok(format!("{mib} MiB"))
}

/// So many children with so many MiB each, at once.
fn memory_children(args: &[String]) -> Try {
    let (count, mib) = (amount(args, 0)?, amount(args, 1)?);
    let (mut from, to) = std::io::pipe()?;
    let mut children = Vec::new();
    for _ in 0..count {
        match fork()? {
            Some(child) => children.push(child),
            None => {
                let touched = map_and_touch(mib * MIB, false).is_ok();
                let _ = (&to).write_all(if touched { b"+" } else { b"-" });
                sleep(Duration::from_secs(2));
                leave(0);
            }
        }
    }
    drop(to);
    let mut told = Vec::new();
    let mut one = [0_u8; 1];
    while told.len() < count && from.read(&mut one)? == 1 {
        told.push(one[0]);
    }
    for child in children {
        let _ = sys!(SYS_kill, child, libc::SIGKILL);
        let _ = reap(child);
    }
    let touched = told.iter().filter(|mark| **mark == b'+').count();
    if touched == count {
        return Ok(format!("{count} times {mib} MiB"));
    }
    Err(Denied::new(format!("{touched} of {count}")))
}

/// Memory that is a file without a name.
fn memory_memfd(args: &[String]) -> Try {
    let mib = amount(args, 0)?;
    let fd = sys!(SYS_memfd_create, c"planted", 0)?;
    let block = vec![b'x'; MIB];
    for at in 0..mib {
        sys!(SYS_write, fd, &block[..], MIB).map_err(|denied| Denied {
            what: format!("after {at} MiB: {}", denied.what),
            ..denied
        })?;
    }
    Ok(format!("{mib} MiB"))
}

/// A segment that no limit of one process counts.
fn memory_sysv(args: &[String]) -> Try {
    let mib = amount(args, 0)?;
    let segment = sys!(SYS_shmget, 0, mib * MIB, libc::IPC_CREAT | 0o600)?;
    let at = sys!(SYS_shmat, segment, 0, 0)?;
    sys!(SYS_shmctl, segment, libc::IPC_RMID, 0)?;
    for page in 0..mib * 256 {
        crate::sys::write_segment(at + i64::try_from(page * 4096).unwrap_or(0), b"x");
    }
    Ok(format!("{mib} MiB"))
}

/// So many watchers, of which each user of the machine has few; kept for a moment.
fn inotify(args: &[String]) -> Try {
    let count = amount(args, 0)?;
    for at in 0..count {
        sys!(SYS_inotify_init1, 0)
            .map_err(|denied| Denied { what: format!("after {at}: {}", denied.what), ..denied })?;
    }
    if count > 1 {
        sleep(Duration::from_millis(1_500));
    }
    Ok(format!("{count} watchers"))
}

/// Locks a file, as programs do that agree to wait for each other, and keeps it so many milliseconds.
fn flock(args: &[String]) -> Try {
    let path = crate::c_text(args, 0)?;
    let fd = sys!(SYS_open, path.as_c_str(), libc::O_RDONLY, 0)?;
    sys!(SYS_flock, fd, libc::LOCK_EX | libc::LOCK_NB)?;
    sleep(Duration::from_millis(u64::try_from(amount(args, 1)?).unwrap_or(0)));
    Ok("locked".to_owned())
}

/// So many timers, which each user of the machine has a number of; kept for a moment. Takes fewer where
/// there are no more. Begins, if asked to, so many milliseconds later.
fn timers(args: &[String]) -> Try {
    const CLOCK_MONOTONIC: i32 = 1;
    let count = amount(args, 0)?;
    sleep(Duration::from_millis(u64::try_from(amount(args, 1).unwrap_or(0)).unwrap_or(0)));
    // Nobody is told when it goes off.
    let mut event = [0_u8; 64];
    event[12] = 1;
    let mut made = 0;
    let mut id = [0_u8; 4];
    while made < count && sys!(SYS_timer_create, CLOCK_MONOTONIC, &event[..], &mut id[..]).is_ok() {
        made += 1;
    }
    if made == 0 {
        return Err(Denied::new("no timer".to_owned()));
    }
    if count > 1 {
        sleep(Duration::from_millis(2_500));
    }
    Ok(format!("{made} timers"))
}

/// Semaphores of System V, whose memory is nobody's.
fn semaphores(args: &[String]) -> Try {
    let count = amount(args, 0)?;
    let set = sys!(SYS_semget, 0, count, libc::IPC_CREAT | 0o600)?;
    sys!(SYS_semctl, set, 0, libc::IPC_RMID)?;
    Ok(format!("{count} semaphores"))
}

/// Room for operations of files, of which the whole machine has one number.
fn aio(args: &[String]) -> Try {
    let count = amount(args, 0)?;
    let mut context = [0_u8; 8];
    sys!(SYS_io_setup, count, &mut context[..])?;
    Ok(format!("room for {count}"))
}

/// Lets whoever opens a file wait until it is given back, and does not give it back.
fn lease(args: &[String]) -> Try {
    const F_SETLEASE: i32 = 1024;
    let path = crate::c_text(args, 0)?;
    let ignored = [libc::SIG_IGN as u64, 0, 0, 0].map(u64::to_ne_bytes).concat();
    sys!(SYS_rt_sigaction, libc::SIGIO, &ignored[..], 0, 8)?;
    let leased = |open, kind| {
        let fd = sys!(SYS_open, path.as_c_str(), open, 0)?;
        sys!(SYS_fcntl, fd, F_SETLEASE, kind)
    };
    leased(libc::O_RDWR, libc::F_WRLCK).or_else(|_| leased(libc::O_RDONLY, libc::F_RDLCK))?;
    sleep(Duration::from_millis(2_500));
    Ok("kept".to_owned())
}

/// Has so many files open at once.
fn files(args: &[String]) -> Try {
    let count = amount(args, 0)?;
    let mut open = Vec::with_capacity(count);
    for at in 0..count {
        match File::open("/proc/self/status") {
            Ok(file) => open.push(file),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                return Err(Denied { errno, what: format!("after {at}: {error}") });
            }
        }
    }
    Ok(format!("{count} open"))
}

/// Has so many threads at once.
fn threads(args: &[String]) -> Try {
    let count = amount(args, 0)?;
    let mut begun = Vec::with_capacity(count);
    for at in 0..count {
        let wait = || sleep(Duration::from_millis(500));
        match std::thread::Builder::new().stack_size(16 * 1024).spawn(wait) {
            Ok(thread) => begun.push(thread),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                return Err(Denied { errno, what: format!("after {at}: {error}") });
            }
        }
    }
    Ok(format!("{count} at once"))
}

/// Takes a processor for so many seconds of its time.
fn spin(args: &[String]) -> Try {
    let seconds = amount(args, 0)?;
    let begun = Instant::now();
    let until = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
    while begun.elapsed() < until {
        std::hint::spin_loop();
    }
    Ok(format!("{seconds} s"))
}

/// Writes so many MiB to stdout (1) or stderr (2).
fn flood(args: &[String]) -> Try {
    let (fd, mib) = (amount(args, 0)?, amount(args, 1)?);
    let block = vec![b'x'; MIB];
    for at in 0..mib {
        let mut rest = &block[..];
        while !rest.is_empty() {
            let written = sys!(SYS_write, fd, rest, rest.len()).map_err(|denied| Denied {
                what: format!("after {at} MiB: {}", denied.what),
                ..denied
            })?;
            rest = &rest[usize::try_from(written).unwrap_or(0)..];
        }
    }
    Ok(format!("{mib} MiB"))
}

/// Leaves a grandchild that has stdout open for so many seconds, and ends.
fn hold_stdout(args: &[String]) -> Try {
    let seconds = u64::try_from(amount(args, 0)?).unwrap_or(0);
    let Some(child) = fork()? else {
        let _ = sys!(SYS_setsid);
        if matches!(fork(), Ok(None)) {
            sleep(Duration::from_secs(seconds));
            leave(0);
        }
        leave(0);
    };
    reap(child)?;
    Ok("held".to_owned())
}

/// Ends without having read anything.
fn stdin_unread(_args: &[String]) -> Try {
    Ok("not read".to_owned())
}

/// Closes stdout, writes to it all the same, and goes on.
fn stdout_closed(_args: &[String]) -> Try {
    sys!(SYS_close, 1)?;
    let written = sys!(SYS_write, 1, &b"late\n"[..], 5);
    // The report goes to stderr: it has to be asked for with `--stderr`.
    match written {
        Err(denied) if denied.errno == libc::EBADF => Ok("closed".to_owned()),
        other => Err(Denied::new(format!("{other:?}"))),
    }
}

/// Writes bytes that a terminal would act on, and that no text holds.
fn bytes(args: &[String]) -> Try {
    let all = text(args, 0)? == "all";
    let hostile = b"\x1b]0;attacked\x07\x1b[2J\x00\xff\xfe\xc3\x28\r\x08";
    std::io::stdout().write_all(hostile)?;
    if all {
        let every: Vec<u8> = (0..=255).collect();
        std::io::stdout().write_all(&every)?;
    }
    println!();
    Ok("written".to_owned())
}
