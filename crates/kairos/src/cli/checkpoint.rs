//! `kairos journal checkpoint`, `verify --checkpoint` and `prove`.
//!
//! Owns what they say. Reads the journal's files and notes that somebody kept; writes nothing but
//! the note that was asked for.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::checkpoint::{self, CheckpointError, Places, Upto};
use kairos_journal::note::{Checkpoint, NOTE_BYTES_MAX, Note, Verifier};
use kairos_journal::proof::{self, Proof, ProofError};
use kairos_journal::tree::{Gone, Hash};
use kairos_journal::{ReadError, Tail};
use kairos_wire::Status;
use serde::{Deserialize, Serialize};

use super::journal::Files;
use super::{Root, ask};
use crate::keys;
use crate::output::{Exit, Failure, Out, hint, talk};
use crate::witness;

/// A frame is never longer; a proof never as long.
const FILE_BYTES_MAX: u64 = 1 << 21;

/// Which note, and whose.
#[derive(Debug, Args)]
pub(super) struct Against {
    /// A signed checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
    /// The verifier key it must be signed with, as text; the workspace's own when left out
    #[arg(long, value_name = "VKEY", requires = "checkpoint")]
    key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Prove {
    /// The frame's position
    #[arg(required_unless_present = "check")]
    seq: Option<u64>,
    #[command(flatten)]
    against: Against,
    /// Check this proof instead of making one; needs no journal
    #[arg(long, value_name = "PROOF", conflicts_with = "seq")]
    check: Option<PathBuf>,
    /// With --check: the frame that is proven, as `journal show` prints it
    #[arg(long, value_name = "FILE", requires = "check")]
    frame: Option<PathBuf>,
}

/// What `prove` prints; hashes in base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    seq: u64,
    leaf: String,
    size: u64,
    root: String,
    path: Vec<String>,
}

/// What `checkpoint --json` prints.
#[derive(Debug, Serialize)]
struct Signed {
    origin: String,
    size: u64,
    root: String,
    note: String,
}

/// What `verify --json` says of a checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

/// Signs the journal as it stands.
pub(super) fn sign(root: &Root, output: Option<&Path>, out: &mut Out) -> Result<Exit, Failure> {
    let signer = keys::find(root.path()).map_err(|error| key_failure(&error))?;
    let signer = signer.ok_or_else(|| {
        let message = format!("there is no key at `{}`", root.path().join(keys::KEY).display());
        Failure::new(Exit::No, "no_key", message)
            .hint("the next `kairos daemon` makes one, and so does `kairos init`")
    })?;
    let beside = Beside::open(root)?;
    let signed = checkpoint::sign(&beside.places(), &signer, beside.upto(root))?;
    let note = signed.note.to_string();
    if let Some(file) = output {
        witness::file::replace(file, note.as_bytes(), 0o644).map_err(|error| {
            let message = format!("`{}` cannot be written: {error}", file.display());
            Failure::new(Exit::No, "output", message)
        })?;
    }
    let Checkpoint { origin, size, root, .. } = signed.checkpoint;
    match (out.json, output) {
        (true, _) => out.object(&Signed { origin, size, root: root.to_string(), note })?,
        (false, None) => out.bytes(note.as_bytes())?,
        (false, Some(file)) => talk::say(format!("wrote `{}`, over {size} frames", file.display())),
    }
    Ok(Exit::Ok)
}

/// Compares the journal with a note; nothing when none was named.
pub(super) fn compare(root: &Root, against: &Against) -> Result<Option<Compared>, Failure> {
    let Some(checkpoint) = against.read(|| public(root))? else { return Ok(None) };
    let Checkpoint { size, root: signed, .. } = checkpoint;
    let beside = Beside::open(root)?;
    let problem = match proof::root_at(&beside.places(), size) {
        Ok(found) if found == signed => None,
        Ok(_) => Some(format!("the first {size} frames are not those that were signed")),
        Err(ProofError::Short { head, .. }) => {
            Some(format!("{size} frames were signed, and the journal ends at {head}"))
        }
        Err(ProofError::Read(ReadError::Damaged(_))) => {
            Some(format!("damage stands before frame {size}, so nothing can be compared"))
        }
        // What cannot be read says nothing about what was signed.
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Compared { size, root: signed.to_string(), ok: problem.is_none(), problem }))
}

