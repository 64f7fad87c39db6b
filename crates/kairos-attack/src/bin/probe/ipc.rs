//! Sockets, shared memory, queues and keys of others.
//!
//! Owns the acts that reach another process without a file or a network, and what the victim offers for
//! them. The keys and names are the same in every world: each has its own IPC namespace.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::report::{Denied, Try};
use crate::sys::{read_segment, sys, write_segment};
use crate::{Act, text};

pub(crate) const ACTS: &[Act] = &[
    ("unix-path", unix_path),
    ("unix-abstract", unix_abstract),
    ("unix-datagram", unix_datagram),
    ("shm-read", shm_read),
    ("shm-write", shm_write),
    ("sem-change", sem_change),
    ("msg-read", msg_read),
    ("mq-read", mq_read),
    ("key-read", key_read),
    ("key-add", key_add),
    ("key-join", key_join),
    ("inherited", inherited),
];

const KEY: i64 = 0x6b61_6972;
const SECRET_BYTES: usize = 64;
const USER_KEYRING: i64 = -4;
const KEY_NAME: &std::ffi::CStr = c"kairos-attack";

/// What the victim offers under `KEY`.
pub(crate) fn offer(secret: &str) -> Result<(), Denied> {
    withdraw();
    let flags = libc::IPC_CREAT | 0o600;
    let mut bytes = secret.as_bytes().to_vec();
    bytes.resize(SECRET_BYTES, 0);
    let segment = sys!(SYS_shmget, KEY, SECRET_BYTES, flags)?;
    let at = sys!(SYS_shmat, segment, 0, 0)?;
    write_segment(at, &bytes);
    sys!(SYS_semget, KEY, 1, flags)?;
    let queue = sys!(SYS_msgget, KEY, flags)?;
    let message = [&1_i64.to_ne_bytes()[..], &bytes].concat();
    sys!(SYS_msgsnd, queue, &message[..], SECRET_BYTES, libc::IPC_NOWAIT)?;
    let limits = [0_i64, 4, 64, 0, 0, 0, 0, 0].map(i64::to_ne_bytes).concat();
    let queue = sys!(
        SYS_mq_open,
        KEY_NAME,
        libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK,
        0o600,
        &limits[..]
    )?;
    sys!(SYS_mq_timedsend, queue, &bytes[..], SECRET_BYTES, 0, 0)?;
    // A host without keys has nothing that could leak through them.
    let _ = sys!(SYS_add_key, c"user", KEY_NAME, &bytes[..], SECRET_BYTES, USER_KEYRING);
    Ok(())
}

/// Takes back what an earlier victim has offered, if one has.
fn withdraw() {
    let end = libc::IPC_RMID;
    let _ = sys!(SYS_shmget, KEY, 0, 0).and_then(|id| sys!(SYS_shmctl, id, end, 0));
    let _ = sys!(SYS_semget, KEY, 0, 0).and_then(|id| sys!(SYS_semctl, id, 0, end, 0));
    let _ = sys!(SYS_msgget, KEY, 0).and_then(|id| sys!(SYS_msgctl, id, end, 0));
    let _ = sys!(SYS_mq_unlink, KEY_NAME);
}

fn told(mut stream: UnixStream) -> Try {
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(b"knock\n")?;
    let mut bytes = [0_u8; 64];
    let count = stream.read(&mut bytes).unwrap_or(0);
    Ok(format!("connected: {}", String::from_utf8_lossy(&bytes[..count])))
}

fn unix_path(args: &[String]) -> Try {
    told(UnixStream::connect(text(args, 0)?)?)
}

fn unix_abstract(args: &[String]) -> Try {
    use std::os::linux::net::SocketAddrExt as _;
    let at = std::os::unix::net::SocketAddr::from_abstract_name(text(args, 0)?)?;
    told(UnixStream::connect_addr(&at)?)
}

fn unix_datagram(args: &[String]) -> Try {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.send_to(b"knock\n", text(args, 0)?)?;
    Ok("sent".to_owned())
}

