//! Folding records, made by hand, into what people see.

use kairos_core::budget::Amounts;
use kairos_core::cycle::phase::Phase;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Change, Class, Doubt, FileFact, Intent, Outcome as Settled, PersonSays, Place, Reconciled,
    TempName, WritersKnown,
};
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::{Event, Limit, Loaded, Origin};
use kairos_core::fold::{At, Seq, Snapshot as _};
use kairos_core::gate::proposal::{Closed, Decision, HoldReason, Proposal, Subject};
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::{CommandId, EffectId, MandateId, ProposalId};
use kairos_core::mandate::outcome::{Outcome, ParkReason};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::principal::Principal;
use kairos_core::schedule::Dst;
use kairos_core::schedule::definition::{Definition, ScheduleName, Timing};
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;
use kairos_views::{
    EditView, Found, MandateView, Past, ProposalState, ProposalView, StateView, Troubles, Views,
    find,
};

const MANDATE: MandateId = MandateId::from_u128(1);
const EFFECT: EffectId = EffectId::from_u128(2);
const PROPOSAL: ProposalId = ProposalId::from_u128(3);

fn ann() -> Principal {
    "user:ann(1000)".parse().expect("a principal")
}

fn spec() -> MandateSpec {
    MandateSpec {
        goal: BlobRef::of(b"goal"),
        files: Vec::new(),
        verify: Vec::new(),
        max_cycles: 10,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: Vec::new(),
        hints: None,
        model: None,
        timeout_ms: None,
    }
}

fn created(mandate: MandateId) -> Event {
    let origin = Origin::Command { command: CommandId::from_u128(9), by: ann(), key: None };
    Event::MandateCreated { mandate, origin, spec: Box::new(spec()) }
}

fn finished(mandate: MandateId) -> Event {
    let outcome = Outcome::Achieved;
    Event::MandateFinished { mandate, outcome, verified: Some(true), reason: None }
}

fn change() -> Change {
    Change::Edit {
        at: Place { path: "docs/a.md".parse().expect("a path"), parent: 7 },
        pre: FileFact { content: BlobRef::of(b"old"), mode: 0o644 },
        post: BlobRef::of(b"new"),
    }
}

fn begun(intent: Intent) -> Event {
    Event::EffectBegun { mandate: MANDATE, effect: EFFECT, intent }
}

fn to_change() -> Event {
    let temp = TempName::of(EFFECT);
    begun(Intent::Change { step: 0, change: change(), temp, elevation: None })
}

fn to_reconcile() -> Event {
    begun(Intent::Reconcile { step: 0, change: change(), temp: TempName::of(EFFECT) })
}

fn settled(outcome: Settled) -> Event {
    Event::EffectSettled { mandate: MANDATE, effect: EFFECT, outcome }
}

/// Each event its own record, a second apart.
fn folded(events: &[Event]) -> Views {
    let mut views = Views::default();
    for (n, event) in (1..).zip(events) {
        let at = At { seq: Seq(n), time: second(n) };
        views.apply(at, std::slice::from_ref(event));
    }
    views
}

fn second(n: u64) -> Time {
    Time::EPOCH.plus_ms(n * 1000)
}

fn edit() -> EditView {
    EditView {
        path: "docs/a.md".into(),
        to: None,
        pre: Some(BlobRef::of(b"old")),
        post: Some(BlobRef::of(b"new")),
    }
}

#[test]
fn a_mandate_is_followed_from_its_creation_to_its_end() {
    let mandate = MANDATE;
    let used = Amounts { calls: 1, tokens: 20, usd_micros: 3 };
    let views = folded(&[
        created(mandate),
        Event::MandateStarted { mandate },
        Event::CycleStarted { mandate, cycle: 1 },
        Event::PhaseEntered { mandate, phase: Phase::Act },
        Event::BudgetSettled { mandate, effect: EFFECT, used },
        to_change(),
        settled(Settled::Changed { writers: WritersKnown::None }),
        finished(mandate),
    ]);
    let expected = MandateView {
        id: mandate,
        state: StateView::Finished { outcome: Outcome::Achieved, reason: None },
        verified: Some(true),
        spec: Box::new(spec()),
        schedule: None,
        cycle: 1,
        phase: Some(Phase::Act),
        created: second(1),
        started: Some(second(2)),
        finished: Some(second(8)),
        blocked: None,
        observed: None,
        spent: used,
        edits: vec![edit()],
        proposals: Vec::new(),
        troubles: Troubles::default(),
        seq: Seq(8),
    };
    assert_eq!(views.mandates.get(mandate), Some(&expected));
    assert_eq!((views.seq, views.effects.all().len()), (Seq(8), 0));
}

