//! What a crash may take, and what it may not.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename};
use kairos_sim::{
    Bound, Call, Due, Errno, Fault, Harm, Item, Order, Plan, Rules, SimDir, SimFile, SimFs, Stop,
    is_crash,
};

const FREE: Rules = Rules { order: Order::Free, names_with_sync: false };

fn name(name: &str) -> &OsStr {
    OsStr::new(name)
}

/// A disk on which `a` is durable and empty.
fn disk(rules: Rules) -> (SimFs, SimDir, SimFile) {
    let fs = SimFs::new(rules);
    fs.put(Path::new("a"), b"", 0o600).expect("nothing fails");
    let fs = fs.settled();
    let root = fs.root();
    let file = fs.open(&root, name("a"), Access::ReadWrite).expect("nothing fails");
    (fs, root, file)
}

/// Everything a crash may leave, each as its names and the first byte of each sector.
fn left(fs: &SimFs) -> BTreeSet<String> {
    let images: Vec<String> = fs
        .crash_images(Bound::default(), 0)
        .map(|image| {
            let mut text = Vec::new();
            for (path, item) in image.mount().listing() {
                let Item::File { bytes, .. } = item else { continue };
                let firsts = bytes.chunks(512).map(|sector| match sector[0] {
                    0 => '.',
                    byte => char::from(byte),
                });
                text.push(format!("{}:{}", path.display(), firsts.collect::<String>()));
            }
            text.join(" ")
        })
        .collect();
    let distinct: BTreeSet<String> = images.iter().cloned().collect();
    assert_eq!(images.len(), distinct.len(), "{images:?}");
    distinct
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_sector_may_be_lost_by_itself_and_so_may_the_length() {
    let (fs, _, file) = disk(FREE);
    fs.set_len(&file, 1536).unwrap();
    fs.sync(&file).unwrap();
    fs.write_at(&file, &[b'x'; 1536], 0).unwrap();
    let all = ["...", "..x", ".x.", ".xx", "x..", "x.x", "xx.", "xxx"].map(|s| format!("a:{s}"));
    assert_eq!(left(&fs), all.into_iter().collect());
    fs.sync(&file).unwrap();
    assert_eq!(left(&fs), texts(&["a:xxx"]));
    fs.write_at(&file, b"y", 1536).unwrap();
    assert_eq!(left(&fs), texts(&["a:xxx", "a:xxx.", "a:xxxy"]));
}

#[test]
fn sector_written_twice_may_hold_either_version() {
    let (fs, _, file) = disk(FREE);
    fs.write_at(&file, b"1", 0).unwrap();
    fs.sync(&file).unwrap();
    fs.write_at(&file, b"2", 0).unwrap();
    fs.write_at(&file, b"3", 0).unwrap();
    assert_eq!(left(&fs), texts(&["a:1", "a:2", "a:3"]));
}

#[test]
fn what_was_cut_off_does_not_come_back_when_the_file_grows() {
    let (fs, _, file) = disk(FREE);
    fs.write_at(&file, &[b'x'; 1024], 0).unwrap();
    fs.sync(&file).unwrap();
    fs.set_len(&file, 512).unwrap();
    fs.set_len(&file, 1024).unwrap();
    assert_eq!(left(&fs), texts(&["a:xx", "a:x", "a:x."]));
}

#[test]
fn sync_of_a_file_does_not_keep_its_name() {
    let write = |rules| {
        let (fs, root, _) = disk(rules);
        let file = fs.create(&root, name("b"), 0o600).unwrap();
        fs.write_at(&file, b"x", 0).unwrap();
        fs.sync(&file).unwrap();
        (fs, root)
    };
    let (fs, root) = write(FREE);
    assert_eq!(left(&fs), texts(&["a:", "a: b:x"]));
    fs.sync_dir(&root).unwrap();
    assert_eq!(left(&fs), texts(&["a: b:x"]));
    let (fs, _) = write(Rules { names_with_sync: true, ..FREE });
    assert_eq!(left(&fs), texts(&["a: b:x"]));
}

#[test]
fn name_that_is_kept_may_stand_for_an_empty_file() {
    let (fs, root, _) = disk(FREE);
    let file = fs.create(&root, name("b"), 0o600).unwrap();
    fs.write_at(&file, b"x", 0).unwrap();
    fs.sync_dir(&root).unwrap();
    assert_eq!(left(&fs), texts(&["a: b:", "a: b:.", "a: b:x"]));
}

#[test]
fn exchange_and_rename_are_whole() {
    let fs = SimFs::new(FREE);
    fs.put(Path::new("a"), b"a", 0o600).unwrap();
    fs.put(Path::new("b"), b"b", 0o600).unwrap();
    let fs = fs.settled();
    let root = fs.root();
    fs.rename((&root, name("a")), (&root, name("b")), Rename::Exchange).unwrap();
    assert_eq!(left(&fs), texts(&["a:a b:b", "a:b b:a"]));
    fs.sync_dir(&root).unwrap();
    fs.rename((&root, name("a")), (&root, name("c")), Rename::NoReplace).unwrap();
    assert_eq!(left(&fs), texts(&["a:b b:a", "b:a c:b"]));
}

#[test]
fn order_of_names_is_what_the_rules_say() {
    let moved = |order| {
        let (fs, root, _) = disk(Rules { order, names_with_sync: false });
        fs.make_dir(&root, name("d"), 0o700).unwrap();
        let fs = fs.settled();
        let (root, dir) = (fs.root(), fs.open_dir(&fs.root(), Path::new("d")).unwrap());
        fs.link((&root, name("a")), (&dir, name("a"))).unwrap();
        fs.unlink(&root, name("a")).unwrap();
        drop(fs.create(&root, name("b"), 0o600).unwrap());
        left(&fs)
    };
    let journaled = texts(&["a:", "a: d/a:", "d/a:", "b: d/a:"]);
    assert_eq!(moved(Order::Journaled), journaled);
    let loose = texts(&["a:", "a: d/a:", "d/a:", "b: d/a:", "a: b:", "a: b: d/a:"]);
    assert_eq!(moved(Order::Loose), loose);
    // The file lost both its names.
    assert_eq!(moved(Order::Free), &loose | &texts(&["", "b:"]));
}

/// Each directory may be there without what is in it, and nothing without its directory.
#[test]
fn directory_may_be_lost_with_all_that_is_below_it_until_its_parent_is_synced() {
    let paths = |fs: &SimFs| -> Vec<String> {
        let images = fs.crash_images(Bound::default(), 0).map(|image| image.mount().listing());
        let paths = images.map(|listing| {
            let paths: Vec<String> =
                listing.keys().map(|path| path.display().to_string()).collect();
            paths.join(" ")
        });
        let mut paths: Vec<String> = paths.collect();
        paths.sort();
        paths
    };
    let (fs, root, _) = disk(FREE);
    fs.make_dir(&root, name("d"), 0o755).unwrap();
    let d = fs.open_dir(&root, Path::new("d")).unwrap();
    fs.make_dir(&d, name("e"), 0o700).unwrap();
    let e = fs.open_dir(&d, Path::new("e")).unwrap();
    drop(fs.create(&e, name("b"), 0o600).unwrap());
    assert_eq!(paths(&fs), ["a", "a d", "a d d/e", "a d d/e d/e/b"]);
    fs.sync_dir(&e).unwrap();
    assert_eq!(paths(&fs), ["a", "a d", "a d d/e d/e/b"]);
    fs.sync_dir(&d).unwrap();
    assert_eq!(paths(&fs), ["a", "a d d/e d/e/b"]);
    fs.sync_dir(&root).unwrap();
    assert_eq!(paths(&fs), ["a d d/e d/e/b"]);
    let image = fs.crash_images(Bound::default(), 0).next().expect("one").mount();
    assert_eq!(image.stat(&image.root(), name("d")).unwrap().mode, 0o755);
}

#[test]
fn attributes_may_be_lost_until_all_is_synced() {
    let (fs, root, a) = disk(FREE);
    let b = fs.create(&root, name("b"), 0o640).unwrap();
    fs.write_at(&b, b"x", 0).unwrap();
    fs.sync_dir(&root).unwrap();
    fs.copy_attributes(&a, &b).unwrap();
    let modes = || -> BTreeSet<(u32, usize)> {
        let images = fs.crash_images(Bound::default(), 0).map(|image| image.mount());
        let item = images.map(|fs| fs.listing().remove(Path::new("b")));
        item.map(|item| match item {
            Some(Item::File { bytes, mode }) => (mode, bytes.len()),
            other => panic!("{other:?}"),
        })
        .collect()
    };
    fs.sync(&b).unwrap();
    assert_eq!(modes(), [(0o640, 1), (0o600, 1)].into());
    fs.sync_all(&b).unwrap();
    assert_eq!(modes(), [(0o600, 1)].into());
}

#[test]
fn sync_that_lies_shows_the_bytes_and_loses_them() {
    let (fs, root, file) = disk(FREE);
    fs.set_len(&file, 512).unwrap();
    fs.sync(&file).unwrap();
    fs.plan(Plan::fault(Fault::once(Due::NthOf(Call::Sync, 0), Harm::Lies)));
    fs.write_at(&file, b"x", 0).unwrap();
    assert_eq!(fs.sync(&file).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    fs.sync(&file).unwrap();
    let mut seen = [0];
    fs.read_at(&file, &mut seen, 0).unwrap();
    assert_eq!(seen, *b"x");
    assert_eq!(left(&fs), texts(&["a:.", "a:x"]));
    // Written once more, they are on their way once more.
    fs.write_at(&file, b"x", 0).unwrap();
    fs.sync(&file).unwrap();
    fs.sync_dir(&root).unwrap();
    assert_eq!(left(&fs), texts(&["a:x"]));
}

#[test]
fn machine_that_stopped_does_nothing_more() {
    for (stop, expected) in [(Stop::Before(1), texts(&["a:"])), (Stop::After(1), texts(&["a: b:"]))]
    {
        let (fs, root, _) = disk(FREE);
        fs.plan(Plan { trace: true, ..Plan::stop(stop) });
        drop(fs.create(&root, name("b"), 0o600).unwrap());
        assert!(is_crash(&fs.sync_dir(&root).unwrap_err()));
        assert!(is_crash(&fs.unlink(&root, name("a")).unwrap_err()));
        let sites: Vec<Call> = fs.sites().into_iter().map(|site| site.call).collect();
        assert_eq!(sites, [Call::Create, Call::SyncDir]);
        assert!(left(&fs).is_superset(&expected));
    }
}

#[test]
fn locks_and_handles_end_with_the_mount() {
    let (fs, root, file) = disk(FREE);
    let again = fs.open(&root, name("a"), Access::ReadWrite).unwrap();
    assert!(fs.lock(&file).unwrap());
    assert!(!fs.lock(&again).unwrap());
    let killed = fs.kill();
    let stale = killed.lock(&file).unwrap_err();
    assert_eq!(stale.raw_os_error(), Some(Errno::STALE.raw_os_error()));
    let other = killed.open(&killed.root(), name("a"), Access::ReadWrite).unwrap();
    assert!(killed.lock(&other).unwrap());
    drop(file);
    assert!(fs.lock(&again).unwrap());
}

#[test]
fn large_file_of_zeros_costs_nothing_to_crash() {
    let (fs, _, file) = disk(FREE);
    for mib in 0..64 {
        fs.write_at(&file, &vec![0; 1 << 20], mib << 20).unwrap();
    }
    fs.sync(&file).unwrap();
    fs.write_at(&file, &[b'x'; 4096], 5 << 20).unwrap();
    let begun = Instant::now();
    let images = fs.crash_images(Bound::default(), 0).map(|image| image.mount());
    assert_eq!(images.count(), 256);
    println!("256 images of 64 MiB: {:?}", begun.elapsed());
}
