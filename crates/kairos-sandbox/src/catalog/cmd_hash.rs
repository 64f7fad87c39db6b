//! The hash that KairosChain gave a command.
//!
//! Owns its exact bytes: SHA-256 over `{"cmd":[…],"cwd":"…"}`, so that an old record and a new one
//! of the same command can be found by the same text. Proposals bind to more than this.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 hex digits, over the name and arguments of a command and where it stands.
///
/// Bytes that are no UTF-8, which KairosChain could not hash, are written as `\udcXX` each.
pub fn cmd_hash(cmd: &[OsString], cwd: &Path) -> String {
    let mut text = String::from("{\"cmd\":[");
    for (at, argument) in cmd.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_string(&mut text, argument);
    }
    text.push_str("],\"cwd\":");
    push_string(&mut text, cwd.as_os_str());
    text.push('}');
    let mut hash = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        write!(hash, "{byte:02x}").expect("a string takes all");
    }
    hash
}

fn push_string(text: &mut String, value: &OsStr) {
    text.push('"');
    for chunk in value.as_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(text, c));
        for byte in chunk.invalid() {
            write!(text, "\\udc{byte:02x}").expect("a string takes all");
        }
    }
    text.push('"');
}

fn push_char(text: &mut String, c: char) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\u{8}' => text.push_str("\\b"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\u{c}' => text.push_str("\\f"),
        '\r' => text.push_str("\\r"),
        c if c < ' ' => {
            write!(text, "\\u{:04x}", u32::from(c)).expect("a string takes all");
        }
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_have_a_hash_of_their_own() {
        let hash =
            |argument: &[u8]| cmd_hash(&[OsString::from_vec(argument.to_vec())], "/w".as_ref());
        assert_ne!(hash(b"\xff"), hash(b"\xfe"));
        assert_ne!(hash(b"\xff"), hash("\u{fffd}".as_bytes()));
    }
}
