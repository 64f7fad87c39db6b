//! Those who would notice a visit.
//!
//! Owns the sockets outside, of every kind that a probe knows, and says which of them somebody has
//! reached. Accepts nobody before the attempt is over: a connection that was made waits to be found.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr as SocketAddrIp, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::arena::ADDRESSES;
use crate::world::{HOME, WORKSPACE};

pub(crate) const PORT: u16 = 7700;
pub(crate) const ABSTRACT: &str = "kairos-attack";

/// Sockets with a path, as they lie on many machines.
const PATHS: [&str; 6] = [
    "/run/docker.sock",
    "/run/user/1000/bus",
    "/run/systemd/private",
    "/run/nscd/socket",
    "/tmp/ssh-agent.sock",
    "@ws/planted.sock",
];

#[derive(Debug)]
pub(crate) struct Listeners {
    streams: Vec<(String, UnixListener)>,
    datagrams: Vec<(String, UnixDatagram)>,
    tcp: Vec<(String, TcpListener)>,
    udp: Vec<(String, UdpSocket)>,
}

impl Listeners {
    /// Opens all of them. The world has been laid, and snapshots come after this.
    pub(crate) fn open() -> Result<Self> {
        let mut all = Self { streams: vec![], datagrams: vec![], tcp: vec![], udp: vec![] };
        for path in PATHS {
            let path = path.replace("@ws", WORKSPACE);
            let at = Path::new(&path);
            std::fs::create_dir_all(at.parent().expect("a socket is in a directory"))?;
            let socket = UnixListener::bind(at).with_context(|| path.clone())?;
            std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o777))?;
            all.streams.push((path, socket));
        }
        let path = format!("{HOME}/journal.sock");
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))?;
        all.datagrams.push((path, socket));
        let at = SocketAddr::from_abstract_name(ABSTRACT)?;
        all.streams.push((format!("@{ABSTRACT}"), UnixListener::bind_addr(&at)?));
        let mut hosts: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        hosts.extend(ADDRESSES.map(IpAddr::from));
        if Path::new("/proc/net/if_inet6").exists() {
            hosts.push(std::net::Ipv6Addr::LOCALHOST.into());
        }
        for host in hosts {
            for port in [PORT, 53] {
                let name = SocketAddrIp::new(host, port);
                all.tcp.push((format!("tcp {name}"), TcpListener::bind(name)?));
                all.udp.push((format!("udp {host}:{port}"), UdpSocket::bind((host, port))?));
            }
        }
        for at in 0..all.streams.len() {
            all.streams[at].1.set_nonblocking(true)?;
        }
        all.datagrams.iter().try_for_each(|(_, socket)| socket.set_nonblocking(true))?;
        all.tcp.iter().try_for_each(|(_, socket)| socket.set_nonblocking(true))?;
        all.udp.iter().try_for_each(|(_, socket)| socket.set_nonblocking(true))?;
        Ok(all)
    }

    /// Who was reached.
    pub(crate) fn contacts(&self) -> Vec<String> {
        fn reached<T>(result: &std::io::Result<T>) -> bool {
            !matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
        }
        let mut bytes = [0_u8; 64];
        let mut found = Vec::new();
        let streams = self.streams.iter().filter(|(_, socket)| reached(&socket.accept()));
        found.extend(streams.map(|(name, _)| name.clone()));
        let tcp = self.tcp.iter().filter(|(_, socket)| reached(&socket.accept()));
        found.extend(tcp.map(|(name, _)| name.clone()));
        let datagrams =
            self.datagrams.iter().filter(|(_, socket)| reached(&socket.recv(&mut bytes)));
        found.extend(datagrams.map(|(name, _)| name.clone()));
        let udp = self.udp.iter().filter(|(_, socket)| reached(&socket.recv(&mut bytes)));
        found.extend(udp.map(|(name, _)| name.clone()));
        found
    }
}
