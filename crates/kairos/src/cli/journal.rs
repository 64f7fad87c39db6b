//! `kairos journal …`
//!
//! Owns reading the journal's own files, with or without a daemon beside. Never locks; the verbs that
//! change something stand in `repair` and `erase`.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use kairos_core::event::Event;
use kairos_core::fold::{Seq, Snapshot};
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::checkpoint::Places;
use kairos_journal::retention;
use kairos_journal::{Problem, Reader, Tail};
use serde::Serialize;

use super::checkpoint::{Against, Compared, Prove};
use super::erase::Erase;
use super::{Root, checkpoint, live, repair};
use crate::output::{Exit, Failure, Out, hint, talk};
use crate::startup::way_on;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check every checksum, position and link
    ///
    /// Ends with 1 when something acknowledged is damaged. A torn tail is not: nobody was told
    /// of it, and the next start saves it aside. What was cut off or written anew whole, only a
    /// checkpoint that was kept elsewhere shows.
    #[command(after_help = "Example: kairos journal verify --checkpoint /media/usb/kairos.note")]
    Verify(Against),
    /// Sign what stands in the journal now, and print the note
    ///
    /// Keep it where nobody who can write the journal can write: there it proves later that
    /// nothing up to here was cut off or changed.
    #[command(after_help = "Example: kairos journal checkpoint -o /media/usb/kairos.note")]
    Checkpoint {
        /// Write the note to this file instead
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Prove that a frame is one of those a checkpoint is over; JSON
    #[command(
        after_help = "Examples:\n  kairos journal prove 42 --checkpoint kairos.note > 42.json\n  \
                            kairos journal prove --check 42.json --frame 42.kj --checkpoint kairos.note --key VKEY"
    )]
    Prove(Prove),
    /// Print one frame as it stands on disk
    #[command(after_help = "Example: kairos journal show 42")]
    Show {
        /// The frame's position
        seq: u64,
    },
    /// Show what going on without damaged frames would give up, and do it when told to
    ///
    /// Without the option nothing changes. What is given up is set aside, never deleted, and the
    /// next start records the repair.
    #[command(after_help = "Example: kairos journal repair --accept-loss-after 41")]
    Repair {
        /// Give up every frame after this one
        #[arg(long, value_name = "SEQ")]
        accept_loss_after: Option<u64>,
    },
    /// Erase one stored text for ever; the reason is recorded, hash and length stay
    ///
    /// Needs the daemon. Refused while open work needs the text. Requests and answers that quote it
    /// are texts of their own.
    #[command(after_help = "Example: kairos journal erase 3a7bd3e2 --reason 'a key stood in it'")]
    Erase(Erase),
    /// Write the journal out for other programs
    #[command(after_help = "Example: kairos journal export > journal.jsonl")]
    Export {
        /// One JSON object a line, as `events --json` prints them; the one form there is
        #[arg(long)]
        jsonl: bool,
        /// Begin at this position
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
    },
}

/// What `verify --json` prints.
#[derive(Debug, Serialize)]
struct Verdict {
    ok: bool,
    /// Frames before the first that is there.
    #[serde(skip_serializing_if = "is_none")]
    deleted: u64,
    frames: u64,
    head: u64,
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Compared>,
}

fn is_none(frames: &u64) -> bool {
    *frames == 0
}

impl Verb {
    pub(super) fn perform(
        self,
        root: impl FnOnce() -> Result<Root, Failure>,
        out: &mut Out,
    ) -> Result<Exit, Failure> {
        match self {
            Self::Verify(against) => verify(&root()?, &against, out),
            Self::Checkpoint { output } => checkpoint::sign(&root()?, output.as_deref(), out),
            Self::Prove(prove) => prove.perform(root, out),
            Self::Show { seq } => show(Files::open(&root()?)?, seq, out),
            Self::Repair { accept_loss_after } => {
                let root = root()?;
                let kept = kept(&root);
                repair::perform(&root, (Files::open(&root)?.dir, kept), accept_loss_after, out)
            }
            Self::Erase(erase) => erase.perform(&root()?, out),
            Self::Export { jsonl: _, from } => {
                let mut reader = Files::open(&root()?)?.remaining(from)?;
                while let Some(record) = reader.next_record::<Event>()? {
                    if let Some(public) = kairos_api::event::public(record.at, &record.events) {
                        out.object(&public)?;
                    }
                }
                Ok(Exit::Ok)
            }
        }
    }
}

