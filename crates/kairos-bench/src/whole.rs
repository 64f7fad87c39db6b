//! A whole small daemon: an engine with the performers that ship, a workspace of one file, and a
//! model that answers at once.
//!
//! Owns one mandate from its creation to its end: it observes, asks three times, edits one free file
//! and is done. No two mandates have a text in common but the file's rest, so nothing is stored
//! already when it is stored.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kairos_core::digest::BlobRef;
use kairos_core::effect::Call;
use kairos_core::event::Event;
use kairos_core::input::Verb;
use kairos_core::mandate::outcome::Outcome;
use kairos_disk::{Blobs, Fs as _, RealFs};
use kairos_effects::cancel;
use kairos_effects::file::Files;
use kairos_effects::model::{Model, Playbook};
use kairos_effects::store::Texts;
use kairos_engine::{Engine, Started};
use kairos_journal::Permit;
use tokio::runtime::Runtime;

use crate::{Done, crowd, engine};

/// The file that is edited, and how long it is.
pub const EDITED: &str = "docs/a.md";
const EDITED_BYTES: usize = 4096;
/// Mandates a playbook answers for.
const ANSWERED: u32 = 100;
const PLAYBOOK: &str = "playbook.yml";

type InUse = Arc<Mutex<Option<Arc<Model>>>>;
type State = kairos_core::state::State;

/// When the command was given and when its first effect went out.
type FirstOut = Arc<Mutex<Option<Instant>>>;

/// The daemon, and the mandate that comes next.
pub struct Whole {
    started: Started,
    runtime: Runtime,
    texts: Texts,
    model: InUse,
    first_out: FirstOut,
    root: PathBuf,
    next: u32,
    answered: u32,
}

impl Whole {
    /// # Errors
    /// It does not start.
    pub fn start(root: &Path) -> Done<Self> {
        std::fs::create_dir_all(root.join("docs"))?;
        std::fs::create_dir_all(root.join("blobs"))?;
        let rest = "It is as it was.\n".repeat(EDITED_BYTES / 17);
        std::fs::write(root.join(EDITED), format!("This is 000000.\n{rest}"))?;
        let dir = RealFs.root(root)?;
        let blobs = Blobs::new(RealFs, RealFs.open_dir(&dir, Path::new("blobs"))?);
        let texts = Texts::new(Arc::new(blobs));
        let engine = Engine::default();
        let returns = engine.returns();
        let none = Box::new(Vec::new);
        let files = Files::new(RealFs, dir, none, texts.clone(), std::thread::sleep);
        let (model, first_out) = (InUse::default(), FirstOut::default());
        let runtime = crowd::runtime()?;
        let file_thread = file_thread(files, returns.clone())?;
        let (asked, calls, out) = (Arc::clone(&model), runtime.handle().clone(), first_out.clone());
        let dispatch = Box::new(move |permit: Permit<State>| {
            out.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
            if !matches!(permit.effect().call(), Call::Ask { .. }) {
                return file_thread.send(permit).unwrap_or_default();
            }
            let model = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let returns = returns.clone();
            calls.spawn(async move {
                let (_running, token) = cancel::pair();
                if let Some(model) = model {
                    returns.settled(model.perform(permit, token).await);
                }
            });
        });
        let started = engine::start(root, engine, 4, dispatch)?;
        engine::let_snapshots_stand_back()?;
        let root = root.to_owned();
        Ok(Self { started, runtime, texts, model, first_out, root, next: 0, answered: 0 })
    }

    /// Writes down what the model answers to the mandates that come next.
    ///
    /// # Errors
    /// The disk's.
    pub fn prepare(&mut self) -> Done<()> {
        use std::fmt::Write as _;
        let mut text = String::from("answers:\n");
        for n in self.next..self.next + ANSWERED {
            let (goal, before, after) = (goal(n), version(n), version(n + 1));
            write!(
                text,
                "  - {{goal: {goal}, phase: orient, answer: {{summary: {goal} is near, \
                 priorities: [{EDITED}], risk_level: low}}}}\n  - {{goal: {goal}, phase: decide, \
                 answer: {{status: done, reason: {goal}, steps: [{{id: a, action: code_edit, path: \
                 {EDITED}, old_string: {before}, new_string: {after}, intent: {goal}}}]}}}}\n  - \
                 {{goal: {goal}, phase: reflect, answer: {{assessment: success, lessons: [{goal} \
                 is done], confidence: 0.9}}}}\n"
            )?;
        }
        std::fs::write(self.root.join(PLAYBOOK), text)?;
        let quiet = Arc::new(|_| {});
        let file = Path::new(PLAYBOOK);
        let playbook = Playbook::load(&self.root, file, self.texts.clone(), quiet)?;
        let model = Some(Arc::new(Model::Playbook(playbook)));
        *self.model.lock().unwrap_or_else(PoisonError::into_inner) = model;
        self.answered = self.next + ANSWERED;
        Ok(())
    }

    /// One mandate, from its command to its end; how long its first effect was away from that.
    ///
    /// # Errors
    /// It did not go as it should.
    pub fn mandate(&mut self) -> Done<Duration> {
        if self.next == self.answered {
            self.prepare()?;
        }
        let n = self.next;
        self.next += 1;
        let handle = &self.started.handle;
        let goal: BlobRef = handle.put(format!("Do {}, please.", goal(n)).as_bytes())?;
        let by = "user:ann(1000)".parse().map_err(|_| "no principal")?;
        let spec = Box::new(engine::spec(goal, &[EDITED]));
        *self.first_out.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let begun = Instant::now();
        let outcome = self.runtime.block_on(async {
            let accepted = handle.submit(by, Verb::Create { spec, key: None }).await?;
            let mut follower = handle.follow(accepted.seq);
            loop {
                let record = follower.next().await.ok_or("the engine ended")?;
                let ended = record.events.iter().find_map(|event| match event {
                    Event::MandateFinished { outcome, .. } => Some(*outcome),
                    _ => None,
                });
                if let Some(outcome) = ended {
                    return Done::Ok(outcome);
                }
            }
        })?;
        let out = *self.first_out.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Achieved => Ok(out.ok_or("nothing went out")?.duration_since(begun)),
            other => Err(format!("mandate {n} ended {other:?}").into()),
        }
    }

    /// # Errors
    /// Its disk failed.
    pub fn stop(self) -> Done<()> {
        engine::stop(self.started)
    }
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A thread that performs file effects; one is enough where one mandate runs.
fn file_thread(files: Files, returns: kairos_engine::Returns) -> Done<Sender<Permit<State>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("files-0".to_owned()).spawn(move || {
        while let Ok(permit) = receiver.recv() {
            returns.settled(files.perform(permit));
        }
    })?;
    Ok(sender)
}

fn goal(n: u32) -> String {
    format!("edit-{n:06}")
}

fn version(n: u32) -> String {
    format!("This is {n:06}.")
}
