//! The verifier in `docs/` says of every journal and every note what kairos says.

mod common;

use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::*;
use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_disk::RealFs;
use kairos_journal::checkpoint::{Places, Upto, keep_roots, make, name};
use kairos_journal::note::{Note, Signer, Verifier};
use kairos_journal::{Tail, refold, verify_beside};

/// A journal of several segments and its newest note, made anew for every damage.
struct World {
    root: tempfile::TempDir,
    note: String,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("the test's own files");
        let (journal, kept) = (root.path().join("journal"), root.path().join("checkpoints"));
        for dir in [&journal, &kept] {
            fs::create_dir(dir).expect("the test's own files");
        }
        let (mut book, _) = open(&journal, small()).expect("a fresh journal opens");
        for n in 0..60 {
            (book, _) = turn(book, vec![vec![noted(format!("{n:04}{}", "x".repeat(250)))]]);
        }
        drop(book);
        let mut world = Self { root, note: String::new() };
        // Of the frames before the last segment: what is deleted needs one.
        world.beside(|places| {
            let (disk, go_on) = (Arc::new(RealFs), AtomicBool::new(false));
            refold(&disk, places.journal, Memory::default(), &opening(small()), &go_on)
                .expect("it is sound");
        });
        let signed = world.beside(|places| make(places, &signer(), Upto::Still));
        world.note = signed.expect("it is sound").note.to_string();
        world
    }

    fn beside<T>(&self, ask: impl FnOnce(&Places<'_, RealFs>) -> T) -> T {
        let open = |name| RealFs.root(&self.root.path().join(name)).expect("it is there");
        let (journal, kept) = (open("journal"), open("checkpoints"));
        ask(&Places { disk: &RealFs, journal: &journal, kept: Some(&kept), stop: None })
    }

    fn journal(&self) -> PathBuf {
        self.root.path().join("journal")
    }

    fn frontier(&self) -> PathBuf {
        self.root.path().join("checkpoints/deleted.frontier")
    }

    fn segments(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.journal()).expect("it is there");
        let names = names.map(|entry| entry.expect("it is there").path());
        let mut names: Vec<_> =
            names.filter(|path| path.extension().is_some_and(|ending| ending == "kj")).collect();
        names.sort();
        names
    }

    fn last(&self) -> PathBuf {
        self.segments().pop().expect("there are several")
    }

    /// A segment without a frame behind the last one, as if it had been begun with frame `first`.
    fn blank(&self, first: u64, bytes: usize) {
        fs::write(self.journal().join(format!("{first:020}.kj")), vec![0; bytes]).expect("room");
    }

    /// Deletes the first segment as retention does.
    fn prune(&self) {
        let segments = self.segments();
        let second = Seq(first_of(&segments[1]));
        self.beside(|places| keep_roots(places, second)).expect("it is sound");
        fs::remove_file(&segments[0]).expect("it is there");
    }

    fn kairos_says(&self) -> bool {
        let verdict =
            self.beside(|places| verify_beside(places, Tail::Still, NonZero::<usize>::MIN));
        verdict.expect("the disk reads").ok
    }

    fn kairos_says_of(&self, note: &str, key: &str) -> bool {
        let (note, key) = (Note::read(note.as_bytes()), Verifier::read(key));
        note.is_ok_and(|note| key.is_ok_and(|key| key.check(&note).is_ok())) && self.kairos_says()
    }

    /// `None` where there is no Python.
    fn python_says(&self, signed: Option<(&str, &str)>) -> Option<bool> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_journal.py");
        let mut python = Command::new("python3");
        python.arg(script).arg(self.journal());
        if let Some((note, key)) = signed {
            let file = self.root.path().join("a.note");
            fs::write(&file, note).expect("there is room");
            python.arg(file).arg(key);
        }
        let Ok(output) = python.output() else {
            writeln!(std::io::stderr(), "SKIPPED: python3 cannot be run").ok();
            return None;
        };
        Some(output.status.success())
    }
}

fn signer() -> Signer {
    Signer::new(&name(NodeId::from_u128(7)), [3; 32]).expect("a name")
}

fn first_of(segment: &Path) -> u64 {
    let stem = segment.file_stem().expect("a name").to_string_lossy();
    stem.parse().expect("digits")
}

