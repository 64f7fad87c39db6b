//! Death before every call that changes something, at the change and again at its recovery.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kairos_disk::exchange::{Intent, Verdict};

use crate::watched::{Moment, Watcher};
use crate::world::{CHANGES, Files, World, perform};

/// Lets `calls` calls pass and nothing after: what is left on disk is what a kill leaves.
fn dies_after(calls: usize) -> (Watcher, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let watcher = move |moment| {
        let Moment::Before(_) = moment else { return Ok(()) };
        if count.fetch_add(1, Ordering::Relaxed) < calls {
            Ok(())
        } else {
            Err(io::Error::other("dead"))
        }
    };
    (Box::new(watcher), seen)
}

/// A world in which change `which` died after `calls` calls; none when it needs no more.
fn died(which: usize, calls: usize) -> Option<(World, Files)> {
    let world = World::new();
    let before = world.files();
    let (watcher, seen) = dies_after(calls);
    let (intent, _, _) = world.changes().swap_remove(which);
    let result = perform(&world.watched(watcher), &intent);
    if seen.load(Ordering::Relaxed) <= calls {
        result.unwrap();
        return None;
    }
    result.unwrap_err();
    Some((world, before))
}

/// After recovery the change must stand exactly once, whatever the verdict.
fn check_ends(world: &World, intent: &Intent<'_>, verdict: &Verdict, before: &Files, end: &Files) {
    let tree = world.tree();
    match verdict {
        Verdict::Done => {}
        Verdict::Retry => {
            assert_eq!(world.files(), *before);
            perform(&tree, intent).unwrap();
        }
        Verdict::Reverted | Verdict::Unsettled(_) => panic!("{verdict:?}"),
    }
    tree.finish(intent).unwrap();
    assert_eq!(world.files(), *end);
}

#[test]
fn change_stands_once_wherever_it_was_cut_off() {
    let mut points = 0;
    for which in 0..CHANGES {
        for calls in 0.. {
            let Some((world, before)) = died(which, calls) else { break };
            let (intent, end, _) = world.changes().swap_remove(which);
            let verdict = world.tree().recover(&intent);
            check_ends(&world, &intent, &verdict, &before, &end);
            points += 1;
        }
    }
    assert_eq!(points, 7 + 8 + 4 + 2 + 14 + 8);
}

#[test]
fn change_stands_once_when_recovery_is_cut_off_too() {
    for which in 0..CHANGES {
        for calls in 0.. {
            if died(which, calls).is_none() {
                break;
            }
            for again in 0.. {
                let (world, before) = died(which, calls).unwrap();
                let (intent, end, _) = world.changes().swap_remove(which);
                let (watcher, seen) = dies_after(again);
                world.watched(watcher).recover(&intent);
                let verdict = world.tree().recover(&intent);
                check_ends(&world, &intent, &verdict, &before, &end);
                if seen.load(Ordering::Relaxed) <= again {
                    break;
                }
            }
        }
    }
}

#[test]
fn change_that_a_person_undid_after_the_crash_is_not_made_again() {
    let mut undone = 0;
    for which in 0..CHANGES {
        for calls in 0.. {
            let Some((world, before)) = died(which, calls) else { break };
            let (intent, end, undo) = world.changes().swap_remove(which);
            let stands = |files: &Files| {
                files.iter().filter(|(path, _)| !path.contains(".kairos-")).eq(end.iter())
            };
            if !stands(&world.files()) {
                continue;
            }
            undo(&world);
            let verdict = world.tree().recover(&intent);
            assert!(matches!(verdict, Verdict::Reverted), "{which} {calls} {verdict:?}");
            world.tree().finish(&intent).unwrap();
            assert_eq!(world.files(), before);
            undone += 1;
        }
    }
    assert!(undone >= 4, "{undone}");
}

#[test]
fn finish_may_be_cut_off_and_repeated() {
    for which in 0..CHANGES {
        let world = World::new();
        let (intent, end, _) = world.changes().swap_remove(which);
        perform(&world.tree(), &intent).unwrap();
        let (watcher, _) = dies_after(0);
        world.watched(watcher).finish(&intent).unwrap_err();
        for _ in 0..2 {
            world.tree().finish(&intent).unwrap();
            assert_eq!(world.files(), end);
        }
    }
}
