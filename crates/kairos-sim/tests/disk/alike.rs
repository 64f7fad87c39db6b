//! The same calls on this machine's disk and on the simulated one have the same answers.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io;
use std::path::Path;

use kairos_disk::fs::{Access, FileKind, Rename, Stat, read_full};
use kairos_disk::{Fs, RealFs};
use kairos_sim::{Rules, SimFs};

const NAMES: [&str; 4] = ["a", "b", "c", "sub"];

/// An answer without what no two disks have in common.
fn told<T: Debug>(answer: io::Result<T>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

fn shown(stat: Stat) -> (FileKind, u64, u32, u64) {
    match stat.kind {
        // How long a directory is, and how often it is linked, is the file system's own.
        FileKind::Directory => (stat.kind, 0, stat.mode, 0),
        FileKind::Regular | FileKind::Symlink | FileKind::Special => {
            (stat.kind, stat.bytes, stat.mode, stat.links)
        }
    }
}

fn bytes<F: Fs>(fs: &F, dir: &F::Dir, name: &OsStr) -> io::Result<Vec<u8>> {
    let stat = fs.stat(dir, name)?;
    if stat.kind != FileKind::Regular {
        return Ok(Vec::new());
    }
    read_full(fs, &fs.open(dir, name, Access::Read)?, 1 << 20)
}

/// One call, drawn by `random`, and what came of it.
fn act<F: Fs>(fs: &F, dirs: &[F::Dir; 2], random: &mut fastrand::Rng) -> String {
    let mut place = || (&dirs[random.usize(..2)], OsStr::new(NAMES[random.usize(..NAMES.len())]));
    let ((dir, name), to) = (place(), place());
    let length = random.usize(..1500);
    let offset = random.u64(..3000);
    let text = vec![b'a' + random.u8(..26); length];
    match random.u8(..13) {
        0 => told(fs.create(dir, name, 0o640).map(drop)),
        1 => told(fs.make_dir(dir, name, [0o700, 0o755, 0o777][length % 3])),
        2 => told(fs.stat(dir, name).map(shown)),
        3 => told(fs.unlink(dir, name)),
        4 => told(fs.link((dir, name), to)),
        5 => told(fs.rename((dir, name), to, Rename::NoReplace)),
        6 => told(fs.rename((dir, name), to, Rename::Replace)),
        7 => told(fs.rename((dir, name), to, Rename::Exchange)),
        8 => told(fs.open(dir, name, Access::ReadWrite).and_then(|file| {
            fs.set_len(&file, offset)?;
            fs.stat_file(&file).map(shown)
        })),
        9 => told(fs.open(dir, name, Access::Read).and_then(|file| {
            // A directory can be opened for reading on a real disk, and then not be read.
            let mut buffer = vec![0; length];
            let read = fs.read_at(&file, &mut buffer, offset)?;
            Ok(buffer[..read].to_vec())
        })),
        10 => told(fs.open(dir, name, Access::Read).and_then(|file| fs.write_at(&file, &text, 0))),
        _ => told(fs.open(dir, name, Access::ReadWrite).and_then(|file| {
            let written = fs.write_at(&file, &text, offset)?;
            fs.sync(&file)?;
            fs.sync_all(&file)?;
            fs.sync_dir(dir)?;
            Ok(written)
        })),
    }
}

/// Everything in both directories.
fn all<F: Fs>(fs: &F, dirs: &[F::Dir; 2]) -> Vec<(OsString, String, String)> {
    let mut all = Vec::new();
    for dir in dirs {
        let mut names = fs.list(dir).unwrap_or_default();
        names.sort();
        for name in names {
            let (stat, bytes) = (told(fs.stat(dir, &name).map(shown)), told(bytes(fs, dir, &name)));
            all.push((name, stat, bytes));
        }
    }
    all
}

fn dirs<F: Fs>(fs: &F, root: F::Dir) -> [F::Dir; 2] {
    fs.make_dir(&root, OsStr::new("other"), 0o755).expect("it is empty");
    let other = fs.open_dir(&root, Path::new("other")).expect("it was just made");
    [root, other]
}

#[test]
fn simulated_disk_answers_as_this_machine_does() {
    for seed in 0..80 {
        let temp = tempfile::tempdir().unwrap();
        let sim = SimFs::new(Rules::default());
        let real_dirs = dirs(&RealFs, RealFs.root(temp.path()).unwrap());
        let sim_dirs = dirs(&sim, sim.root());
        let (mut real_random, mut sim_random) =
            (fastrand::Rng::with_seed(seed), fastrand::Rng::with_seed(seed));
        for step in 0..60 {
            let real = act(&RealFs, &real_dirs, &mut real_random);
            let simulated = act(&sim, &sim_dirs, &mut sim_random);
            assert_eq!(simulated, real, "seed {seed}, step {step}");
        }
        assert_eq!(all(&sim, &sim_dirs), all(&RealFs, &real_dirs), "seed {seed}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused_alike() {
    let temp = tempfile::tempdir().unwrap();
    let sim = SimFs::new(Rules::default());
    let (real_root, sim_root) = (RealFs.root(temp.path()).unwrap(), sim.root());
    for name in ["", ".", "..", "a/b", "/a", "a/"].map(OsStr::new) {
        let real = told(RealFs.create(&real_root, name, 0o600).map(drop));
        assert_eq!(told(sim.create(&sim_root, name, 0o600).map(drop)), real, "{name:?}");
    }
    for path in ["", ".", "..", "missing", "/"].map(Path::new) {
        let real = told(RealFs.open_dir(&real_root, path).map(drop));
        assert_eq!(told(sim.open_dir(&sim_root, path).map(drop)), real, "{path:?}");
    }
}