fn shm_read(_args: &[String]) -> Try {
    let segment = sys!(SYS_shmget, KEY, SECRET_BYTES, 0)?;
    let at = sys!(SYS_shmat, segment, 0, libc::SHM_RDONLY)?;
    Ok(String::from_utf8_lossy(&read_segment(at, SECRET_BYTES)).into_owned())
}

/// Writes over what is there and says what was.
fn shm_write(_args: &[String]) -> Try {
    let segment = sys!(SYS_shmget, KEY, SECRET_BYTES, 0)?;
    let at = sys!(SYS_shmat, segment, 0, 0)?;
    let before = String::from_utf8_lossy(&read_segment(at, SECRET_BYTES)).into_owned();
    write_segment(at, b"attacked");
    Ok(before)
}

fn sem_change(_args: &[String]) -> Try {
    let set = sys!(SYS_semget, KEY, 0, 0)?;
    let up = [0_i16, 1, 0].map(i16::to_ne_bytes).concat();
    sys!(SYS_semop, set, &up[..], 1)?;
    Ok("raised".to_owned())
}

fn msg_read(_args: &[String]) -> Try {
    let queue = sys!(SYS_msgget, KEY, 0)?;
    let mut message = [0_u8; 8 + SECRET_BYTES];
    sys!(SYS_msgrcv, queue, &mut message[..], SECRET_BYTES, 0, libc::IPC_NOWAIT)?;
    Ok(String::from_utf8_lossy(&message[8..]).into_owned())
}

fn mq_read(_args: &[String]) -> Try {
    let queue = sys!(SYS_mq_open, KEY_NAME, libc::O_RDONLY | libc::O_NONBLOCK, 0, 0)?;
    let mut message = [0_u8; SECRET_BYTES];
    sys!(SYS_mq_timedreceive, queue, &mut message[..], SECRET_BYTES, 0, 0)?;
    Ok(String::from_utf8_lossy(&message).into_owned())
}

const KEYCTL_JOIN: i64 = 1;
const KEYCTL_SEARCH: i64 = 10;
const KEYCTL_READ: i64 = 11;

fn key_read(_args: &[String]) -> Try {
    let key = sys!(SYS_keyctl, KEYCTL_SEARCH, USER_KEYRING, c"user", KEY_NAME, 0)?;
    let mut bytes = [0_u8; SECRET_BYTES];
    sys!(SYS_keyctl, KEYCTL_READ, key, &mut bytes[..], SECRET_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn key_add(_args: &[String]) -> Try {
    const PROCESS_KEYRING: i64 = -2;
    let key = sys!(SYS_add_key, c"user", c"planted", &b"attacked"[..], 8, PROCESS_KEYRING)?;
    Ok(format!("key {key}"))
}

fn key_join(_args: &[String]) -> Try {
    let ring = sys!(SYS_keyctl, KEYCTL_JOIN, 0)?;
    Ok(format!("keyring {ring}"))
}

/// Everything open that it was not meant to have: reads files, lists directories, writes to sockets.
fn inherited(_args: &[String]) -> Try {
    const FDS_MAX: i32 = 1024;
    const BYTES: usize = 256;
    let mut found = Vec::new();
    for fd in 3..FDS_MAX {
        if sys!(SYS_fcntl, fd, libc::F_GETFD).is_err() {
            continue;
        }
        let mut bytes = [0_u8; BYTES];
        let sent = sys!(SYS_sendto, fd, &b"knock\n"[..], 6, libc::MSG_DONTWAIT, 0, 0);
        let told = match (sent, sys!(SYS_pread64, fd, &mut bytes[..], BYTES, 0)) {
            (Ok(_), _) => "a socket".to_owned(),
            (_, Ok(_)) => String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned(),
            (_, Err(denied)) if denied.errno == libc::EISDIR => {
                let secret = sys!(SYS_openat, fd, c"secret", libc::O_RDONLY, 0)
                    .and_then(|file| sys!(SYS_read, file, &mut bytes[..], BYTES));
                match secret {
                    Ok(_) => String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned(),
                    Err(denied) => denied.what,
                }
            }
            (_, Err(denied)) => denied.what,
        };
        found.push(format!("{fd}: {told}"));
    }
    if found.is_empty() { Err(Denied::new("only 0, 1 and 2")) } else { Ok(found.join("; ")) }
}