impl Compared {
    /// As a line for a person.
    pub(super) fn line(&self) -> String {
        match &self.problem {
            None => format!("checkpoint holds: the first {} frames are those signed", self.size),
            Some(problem) => format!("checkpoint does not hold: {problem}"),
        }
    }
}

impl Prove {
    pub(super) fn perform(
        self,
        root: impl FnOnce() -> Result<Root, Failure>,
        out: &mut Out,
    ) -> Result<Exit, Failure> {
        match (&self.check, self.seq) {
            (Some(file), _) => self.checked(file, root, out),
            (None, Some(seq)) => self.made(seq, &root()?, out),
            (None, None) => Err(Failure::usage("a position or `--check` is needed")),
        }
    }

    fn made(&self, seq: u64, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let beside = Beside::open(root)?;
        let signed = self.against.read(|| public(root))?;
        let size = match &signed {
            Some(checkpoint) => checkpoint.size,
            None => proof::size(&beside.places(), beside.upto(root))?,
        };
        let Proof { seq, leaf, size, root, path } = proof::prove(&beside.places(), Seq(seq), size)?;
        if signed.is_some_and(|signed| signed.root != root) {
            let message = format!("the first {size} frames are not those that were signed");
            return Err(Failure::new(Exit::No, "checkpoint_differs", message)
                .hint("`kairos journal verify --checkpoint FILE`"));
        }
        let path = path.iter().map(Hash::to_string).collect();
        let (leaf, root) = (leaf.to_string(), root.to_string());
        out.object(&Proven { seq, leaf, size, root, path })?;
        Ok(Exit::Ok)
    }

    fn checked(
        &self,
        file: &Path,
        root: impl FnOnce() -> Result<Root, Failure>,
        out: &mut Out,
    ) -> Result<Exit, Failure> {
        let proof = read_proof(file)?;
        let (seq, size) = (proof.seq, proof.size);
        let mut problems = Vec::new();
        if !proof.holds() {
            problems.push("its path does not lead to its root".to_owned());
        }
        if let Some(frame) = &self.frame
            && Hash::of_leaf(&read(frame)?) != proof.leaf
        {
            problems.push(format!("`{}` is not the frame it proves", frame.display()));
        }
        match self.against.read(|| public(&root()?))? {
            Some(signed) if (signed.size, signed.root) != (proof.size, proof.root) => {
                problems.push("it is not over the frames that were signed".to_owned());
            }
            Some(_) | None => {}
        }
        if !problems.is_empty() {
            let message = format!("the proof does not hold: {}", problems.join("; "));
            return Err(Failure::new(Exit::No, "proof_broken", message));
        }
        let what = if self.frame.is_some() { "the frame" } else { "a frame with this leaf" };
        let whose = match self.against.checkpoint {
            Some(_) => "that were signed",
            None => "with this root, which nobody signed here",
        };
        if out.json {
            out.object(&serde_json::json!({"ok": true, "seq": seq, "size": size}))?;
        } else {
            out.line(format!("{what} is number {seq} of the {size} {whose}"))?;
        }
        Ok(Exit::Ok)
    }
}

impl Against {
    /// The checkpoint in the named note, once its signature holds.
    fn read(
        &self,
        own: impl FnOnce() -> Result<Verifier, Failure>,
    ) -> Result<Option<Checkpoint>, Failure> {
        let Some(file) = &self.checkpoint else { return Ok(None) };
        let refused = |error| {
            let mut failure = Failure::of(Exit::No, "checkpoint_refused", &error);
            if self.key.is_none() {
                failure = failure.hint("`--key VKEY` names another key than the workspace's own");
            }
            failure
        };
        let key = match &self.key {
            Some(text) => Verifier::read(text.trim())
                .map_err(|error| Failure::of(Exit::Usage, "bad_key", &error))?,
            None => own()?,
        };
        let bytes = read_up_to(file, NOTE_BYTES_MAX as u64 + 1)?;
        let note = Note::read(&bytes).map_err(refused)?;
        key.check(&note).map(Some).map_err(refused)
    }
}

