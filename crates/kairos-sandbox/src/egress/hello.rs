//! The name a TLS client asks for.
//!
//! Owns the reading of a ClientHello as far as its server name, across as many records as it was cut
//! into. Believes no length, keeps nothing.

/// Bytes of a first message at most.
pub(super) const BYTES_MAX: usize = 32 << 10;

/// What the first bytes of a tunnel are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// More is needed to tell.
    Incomplete,
    NotTls,
    /// TLS, and not as anybody speaks it.
    Malformed,
    Asks(String),
    /// A client that names no server.
    AsksNobody,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// Reads what there is, which is not empty.
pub(super) fn read(bytes: &[u8]) -> Hello {
    if bytes.first() != Some(&HANDSHAKE) {
        return Hello::NotTls;
    }
    let mut message = Vec::new();
    let mut records = Bytes(bytes);
    loop {
        if let [kind, a, b, c, body @ ..] = &message[..] {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if *kind != CLIENT_HELLO || length > BYTES_MAX {
                return Hello::Malformed;
            }
            if let Some(body) = body.get(..length) {
                return name(body);
            }
        }
        let Some(kind) = records.byte() else { break };
        if kind != HANDSHAKE {
            return Hello::Malformed;
        }
        let Some(part) = records.number().and_then(|_| records.short()) else { break };
        message.extend_from_slice(part);
    }
    if bytes.len() >= BYTES_MAX { Hello::Malformed } else { Hello::Incomplete }
}

fn name(body: &[u8]) -> Hello {
    server_name(body).map_or(Hello::Malformed, |name| name.map_or(Hello::AsksNobody, Hello::Asks))
}

/// `None` for a message that is none, `Some(None)` for one without a name.
fn server_name(body: &[u8]) -> Option<Option<String>> {
    let mut body = Bytes(body);
    body.take(2 + 32)?;
    let session = body.byte()?;
    body.take(session.into())?;
    body.short()?;
    let compressions = body.byte()?;
    body.take(compressions.into())?;
    if body.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Bytes(body.short()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let (kind, value) = (extensions.number()?, extensions.short()?);
        if kind != SERVER_NAME {
            continue;
        }
        let mut names = Bytes(Bytes(value).short()?);
        let kind = names.byte()?;
        let name = std::str::from_utf8(names.short()?).ok()?;
        // A second name, or a second list of them, is a second reader's first.
        if kind != HOST_NAME || !names.0.is_empty() || found.is_some() {
            return None;
        }
        found = Some(name.to_owned());
    }
    Some(found)
}

/// Bytes with lengths in front, big-endian.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_length(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).expect("short");
        [&length.to_be_bytes()[..], bytes].concat()
    }

    fn extension(name: &str) -> Vec<u8> {
        let list = with_length(&[&[HOST_NAME][..], &with_length(name.as_bytes())].concat());
        [&[0, 0][..], &with_length(&list)].concat()
    }

    fn message(extensions: &[u8]) -> Vec<u8> {
        let body =
            [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &with_length(extensions)]
                .concat();
        [&[CLIENT_HELLO, 0][..], &with_length(&body)].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[HANDSHAKE, 3, 1][..], &with_length(part)].concat();
        message.chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_however_it_was_cut() {
        let other = [0, 10, 0, 2, 0, 0];
        let message = message(&[&other[..], &extension("a.com")].concat());
        for size in [1, 7, 40, 1000] {
            let bytes = records(&message, size);
            assert_eq!(read(&bytes), Hello::Asks("a.com".into()), "{size}");
            for end in 1..bytes.len() {
                assert_eq!(read(&bytes[..end]), Hello::Incomplete, "{size} {end}");
            }
        }
    }

    #[test]
    fn what_is_no_hello_is_told_from_one_without_a_name() {
        assert_eq!(read(b"GET / HTTP/1.1"), Hello::NotTls);
        assert_eq!(read(&records(&message(&[]), 100)), Hello::AsksNobody);
        let twice = [extension("a.com"), extension("b.com")].concat();
        assert_eq!(read(&records(&message(&twice), 100)), Hello::Malformed);
        assert_eq!(read(&records(&[2, 0, 0, 0], 100)), Hello::Malformed);
        assert_eq!(read(&vec![HANDSHAKE; BYTES_MAX]), Hello::Malformed);
    }
}
