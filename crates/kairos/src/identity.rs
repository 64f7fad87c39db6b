//! Which machine this is.
//!
//! Owns the digest that a start leaves in the journal, so that a copied one is known as such. Never
//! tells the machine's id itself: `machine-id(5)` is confidential and is to be hashed with a key of
//! the program's own.

use std::fs;

use kairos_core::digest::Digest;
use kairos_engine::Identity;

const FILE: &str = "/etc/machine-id";
const KEY: &[u8] = b"kairos: the machine a journal is worked on at\n";

/// This machine; `None` inside where it has no id, as in some containers.
pub(crate) fn here(adopt: bool) -> Identity {
    let id = fs::read_to_string(FILE).unwrap_or_default();
    let id = id.trim();
    // systemd writes `uninitialized` before the first boot is through.
    let known = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let machine = known.then(|| Digest::of(&[KEY, id.as_bytes()].concat()));
    Identity { machine, adopt }
}
