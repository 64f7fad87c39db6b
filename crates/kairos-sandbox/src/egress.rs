//! The way out, for a command that may reach a few places.
//!
//! Owns a proxy for one command. The command's network has one door, a listening socket made inside its
//! namespace and handed out; what is accepted there is a connection from inside, and what is opened for
//! it is one from here, to a listed destination that was resolved here. Decides by names and addresses;
//! never looks into what is said but for the name a TLS client asks for. Ends with the command.

mod address;
mod hello;
mod request;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::policy::HostPort;
use hello::Hello;

/// Connections at once; a further one waits to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// For a request to be said, for a destination to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until it is looked again whether there is room.
const LATER: Duration = Duration::from_millis(20);

/// Bytes carried at once in one direction.
const CHUNK: usize = 16 << 10;

/// A proxy at work. It stops when this is dropped; a connection being opened may take its time to
/// notice.
#[derive(Debug)]
pub(crate) struct Egress {
    stop: Arc<OwnedFd>,
}

impl Egress {
    /// Serves a listening socket with these destinations.
    pub(crate) fn start(listener: OwnedFd, allow: &[HostPort]) -> io::Result<Self> {
        let listener = TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let door = Door {
            stop: Arc::clone(&stop),
            allow: allow.into(),
            open: Arc::new(AtomicUsize::new(0)),
        };
        thread::Builder::new().name("kairos-egress".into()).spawn(move || door.serve(&listener))?;
        Ok(Self { stop })
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }
}

#[derive(Clone)]
struct Door {
    stop: Arc<OwnedFd>,
    allow: Arc<[HostPort]>,
    open: Arc<AtomicUsize>,
}

