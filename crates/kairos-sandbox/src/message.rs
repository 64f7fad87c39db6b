//! What the small program says, and what it is asked.
//!
//! Owns the messages on the socket between the two: one packet is one message. What comes from the
//! other side is read with suspicion, although no payload ever holds an end of it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::bytes::{In, Out};
use crate::enforcement::Layer;
use crate::plan::MARK;
use crate::sys::Usage;

/// Bytes of one message at most.
const BYTES_MAX: usize = 512;

/// One step of putting the walls up, in the order of doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// Reading what to do.
    Plan,
    /// Signals, session, descriptors.
    Reset,
    /// Joining the cgroup.
    Cgroup,
    /// Becoming the account that owns the workspace.
    Account,
    /// New namespaces, and who one is in them.
    Namespaces,
    /// The one door of its network.
    Net,
    /// The root directory.
    View,
    /// Dropping rights.
    Capabilities,
    /// The first process of the namespace.
    Init,
    /// Bounds of the payload.
    Limits,
    /// Finding where to start and what to execute.
    Start,
    Landlock,
    Seccomp,
    /// Executing the command.
    Exec,
}

impl Step {
    const ALL: [Self; 14] = [
        Self::Plan,
        Self::Reset,
        Self::Cgroup,
        Self::Account,
        Self::Namespaces,
        Self::Net,
        Self::View,
        Self::Capabilities,
        Self::Init,
        Self::Limits,
        Self::Start,
        Self::Landlock,
        Self::Seccomp,
        Self::Exec,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Reset => "reset",
            Self::Cgroup => "cgroup",
            Self::Account => "account",
            Self::Namespaces => "namespaces",
            Self::Net => "net",
            Self::View => "view",
            Self::Capabilities => "capabilities",
            Self::Init => "init",
            Self::Limits => "limits",
            Self::Start => "start",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Exec => "exec",
        }
    }

    /// The layer that is missing when this step fails. `None` where it is not a wall that failed.
    pub fn layer(self) -> Option<Layer> {
        match self {
            Self::Namespaces => Some(Layer::UserNs),
            Self::Net => Some(Layer::NetDeny),
            Self::View => Some(Layer::MountNs),
            Self::Capabilities => Some(Layer::Capabilities),
            Self::Init => Some(Layer::TreeKill),
            Self::Limits => Some(Layer::Rlimits),
            Self::Landlock => Some(Layer::Landlock),
            Self::Seccomp => Some(Layer::Seccomp),
            Self::Cgroup => Some(Layer::Cgroup),
            Self::Plan | Self::Reset | Self::Account | Self::Start | Self::Exec => None,
        }
    }
}

/// From the small program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It is the right version.
    Hello,
    /// A process exists, and its descriptor comes along: the one that puts up the walls, and later
    /// the first one of the namespaces.
    Started,
    /// The layer for changes is there; its descriptor comes along.
    Changes { root: u32 },
    /// The network's door is there; its listening socket comes along.
    Door,
    /// Everything is up; the command is next.
    Ready,
    /// A step failed, and nothing was executed.
    Failed { step: Step, errno: i32, what: String },
    /// The command's process ended: a wait status, and whether it had become the command.
    Ended { status: i32, executed: bool, usage: Usage },
}

/// To the first process of the namespace: ask everything to end.
pub(crate) const TERMINATE: u8 = b'T';

/// Descriptors of one order at most: plan, three streams, talk, cgroup.
pub(crate) const GIVEN_MAX: usize = 6;

/// To the small program, while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Say which version you are.
    Hello,
    /// Start a command with these descriptors.
    Start,
}

