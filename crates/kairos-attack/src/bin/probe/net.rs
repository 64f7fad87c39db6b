//! Networks.
//!
//! Owns the acts that reach for another host, for this one, or for a kind of socket that leads past
//! both. Sends one short message; listens for a second at most.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::report::{Denied, Try};
use crate::sys::sys;
use crate::{Act, number, text};

pub(crate) const ACTS: &[Act] = &[
    ("tcp", tcp),
    ("udp", udp),
    ("dns", dns),
    ("tcp-fast-open", tcp_fast_open),
    ("udp-many", udp_many),
    ("socket", socket),
    ("listen", listen),
    ("proxy", proxy),
    ("routes", routes),
];

const WAIT: Duration = Duration::from_millis(1_000);

fn at(args: &[String]) -> Result<SocketAddr, Denied> {
    text(args, 0)?.parse().map_err(|_| Denied::new("no address"))
}

fn tcp(args: &[String]) -> Try {
    let mut stream = TcpStream::connect_timeout(&at(args)?, WAIT)?;
    stream.write_all(b"knock\n")?;
    Ok("connected".to_owned())
}

fn udp(args: &[String]) -> Try {
    let to = at(args)?;
    let from = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    UdpSocket::bind(from)?.send_to(b"knock\n", to)?;
    Ok("sent".to_owned())
}

/// Asks every server of `/etc/resolv.conf`, or the usual local one where there is no file.
fn dns(_args: &[String]) -> Try {
    let file = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = file.lines().filter_map(|line| line.strip_prefix("nameserver "));
    let servers: Vec<&str> = servers.chain(["127.0.0.53"]).collect();
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04kairos\x00\x00\x01\x00\x01";
    let mut last = Denied::new("no server");
    for server in servers {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        match socket.send_to(query, (server.trim(), 53)) {
            Ok(_) => return Ok(format!("asked {server}")),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// The bytes of a `sockaddr_in`.
fn raw(to: SocketAddr) -> Result<Vec<u8>, Denied> {
    let SocketAddr::V4(to) = to else { return Err(Denied::new("not of the fourth version")) };
    let family = u16::try_from(libc::AF_INET).expect("a family is small");
    let port = to.port().to_be_bytes();
    Ok([&family.to_ne_bytes()[..], &port, &to.ip().octets(), &[0; 8]].concat())
}

/// A connection that no `connect` has made.
fn tcp_fast_open(args: &[String]) -> Try {
    let to = raw(at(args)?)?;
    let socket = sys!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
    sys!(SYS_sendto, socket, &b"knock\n"[..], 6, flags, &to[..], to.len())?;
    Ok("connected".to_owned())
}

/// A message by the call that sends several.
fn udp_many(args: &[String]) -> Try {
    let to = raw(at(args)?)?;
    let bytes = *b"knock\n";
    let part = [bytes.as_ptr().expose_provenance(), bytes.len()];
    let mut head = [0_usize; 8];
    head[0] = to.as_ptr().expose_provenance();
    head[1] = to.len();
    head[2] = part.as_ptr().expose_provenance();
    head[3] = 1;
    let socket = sys!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    sys!(SYS_sendmmsg, socket, &head[..], 1, 0)?;
    Ok("sent".to_owned())
}

/// Name, family, type, protocol.
const SOCKETS: [(&str, i32, i32, i32); 14] = [
    ("raw", libc::AF_INET, libc::SOCK_RAW, 1),
    ("raw6", libc::AF_INET6, libc::SOCK_RAW, 58),
    ("ping", libc::AF_INET, libc::SOCK_DGRAM, 1),
    ("packet", libc::AF_PACKET, libc::SOCK_RAW, 0x0300),
    ("netlink-route", libc::AF_NETLINK, libc::SOCK_RAW, 0),
    ("netlink-netfilter", libc::AF_NETLINK, libc::SOCK_RAW, 12),
    ("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    ("alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    ("sctp", libc::AF_INET, libc::SOCK_STREAM, 132),
    ("bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW, 1),
    ("tipc", libc::AF_TIPC, libc::SOCK_STREAM, 0),
    ("xdp", libc::AF_XDP, libc::SOCK_RAW, 0),
    ("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
    ("tcp", libc::AF_INET, libc::SOCK_STREAM, 0),
];

/// A socket of a kind.
fn socket(args: &[String]) -> Try {
    let wanted = text(args, 0)?;
    let kind = SOCKETS.iter().find(|(name, ..)| *name == wanted);
    let (_, family, kind, protocol) = kind.ok_or_else(|| Denied::new("no such kind"))?;
    let fd = sys!(SYS_socket, *family, *kind, *protocol)?;
    Ok(format!("socket {fd}"))
}

/// Waits on a port for somebody to come in.
fn listen(args: &[String]) -> Try {
    const STEP: Duration = Duration::from_millis(20);
    let port = u16::try_from(number(args, 0)?).map_err(|_| Denied::new("no port"))?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    listener.set_nonblocking(true)?;
    for _ in 0..WAIT.as_millis() / STEP.as_millis() {
        if let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(b"come in\n")?;
            return Ok("somebody came in".to_owned());
        }
        std::thread::sleep(STEP);
    }
    Err(Denied::new("nobody came in"))
}

/// `proxy WANTED DIRECT [HOST]`: asks the proxy that the sandbox names in its environment to connect to
/// `WANTED`, which is taken byte for byte after `\0` and `\n` are put in. Where none is named, it connects
/// to `DIRECT` by itself.
fn proxy(args: &[String]) -> Try {
    let wanted = text(args, 0)?.replace("\\0", "\0").replace("\\n", "\r\n");
    let names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "ALL_PROXY"];
    let Some(at) = names.iter().find_map(|name| std::env::var(name).ok()) else {
        return tcp(&[text(args, 1)?.to_owned()]);
    };
    let at = at.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let to: SocketAddr = at.parse().map_err(|_| Denied::new(format!("`{at}` is no address")))?;
    let mut stream = TcpStream::connect_timeout(&to, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    let host = args.get(2).map_or(wanted.as_str(), String::as_str);
    write!(stream, "CONNECT {wanted} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut bytes = [0_u8; 256];
    let count = stream.read(&mut bytes)?;
    let answer = String::from_utf8_lossy(&bytes[..count]).into_owned();
    if !answer.starts_with("HTTP/1.1 200") && !answer.starts_with("HTTP/1.0 200") {
        return Err(Denied::new(answer));
    }
    stream.write_all(b"knock\n")?;
    Ok(answer)
}

/// Ways out: interfaces beside the one that leads back.
fn routes(_args: &[String]) -> Try {
    let devices = std::fs::read_to_string("/proc/net/dev")?;
    let names: Vec<&str> = devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':').map(|(name, _)| name.trim()))
        .filter(|name| *name != "lo")
        .collect();
    if names.is_empty() { Err(Denied::new("none but lo")) } else { Ok(names.join(" ")) }
}
