//! Stored texts, by reference.
//!
//! Owns the step between core's [`BlobRef`] and the bytes on disk. Never keeps anything in memory.
//! Performers store a text here before the outcome that names it is settled.

use std::fmt;
use std::io;
use std::sync::Arc;

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::Failure;
use kairos_core::kind::Kind;
use kairos_disk::blob::{BLOB_BYTES_MAX, BlobError};
use kairos_disk::{Blobs, Fs, RealFs};

/// The blobs of a journal. Clones share them.
pub struct Texts<F: Fs = RealFs>(Arc<Blobs<F>>);

/// Why a text cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("cannot store a text of {bytes} bytes")]
    Put {
        bytes: usize,
        #[source]
        source: BlobError,
    },
    #[error("cannot read the text `{}`", .text.digest)]
    Get {
        text: BlobRef,
        #[source]
        source: BlobError,
    },
    #[error("the text `{}` has {found} bytes, not {}", .text.digest, .text.bytes)]
    Length { text: BlobRef, found: u64 },
}

impl<F: Fs> Texts<F> {
    #[must_use]
    pub fn new(blobs: Arc<Blobs<F>>) -> Self {
        Self(blobs)
    }

    /// Stores `bytes`; durable once this answers. Blocks.
    ///
    /// # Errors
    /// The disk's, and more than 64 MiB.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobRef, TextError> {
        let put = self.0.put(bytes);
        let digest = put.map_err(|source| TextError::Put { bytes: bytes.len(), source })?;
        Ok(BlobRef { digest: Digest::from_bytes(digest), bytes: bytes.len() as u64 })
    }

    /// The bytes of `text`, hashed again. Blocks.
    ///
    /// # Errors
    /// The disk's; a blob that is missing or is not what was written.
    pub fn get(&self, text: BlobRef) -> Result<Vec<u8>, TextError> {
        let get = self.0.get(text.digest.as_bytes(), BLOB_BYTES_MAX);
        let bytes = get.map_err(|source| TextError::Get { text, source })?;
        let found = bytes.len() as u64;
        if found == text.bytes { Ok(bytes) } else { Err(TextError::Length { text, found }) }
    }
}

impl<F: Fs> Clone for Texts<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Fs> fmt::Debug for Texts<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Texts").finish()
    }
}

impl TextError {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Put { source, .. } | Self::Get { source, .. } => match source {
                BlobError::Missing { .. } | BlobError::Corrupt { .. } => Kind::Corrupt,
                BlobError::TooLarge { .. } => Kind::Refused(kairos_core::kind::Refused::BadInput),
                BlobError::Disk { .. } => Kind::Unavailable,
            },
            Self::Length { .. } => Kind::Corrupt,
        }
    }

    /// The outcome of a performer that cannot go on without the text.
    #[must_use]
    pub fn failure(&self) -> Failure {
        if let Self::Put { source: BlobError::Disk { source, .. }, .. } = self
            && let io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded = source.kind()
        {
            return Failure::NoSpace;
        }
        match self.kind() {
            Kind::Unavailable => Failure::Disk,
            Kind::Refused(_) | Kind::Denied | Kind::Corrupt | Kind::Bug => Failure::Blob,
        }
    }
}