/// The verifier key beside the journal. It is no better kept than the journal is.
fn public(root: &Root) -> Result<Verifier, Failure> {
    let key = keys::public(root.path()).map_err(|error| key_failure(&error))?;
    talk::say(
        "note: checked with the key beside the journal; who can write the journal can write that \
         too\nhint: `--key VKEY` with a copy of `.kairos/keys/checkpoint.pub` kept elsewhere",
    );
    Ok(key)
}

fn key_failure(error: &keys::KeyError) -> Failure {
    Failure::of(Exit::No, "no_key", error).hint(error.hint())
}

/// The journal's files, and what is kept of its checkpoints.
struct Beside {
    files: Files,
    kept: Option<Dir>,
}

impl Beside {
    fn open(root: &Root) -> Result<Self, Failure> {
        let kept = RealFs.root(&root.path().join(".kairos/checkpoints")).ok();
        Ok(Self { files: Files::open(root)?, kept })
    }

    fn places(&self) -> Places<'_, RealFs> {
        Places { disk: &RealFs, journal: &self.files.dir, kept: self.kept.as_ref(), stop: None }
    }

    /// How far frames count: beside a daemon as far as it says, since what the files say of that
    /// comes a turn later.
    fn upto(&self, root: &Root) -> Upto {
        let client = root.client();
        let asked = || ask::wait(async { Ok(client.get::<Status>("/v1/status").await?) });
        match self.files.tail {
            Tail::Live => {
                asked().map_or(Upto::Live, |status| Upto::Known(Seq(status.journal_head)))
            }
            Tail::Still => Upto::Still,
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_up_to(file, FILE_BYTES_MAX + 1)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("`{}` is too large", file.display())));
    }
    Ok(bytes)
}

fn read_up_to(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(bytes_max).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let message = format!("`{}` cannot be read: {error}", file.display());
            Err(Failure::new(Exit::Usage, "unreadable_file", message))
        }
    }
}

fn read_proof(file: &Path) -> Result<Proof, Failure> {
    let wrong = || {
        let message = format!("`{}` is no proof as `journal prove` prints it", file.display());
        Failure::new(Exit::Usage, "bad_proof", message)
    };
    let Proven { seq, leaf, size, root, path } =
        serde_json::from_slice(&read(file)?).map_err(|_| wrong())?;
    let hash = |text: &String| Hash::read(text).ok_or_else(wrong);
    let path = path.iter().map(hash).collect::<Result<_, _>>()?;
    Ok(Proof { seq, leaf: hash(&leaf)?, size, root: hash(&root)?, path })
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Read(error) => error.into(),
            CheckpointError::Shrunk { .. }
            | CheckpointError::Rewritten { .. }
            | CheckpointError::Incomparable { .. } => {
                Self::of(Exit::No, "journal_rewritten", &error)
                    .hint("compare the journal with a copy; nothing is signed over it as it is")
            }
            CheckpointError::NoFrames
            | CheckpointError::OtherJournal { .. }
            | CheckpointError::Io { .. } => Self::of(Exit::No, "not_signed", &error),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let code = match error {
            ProofError::Read(error) => return error.into(),
            ProofError::Gone(Gone { size }) => {
                let message = format!(
                    "the frames up to {size} were deleted by retention, and only their subtree \
                     roots are kept"
                );
                let failure = Self::new(Exit::No, "journal_pruned", message).status(410);
                return failure.hint(hint::RETENTION);
            }
            ProofError::Outside { .. } => "unknown_position",
            ProofError::Short { .. } => "journal_shorter",
        };
        Self::of(Exit::No, code, &error)
    }
}
