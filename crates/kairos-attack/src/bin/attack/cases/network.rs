//! Cases 68 to 72: hosts, other kinds of sockets, and the proxy.
//!
//! Owns the rows and nothing else. All addresses are of the loopback interface of the arena.

use crate::case::{Case, Outside, Shows, USUAL, Wish};

use Shows::{Answer, Contact, Works};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

/// With a way out to one address and to one name, which answers with another address than it should.
const PROXIED: Wish = Wish { allow: &["10.9.8.7:7700", "rebound.example:7700"], ..USUAL };

const fn proxy(name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(72, name, shows, args).wishing(PROXIED)
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
    proxy("allowed", Works, &["proxy", "10.9.8.7:7700", "10.9.8.7:7700"]),
    proxy("around-it", Contact, &["tcp", "127.0.0.1:7700"]),
    proxy("around-it-by-udp", Contact, &["udp", "127.0.0.1:53"]),
    proxy("loopback", Contact, &["proxy", "127.0.0.1:7700", "127.0.0.1:7700"]),
    proxy("localhost", Contact, &["proxy", "localhost:7700", "127.0.0.1:7700"]),
    proxy("metadata", Contact, &["proxy", "169.254.169.254:7700", "169.254.169.254:7700"]),
    proxy("octal", Contact, &["proxy", "0177.0.0.1:7700", "127.0.0.1:7700"]),
    proxy("hexadecimal", Contact, &["proxy", "0x7f.0.0.1:7700", "127.0.0.1:7700"]),
    proxy("short", Contact, &["proxy", "127.1:7700", "127.0.0.1:7700"]),
    proxy("one-number", Contact, &["proxy", "2130706433:7700", "127.0.0.1:7700"]),
    proxy("mapped", Contact, &["proxy", "[::ffff:127.0.0.1]:7700", "127.0.0.1:7700"]),
    proxy("loopback-6", Contact, &["proxy", "[::1]:7700", "[::1]:7700"]),
    proxy("unspecified", Contact, &["proxy", "0.0.0.0:7700", "127.0.0.1:7700"]),
    proxy("rebound-name", Contact, &["proxy", "rebound.example:7700", "127.0.0.1:7700"]),
    proxy("trailing-dot", Contact, &["proxy", "rebound.example.:7700", "127.0.0.1:7700"]),
    proxy("below-a-name", Contact, &["proxy", "x.rebound.example:7700", "127.0.0.1:7700"]),
    proxy(
        "name-that-begins-so",
        Contact,
        &["proxy", "10.9.8.7.evil.example:7700", "127.0.0.1:7700"],
    ),
    proxy("nul", Contact, &["proxy", "127.0.0.1:7700\\0.10.9.8.7:7700", "127.0.0.1:7700"]),
    proxy("nul-before", Contact, &["proxy", "10.9.8.7\\0@127.0.0.1:7700", "127.0.0.1:7700"]),
    proxy("user", Contact, &["proxy", "10.9.8.7:7700@127.0.0.1:7700", "127.0.0.1:7700"]),
    proxy(
        "two-requests",
        Contact,
        &["proxy", "10.9.8.7:1 HTTP/1.1\\n\\nCONNECT 127.0.0.1:7700", "127.0.0.1:7700"],
    ),
    proxy("other-host", Contact, &["proxy", "127.0.0.1:7700", "127.0.0.1:7700", "10.9.8.7:7700"]),
    proxy("other-port", Contact, &["proxy", "10.9.8.7:53", "10.9.8.7:53"]),
    case(71, "listen", Contact, &["listen", "7799"]).while_outside(Outside::Connects(7799)),
];
