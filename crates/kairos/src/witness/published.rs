//! What has been published where.
//!
//! Owns `.kairos/checkpoints/published.json`: for each witness the newest checkpoint it took. It
//! only spares witnesses what they have: lost, everything is offered once more.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kairos_journal::note::Checkpoint;
use serde::{Deserialize, Serialize};

use super::{Witness, file};

/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Of one checkpoint, what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    origin: String,
    size: u64,
    root: String,
}

impl Head {
    fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { origin, size, root, .. } = checkpoint;
        Self { origin: origin.clone(), size: *size, root: root.to_string() }
    }
}

/// The memory of it; shared between the threads that publish.
#[derive(Debug)]
pub(crate) struct Published {
    path: PathBuf,
    heads: Mutex<BTreeMap<String, Head>>,
}

impl Published {
    /// Reads it from the directory of checkpoints; nothing is known when it cannot be read.
    pub(crate) fn read(kept: &Path) -> Self {
        let path = kept.join("published.json");
        let small = std::fs::metadata(&path).is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
        let text = if small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let heads = serde_json::from_slice(&text).unwrap_or_default();
        Self { path, heads: Mutex::new(heads) }
    }

    pub(super) fn has(&self, witness: &Witness, checkpoint: &Checkpoint) -> bool {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.get(&key(witness)) == Some(&Head::of(checkpoint))
    }

    pub(super) fn took(&self, witness: &Witness, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.insert(key(witness), Head::of(checkpoint));
        let text = serde_json::to_vec_pretty(&*heads).map_err(io::Error::other)?;
        file::replace(&self.path, &text, 0o600)
    }

    /// Forgets those that are no longer asked for.
    pub(crate) fn keep_only(&self, witnesses: &[Witness]) {
        let keys: Vec<_> = witnesses.iter().map(key).collect();
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|key, _| keys.contains(key));
    }

    /// The size of the newest that `witness` took.
    pub(crate) fn size(&self, witness: &Witness) -> Option<u64> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.get(&key(witness)).map(|head| head.size)
    }
}

/// A witness with all that tells it from another one.
fn key(witness: &Witness) -> String {
    match witness {
        Witness::File { .. } | Witness::Git { .. } => witness.to_string(),
        Witness::Http { url } => format!("http {url}"),
    }
}
