//! Where list and show read.
//!
//! Owns reading entities in their public form: from the daemon, and where none answers from the
//! journal's files, without lock or repair. Never changes anything.

use std::path::Path;
use std::sync::Arc;

use kairos_api::show;
use kairos_core::digest::BlobRef;
use kairos_core::event::Event;
use kairos_core::fold::{At, Seq};
use kairos_core::id::MandateId;
use kairos_disk::{Blobs, RealFs};
use kairos_journal::retention;
use kairos_views::{Found, MandateView, Past, ProposalState, StateView, Views, find};
use kairos_wire::client::ClientError;
use kairos_wire::effect::Effects;
use kairos_wire::mandate::Mandates;
use kairos_wire::proposal::Proposals;
use kairos_wire::schedule::Schedules;
use kairos_wire::{Mandate, Proposal};

use serde::de::DeserializeOwned;

use super::{Root, ask, journal};
use crate::output::{Exit, Failure, hint, talk};

/// One page of mandates, newest first; from before the mandate `before`, if named.
pub(super) fn mandates(root: &Root, before: Option<&str>) -> Result<Mandates, Failure> {
    let path = match before {
        Some(id) => format!("/v1/mandates?before={}", segment(id)?),
        None => "/v1/mandates".to_owned(),
    };
    get(root, &path, |files| {
        let ids = |wanted: StateView| {
            let all = files.views.mandates.all().values();
            all.filter(|view| view.state == wanted).map(|view| view.id.to_string()).collect()
        };
        let all = files.views.mandates.all().values().rev();
        Ok(Mandates {
            active: ids(StateView::Running),
            queued: ids(StateView::Queued),
            mandates: all.map(|view| files.shown(view)).collect(),
            next: None,
        })
    })
}

pub(super) fn mandate(root: &Root, id: &str) -> Result<Mandate, Failure> {
    get(root, &format!("/v1/mandates/{}", segment(id)?), |files| files.mandate(root, id))
}

/// A mandate with its held steps, read once from the files: for whoever just closed them.
pub(super) fn mandate_in_files(root: &Root, id: &str) -> Result<(Mandate, Vec<Proposal>), Failure> {
    let files = Files::fold(root)?;
    let mandate = files.mandate(root, id)?;
    let held = files.waiting().proposals;
    Ok((mandate, held.into_iter().filter(|held| held.mandate_id == id).collect()))
}

/// The steps of the mandate `id` that wait for a person; said already is where this is read.
pub(super) fn held(root: &Root, id: &str) -> Result<Vec<Proposal>, Failure> {
    let all = read(root, "/v1/proposals", |files| Ok(files.waiting()))?.0.proposals;
    Ok(all.into_iter().filter(|held| held.mandate_id == id).collect())
}

pub(super) fn proposals(root: &Root) -> Result<Proposals, Failure> {
    get(root, "/v1/proposals", |files| Ok(files.waiting()))
}

pub(super) fn proposal(root: &Root, id: &str) -> Result<Proposal, Failure> {
    get(root, &format!("/v1/proposals/{}", segment(id)?), |files| {
        let id = one(find(files.views.proposals.all(), id), "proposal", id)?;
        let view = files.views.proposals.get(id).ok_or_else(|| unknown("proposal", &id))?;
        Ok(show::proposal(view, &|blob| files.text(blob), &files.views.erasures))
    })
}

pub(super) fn effects(root: &Root) -> Result<Effects, Failure> {
    get(root, "/v1/effects", |files| {
        let text = |blob| files.text(blob);
        let all = files.views.effects.all().values();
        Ok(Effects { effects: all.map(|view| show::effect(view, &text)).collect() })
    })
}

pub(super) fn schedules(root: &Root) -> Result<Schedules, Failure> {
    get(root, "/v1/schedules", |files| Ok(files.schedules()))
}

/// How many schedules the daemon knows, or else the journal's files, where there are any.
pub(super) fn known_schedules(root: &Root) -> Result<usize, Failure> {
    match read(root, "/v1/schedules", |files| Ok(files.schedules())) {
        Ok((known, _)) => Ok(known.schedules.len()),
        Err(failure) if failure.is("no_journal") => Ok(0),
        Err(failure) => Err(failure),
    }
}

/// Asks the daemon; where nobody answers, reads the files and says so.
fn get<T: DeserializeOwned>(
    root: &Root,
    path: &str,
    of_files: impl FnOnce(&Files) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (read, as_of) = read(root, path, of_files)?;
    if let Some(seq) = as_of {
        talk::say(format!("no daemon: as of seq {seq}"));
    }
    Ok(read)
}

/// The same without a word: what was read, and of files their last position.
fn read<T: DeserializeOwned>(
    root: &Root,
    path: &str,
    of_files: impl FnOnce(&Files) -> Result<T, Failure>,
) -> Result<(T, Option<Seq>), Failure> {
    let client = root.client();
    ask::wait(async {
        match client.get(path).await {
            Err(error) if nobody_answers(&error) => {
                let files = Files::fold(root)?;
                Ok((of_files(&files)?, Some(files.views.seq)))
            }
            answered => Ok((answered?, None)),
        }
    })
}

