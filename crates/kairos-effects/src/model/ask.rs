//! One model call, whoever answers it.
//!
//! Owns the order around a call: render, store the request, have it answered, store the answer, read
//! it. Never settles with a text that is not stored. Blobs are written on blocking threads, so the
//! doors that share the runtime do not wait for a disk.

use kairos_core::budget::Usage;
use kairos_core::cycle::brief::Brief;
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::digest::BlobRef;
use kairos_core::effect::{Attempt, Call, Failure, Outcome, Reply};

use super::answer::{self, Problem};
use super::extract::ExtractError;
use super::http::Client;
use super::notice::{Notice, Notify};
use super::playbook::Playbook;
use super::prompt::{self, Prompt};
use super::wire::Said;
use crate::cancel::CancelToken;
use crate::store::{TextError, Texts};
use crate::{Permit, Settled};

/// Who answers.
#[derive(Debug)]
pub enum Model {
    Http(Box<Client>),
    Playbook(Playbook),
}

impl Model {
    /// Makes one attempt of one call. Ends within a second of `cancel`, on a runtime with time and
    /// I/O.
    ///
    /// # Panics
    /// On a call that asks no model: dispatching it here is a bug, and the permit is lost then.
    pub async fn perform(&self, permit: Permit, cancel: CancelToken) -> Settled {
        let Call::Ask { model, output_tokens_max, brief } = permit.effect().call() else {
            panic!("a call that asks no model was handed to the model performer")
        };
        let (attempt, notify) = match self {
            Self::Http(client) => {
                (client.ask(model, *output_tokens_max, brief, cancel).await, &client.desk.notify)
            }
            Self::Playbook(playbook) => (playbook.ask(brief, cancel).await, &playbook.desk.notify),
        };
        let outcome = attempt.map(Outcome::Asked).unwrap_or_else(|error| {
            notify(Notice::Text { message: error.to_string() });
            Outcome::Failed(error.failure())
        });
        permit.settle(outcome)
    }
}

/// Where the texts of a call go, and its notices.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) texts: Texts,
    pub(crate) notify: Notify,
}

impl Desk {
    /// The attempt that was not made, because a text it needs is not to be had or cannot be stored.
    pub(crate) fn not_sent(&self, error: &TextError) -> Attempt {
        (self.notify)(Notice::Text { message: error.to_string() });
        let failure = match error.failure() {
            Failure::NoSpace => CallFailure::NoRoom,
            _ => CallFailure::NotSent,
        };
        let reply = Reply::Failed(failure);
        Attempt { request: None, usage: Some(Usage::default()), said: None, reply }
    }

    pub(crate) async fn render(&self, brief: &Brief) -> Result<Prompt, TextError> {
        let (texts, brief) = (self.texts.clone(), brief.clone());
        blocking(move || prompt::render(&brief, &texts)).await
    }

    pub(crate) async fn put(&self, bytes: Vec<u8>) -> Result<BlobRef, TextError> {
        let texts = self.texts.clone();
        blocking(move || texts.put(&bytes)).await
    }

    /// Stores what was said instead of an answer; what cannot be stored stays unsaid.
    pub(crate) async fn said(&self, excerpt: String) -> Option<BlobRef> {
        if excerpt.is_empty() { None } else { self.put(excerpt.into_bytes()).await.ok() }
    }

    pub(crate) async fn get(&self, text: BlobRef) -> Result<Vec<u8>, TextError> {
        let texts = self.texts.clone();
        blocking(move || texts.get(text)).await
    }

    /// Stores what was said and reads it as an answer to `phase`.
    pub(crate) async fn reply(&self, phase: Phase, said: Said) -> Result<Reply, TextError> {
        let texts = self.texts.clone();
        blocking(move || {
            let text = texts.put(said.text.as_bytes())?;
            let problem = match (answer::read(phase, &said.text), said.stop.problem()) {
                // An answer that is whole counts, whatever stopped the model after it.
                (Ok(answer), _) => return Ok(Reply::Answered { answer, text }),
                (Err(_), Some(stopped)) => stopped.to_owned(),
                (Err(problem), None) => sentence(&problem),
            };
            Ok(Reply::Invalid { text, problem: texts.put(problem.as_bytes())? })
        })
        .await
    }
}

/// The problem with its cause, which for text that is no JSON says where.
fn sentence(problem: &Problem) -> String {
    match problem {
        Problem::Extract(ExtractError::NoObject { source: Some(cause) }) => {
            format!("{problem}: {cause}")
        }
        _ => problem.to_string(),
    }
}

/// Runs `work` where blocking is allowed; a panic in it is the caller's panic.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => panic!("the runtime ended under a model call"),
        },
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
