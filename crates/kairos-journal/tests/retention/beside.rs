//! Reading while somebody else deletes.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kairos_core::fold::Seq;
use kairos_core::kind::Kind;
use kairos_disk::RealFs;
use kairos_journal::checkpoint::{self, Places, Upto};
use kairos_journal::proof::{ProofError, prove, root_at, size};
use kairos_journal::retention::delete;
use kairos_journal::{ReadError, Tail, verify_beside};

use crate::common::faulty::{Beside, Call, Faulty};
use crate::{World, signer};

impl World {
    /// A disk on which somebody else deletes the segments before frame `first` as the `n`-th call is
    /// made, if so many are.
    fn deleting(&self, first: Seq, n: usize) -> Faulty {
        let [journal, kept] = ["journal", "checkpoints"].map(|name| self.root.path().join(name));
        let disk = Faulty::default();
        let act = move |number: usize, _: Call| {
            let [journal, kept] = [&journal, &kept].map(|path| RealFs.root(path).expect("there"));
            let kept = Some(&kept);
            let places = Places { disk: &RealFs, journal: &journal, kept, stop: None };
            if number == n {
                delete(&places, first).expect("it goes");
            }
        };
        disk.plan(|plan| plan.beside = Some(Beside(Arc::new(act))));
        disk
    }
}

/// What is asked of a journal, on a disk of its own.
type Ask<'a> = &'a dyn Fn(&Places<'_, Faulty>) -> Result<(), String>;

#[test]
fn segments_that_go_between_two_calls_are_no_damage() {
    let world = World::new();
    let places = world.places();
    let first = world.segments()[2];
    let head = world.open().head();
    let root = root_at(&places, head.0).unwrap();
    let words = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let sound = |places: &Places<'_, Faulty>| {
        let found = verify_beside(places, Tail::Live, NonZero::<usize>::MIN);
        let verdict = found.map_err(|error| words(&error))?;
        if verdict.ok && verdict.head == head { Ok(()) } else { Err(words(&verdict)) }
    };
    let signed = |places: &Places<'_, Faulty>| {
        let found = root_at(places, head.0).map_err(|error| words(&error))?;
        if found == root { Ok(()) } else { Err("another root".to_owned()) }
    };
    let proven = |places: &Places<'_, Faulty>| match prove(places, first, head.0) {
        Ok(proof) if proof.holds() && proof.root == root => Ok(()),
        other => Err(words(&other)),
    };
    let gone = |places: &Places<'_, Faulty>| match prove(places, Seq(1), head.0) {
        Ok(proof) if proof.holds() => Ok(()),
        Err(ProofError::Gone(_)) => Ok(()),
        other => Err(words(&other)),
    };
    let sized = |places: &Places<'_, Faulty>| match size(places, Upto::Known(head)) {
        Ok(found) if found == head.0 => Ok(()),
        other => Err(words(&other)),
    };
    let sign = |places: &Places<'_, Faulty>| match checkpoint::sign(
        places,
        &signer(),
        Upto::Known(head),
    ) {
        Ok(found) if found.checkpoint.root == root => Ok(()),
        other => Err(words(&other)),
    };
    let asks: [(&str, Ask<'_>); 6] = [
        ("verify", &sound),
        ("root", &signed),
        ("prove", &proven),
        ("prove what goes", &gone),
        ("size", &sized),
        ("sign", &sign),
    ];
    for (name, ask) in asks {
        for n in 0.. {
            let world = world.copy();
            let disk = world.deleting(first, n);
            let Places { journal, kept, stop, .. } = world.places();
            let answered = ask(&Places { disk: &disk, journal, kept, stop });
            assert_eq!(answered, Ok(()), "{name}, call {n}: {:?}", disk.calls());
            if disk.calls().len() <= n {
                assert!(n > 8, "{name} was never met: {n}");
                break;
            }
            assert_eq!(world.segments()[0], first);
        }
    }
}

type Asked = fn(&Places<'_, Faulty>, Seq) -> ReadError;

#[test]
fn where_segments_go_on_and_on_nothing_is_said_of_what_remains() {
    let mut world = World::new();
    world.fill(120);
    let head = world.open().head();
    // With each so often that no look is without a deletion, and not so often that segments run out.
    let asks: [(usize, Asked); 2] = [
        (3, |places, _| verify_beside(places, Tail::Live, NonZero::<usize>::MIN).unwrap_err()),
        (1, |places, head| match root_at(places, head.0) {
            Err(ProofError::Read(error)) => error,
            other => panic!("{other:?}"),
        }),
    ];
    for (opens, ask) in asks {
        let world = world.copy();
        let (root, segments) = (world.root.path().to_owned(), world.segments());
        let (left, disk) = (Mutex::new(segments[1..].to_vec()), Faulty::default());
        let opened = AtomicUsize::new(0);
        let act = move |_: usize, call: Call| {
            let [journal, kept] = ["journal", "checkpoints"]
                .map(|name| RealFs.root(&root.join(name)).expect("there"));
            let mut left = left.lock().expect("no test panics with it");
            let goes = call == Call::Open
                && (opened.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(opens);
            if goes && left.len() > 1 {
                let kept = Some(&kept);
                let places = Places { disk: &RealFs, journal: &journal, kept, stop: None };
                delete(&places, left.remove(0)).expect("it goes");
            }
        };
        disk.plan(|plan| plan.beside = Some(Beside(Arc::new(act))));
        let Places { journal, kept, stop, .. } = world.places();
        let refused = ask(&Places { disk: &disk, journal, kept, stop }, head);
        assert!(matches!(refused, ReadError::Changing { looks: 3 }), "{refused:?}");
        assert_eq!(refused.kind(), Kind::Unavailable);
        assert!(world.segments().len() > 1, "it was not for want of segments");
    }
}
