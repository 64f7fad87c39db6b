//! Opening a journal as a daemon does, and reading all of it a second time.
//!
//! Owns the question whether a snapshot and what follows it come to the same state as everything
//! from the first frame. Whoever opens gets the eyes of the second reading, which has missed nothing.

use std::sync::{Arc, Mutex, PoisonError};

use kairos_core::effect::Effect;
use kairos_core::event::Event;
use kairos_core::fold::{Fold as _, Seq, Snapshot as _};
use kairos_core::id::{EffectId, NodeId};
use kairos_core::state::State;
use kairos_engine::Ledger;
use kairos_journal::{
    Ahead, Flaw, Opened, Opening, PassedOver, Reader, Segments, Tail, newest_snapshot,
};
use kairos_views::Views;

use super::daemon::{JOURNAL, NotStarted, open_dir};
use super::law::{Findings, Wrong};
use super::retention::begins;
use super::script::Profile;
use super::snapshots::Spoiled;
use super::watched::{Watch, Watched};
use crate::SimFs;

/// The effects whose permits were dropped.
pub(super) type Dropped = Arc<Mutex<Vec<EffectId>>>;

/// Segments so short that every life goes through many. The schedules of a configuration need one
/// frame, and many of them a longer one.
pub(super) fn opening(profile: Profile) -> Opening {
    let (least, most) = match profile {
        Profile::Work => (8 << 10, 16 << 10),
        Profile::Schedules => (128 << 10, 256 << 10),
    };
    let segments = Segments::new(least, most, Ahead::OnDemand);
    Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments }
}

/// What a journal is opened and read with.
#[derive(Clone, Copy)]
pub(super) struct Eyes<'a> {
    /// Has seen all of it afterwards.
    pub(super) watch: &'a Watch,
    /// Has seen what is deleted by now.
    pub(super) before: &'a Watch,
    pub(super) spoiled: &'a Spoiled,
    pub(super) profile: Profile,
}

/// Opens the journal.
pub(super) fn open_ledger(
    fs: &SimFs,
    findings: &Findings,
    eyes: Eyes<'_>,
    dropped: &Dropped,
) -> Result<(Ledger<SimFs, Watched>, Opened), NotStarted> {
    let Eyes { watch, before, spoiled, profile } = eyes;
    let dir = open_dir(fs, JOURNAL)?;
    let dropped = Arc::clone(dropped);
    let lost = Arc::new(move |effect: Effect| {
        dropped.lock().unwrap_or_else(PoisonError::into_inner).push(effect.id());
    });
    let empty = Watched::new(watch.clone());
    let opened = Ledger::open(Arc::new(fs.clone()), dir, empty, lost, opening(profile));
    let (ledger, opened) = opened.map_err(NotStarted::Journal)?;
    if let Some(over) = opened.passed_over.iter().find(|over| !is_excused(over, spoiled)) {
        findings.add(Wrong::Refused, format!("a sound snapshot was passed over: {over:?}"));
    }
    if let Some(seq) = opened.snapshot {
        spoiled.check(fs, findings, seq);
        read_all(fs, findings, ledger.state().state(), (watch, before))?;
    }
    let (begin, kept_from) = (begins(fs), ledger.state().state().kept_from());
    findings.check(begin <= kept_from, Wrong::Lost, || {
        format!("the journal begins with frame {begin}, and records say {kept_from}")
    });
    views_agree(fs, findings, watch, begin)?;
    Ok((ledger, opened))
}

fn is_excused(over: &PassedOver, spoiled: &Spoiled) -> bool {
    // A call that fails is not the snapshot's fault.
    matches!(over.flaw, Flaw::Disk { .. }) || spoiled.has(over.seq)
}

/// Reads everything from the first frame, as far as it is deleted out of what was seen of it, and
/// compares.
fn read_all(
    fs: &SimFs,
    findings: &Findings,
    state: &State,
    (watch, before): (&Watch, &Watch),
) -> Result<(), NotStarted> {
    let fs = fs.aside();
    let dir = open_dir(&fs, JOURNAL)?;
    let all = Watch::new(findings.clone());
    let mut whole = Watched::new(all.clone());
    let begin = begins(&fs);
    let gone: Vec<_> = {
        let before = before.seen();
        before.history.iter().take_while(|(at, _)| at.seq < begin).cloned().collect()
    };
    for (at, event) in &gone {
        whole.apply(*at, event, &mut Vec::new());
    }
    let mut reader = Reader::new(Arc::new(fs), dir, begin, Tail::Live);
    while let Some(record) = reader.next_record::<Event>().map_err(NotStarted::Read)? {
        for event in &record.events {
            whole.apply(record.at, event, &mut Vec::new());
        }
    }
    same_state(findings, state, "a snapshot and what follows", whole.state(), "all of it");
    let tail = watch.seen().history.len();
    let behind = all.seen().history.len().checked_sub(tail);
    let same = behind.is_some_and(|at| all.seen().history[at..] == watch.seen().history[..]);
    findings.check(same, Wrong::Lost, || "what follows a snapshot is read otherwise".into());
    watch.take(all);
    Ok(())
}

/// Whether views from their snapshot are those that everything comes to.
fn views_agree(
    fs: &SimFs,
    findings: &Findings,
    watch: &Watch,
    begin: Seq,
) -> Result<(), NotStarted> {
    let fs = fs.aside();
    let dir = open_dir(&fs, JOURNAL)?;
    let found = newest_snapshot::<Views, _>(&fs, &dir).map_err(NotStarted::Disk)?;
    let Some((seq, form)) = found else {
        findings.check(begin == Seq(1), Wrong::Lost, || {
            format!("no views stand for what was deleted before frame {begin}")
        });
        return Ok(());
    };
    let (mut views, mut whole) = (Views::default(), Views::default());
    views.restore(form);
    for (at, event) in &watch.seen().history {
        if at.seq > seq {
            views.apply(*at, std::slice::from_ref(event));
        }
        whole.apply(*at, std::slice::from_ref(event));
    }
    let text = |views: &Views| serde_json::to_string(views).expect("views are JSON");
    findings.check(text(&views) == text(&whole), Wrong::Lost, || {
        differ("views from a snapshot", &text(&views), "from all of it", &text(&whole))
    });
    Ok(())
}

/// Whether two states are one.
pub(super) fn same_state(findings: &Findings, one: &State, which: &str, other: &State, what: &str) {
    let (one, other) = (text(one), text(other));
    findings.check(one == other, Wrong::Lost, || differ(which, &one, what, &other));
}

fn differ(which: &str, one: &str, what: &str, other: &str) -> String {
    let alike = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| {
        let start = text.floor_char_boundary(alike.saturating_sub(80));
        text[start..].chars().take(200).collect::<String>()
    };
    format!("{which}: `{}`; {what}: `{}`", from(one), from(other))
}

/// A state as text, but for the compiled rules of scopes, which remember who used them.
fn text(state: &State) -> String {
    let text = format!("{state:?}");
    let cut = text.split_once(", scopes: Scopes {").and_then(|(rules, rest)| {
        let (_, rest) = rest.split_once(", budget: Budget {")?;
        Some(format!("{rules}, budget: Budget {{{rest}"))
    });
    cut.unwrap_or(text)
}
