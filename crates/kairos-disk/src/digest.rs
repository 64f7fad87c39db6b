//! SHA-256, the name of bytes.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes.
pub type Digest = [u8; 32];

/// The SHA-256 of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}