/// A journal's files, open for reading.
pub(crate) struct Files {
    pub(super) dir: Dir,
    pub(crate) tail: Tail,
}

impl Files {
    /// Opens the journal below `root`.
    pub(crate) fn open(root: &Root) -> Result<Self, Failure> {
        let path = root.journal();
        let dir = RealFs.root(&path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                let message = format!("no journal at `{}`", path.display());
                return Failure::new(Exit::No, "no_journal", message).hint(hint::FIRST_START);
            }
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                return Failure::denied(&path);
            }
            Failure::of(Exit::No, "journal_unreadable", &error)
        })?;
        Ok(Self { dir, tail: live::tail(&path) })
    }

    /// The newest snapshot of `F` and the frame it stands for with all before it; `empty` and 0 when
    /// none holds.
    pub(crate) fn restore<F: Snapshot>(&self, mut empty: F) -> (F, Seq) {
        let form = kairos_journal::newest_snapshot::<F, _>(&RealFs, &self.dir).ok().flatten();
        let seq = form.map_or(Seq(0), |(seq, form)| {
            empty.restore(form);
            seq
        });
        (empty, seq)
    }

    /// As [`reader`](Self::reader), but from the first frame that is there where `from` is deleted;
    /// that is said then.
    pub(crate) fn remaining(self, from: u64) -> Result<Reader<RealFs>, Failure> {
        let first = retention::begin(&RealFs, &self.dir);
        let first = first.map_err(|error| Failure::of(Exit::No, "journal_unreadable", &error))?;
        if from.max(1) < first.0 {
            talk::say(format!("note: records before {first} were deleted by retention"));
        }
        Ok(self.reader(from.max(first.0)))
    }

    /// Goes through the frames from position `from` on.
    pub(crate) fn reader(self, from: u64) -> Reader<RealFs> {
        Reader::new(Arc::new(RealFs), self.dir, Seq(from), self.tail)
    }
}

/// The directory of the checkpoints, where there is one.
fn kept(root: &Root) -> Option<Dir> {
    RealFs.root(&root.path().join(".kairos/checkpoints")).ok()
}

fn verify(root: &Root, against: &Against, out: &mut Out) -> Result<Exit, Failure> {
    let files = Files::open(root)?;
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let kept = kept(root);
    let places = Places { disk: &RealFs, journal: &files.dir, kept: kept.as_ref(), stop: None };
    let found = kairos_journal::verify_beside(&places, files.tail, cores)?;
    let checkpoint = checkpoint::compare(root, against)?;
    let ok = found.ok && checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.ok);
    let exit = if ok { Exit::Ok } else { Exit::No };
    if out.json {
        let problem = found.problem.as_ref().map(Problem::to_string);
        let kairos_journal::Verdict { deleted, frames, head, .. } = found;
        out.object(&Verdict { ok, deleted, frames, head: head.0, problem, checkpoint })?;
        return Ok(exit);
    }
    let frames = match found.frames {
        1 => "1 frame".to_owned(),
        n => format!("{n} frames"),
    };
    let word = if found.ok { "sound" } else { "damaged" };
    out.line(format!("{word}: {frames}, head at {}", found.head.0))?;
    match found.deleted {
        0 => {}
        1 => out.line("frame 1 was deleted by retention; what remains follows from it")?,
        n => out.line(format!(
            "frames 1 to {n} were deleted by retention; what remains follows from them"
        ))?,
    }
    if let Some(problem) = &found.problem {
        out.line(problem.to_string())?;
    }
    if let Some(Problem::Damaged(damage)) = &found.problem
        && let Some(hint) = way_on(damage)
    {
        talk::say(format!("hint: {hint}"));
    }
    if let Some(checkpoint) = checkpoint {
        out.line(checkpoint.line())?;
    }
    Ok(exit)
}

fn show(files: Files, seq: u64, out: &mut Out) -> Result<Exit, Failure> {
    let frame = kairos_journal::raw_frame(Arc::new(RealFs), files.dir, Seq(seq), files.tail)?;
    let Some(frame) = frame.filter(|_| seq > 0) else {
        let message = format!("the journal has no frame `{seq}`");
        return Err(Failure::new(Exit::No, "unknown_position", message)
            .hint("`kairos journal verify` says where it ends"));
    };
    out.bytes(&frame)?;
    Ok(Exit::Ok)
}