#[test]
fn an_edit_is_one_that_is_proved_or_that_a_person_vouches_for() {
    let judged = |answer| Event::EffectJudged {
        mandate: MANDATE,
        effect: EFFECT,
        answer,
        by: ann(),
        note: None,
    };
    let doubted = || Event::EffectUnsettled {
        mandate: MANDATE,
        effect: EFFECT,
        doubt: Doubt::Disk,
        told: None,
    };
    for (events, stands) in [
        (vec![to_change(), settled(Settled::Changed { writers: WritersKnown::Unknown })], true),
        (vec![to_change(), settled(Settled::Stale)], false),
        (vec![to_change(), settled(Settled::Lost)], false),
        (vec![to_reconcile(), settled(Settled::Reconciled(Reconciled::Done))], true),
        (vec![to_reconcile(), settled(Settled::Reconciled(Reconciled::Retry))], false),
        (vec![to_reconcile(), doubted(), judged(PersonSays::Happened)], true),
        (vec![to_reconcile(), doubted(), judged(PersonSays::DidNot)], false),
        (vec![to_change(), doubted(), judged(PersonSays::Unknown)], false),
    ] {
        let views = folded(&[vec![created(MANDATE)], events.clone()].concat());
        let edits = &views.mandates.get(MANDATE).expect("shown").edits;
        let expected = if stands { vec![edit()] } else { Vec::new() };
        assert_eq!(*edits, expected, "{events:?}");
    }
}

#[test]
fn an_unsettled_effect_is_shown_as_the_change_it_is_about() {
    let mandate = MANDATE;
    let doubt = Doubt::ChangedMeanwhile;
    let views = folded(&[
        created(mandate),
        Event::MandateStarted { mandate },
        to_reconcile(),
        Event::EffectUnsettled { mandate, effect: EFFECT, doubt, told: None },
        Event::MandateParked { mandate, reason: ParkReason::Unsettled, until: None },
    ]);
    let effect = views.effects.get(EFFECT).expect("shown");
    assert_eq!((effect.class(), effect.doubt, effect.since), (Class::File, Some(doubt), second(3)));
    assert_eq!(effect.what(), "edit docs/a.md (interrupted, then compared with the disk)");
    let parked = StateView::Parked { reason: ParkReason::Unsettled, until: None };
    assert_eq!(views.mandates.get(mandate).expect("shown").state, parked);
}

#[test]
fn a_proposal_keeps_who_decided_and_how_it_ended() {
    let (mandate, proposal) = (MANDATE, PROPOSAL);
    let what = Proposal {
        step: 0,
        subject: Subject::Change(change()),
        diff: BlobRef::of(b"diff"),
        scope: Scope::L1,
        risk: Risk::Low,
        reason: HoldReason::ProtectedScope,
        hash: Digest::of(b"hash"),
    };
    let events = [
        created(mandate),
        Event::ProposalOpened {
            mandate,
            proposal,
            expires: second(99),
            what: Box::new(what.clone()),
        },
        Event::Decided {
            mandate,
            proposal,
            decision: Decision::Approve,
            hash: what.hash,
            by: ann(),
            note: None,
        },
        Event::ProposalClosed { mandate, proposal, how: Closed::Stale },
    ];
    let mut expected = ProposalView {
        id: proposal,
        mandate,
        state: ProposalState::Waiting,
        what,
        created: second(2),
        expires: second(99),
        decided_by: None,
    };
    assert_eq!(folded(&events[..2]).proposals.get(proposal), Some(&expected));
    expected.decided_by = Some(ann());
    expected.state = ProposalState::Closed(Closed::Approved);
    assert_eq!(folded(&events[..3]).proposals.get(proposal), Some(&expected));
    expected.state = ProposalState::Closed(Closed::Stale);
    let views = folded(&events);
    assert_eq!(views.proposals.get(proposal), Some(&expected));
    assert_eq!(views.mandates.get(mandate).expect("shown").proposals, [proposal]);
}