/// Where the last frame of a segment stands in it.
fn last_frame(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').expect("it has frames") + 1;
    let start = bytes[..end - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    start..end
}

fn cut(path: &Path, bytes: u64) {
    fs::File::options().write(true).open(path).expect("there").set_len(bytes).expect("it is cut");
}

type Damage = (&'static str, fn(&World));

const DAMAGES: [Damage; 15] = [
    ("nothing", |_| {}),
    ("an empty segment where the next one begins", |world| {
        world.blank(61, 4096);
    }),
    ("the frames of the last segment gone, an empty one behind it", |world| {
        let bytes = fs::metadata(world.last()).expect("there").len();
        fs::write(world.last(), vec![0; usize::try_from(bytes).expect("small")]).expect("room");
        world.blank(61, 4096);
    }),
    ("the last segment gone, an empty one behind it", |world| {
        fs::remove_file(world.last()).expect("there");
        world.blank(61, 4096);
    }),
    ("the last segment under another name", |world| {
        let name = world.last().display().to_string();
        fs::rename(world.last(), name + "~").expect("there");
    }),
    ("a file of somebody's", |world| {
        fs::write(world.journal().join("notes.txt"), "mine").expect("room");
    }),
    ("an empty segment that is cut", |world| {
        world.blank(61, 100);
    }),
    ("an empty segment of no bytes", |world| {
        world.blank(61, 0);
    }),
    ("the last segment cut behind its frames", |world| {
        let bytes = fs::metadata(world.last()).expect("there").len();
        cut(&world.last(), bytes - 1);
    }),
    ("a length in another spelling", |world| {
        let bytes = fs::read(world.last()).expect("there");
        let at = last_frame(&bytes).start;
        let mut head = bytes[at..at + 130].to_vec();
        head[4..12].make_ascii_uppercase();
        assert_ne!(head, bytes[at..at + 130], "its length has a letter");
        let sum = format!("{:08x}", crc32fast::hash(&head[..121]));
        head[121..129].copy_from_slice(sum.as_bytes());
        let file = fs::File::options().write(true).open(world.last()).expect("there");
        file.write_all_at(&head, at as u64).expect("room");
    }),
    ("the first segment deleted", World::prune),
    ("the first segment deleted, and no roots kept", |world| {
        world.prune();
        fs::remove_file(world.frontier()).expect("there");
    }),
    ("the first segment deleted, and another root kept", |world| {
        world.prune();
        let text = fs::read_to_string(world.frontier()).expect("there");
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[3] = lines[2].clone();
        fs::write(world.frontier(), lines.join("\n") + "\n").expect("room");
    }),
    ("the first segment deleted, and what is kept ends otherwise", |world| {
        world.prune();
        let text = fs::read_to_string(world.frontier()).expect("there");
        fs::write(world.frontier(), text.replace('\n', "\r\n")).expect("room");
    }),
    ("the first two segments gone, and the roots of one", |world| {
        world.prune();
        fs::remove_file(&world.segments()[0]).expect("there");
    }),
];

#[test]
fn both_verifiers_say_the_same_of_a_damaged_journal() {
    for (what, damage) in DAMAGES {
        let world = World::new();
        damage(&world);
        let sound = world.kairos_says();
        let expected = matches!(
            what,
            "nothing" | "the first segment deleted" | "an empty segment where the next one begins"
        );
        assert_eq!(sound, expected, "{what}");
        let Some(python) = world.python_says(None) else { return };
        assert_eq!(python, sound, "{what}");
    }
}

#[test]
fn both_verifiers_take_the_same_notes_and_keys() {
    let world = World::new();
    let (note, key) = (world.note.clone(), signer().verifier().to_string());
    let (journal, rest) = key.split_once('+').expect("three parts");
    let (_, packed) = rest.split_once('+').expect("three parts");
    let root = note.lines().nth(2).expect("a root").to_owned();
    let cases = [
        ("as it was signed", note.clone(), key.clone()),
        ("with other ends of lines", note.replace('\n', "\r\n"), key.clone()),
        ("with a word behind it", note.clone() + "x", key.clone()),
        ("without its last end of line", note.trim_end().to_owned(), key.clone()),
        ("with an asterisk in its signature", insert(&note, note.len() - 10, '*'), key.clone()),
        ("with another root", note.replace(&root, &root.replace(&root[..2], "zz")), key.clone()),
        ("by a key under another id", note.clone(), format!("{journal}+00000000+{packed}")),
        ("by a key of no kind", note.clone(), format!("{journal}+{}", rest.replace('A', "B"))),
        ("by a key with a stray character", note.clone(), insert(&key, key.len() - 3, '*')),
    ];
    for (nth, (what, note, key)) in cases.iter().enumerate() {
        let kairos = world.kairos_says_of(note, key);
        assert_eq!(kairos, nth == 0, "{what}");
        let Some(python) = world.python_says(Some((note, key))) else { return };
        assert_eq!(python, kairos, "{what}");
    }
}

fn insert(text: &str, at: usize, c: char) -> String {
    let mut text = text.to_owned();
    text.insert(at, c);
    text
}
