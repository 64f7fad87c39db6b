//! A disk that refuses one call.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use kairos_disk::exchange::{Failure, Left};
use kairos_disk::fs::Rename;
use kairos_disk::refusal::Reason;

use crate::watched::{Call, Moment, Watcher};
use crate::world::{CHANGES, World, perform};

fn refuses(call: Call, errno: i32) -> Watcher {
    Box::new(move |moment| {
        if moment == Moment::Before(call) {
            Err(io::Error::from_raw_os_error(errno))
        } else {
            Ok(())
        }
    })
}

#[test]
fn file_system_that_cannot_exchange_is_named_and_left_alone() {
    let world = World::new();
    let before = world.files();
    let tree = world.watched(refuses(Call::Rename(Rename::Exchange), libc::EINVAL));
    let error = perform(&tree, &world.edit("docs/a.md")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`docs/a.md` lies on a file system that cannot exchange two names"
    );
    let Failure::Refused(refusal) = error else { panic!("{error:?}") };
    assert!(matches!(refusal.reason, Reason::Unsupported { .. }));
    assert_eq!(world.files(), before);
}

#[test]
fn file_system_without_hard_links_refuses_moves() {
    let world = World::new();
    let before = world.files();
    let tree = world.watched(refuses(Call::Link, libc::EPERM));
    let error = perform(&tree, &world.relocate("docs/a.md", "docs/b.md")).unwrap_err();
    let Failure::Refused(refusal) = error else { panic!("{error:?}") };
    assert!(matches!(refusal.reason, Reason::Unsupported { .. }));
    assert_eq!(world.files(), before);
}

#[test]
fn directory_that_may_not_be_written_is_a_refusal() {
    let world = World::new();
    let tree = world.watched(refuses(Call::Create, libc::EACCES));
    let error = perform(&tree, &world.edit("docs/a.md")).unwrap_err();
    let Failure::Refused(refusal) = error else { panic!("{error:?}") };
    let Reason::Disk { source, .. } = refusal.reason else { panic!("{refusal}") };
    assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
}

/// Each call in turn fails once, as on a full disk: a refusal leaves no trace, and whatever else
/// happens, either the old or the new state is there in whole.
#[test]
fn one_failing_call_loses_nothing() {
    for which in 0..CHANGES {
        for failing in 0.. {
            let world = World::new();
            let before = world.files();
            let (intent, end, _) = world.changes().swap_remove(which);
            let seen = AtomicUsize::new(0);
            let (sender, receiver) = std::sync::mpsc::channel();
            let tree = world.watched(Box::new(move |moment| {
                let Moment::Before(call) = moment else { return Ok(()) };
                if seen.fetch_add(1, Ordering::Relaxed) == failing {
                    sender.send(call).unwrap();
                    return Err(io::Error::from_raw_os_error(libc::ENOSPC));
                }
                Ok(())
            }));
            let result = perform(&tree, &intent);
            let Ok(call) = receiver.try_recv() else {
                result.unwrap();
                break;
            };
            match result.unwrap_err() {
                Failure::Refused(_) => assert_eq!(world.files(), before, "{call:?}"),
                Failure::Unsettled(unsettled) => {
                    // Only making the finished change durable can fail that late.
                    assert_eq!((call, unsettled.left), (Call::SyncDir, Left::Standing));
                    world.tree().finish(&intent).unwrap();
                    assert_eq!(world.files(), end);
                }
            }
        }
    }
}