#[test]
fn the_newest_ten_thousand_finished_mandates_are_kept() {
    let open = MandateId::from_u128(0);
    let ids = (1..=10_001).map(MandateId::from_u128);
    let events: Vec<_> = ids.flat_map(|mandate| [created(mandate), finished(mandate)]).collect();
    let views = folded(&[vec![created(open)], events].concat());
    let kept: Vec<_> = views.mandates.all().keys().take(2).copied().collect();
    assert_eq!(kept, [open, MandateId::from_u128(2)]);
    assert_eq!(views.mandates.all().len(), 10_001);
}

#[test]
fn what_ended_in_deleted_segments_is_forgotten_with_its_proposals() {
    let [old, open, new] = [1, 2, 3].map(MandateId::from_u128);
    let what = Proposal {
        step: 0,
        subject: Subject::Change(change()),
        diff: BlobRef::of(b"diff"),
        scope: Scope::L1,
        risk: Risk::Low,
        reason: HoldReason::ProtectedScope,
        hash: Digest::of(b"hash"),
    };
    let (proposal, expires, what) = (PROPOSAL, second(99), Box::new(what));
    let events = [
        created(old),
        Event::ProposalOpened { mandate: old, proposal, expires, what },
        Event::ProposalClosed { mandate: old, proposal, how: Closed::Stale },
        finished(old),
        created(open),
        created(new),
        finished(new),
        Event::SegmentsDeleted { first: Seq(7), segments: 1, bytes: 4096, over: Limit::Days },
    ];
    let shown = |views: &Views| {
        let mandates: Vec<_> = views.mandates.all().keys().copied().collect();
        (mandates, views.proposals.all().len())
    };
    assert_eq!(shown(&folded(&events[..7])), (vec![old, open, new], 1));
    assert_eq!(shown(&folded(&events)), (vec![open, new], 0));
}

#[test]
fn a_mandate_that_is_no_longer_kept_reads_as_it_was() {
    let (old, new) = (MANDATE, MandateId::from_u128(99));
    let events = [
        created(old),
        to_change(),
        settled(Settled::Changed { writers: WritersKnown::Unknown }),
        finished(old),
        created(new),
        finished(new),
    ];
    let as_it_was = folded(&events[..4]).mandates.get(old).expect("shown").clone();
    let (mut views, mut past) = (Views::keeping(1), Past::of(old));
    let mut ends = Vec::new();
    for (seq, event) in (1..).zip(&events) {
        let at = At { seq: Seq(seq), time: second(seq) };
        views.apply(at, std::slice::from_ref(event));
        ends.push(past.apply(at, std::slice::from_ref(event)));
    }
    assert_eq!(views.mandates.all().keys().collect::<Vec<_>>(), [&new]);
    assert_eq!(ends, [false, false, false, true, true, true]);
    assert_eq!(past.view(), Some(&as_it_was));
}

