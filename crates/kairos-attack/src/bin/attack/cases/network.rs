//! Cases 68 to 72: hosts, other kinds of sockets, and the proxy.
//!
//! Owns the rows and nothing else. All addresses are of the loopback interface of the arena.

use crate::case::{Case, Outside, Shows};

use Shows::{Answer, Contact};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(68, "loopback", Contact, &["tcp", "127.0.0.1:{port}"]),
    case(68, "loopback-6", Contact, &["tcp", "[::1]:{port}"]),
    case(68, "mapped", Contact, &["tcp", "[::ffff:127.0.0.1]:{port}"]),
    case(68, "unspecified", Contact, &["tcp", "0.0.0.0:{port}"]),
    case(68, "metadata", Contact, &["tcp", "169.254.169.254:{port}"]),
    case(68, "private", Contact, &["tcp", "10.9.8.7:{port}"]),
    case(68, "udp", Contact, &["udp", "127.0.0.1:{port}"]),
    case(68, "udp-6", Contact, &["udp", "[::1]:{port}"]),
    case(68, "udp-53", Contact, &["udp", "127.0.0.1:53"]),
    case(68, "dns", Contact, &["dns"]),
    case(68, "nscd", Contact, &["unix-path", "/run/nscd/socket"]),
    case(69, "raw", Answer, &["socket", "raw"]),
    case(69, "raw-nested", Answer, &["nested", "socket", "raw"]),
    case(69, "raw6-nested", Answer, &["nested", "socket", "raw6"]),
    case(69, "ping", Answer, &["socket", "ping"]),
    case(69, "packet", Answer, &["socket", "packet"]),
    case(69, "packet-nested", Answer, &["nested", "socket", "packet"]),
    case(69, "netlink-route", Answer, &["socket", "netlink-route"]),
    case(69, "netlink-netfilter", Answer, &["socket", "netlink-netfilter"]),
    case(69, "vsock", Answer, &["socket", "vsock"]),
    case(69, "alg", Answer, &["socket", "alg"]),
    case(69, "sctp", Answer, &["socket", "sctp"]),
    case(69, "bluetooth", Answer, &["socket", "bluetooth"]),
    case(69, "tipc", Answer, &["socket", "tipc"]),
    case(69, "xdp-nested", Answer, &["nested", "socket", "xdp"]),
    case(70, "fast-open", Contact, &["tcp-fast-open", "127.0.0.1:{port}"]),
    case(70, "sendmmsg", Contact, &["udp-many", "127.0.0.1:{port}"]),
    case(71, "listen", Contact, &["listen", "7799"]).while_outside(Outside::Connects(7799)),
];
