//! What a command asks the proxy for.
//!
//! Owns the one form a request may have. Whatever two readers could read differently is refused: a name
//! with a trailing dot, an address in octal, a second `Host`, a byte that ends strings elsewhere.

use std::net::IpAddr;

use super::hello::Hello;
use crate::policy::HostPort;

/// Bytes of a request's head at most.
pub(super) const HEAD_MAX: usize = 8 << 10;

/// Where a request wants to go. `None` where it is none we read.
pub(super) fn target(head: &[u8]) -> Option<HostPort> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
    let head = std::str::from_utf8(head).ok().filter(|head| head.bytes().all(|b| plain(&b)))?;
    let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let known = method == "CONNECT" && matches!(version, "HTTP/1.1" | "HTTP/1.0");
    if !known || words.next().is_some() {
        return None;
    }
    let target = HostPort::parse(target)?;
    let mut hosts = 0;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if line.contains(['\r', '\n']) || name.is_empty() || name.contains(' ') {
            return None;
        }
        if name.eq_ignore_ascii_case("host") {
            hosts += 1;
            let value = value.trim();
            let same = HostPort::parse(value).as_ref() == Some(&target)
                || value.eq_ignore_ascii_case(&target.host);
            if !same || hosts > 1 {
                return None;
            }
        }
    }
    Some(target)
}

/// Whether the first words of a tunnel fit where it leads.
pub(super) fn may_say(to: &HostPort, hello: &Hello) -> bool {
    match hello {
        Hello::Asks(name) => name.eq_ignore_ascii_case(&to.host),
        // Who connects to an address has no name to ask for.
        Hello::AsksNobody => to.host.parse::<IpAddr>().is_ok(),
        Hello::NotTls => to.port != 443,
        Hello::Incomplete | Hello::Malformed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Option<String> {
        target(head.as_bytes()).map(|to| format!("{}:{}", to.host, to.port))
    }

    #[test]
    fn a_connect_is_read() {
        assert_eq!(read("CONNECT a.com:443 HTTP/1.1\r\n\r\n"), Some("a.com:443".into()));
        let with = "CONNECT A.com:443 HTTP/1.1\r\nHost: a.com:443\r\nUser-Agent: x\r\n\r\n";
        assert_eq!(read(with), Some("a.com:443".into()));
    }

    #[test]
    fn anything_else_is_not() {
        for head in [
            "GET http://a.com/ HTTP/1.1\r\n\r\n",
            "CONNECT a.com:443 HTTP/2\r\n\r\n",
            "CONNECT  a.com:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1 x\r\n\r\n",
            "CONNECT a.com.:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.com\0.evil:443 HTTP/1.1\r\n\r\n",
            "CONNECT 0177.0.0.1:80 HTTP/1.1\r\n\r\n",
            "CONNECT a.com HTTP/1.1\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1\r\nHost: b.com\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1\r\nHost: a.com\r\nhost: a.com\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1\r\nHost : a.com\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1\r\n folded\r\n\r\n",
            "CONNECT a.com:443 HTTP/1.1\nHost: b.com\r\n\r\n",
            "CONNECT ä.com:443 HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(read(head), None, "{head:?}");
        }
    }

    #[test]
    fn the_name_asked_for_is_the_name_connected_to() {
        let to = |text: &str| HostPort::parse(text).expect("a destination");
        let asks = |name: &str| Hello::Asks(name.into());
        assert!(may_say(&to("a.com:443"), &asks("A.com")));
        assert!(!may_say(&to("a.com:443"), &asks("b.com")));
        assert!(!may_say(&to("a.com:443"), &Hello::AsksNobody));
        assert!(may_say(&to("1.1.1.1:443"), &Hello::AsksNobody));
        assert!(!may_say(&to("a.com:443"), &Hello::NotTls));
        assert!(may_say(&to("a.com:22"), &Hello::NotTls));
    }
}
