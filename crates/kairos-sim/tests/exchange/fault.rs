//! Calls that fail: once or for ever, with and without effect, short, and lying.

use std::path::Path;

use kairos_sim::{Bound, Call, Due, Errno, Fault, Harm, Plan, Rules};

use crate::count::{Count, Wrong, hold};
use crate::world::{
    BELOW, Ended, KINDS, Kind, PRE, Recorded, Way, all, end, files, is_beside, path_of, visible,
    workspace,
};

/// What must hold after a change in which calls failed: what was answered is true, now and after a
/// power loss, and no bytes are gone but those that a change was to remove.
fn check_answer(way: &Way, ended: &Ended, case: &dyn Fn() -> String) {
    let (before, after) = (visible(&workspace(Rules::default())), end(way.kind));
    let mut disks = vec![way.fs.kill()];
    disks.extend(way.fs.crash_images(Bound::default(), 4).map(|image| image.mount()));
    for disk in disks {
        let seen = visible(&disk);
        let case = || format!("{}: {ended:?}\n{:?}", case(), files(&disk.listing()));
        match ended {
            Ended::Done => hold(Wrong::Lost, seen == after, case),
            Ended::Refused(_) => hold(Wrong::Accepted, seen == before, case),
            Ended::Unsettled(_) | Ended::Stopped => {
                let old = path_of(&disk, PRE).is_some();
                hold(Wrong::Lost, old || way.recorded >= Recorded::Done(0), case);
                check_pieces(way.kind, &disk.listing(), &case);
            }
            Ended::Reverted => panic!("nobody undid it\n{}", case()),
        }
    }
}

/// No file but those beside holds anything but what was there or was asked for.
fn check_pieces(kind: Kind, listing: &kairos_sim::Listing, case: &dyn Fn() -> String) {
    let known = [visible(&workspace(Rules::default())), end(kind)];
    for (path, file) in files(listing) {
        let whole = known.iter().any(|known| known.get(&path) == Some(&file));
        let told = || format!("{path} is in between\n{}", case());
        hold(Wrong::Accepted, whole || is_beside(Path::new(&path)), told);
    }
}

#[test]
fn whichever_call_fails_the_answer_is_true() {
    fails_everywhere(&KINDS, "failing calls, exchange");
    fails_everywhere(&BELOW, "failing calls, new directory");
}

fn fails_everywhere(kinds: &[Kind], name: &'static str) {
    let calls = kinds.iter().map(|&kind| Way::new(kind, Rules::default()).calls());
    let mut faults = Count::new(name);
    faults.of = Some(calls.sum::<u64>() * 7 * 2);
    for &kind in kinds {
        let begun = Way::new(kind, Rules::default());
        for number in 0..begun.calls() {
            let harms = [Errno::IO, Errno::NOSPC, Errno::DQUOT]
                .into_iter()
                .flat_map(|errno| [Harm::Fails(errno), Harm::FailsDone(errno)])
                .chain([Harm::Lies]);
            for harm in harms {
                for fault in
                    [Fault::once(Due::Nth(number), harm), Fault::for_ever(Due::Nth(number), harm)]
                {
                    let (way, ended) = begun.planned(Plan::fault(fault));
                    check_answer(&way, &ended, &|| format!("{kind:?} {fault:?}"));
                    faults.add();
                }
            }
        }
    }
}

/// A sync that lied beside the target: nothing of what it was to keep may come to be the target.
#[test]
fn new_bytes_that_a_sync_lied_about_never_become_the_file() {
    for kind in all() {
        let begun = Way::new(kind, Rules::default());
        let fault = Fault::once(Due::NthOf(Call::SyncAll, 0), Harm::Lies);
        let (way, ended) = begun.planned(Plan::fault(fault));
        check_answer(&way, &ended, &|| format!("{kind:?}"));
        match kind {
            Kind::Edit | Kind::Create | Kind::CreateBelow => {
                assert!(matches!(ended, Ended::Refused(_)), "{ended:?}");
            }
            Kind::Move | Kind::MoveBelow | Kind::Delete => {
                assert!(matches!(ended, Ended::Done), "{ended:?}");
            }
        }
    }
}

#[test]
fn short_reads_and_writes_change_nothing() {
    for kind in all() {
        for bytes in [1, 5, 512, 1000] {
            let fault = Fault::for_ever(Due::Nth(0), Harm::Short(bytes));
            let (way, ended) = Way::new(kind, Rules::default()).planned(Plan::fault(fault));
            assert!(matches!(ended, Ended::Done), "{ended:?}");
            assert_eq!(files(&way.fs.listing()), end(kind));
        }
    }
}

/// A refusal is recorded as the end of the attempt: nobody comes back for names beside the target.
#[test]
fn refused_change_leaves_no_name_that_a_power_loss_brings_back() {
    let mut refused = 0;
    for kind in all() {
        let begun = Way::new(kind, Rules::default());
        for number in 0..begun.calls() {
            let fault = Fault::once(Due::Nth(number), Harm::Fails(Errno::IO));
            let (way, ended) = begun.planned(Plan { trace: true, ..Plan::fault(fault) });
            let Ended::Refused(_) = ended else { continue };
            for image in way.fs.crash_images(Bound::default(), 8) {
                let listing = files(&image.mount().listing());
                let beside = listing.keys().find(|path| is_beside(Path::new(path)));
                assert_eq!(beside, None, "{kind:?} {fault:?}\n{image:?}");
            }
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}
