//! The one door of a network that has no other.
//!
//! Owns the loopback interface and the socket that listens on it, which is handed out before anything
//! could connect. Nothing inside serves it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::{At, Failure};
use crate::message::{Report, Step};
use crate::sys;

/// Connections that wait to be accepted.
const WAITING_MAX: i32 = 64;

pub(super) fn open(port: u16, control: &OwnedFd) -> Result<(), Failure> {
    let step = Step::Net;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .at(step, || "no socket".into())?;
    sys::raise_loopback(socket.as_fd()).at(step, || "loopback stays down".into())?;
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    bind(&socket, &at).at(step, || format!("port {port}"))?;
    listen(&socket, WAITING_MAX).at(step, || format!("port {port}"))?;
    Report::Door.send(control, Some(socket.as_fd())).at(step, || "nobody to tell".into())
}
