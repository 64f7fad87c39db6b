//! Calls that fail: once or for ever, with and without effect, short, and lying.

use std::cell::{Cell, RefCell};

use kairos_journal::{Damage, OpenError, Reason};
use kairos_sim::{Bound, Call, Due, Errno, Fault, Harm, Plan, Rules, SimFs};

use crate::book::{Reached, Script, Seen, open, seeds};
use crate::count::Count;
use crate::crash::{calls, stopped_at, stops};

const FEW: Bound = Bound { units_max: 3, samples: 4 };

/// Whatever the process acknowledged is there, whether it is started again on a living kernel or the
/// power goes, at once or during the next start.
fn check_after(
    script: &Script,
    seen: &mut Seen,
    fs: &SimFs,
    reached: Reached,
    case: &dyn Fn() -> String,
) -> u64 {
    let killed = fs.kill();
    // What a start has shown is acknowledged by that.
    let shown = Reached { acknowledged: script.check(&killed, reached, case), ..reached };
    let mut images = 0;
    for (fs, reached) in [(fs, reached), (&killed, shown)] {
        for (nth, image) in fs.crash_images(FEW, 5).enumerate() {
            let case = || format!("{}, image {nth}:\n{image:?}", case());
            script.check_once(seen, &image.mount(), reached, &case);
            images += 1;
        }
    }
    images
}

#[test]
fn whichever_call_fails_every_acknowledged_frame_stays() {
    let script = Script::new(0);
    let fresh = SimFs::new(Rules::default());
    let whole = calls(&fresh, |fs| script.perform(fs));
    let mut sites = Count::new("failing calls, journal");
    sites.of = Some(whole * 3 * 2 * 2);
    let (mut images, mut seen) = (Count::new("crash points after a fault"), Seen::new());
    for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
        for harm in [Harm::Fails(errno), Harm::FailsDone(errno)] {
            for number in 0..whole {
                for fault in
                    [Fault::once(Due::Nth(number), harm), Fault::for_ever(Due::Nth(number), harm)]
                {
                    let fs = fresh.kill();
                    fs.plan(Plan::fault(fault));
                    let reached = script.perform(&fs);
                    images.tried +=
                        check_after(&script, &mut seen, &fs, reached, &|| format!("{fault:?}"));
                    sites.add();
                }
            }
        }
    }
}

/// The script with each of its writes cut short by `harm` and nothing written after.
fn full_disk(
    script: &Script,
    harms: &[Harm],
    check: impl Fn(&SimFs, Reached, &dyn Fn() -> String),
) {
    let fresh = SimFs::new(Rules::default());
    let traced = fresh.kill();
    traced.plan(Plan::trace());
    script.perform(&traced);
    for site in traced.sites().into_iter().filter(|site| site.call == Call::Write) {
        for harm in harms {
            let fs = fresh.kill();
            let faults = vec![
                Fault::once(Due::Nth(site.number), *harm),
                Fault::for_ever(Due::Nth(site.number + 1), Harm::Fails(Errno::NOSPC)),
            ];
            fs.plan(Plan { faults, ..Plan::default() });
            let reached = script.perform(&fs);
            check(&fs, reached, &|| format!("{site:?} {harm:?}"));
        }
    }
}

/// As a page cache takes them: whole blocks.
#[test]
fn write_cut_short_by_a_full_disk_loses_nothing_acknowledged() {
    let (script, seen) = (Script::new(1), RefCell::default());
    let harms = [512, 1024, 4096].map(Harm::ShortTo);
    let count = RefCell::new(Count::new("short writes"));
    full_disk(&script, &harms, |fs, reached, case| {
        count.borrow_mut().add();
        check_after(&script, &mut seen.borrow_mut(), fs, reached, case);
    });
}

/// No disk of ours stops inside a sector. Should one do it, the journal is not sure, and says so.
#[test]
fn write_cut_short_inside_a_sector_is_refused_or_loses_nothing() {
    let script = Script::new(1);
    let refused = Cell::new(0);
    let harms = [1, 100, 511, 700, 1500].map(Harm::Short);
    full_disk(&script, &harms, |fs, reached, case| match open(&fs.kill()) {
        Err(OpenError::Damaged(Damage::Frame {
            seq, reason: Reason::Head | Reason::Body, ..
        })) => {
            assert!(seq.0 > reached.acknowledged, "{}", case());
            refused.set(refused.get() + 1);
        }
        Err(error) => panic!("{error}\n{}", case()),
        Ok((book, _)) => {
            drop(book);
            script.check(&fs.kill(), reached, case);
        }
    });
    assert!(refused.get() > 0);
}

#[test]
fn short_reads_and_writes_change_nothing() {
    let script = Script::new(2);
    let whole = SimFs::new(Rules::default());
    let reached = script.perform(&whole);
    for bytes in [1, 7, 512, 1000] {
        let fs = SimFs::new(Rules::default());
        fs.plan(Plan::fault(Fault::for_ever(Due::Nth(0), Harm::Short(bytes))));
        assert_eq!(script.perform(&fs), reached);
        assert_eq!(fs.listing(), whole.listing());
        script.check(&fs, reached, &|| format!("{bytes} bytes at a time"));
    }
}

/// The sync fails and calls its pages clean; the next one, of the next start, says that all is well.
#[test]
fn sync_that_fails_and_lies_costs_no_frame_that_was_shown() {
    let fresh = SimFs::new(Rules::default());
    let mut lies = Count::new("lying syncs");
    let mut images = Count::new("crash points after a fault");
    for script in seeds().map(Script::new) {
        let (whole, mut seen) = (calls(&fresh, |fs| script.perform(fs)), Seen::new());
        for nth in 0.. {
            let fs = fresh.kill();
            fs.plan(Plan::fault(Fault::once(Due::NthOf(Call::Sync, nth), Harm::Lies)));
            let reached = script.perform(&fs);
            if fs.calls() == whole {
                break;
            }
            let case = || format!("sync {nth} lies");
            images.tried += check_after(&script, &mut seen, &fs, reached, &case);
            lies.add();
            // The next start may meet a sync that lies, too, and the power may go in it.
            let killed = fs.kill();
            for again in 0..calls(&killed, open) {
                let fs = killed.kill();
                fs.plan(Plan::fault(Fault::once(Due::NthOf(Call::Sync, again), Harm::Lies)));
                drop(open(&fs));
                lies.add();
                let case = || format!("sync {nth} lies, and {again} after that");
                images.tried += check_after(&script, &mut seen, &fs, reached, &case);
            }
            for stop in stops(calls(&killed, open)) {
                let (fs, _) = stopped_at(&killed, stop, |fs| drop(open(fs)));
                for image in fs.crash_images(FEW, 7) {
                    let case = || format!("sync {nth} lies, {stop:?}:\n{image:?}");
                    script.check_once(&mut seen, &image.mount(), reached, &case);
                    images.add();
                }
            }
        }
    }
}
