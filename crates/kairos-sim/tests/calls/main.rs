//! What the system is asked for, seen from outside the program: the lists in `docs/internals/faults.md`
//! and not one call more.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kairos_core::fold::{At, Fold, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_disk::exchange::{Change, Intent, Target, TempName};
use kairos_disk::tree::MISSING;
use kairos_disk::{RealFs, Tree, digest};
use kairos_journal::{Ahead, Ledger, Opening, Segments};

const PAGE: &str = include_str!("../../../../docs/internals/faults.md");

/// Where the watched process finds its files; unset in every other.
const DIR: &str = "KAIROS_CALLS_DIR";

/// What says which of several calls one is.
const WORDS: [&str; 5] = ["RENAME_NOREPLACE", "RENAME_EXCHANGE", "F_SETSIG", "F_RDLCK", "F_UNLCK"];

struct Nothing;

impl Fold for Nothing {
    type Event = ();
    type Effect = ();

    fn apply(&mut self, _: At, (): &(), _: &mut Vec<()>) {}
}

impl Snapshot for Nothing {
    const KIND: &'static str = "nothing";
    const SCHEMA: u32 = 1;
    type Form = ();

    fn form(&self) -> &() {
        &()
    }

    fn restore(&mut self, (): ()) {}
}

/// A call that stands out among the others.
fn say(word: &str) {
    drop(Path::new(word).symlink_metadata());
}

fn turn(dir: &Path) {
    let root = RealFs.root(dir).expect("it is there");
    let segments = Segments::new(1 << 20, 1 << 20, Ahead::OnDemand);
    let opening = Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments };
    let opened =
        Ledger::<_, (), _>::open(Arc::new(RealFs), root, Nothing, Arc::new(|()| {}), opening);
    let (mut book, _) = opened.expect("nothing fails");
    book.record(Time::EPOCH, vec![()]).expect("there is room");
    (book, _) = book.commit().expect("nothing fails");
    say("turn begins");
    book.record(Time::EPOCH, vec![()]).expect("there is room");
    (book, _) = book.commit().expect("nothing fails");
    say("turn ends");
    drop(book);
}

fn edit(dir: &Path) {
    std::fs::create_dir_all(dir.join("docs")).expect("nothing fails");
    std::fs::write(dir.join("docs/a.md"), "before\n").expect("nothing fails");
    let tree = Tree::new(RealFs, RealFs.root(dir).expect("it is there"), Vec::new());
    let path = Path::new("docs/a.md");
    let found = tree.read(path).expect("it is there");
    let at = Target { path, parent_inode: found.parent_inode };
    let change = Change::Edit { at, pre: digest(b"before\n"), post: b"after\n" };
    let intent = Intent { temp: TempName::new(1), change };
    say("edit begins");
    tree.perform(&intent, &mut |_| {}).expect("nothing fails");
    say("edit ends");
    say("finish begins");
    tree.finish(&intent).expect("nothing fails");
    say("finish ends");
}

fn create(dir: &Path) {
    let tree = Tree::new(RealFs, RealFs.root(dir).expect("it is there"), Vec::new());
    let at = Target { path: Path::new("new/b.md"), parent_inode: MISSING };
    let change = Change::Create { at, post: b"after\n", mode: 0o644 };
    let intent = Intent { temp: TempName::new(2), change };
    say("creation begins");
    tree.perform(&intent, &mut |_| {}).expect("nothing fails");
    say("creation ends");
}

/// Does nothing unless another test has started it to watch.
#[test]
fn what_is_watched() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (journal, tree) = (Path::new(&dir).join("journal"), Path::new(&dir).join("tree"));
    std::fs::create_dir_all(&journal).expect("nothing fails");
    std::fs::create_dir_all(&tree).expect("nothing fails");
    turn(&journal);
    edit(&tree);
    create(&tree);
}

/// The calls of another process between two words it said.
fn between(log: &str, begin: &str, end: &str) -> Vec<String> {
    let lines = log.lines().skip_while(|line| !line.contains(begin)).skip(1);
    lines.take_while(|line| !line.contains(end)).filter_map(call).collect()
}

/// The call of a line `PID call(…`. Closing, mapping memory and the attributes that a file happens to
/// have are no promise of ours.
fn call(line: &str) -> Option<String> {
    let (call, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    let no_promise = ["close", "mmap", "munmap"].contains(&call)
        || call.ends_with("xattr")
        || rest.contains("F_GETFD");
    let word = WORDS.iter().find(|word| rest.contains(**word));
    (!no_promise).then(|| word.map_or(call.to_owned(), |word| format!("{call} {word}")))
}

/// The list on the page that follows `heading`: a call, and behind two blanks what for.
fn documented(heading: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(heading).expect("the page has the heading");
    let (_, rest) = rest.split_once("```text\n").expect("a list follows it");
    let (list, _) = rest.split_once("```").expect("the list ends");
    list.lines().filter_map(|line| line.split("  ").next()).collect()
}

#[test]
fn turns_edits_and_creations_make_exactly_the_calls_that_are_documented() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("`strace` is missing, so nobody looked");
        return;
    }
    let temp = tempfile::tempdir().expect("a directory");
    let log = temp.path().join("calls.log");
    let program = std::env::current_exe().expect("this program");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-e", "trace=%file,%desc", "-o"]).arg(&log);
    strace.arg(program).args(["--exact", "what_is_watched"]).env(DIR, temp.path());
    assert!(strace.output().expect("strace starts").status.success());
    let log = std::fs::read_to_string(&log).expect("strace has written");
    for (word, heading) in [
        ("turn", "### One turn"),
        ("edit", "### One edit"),
        ("finish", "### After its outcome"),
        ("creation", "### One creation in a new directory"),
    ] {
        let made = between(&log, &format!("{word} begins"), &format!("{word} ends"));
        assert_eq!(made, documented(heading), "{word}");
    }
}
