//! Which addresses a name may lead to.
//!
//! Owns the line between the internet and everything that is nearer: this machine, its networks, what
//! clouds answer on. A name never crosses it, whoever answers for the name; an address that is listed
//! as such is meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `at`, which `host` was resolved to, may be connected to.
pub(super) fn may_reach(host: &str, at: IpAddr) -> bool {
    match host.parse::<IpAddr>() {
        Ok(listed) => listed == at,
        Err(_) => is_public(at),
    }
}

fn is_public(at: IpAddr) -> bool {
    match at {
        IpAddr::V4(at) => is_public_v4(at),
        IpAddr::V6(at) => is_public_v6(at),
    }
}

fn is_public_v4(at: Ipv4Addr) -> bool {
    let [a, b, c, _] = at.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Of the part that is given out at all, what is no other network in disguise.
fn is_public_v6(at: Ipv6Addr) -> bool {
    let [a, b, ..] = at.segments();
    let given_out = a & 0xe000 == 0x2000;
    let special = match a {
        // Teredo and other protocols of transition; documentation.
        0x2001 => b < 0x200 || b == 0xdb8,
        // An IPv4 address inside.
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    given_out && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().expect("an address"))
    }

    #[test]
    fn the_internet_is_reached_by_name_and_nothing_nearer() {
        for text in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(public(text), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_listed_is_reached_and_no_other() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(may_reach("127.0.0.1", loopback));
        assert!(!may_reach("127.0.0.2", loopback));
        assert!(!may_reach("localhost", loopback));
    }
}
