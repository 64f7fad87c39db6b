//! Blobs on a disk that forgets and fails: what was answered for is there, and no other bytes ever
//! come out under its name.

mod collection;
#[path = "../count/mod.rs"]
mod count;

use kairos_disk::Fs;
use kairos_disk::blob::BlobError;
use kairos_disk::fs::Access;
use kairos_disk::{Blobs, Digest, digest};
use kairos_sim::{Bound, Due, Errno, Fault, Harm, Item, Order, Plan, Rules, SimFs, Stop};

use crate::count::{Count, Wrong, hold};

const ORDERS: [Rules; 3] = [
    Rules { order: Order::Free, names_with_sync: false },
    Rules { order: Order::Loose, names_with_sync: false },
    Rules { order: Order::Journaled, names_with_sync: true },
];

/// Over several sectors, the last of them not full.
fn text() -> Vec<u8> {
    (0..1300_u32).map(|n| b'a' + u8::try_from(n % 26).expect("a letter")).collect()
}

fn blobs(fs: &SimFs) -> Blobs<SimFs> {
    Blobs::new(fs.clone(), fs.root())
}

fn put(fs: &SimFs) -> Option<Digest> {
    blobs(fs).put(&text()).ok()
}

/// A disk on which nothing stands, one on which the blob was copied and never synced, and one on
/// which it holds other bytes.
fn disks(rules: Rules) -> [SimFs; 3] {
    let empty = SimFs::new(rules);
    let name = |fs: &SimFs| fs.listing().into_keys().next().expect("the blob");
    let whole = empty.kill();
    put(&whole).expect("nothing fails");
    let [copied, corrupt] = [empty.kill(), empty.kill()];
    copied.put(&name(&whole), &text(), 0o600).expect("nothing fails");
    corrupt.put(&name(&whole), b"other", 0o600).expect("nothing fails");
    [empty, copied, corrupt.settled()]
}

/// What was answered for is there; else there is nothing that is believed. Either way it can be put.
fn check(fs: &SimFs, answered: bool, case: &dyn Fn() -> String) {
    match blobs(fs).get(&digest(&text()), 1 << 20) {
        Ok(bytes) => hold(Wrong::Accepted, bytes == text(), case),
        Err(BlobError::Missing { .. } | BlobError::Corrupt { .. }) => {
            hold(Wrong::Lost, !answered, case);
        }
        Err(error) => panic!("{error}\n{}", case()),
    }
    blobs(fs).sweep().expect("nothing fails");
    hold(Wrong::Refused, put(fs).is_some(), case);
    hold(Wrong::Accepted, fs.listing().len() == 1, || format!("litter\n{}", case()));
}

/// A copy of `fs` on which the blob was put by `plan`, and whether that was answered for.
fn planned(fs: &SimFs, plan: Plan) -> (SimFs, bool) {
    let fs = fs.kill();
    fs.plan(plan);
    let answered = put(&fs).is_some();
    (fs, answered)
}

fn check_images(fs: &SimFs, answered: bool, case: &dyn Fn() -> String) -> u64 {
    check(&fs.kill(), answered, case);
    let images = fs.crash_images(Bound::default(), 0).map(|image| {
        check(&image.mount(), answered, &|| format!("{}\n{image:?}", case()));
    });
    images.count() as u64
}

#[test]
fn whatever_a_crash_leaves_a_blob_is_there_or_not_believed() {
    let mut points = Count::new("crash points, blobs");
    for disk in ORDERS.into_iter().flat_map(disks) {
        let calls = planned(&disk, Plan::default()).0.calls();
        let stops = (0..calls).flat_map(|number| [Stop::Before(number), Stop::After(number)]);
        for plan in stops.map(Plan::stop).chain([Plan::default()]) {
            let (fs, answered) = planned(&disk, plan.clone());
            points.tried += check_images(&fs, answered, &|| format!("{:?}", plan.stop));
        }
    }
}

#[test]
fn whichever_call_fails_a_blob_is_there_or_not_believed() {
    let disks = disks(Rules::default());
    let calls = disks.each_ref().map(|disk| planned(disk, Plan::default()).0.calls());
    let mut faults = Count::new("failing calls, blobs");
    faults.of = Some(calls.iter().sum::<u64>() * 7 * 2);
    for (disk, calls) in disks.iter().zip(calls) {
        let harms = [Errno::IO, Errno::NOSPC, Errno::DQUOT]
            .into_iter()
            .flat_map(|errno| [Harm::Fails(errno), Harm::FailsDone(errno)])
            .chain([Harm::Lies]);
        for (number, harm) in (0..calls).flat_map(|n| harms.clone().map(move |harm| (n, harm))) {
            for fault in
                [Fault::once(Due::Nth(number), harm), Fault::for_ever(Due::Nth(number), harm)]
            {
                let (fs, answered) = planned(disk, Plan::fault(fault));
                check_images(&fs, answered, &|| format!("{fault:?}"));
                faults.add();
            }
        }
    }
}

#[test]
fn no_flipped_bit_of_a_blob_is_believed() {
    let fs = SimFs::new(Rules::default());
    let name = put(&fs).expect("nothing fails");
    let path = fs.listing().into_keys().next().expect("the blob");
    let file = fs.open(&fs.root(), path.as_os_str(), Access::ReadWrite).expect("it is there");
    let mut flips = Count::new("bit flips, blobs");
    flips.of = Some(text().len() as u64 * 8);
    for (at, byte) in text().into_iter().enumerate() {
        for bit in 0..8 {
            fs.write_at(&file, &[byte ^ 1 << bit], at as u64).expect("nothing fails");
            let got = blobs(&fs).get(&name, 1 << 20);
            let told = || format!("byte {at}, bit {bit}");
            hold(Wrong::Accepted, matches!(got, Err(BlobError::Corrupt { .. })), told);
            flips.add();
        }
        fs.write_at(&file, &[byte], at as u64).expect("nothing fails");
        fs.sync(&file).expect("nothing fails");
    }
    let Item::File { bytes, .. } = &fs.listing()[&path] else { panic!("a file") };
    assert_eq!(*bytes, text());
}