impl Door {
    fn serve(&self, listener: &TcpListener) {
        while self.wait(&[(listener.as_fd(), PollFlags::IN)], Duration::from_secs(3600)).is_ok() {
            if self.open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                // Looked at again as soon as one of them may have ended.
                let _ = self.wait(&[], LATER);
                continue;
            }
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) if is_for_now(&error) => continue,
                Err(_) => {
                    // No descriptor is left here; the connection stays ready to be accepted.
                    let _ = self.wait(&[], LATER);
                    continue;
                }
            };
            self.open.fetch_add(1, Ordering::Relaxed);
            let door = self.clone();
            let started = thread::Builder::new().name("kairos-tunnel".into()).spawn(move || {
                // A tunnel that fails is closed, which is all either side would be told.
                let _ = door.tunnel(client);
                door.open.fetch_sub(1, Ordering::Relaxed);
            });
            if started.is_err() {
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until something is ready. An error when it is time to stop; which, is of no interest. Nobody
    /// looks at what is waited for with no flags: a connection that was reset would be ready for ever.
    fn wait(
        &self,
        looks: &[(std::os::fd::BorrowedFd<'_>, PollFlags)],
        at_most: Duration,
    ) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&*self.stop, PollFlags::IN)];
        let looks = looks.iter().filter(|(_, flags)| !flags.is_empty());
        fds.extend(looks.map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)));
        let at_most = Timespec::try_from(at_most).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut fds, Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match fds[0].revents().is_empty() {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// One connection from inside, from its request to its end.
    fn tunnel(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(true)?;
        let (head, rest) = match self.head(&mut client)? {
            Some(read) => read,
            None => return say(&mut client, "431 Request Header Fields Too Large"),
        };
        let Some(to) = request::target(&head) else { return say(&mut client, "400 Bad Request") };
        if !self.allow.contains(&to) {
            return say(&mut client, "403 Forbidden");
        }
        let Some(server) = connect(&to) else { return say(&mut client, "502 Bad Gateway") };
        say(&mut client, "200 Connection Established")?;
        server.set_nonblocking(true)?;
        self.carry(&client, &server, &to, rest)
    }

    /// Reads a request's head: (head, what followed it). `None` where it is too long.
    fn head(&self, client: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let (mut read, end) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = read.split_off(at + 4);
                return Ok(Some((read, rest)));
            }
            if read.len() > request::HEAD_MAX {
                return Ok(None);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.wait(&[(client.as_fd(), PollFlags::IN)], left)?;
            let mut chunk = [0; 1024];
            match client.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => read.extend_from_slice(&chunk[..n]),
                Err(error) if is_for_now(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Carries bytes both ways until both sides are done. What the client says first is held back until
    /// it is clear whom it asks for.
    fn carry(
        &self,
        client: &TcpStream,
        server: &TcpStream,
        to: &HostPort,
        first: Vec<u8>,
    ) -> io::Result<()> {
        let mut up = Way::new(first);
        let mut down = Way::new(Vec::new());
        let mut checked = false;
        loop {
            if !checked && !up.held.is_empty() {
                match hello::read(&up.held) {
                    Hello::Incomplete if !up.ended => {}
                    hello if request::may_say(to, &hello) => checked = true,
                    _ => return Err(io::ErrorKind::PermissionDenied.into()),
                }
            }
            let room = |way: &Way, max| !way.ended && way.held.len() < max;
            let flags = |read: bool, write: bool| {
                let read = if read { PollFlags::IN } else { PollFlags::empty() };
                let write = if write { PollFlags::OUT } else { PollFlags::empty() };
                read | write
            };
            let upmost = if checked { CHUNK } else { hello::BYTES_MAX };
            let towards = checked && !up.held.is_empty();
            let client_flags = flags(room(&up, upmost), !down.held.is_empty());
            let server_flags = flags(room(&down, CHUNK), towards);
            self.wait(
                &[(client.as_fd(), client_flags), (server.as_fd(), server_flags)],
                Duration::from_secs(3600),
            )?;
            up.read(client, upmost)?;
            down.read(server, CHUNK)?;
            if checked {
                up.write(server)?;
            }
            down.write(client)?;
            if up.closed && down.closed {
                return Ok(());
            }
        }
    }
}

/// Bytes on their way in one direction.
struct Way {
    held: Vec<u8>,
    /// No more will come.
    ended: bool,
    /// And the other side was told.
    closed: bool,
}

impl Way {
    fn new(held: Vec<u8>) -> Self {
        Self { held, ended: false, closed: false }
    }

    fn read(&mut self, mut from: &TcpStream, max: usize) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        let room = max.saturating_sub(self.held.len()).min(CHUNK);
        if self.ended || room == 0 {
            return Ok(());
        }
        match from.read(&mut chunk[..room]) {
            Ok(0) => self.ended = true,
            Ok(n) => self.held.extend_from_slice(&chunk[..n]),
            Err(error) if is_for_now(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn write(&mut self, mut to: &TcpStream) -> io::Result<()> {
        if !self.held.is_empty() {
            match to.write(&self.held) {
                Ok(n) => drop(self.held.drain(..n)),
                Err(error) if is_for_now(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.ended && self.held.is_empty() && !self.closed {
            self.closed = true;
            let _ = to.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn say(client: &mut TcpStream, status: &str) -> io::Result<()> {
    // Short enough for any socket's buffer.
    client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())
}

/// Connects to the first address that may be reached and answers.
fn connect(to: &HostPort) -> Option<TcpStream> {
    let found = (to.host.as_str(), to.port).to_socket_addrs().ok()?;
    let may = |at: &SocketAddr| address::may_reach(&to.host, at.ip());
    let server =
        found.filter(may).take(4).find_map(|at| TcpStream::connect_timeout(&at, PATIENCE).ok())?;
    (to.host.parse::<IpAddr>().is_ok() || !is_here(&server)).then_some(server)
}

/// Whether a connection ends on this machine, by whichever of its addresses.
fn is_here(server: &TcpStream) -> bool {
    match (server.local_addr(), server.peer_addr()) {
        (Ok(own), Ok(peer)) => own.ip() == peer.ip(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let near = TcpStream::connect(at).expect("connects");
        (near, listener.accept().expect("accepts").0)
    }

    fn door() -> Door {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("a counter"));
        Door { stop, allow: Arc::new([]), open: Arc::default() }
    }

    #[test]
    fn a_connection_that_was_reset_and_has_nothing_to_say_wakes_nobody() {
        let (near, far) = pair();
        rustix::net::sockopt::set_socket_linger(&near, Some(Duration::ZERO)).expect("set");
        drop(near);
        let time = Duration::from_millis(50);
        let took = |flags| {
            let began = Instant::now();
            door().wait(&[(far.as_fd(), flags)], time).expect("nobody stops it");
            began.elapsed()
        };
        assert!(took(PollFlags::IN) < time, "somebody who reads is told");
        assert!(took(PollFlags::empty()) >= time);
    }

    #[test]
    fn a_connection_to_this_machine_is_known() {
        assert!(is_here(&pair().0));
    }
}