/// Whether no daemon answers, so that the files are all there is; one of another user may well run.
pub(super) fn nobody_answers(error: &ClientError) -> bool {
    let denied = std::io::ErrorKind::PermissionDenied;
    matches!(error, ClientError::NoDaemon { source, .. } if source.kind() != denied)
}

/// Stored texts, read from their files.
#[derive(Clone)]
pub(crate) struct Stored(Option<Arc<Blobs<RealFs>>>);

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored")
    }
}

impl Stored {
    /// Those below `root`; none where they cannot be read.
    pub(crate) fn below(root: &Path) -> Self {
        let dir = RealFs.root(&root.join(".kairos/blobs")).ok();
        Self(dir.map(|dir| Arc::new(Blobs::new(RealFs, dir))))
    }

    /// The text, unless it is gone or none.
    pub(crate) fn text(&self, blob: BlobRef) -> Option<String> {
        let bytes = self.0.as_ref()?.get(blob.digest.as_bytes(), blob.bytes).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// The journal's files, folded up to the last whole frame.
struct Files {
    views: Views,
    stored: Stored,
}

impl Files {
    fn fold(root: &Root) -> Result<Self, Failure> {
        let files = journal::Files::open(root)?;
        let (mut views, seq) = files.restore(Views::default());
        views.seq = seq;
        let mut reader = files.reader(seq.next().0);
        while let Some(record) = reader.next_record::<Event>()? {
            views.apply(record.at, &record.events);
        }
        Ok(Self { views, stored: Stored::below(root.path()) })
    }

    fn mandate(&self, root: &Root, id: &str) -> Result<Mandate, Failure> {
        let found = one(find(self.views.mandates.all(), id), "mandate", id);
        let shown = |view: &MandateView| self.shown(view);
        let shown = match (found, id.parse()) {
            (Ok(id), _) => self.views.mandates.get(id).map(shown),
            // Only a whole id can name one that the views have forgotten.
            (Err(_), Ok(id)) => past(root, id)?.as_ref().map(shown),
            (Err(failure), Err(_)) => return Err(failure),
        };
        shown.ok_or_else(|| unknown("mandate", &id))
    }

    fn shown(&self, view: &MandateView) -> Mandate {
        show::mandate(view, &|blob| self.text(blob), &self.views.erasures)
    }

    fn schedules(&self) -> Schedules {
        let Views { schedules, mandates, .. } = &self.views;
        let now = jiff::Timestamp::now().into();
        let shown = schedules.all().values().map(|view| show::schedule(view, mandates, now));
        Schedules { schedules: shown.collect() }
    }

    fn waiting(&self) -> Proposals {
        let all = self.views.proposals.all().values();
        let waiting = all.filter(|view| view.state == ProposalState::Waiting);
        let (text, erasures) = (|blob| self.text(blob), &self.views.erasures);
        let proposals: Vec<_> = waiting.map(|view| show::proposal(view, &text, erasures)).collect();
        Proposals { count: proposals.len(), proposals }
    }

    fn text(&self, blob: BlobRef) -> Option<String> {
        self.stored.text(blob)
    }
}

/// A mandate older than those the views keep.
fn past(root: &Root, id: MandateId) -> Result<Option<MandateView>, Failure> {
    let files = journal::Files::open(root)?;
    let first = retention::begin(&RealFs, &files.dir).unwrap_or(Seq(1));
    let mut reader = files.reader(first.0);
    let (mut past, mut begins) = (Past::of(id), None);
    while let Some(record) = reader.next_record::<Event>()? {
        begins = begins.or(Some(record.at));
        if past.apply(record.at, &record.events) {
            break;
        }
    }
    match (past.view(), begins) {
        (None, Some(At { seq, time })) if seq > Seq(1) && id.made_at() < time => {
            let message = format!("the journal begins with record {seq}, and `{id}` is older");
            Err(Failure::new(Exit::No, "too_long_ago", message).status(410).hint(hint::RETENTION))
        }
        (view, _) => Ok(view.cloned()),
    }
}

fn unknown(noun: &str, id: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::No, "unknown_id", format!("no {noun} `{id}`"))
        .status(404)
        .hint(format!("kairos {noun} list"))
}

/// The one id a text begins.
fn one<I: ToString>(found: Found<I>, noun: &str, given: &str) -> Result<I, Failure> {
    match found {
        Found::One(id) => Ok(id),
        Found::None => Err(unknown(noun, &given)),
        Found::Many(ids) => {
            let ids = ids.iter().map(ToString::to_string).collect();
            let message = format!("`{given}` begins the id of more than one {noun}");
            let failure = Failure::new(Exit::No, "ambiguous_id", message).candidates(ids);
            Err(failure.hint(format!("kairos {noun} list")))
        }
    }
}

/// An id, or the beginning of one, as part of a path.
pub(super) fn segment(id: &str) -> Result<&str, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(id);
    }
    Err(Failure::usage(format!("`{id}` is not an id or the beginning of one")))
}

/// A schedule's name as part of a path: every byte that could mean something else is escaped.
pub(super) fn escaped(name: &str) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes all that is written");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_route() {
        assert_eq!(escaped("nightly docs/../é"), "nightly%20docs%2F%2E%2E%2F%C3%A9");
    }
}