impl Order {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Hello => MARK,
            Self::Start => b"start",
        }
    }

    /// Sends this, and descriptors with it.
    pub(crate) fn send(self, door: impl AsFd, given: &[OwnedFd]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(GIVEN_MAX))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        let given: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
        if !given.is_empty() && !along.push(SendAncillaryMessage::ScmRights(&given)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(door, &[IoSlice::new(self.bytes())], &mut along, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the next order. `None` when nobody is there to give one, or it is none of this
    /// version.
    pub(crate) fn receive(door: impl AsFd) -> Option<(Self, Vec<OwnedFd>)> {
        let mut bytes = [0; 64];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(GIVEN_MAX))];
        let mut along = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let length = loop {
            match recvmsg(&door, &mut [IoSliceMut::new(&mut bytes)], &mut along, flags) {
                Ok(message) => break message.bytes,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        };
        let given = along.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        });
        let given = given.collect();
        let known = [Self::Hello, Self::Start];
        let order = known.into_iter().find(|order| order.bytes() == &bytes[..length])?;
        Some((order, given))
    }
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        match self {
            Self::Hello => out.byte(0),
            Self::Started => out.byte(1),
            Self::Changes { root } => {
                out.byte(2);
                out.number((*root).into());
            }
            Self::Door => out.byte(6),
            Self::Ready => out.byte(3),
            Self::Failed { step, errno, what } => {
                out.byte(4);
                out.byte(*step as u8);
                out.number(u64::from(errno.cast_unsigned()));
                let end = what.floor_char_boundary(BYTES_MAX / 2);
                out.bytes(&what.as_bytes()[..end]);
            }
            Self::Ended { status, executed, usage } => {
                out.byte(5);
                out.number(u64::from(status.cast_unsigned()));
                out.flag(*executed);
                out.number(usage.cpu_us);
                out.number(usage.rss_bytes);
            }
        }
        out.0
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = In(bytes);
        let report = match from.byte()? {
            0 => Self::Hello,
            1 => Self::Started,
            2 => Self::Changes { root: from.small()? },
            6 => Self::Door,
            3 => Self::Ready,
            4 => Self::Failed {
                step: *Step::ALL.get(usize::from(from.byte()?))?,
                errno: from.small()?.cast_signed(),
                what: String::from_utf8_lossy(from.bytes()?).into_owned(),
            },
            5 => Self::Ended {
                status: from.small()?.cast_signed(),
                executed: from.flag()?,
                usage: Usage { cpu_us: from.number()?, rss_bytes: from.number()? },
            },
            _ => return None,
        };
        from.end().map(|()| report)
    }

    /// Sends this, and a descriptor with it.
    pub(crate) fn send(&self, socket: impl AsFd, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = self.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        if let Some(fd) = fd.as_ref() {
            along.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(fd)));
        }
        sendmsg(socket, &[IoSlice::new(&bytes)], &mut along, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// What one look at the socket gave.
#[derive(Debug)]
pub(crate) enum Received {
    Report(Report, Option<OwnedFd>),
    /// Nothing there yet.
    Nothing,
    /// Nobody holds the other end.
    Closed,
    /// No message of this version.
    Garbled,
}

/// Takes the next message, without waiting.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Received> {
    let mut bytes = [0; BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let length = match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut along, flags) {
        Ok(message) => message.bytes,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Received::Nothing),
        Err(rustix::io::Errno::CONNRESET) => return Ok(Received::Closed),
        Err(error) => return Err(error.into()),
    };
    let fd = along.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok(match length {
        0 => Received::Closed,
        _ => match Report::decode(&bytes[..length]) {
            Some(report) => Received::Report(report, fd),
            None => Received::Garbled,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_sent() {
        let usage = Usage { cpu_us: 3, rss_bytes: 4 };
        for report in [
            Report::Hello,
            Report::Started,
            Report::Changes { root: 1 },
            Report::Door,
            Report::Ready,
            Report::Failed { step: Step::Exec, errno: 2, what: "`/x`".into() },
            Report::Ended { status: -1, executed: true, usage },
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
    }

    #[test]
    fn a_long_complaint_is_cut_between_characters() {
        let what = "ä".repeat(BYTES_MAX);
        let sent = Report::Failed { step: Step::View, errno: 0, what }.encode();
        assert!(sent.len() <= BYTES_MAX);
        assert!(
            matches!(Report::decode(&sent), Some(Report::Failed { what, .. }) if what.len() == 256)
        );
    }
}
