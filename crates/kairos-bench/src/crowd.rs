//! Tasks that submit.
//!
//! Owns what one of them does: it creates a mandate and stops it, and then again, each time waiting
//! for the answer, as a door does. Nothing starts (`max_running` is 0), so each answer is one frame
//! with one event, and the state never holds more mandates than there are tasks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kairos_core::digest::BlobRef;
use kairos_core::id::MandateId;
use kairos_core::input::Verb;
use kairos_core::principal::Principal;
use kairos_engine::{Engine, Handle, Started, Subject};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::slices::{SLICE, Side, micros};
use crate::{Done, engine};

/// An engine and so many tasks.
#[derive(Debug)]
pub struct Crowd {
    started: Started,
    runtime: Runtime,
    /// The mandate that each of them has to stop.
    open: Vec<Option<MandateId>>,
    root: PathBuf,
}

impl Crowd {
    /// # Errors
    /// The engine does not start.
    pub fn start(root: &Path, tasks: usize) -> Done<Self> {
        let started = engine::start(root, Engine::default(), 0, Box::new(|_| {}))?;
        engine::let_snapshots_stand_back()?;
        Ok(Self { started, runtime: runtime()?, open: vec![None; tasks], root: root.to_owned() })
    }

    /// One slice of all tasks.
    ///
    /// # Errors
    /// A submission was refused.
    pub fn slice(&mut self, side: &mut Side) -> Done<()> {
        let (handle, open) = (&self.started.handle, &mut self.open);
        self.runtime.block_on(async {
            let start = Instant::now();
            let mut tasks = JoinSet::new();
            for open in open.drain(..) {
                tasks.spawn(submits(handle.clone(), open, start));
            }
            let before = side.micros.len();
            while let Some(ended) = tasks.join_next().await {
                let (left, took) = ended??;
                open.push(left);
                side.micros.extend(took);
            }
            side.took(side.micros.len() - before, start.elapsed());
            Ok(())
        })
    }

    /// The mean length of the frames written so far, in bytes.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn frame_bytes(&self) -> Done<usize> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.root.join("journal"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "kj") {
                let text = std::fs::read(&path)?;
                bytes += text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            }
        }
        Ok(bytes / usize::try_from(self.started.handle.head().0)?)
    }

    /// # Errors
    /// Its disk failed.
    pub fn stop(self) -> Done<()> {
        engine::stop(self.started)
    }
}

/// As the daemon has it.
///
/// # Errors
/// Its threads cannot be made.
pub fn runtime() -> Done<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Submits until the slice is over; answers the mandate left open, and what each time took.
async fn submits(
    handle: Handle,
    mut open: Option<MandateId>,
    start: Instant,
) -> Done<(Option<MandateId>, Vec<f64>)> {
    let by: Principal = "user:ann(1000)".parse().map_err(|_| "no principal")?;
    let spec = engine::spec(BlobRef::of(b"do it"), &[]);
    let mut took = Vec::new();
    while start.elapsed() < SLICE {
        let verb = match open {
            None => Verb::Create { spec: Box::new(spec.clone()), key: None },
            Some(mandate) => Verb::Stop { mandate },
        };
        let begun = Instant::now();
        let accepted = handle.submit(by.clone(), verb).await?;
        took.push(micros(begun.elapsed()));
        open = match (open, accepted.subject) {
            (None, Some(Subject::Mandate(mandate))) => Some(mandate),
            (None, _) => return Err("a creation that made nothing".into()),
            (Some(_), _) => None,
        };
    }
    Ok((open, took))
}