#[test]
fn a_beginning_of_an_id_stands_for_the_one_id_that_has_it() {
    let ids =
        ["01J00000000000000000000001", "01J00000000000000000000002", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"]
            .map(|id| (id.parse::<MandateId>().expect("an id"), ()));
    let all = ids.into_iter().collect();
    let [(one, ()), (two, ()), (last, ())] = ids;
    for (prefix, found) in [
        ("7", Found::One(last)),
        ("7z", Found::One(last)),
        ("01j00000000000000000000001", Found::One(one)),
        ("01J", Found::Many(vec![one, two])),
        ("", Found::None),
        ("02", Found::None),
        ("8", Found::None),
        ("01JU", Found::None),
        ("../x", Found::None),
        ("é", Found::None),
        ("01J000000000000000000000011", Found::None),
    ] {
        assert_eq!(find(&all, prefix), found, "{prefix}");
    }
}

/// Some of everything that views show.
fn history() -> Vec<Event> {
    let (mandate, proposal) = (MANDATE, PROPOSAL);
    let what = Proposal {
        step: 0,
        subject: Subject::Change(change()),
        diff: BlobRef::of(b"diff"),
        scope: Scope::L1,
        risk: Risk::Low,
        reason: HoldReason::ProtectedScope,
        hash: Digest::of(b"hash"),
    };
    let (decision, hash) = (Decision::Approve, what.hash);
    let name: ScheduleName = "nightly".parse().expect("a name");
    let Event::MandateCreated { spec, .. } = created(mandate) else { panic!("it was made so") };
    let (cron, zone, dst) = ("0 2 * * *".into(), "UTC".into(), Dst::default());
    let definition = Definition::new(name.clone(), Timing::Cron { cron, zone, dst }, *spec);
    let loaded = Loaded {
        definition,
        revision: 1,
        cursor: second(1),
        next: Some(second(50)),
        anchor: None,
        zone_data: None,
        zone_clock: None,
    };
    vec![
        Event::SchedulesLoaded { set: vec![loaded], gone: Vec::new(), renamed: Vec::new() },
        created(MandateId::from_u128(7)),
        finished(MandateId::from_u128(7)),
        created(mandate),
        Event::MandateStarted { mandate },
        Event::CycleStarted { mandate, cycle: 1 },
        Event::ProposalOpened { mandate, proposal, expires: second(99), what: Box::new(what) },
        Event::MandateParked { mandate, reason: ParkReason::Approval, until: Some(second(99)) },
        Event::Decided { mandate, proposal, decision, hash, by: ann(), note: None },
        Event::ProposalClosed { mandate, proposal, how: Closed::Approved },
        to_change(),
        Event::EffectUnsettled { mandate, effect: EFFECT, doubt: Doubt::Neither, told: None },
        settled(Settled::Reconciled(Reconciled::Done)),
        Event::Slots {
            schedule: name.clone(),
            revision: 1,
            from: second(2),
            to: second(9),
            count: 3,
            state: SlotState::Skipped,
            reason: Some(SlotReason::Policy),
        },
        Event::Accounted { schedule: name, cursor: second(9), next: None, zone_clock: None },
        Event::BlobErased { blob: hash, reason: BlobRef::of(b"it leaked"), by: ann() },
        Event::ErasureSettled { blob: hash, end: ErasureEnd::Gone },
        finished(mandate),
        created(MandateId::from_u128(8)),
    ]
}

#[test]
fn views_read_back_go_on_as_those_that_were_written() {
    let events = history();
    let whole = format!("{:?}", folded(&events));
    for written in 0..=events.len() {
        let text = serde_json::to_string(folded(&events[..written]).form()).expect("JSON");
        let mut views = Views::default();
        views.restore(serde_json::from_str(&text).expect("what was written is read"));
        let seqs = (1..).zip(&events).skip(written);
        for (n, event) in seqs {
            views.apply(At { seq: Seq(n), time: second(n) }, std::slice::from_ref(event));
        }
        assert_eq!(format!("{views:?}"), whole, "written after {written} records");
    }
}

#[test]
fn views_that_keep_less_forget_what_the_written_ones_kept() {
    let mut views = Views::keeping(1);
    views.restore(folded(&history()));
    let kept: Vec<_> = views.mandates.all().keys().copied().collect();
    assert_eq!(kept, [MANDATE, MandateId::from_u128(8)]);
}

#[test]
fn a_record_folded_event_by_event_is_the_same_record() {
    let (events, at) = (history(), At { seq: Seq(3), time: second(3) });
    let (mut whole, mut parts) = (Views::default(), Views::default());
    whole.apply(at, &events);
    for event in &events {
        kairos_core::fold::Fold::apply(&mut parts, at, event, &mut Vec::new());
    }
    assert_eq!(format!("{parts:?}"), format!("{whole:?}"));
}
