//! Known secrets out of what a command said.
//!
//! Owns the replacement, in bytes, before anybody sees or stores them. What a command spells otherwise
//! (in base 64, letter by letter) is not found.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use kairos_sandbox::Captured;

use crate::secret::Secret;

/// Shorter secrets are not looked for: they would shred unrelated text. The log has the same bound.
const SECRET_BYTES_MIN: usize = 6;

/// As much of a secret as may stand at a cut without being one.
const PART_BYTES_MIN: usize = 4;

const SHOWN: &[u8] = b"[secret]";

/// The first argument that holds a secret.
pub(super) fn find(argv: &[OsString], secrets: &[Secret]) -> Option<usize> {
    let known = known(secrets);
    argv.iter().position(|arg| known.iter().any(|secret| place(arg.as_bytes(), secret).is_some()))
}

pub(super) fn bytes(bytes: &[u8], secrets: &[Secret]) -> Vec<u8> {
    let text = known(secrets).into_iter().fold(Cow::Borrowed(bytes), replaced);
    text.into_owned()
}

/// A stream. Where the middle is missing, what is cut there may be half a secret, which counts as one.
pub(super) fn captured(stream: &mut Captured, secrets: &[Secret]) {
    let known = known(secrets);
    let all =
        |bytes: &[u8]| known.iter().copied().fold(Cow::Borrowed(bytes), replaced).into_owned();
    stream.head = all(&stream.head);
    stream.tail = all(&stream.tail);
    if !stream.truncated {
        return;
    }
    let parts = |secret: &[u8]| PART_BYTES_MIN..secret.len();
    let ends = known.iter().flat_map(|secret| {
        parts(secret).rev().filter(|n| stream.head.ends_with(&secret[..*n])).take(1)
    });
    if let Some(cut) = ends.max() {
        stream.head.truncate(stream.head.len() - cut);
        stream.head.extend_from_slice(SHOWN);
    }
    let begins = known.iter().flat_map(|secret| {
        parts(secret).rev().filter(|n| stream.tail.starts_with(&secret[secret.len() - n..])).take(1)
    });
    if let Some(cut) = begins.max() {
        stream.tail.splice(..cut, SHOWN.iter().copied());
    }
}

/// The longest first: one may be part of another.
fn known(secrets: &[Secret]) -> Vec<&[u8]> {
    let mut known: Vec<&[u8]> = secrets.iter().map(|secret| secret.expose().as_bytes()).collect();
    known.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    known
}

fn replaced<'a>(text: Cow<'a, [u8]>, secret: &[u8]) -> Cow<'a, [u8]> {
    let mut clean = Vec::new();
    let mut rest = &text[..];
    while let Some(at) = place(rest, secret) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(SHOWN);
        rest = &rest[at + secret.len()..];
    }
    if rest.len() == text.len() {
        return text;
    }
    clean.extend_from_slice(rest);
    Cow::Owned(clean)
}

/// Where `secret` begins. Looks at its first byte before it compares: most text has no secret in it.
fn place(text: &[u8], secret: &[u8]) -> Option<usize> {
    let (first, _) = secret.split_first()?;
    let last = text.len().checked_sub(secret.len())?;
    let mut at = 0;
    while at <= last {
        at += text[at..=last].iter().position(|byte| byte == first)?;
        if text[at..].starts_with(secret) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new(text)).collect()
    }

    #[test]
    fn the_longest_secret_is_taken_out_first_and_short_ones_stay() {
        let known = secrets(&["hunter", "hunter22", "ab"]);
        let clean = |text: &str| String::from_utf8(bytes(text.as_bytes(), &known)).unwrap();
        assert_eq!(clean("x hunter22 hunter2 ab\u{e9}"), "x [secret] [secret]2 ab\u{e9}");
        assert_eq!(clean("hhunter2"), "h[secret]2");
        assert_eq!(clean(""), "");
        let argv = ["-x", "--key=hunter22"].map(OsString::from);
        assert_eq!(find(&argv, &known), Some(1));
        assert_eq!(find(&argv[..1], &known), None);
    }

    #[test]
    fn half_a_secret_at_a_cut_is_one() {
        let known = secrets(&["0123456789"]);
        let mut stream = Captured {
            head: b"key 01234567".to_vec(),
            tail: b"789 is gone, 6789 stays".to_vec(),
            total: 100,
            truncated: true,
        };
        captured(&mut stream, &known);
        assert_eq!(stream.head, b"key [secret]");
        assert_eq!(stream.tail, b"789 is gone, 6789 stays");
        stream.tail = b"6789 is gone".to_vec();
        captured(&mut stream, &known);
        assert_eq!(stream.tail, b"[secret] is gone");
        let mut whole = Captured { head: b"key 0123".to_vec(), ..Captured::default() };
        captured(&mut whole, &known);
        assert_eq!(whole.head, b"key 0123");
    }
}
