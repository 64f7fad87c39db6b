//! A small workspace, the changes made to it, and the way of one change through crashes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use kairos_disk::exchange::{Change, Failure, Intent, Target, TempName, Verdict};
use kairos_disk::tree::MISSING;
use kairos_disk::{Fs, Tree, digest};
use kairos_sim::{Item, Listing, Plan, Rules, SimFs, Stop};

pub(crate) const PRE: &[u8] = b"before\n";
pub(crate) const POST: &[u8] = &[b'p'; 1300];
const KEPT: &[u8] = b"nobody's business\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Edit,
    Create,
    /// In a directory that is missing, and so is the one that it lies in.
    CreateBelow,
    Move,
    /// Into such a directory.
    MoveBelow,
    Delete,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Edit, Kind::Create, Kind::Move, Kind::Delete];

/// Those that make directories.
pub(crate) const BELOW: [Kind; 2] = [Kind::CreateBelow, Kind::MoveBelow];

pub(crate) fn all() -> impl Iterator<Item = Kind> {
    KINDS.into_iter().chain(BELOW)
}

/// `docs/a.md` holds [`PRE`]; `docs/b.md` and `other/a.md` are vacant, and `new` is missing.
pub(crate) fn workspace(rules: Rules) -> SimFs {
    let fs = SimFs::new(rules);
    fs.put(Path::new("docs/a.md"), PRE, 0o640).expect("nothing fails");
    fs.put(Path::new("docs/kept.md"), KEPT, 0o600).expect("nothing fails");
    fs.put(Path::new("other/kept.md"), KEPT, 0o600).expect("nothing fails");
    fs.settled()
}

/// Files by path: how long, what they begin with, and their mode.
pub(crate) type Files = BTreeMap<String, String>;

pub(crate) fn files(listing: &Listing) -> Files {
    let file = |(path, item): (&PathBuf, &Item)| {
        let Item::File { bytes, mode } = item else { return None };
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
        Some((path.display().to_string(), format!("{} {start:?} {mode:o}", bytes.len())))
    };
    listing.iter().filter_map(file).collect()
}

/// Everything but what exchanges put beside a file.
pub(crate) fn visible(fs: &SimFs) -> Files {
    let mut listing = fs.listing();
    listing.retain(|path, _| !is_beside(path));
    files(&listing)
}

pub(crate) fn is_beside(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".kairos-"))
}

/// What the change is to end in.
pub(crate) fn end(kind: Kind) -> Files {
    let mut listing = workspace(Rules::default()).listing();
    let file = |bytes: &[u8], mode| Item::File { bytes: bytes.to_vec(), mode };
    match kind {
        Kind::Edit => drop(listing.insert("docs/a.md".into(), file(POST, 0o640))),
        Kind::Create => drop(listing.insert("docs/b.md".into(), file(POST, 0o644))),
        Kind::CreateBelow => drop(listing.insert("new/deep/b.md".into(), file(POST, 0o644))),
        Kind::Move => {
            listing.remove(Path::new("docs/a.md"));
            listing.insert("other/a.md".into(), file(PRE, 0o640));
        }
        Kind::MoveBelow => {
            listing.remove(Path::new("docs/a.md"));
            listing.insert("new/deep/a.md".into(), file(PRE, 0o640));
        }
        Kind::Delete => drop(listing.remove(Path::new("docs/a.md"))),
    }
    files(&listing)
}

pub(crate) fn tree(fs: &SimFs) -> Tree<SimFs> {
    Tree::new(fs.clone(), fs.root(), Vec::new())
}

/// The change, as its `attempt`-th intent has it.
pub(crate) fn intent(kind: Kind, attempt: u64) -> Intent<'static> {
    let fs = workspace(Rules::default());
    let target = |path: &'static str| {
        let parent = Path::new(path).parent().expect("it lies in a directory");
        let dir = fs.open_dir(&fs.root(), parent).expect("it is there");
        let parent_inode = fs.stat_dir(&dir).expect("nothing fails").identity.inode;
        Target { path: Path::new(path), parent_inode }
    };
    let below = |path: &'static str| Target { path: Path::new(path), parent_inode: MISSING };
    let (at, pre) = (target("docs/a.md"), digest(PRE));
    let change = match kind {
        Kind::Edit => Change::Edit { at, pre, post: POST },
        Kind::Create => Change::Create { at: target("docs/b.md"), post: POST, mode: 0o644 },
        Kind::CreateBelow => Change::Create { at: below("new/deep/b.md"), post: POST, mode: 0o644 },
        Kind::MoveBelow => Change::Move { from: at, to: below("new/deep/a.md"), pre },
        Kind::Move => Change::Move { from: at, to: target("other/a.md"), pre },
        Kind::Delete => Change::Delete { at, pre },
    };
    Intent { temp: TempName::new(0xab00 + attempt), change }
}

/// How far a change has come, as its records say it: they survive every crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    /// The intent of that attempt.
    Intent(u64),
    /// The attempt before is known not to be made; this one's intent comes next.
    Next(u64),
    /// The outcome of that attempt.
    Done(u64),
    /// What the attempt replaced is gone.
    Finished,
}

/// What stopped a change that is neither done nor to be tried again.
pub(crate) enum Ended {
    Done,
    Refused(kairos_disk::Refusal),
    Unsettled(String),
    /// It was made, and somebody has undone it.
    Reverted,
    /// The disk failed before anything could be said.
    Stopped,
}

/// Makes the change, from where its records say it stands, as the daemon does: an intent that a
/// crash left without outcome is judged first, and whatever is answered is recorded at once.
pub(crate) fn go_on(fs: &SimFs, kind: Kind, recorded: &mut Recorded, crashed: bool) -> Ended {
    let tree = tree(fs);
    let mut crashed = crashed;
    loop {
        match *recorded {
            Recorded::Intent(attempt) if crashed => {
                let verdict = tree.recover(&intent(kind, attempt));
                if fs.is_stopped() {
                    return Ended::Stopped;
                }
                match verdict {
                    Verdict::Done => *recorded = Recorded::Done(attempt),
                    Verdict::Retry => *recorded = Recorded::Next(attempt + 1),
                    Verdict::Reverted => return Ended::Reverted,
                    Verdict::Unsettled(doubt) => return Ended::Unsettled(format!("{doubt:?}")),
                }
            }
            Recorded::Next(attempt) => (*recorded, crashed) = (Recorded::Intent(attempt), false),
            Recorded::Intent(attempt) => {
                let performed = tree.perform(&intent(kind, attempt), &mut |_| {});
                if fs.is_stopped() {
                    return Ended::Stopped;
                }
                match performed {
                    Ok(_) => *recorded = Recorded::Done(attempt),
                    Err(Failure::Refused(refusal)) => return Ended::Refused(refusal),
                    Err(Failure::Unsettled(unsettled)) => {
                        return Ended::Unsettled(format!("{unsettled:?}"));
                    }
                }
            }
            Recorded::Done(attempt) => {
                let finished = tree.finish(&intent(kind, attempt));
                if fs.is_stopped() || finished.is_err() {
                    return Ended::Stopped;
                }
                *recorded = Recorded::Finished;
            }
            Recorded::Finished => return Ended::Done,
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Unsettled(doubt) => write!(f, "unsettled: {doubt}"),
            Self::Reverted => f.write_str("reverted"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// Every place at which a scenario of so many calls can stop.
pub(crate) fn stops(calls: u64) -> impl Iterator<Item = Stop> {
    (0..calls).flat_map(|number| [Stop::Before(number), Stop::After(number)])
}

/// A change that has come somewhere, on a disk of its own.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) fs: SimFs,
    pub(crate) kind: Kind,
    pub(crate) recorded: Recorded,
    pub(crate) crashed: bool,
}

impl Way {
    pub(crate) fn new(kind: Kind, rules: Rules) -> Self {
        Self { fs: workspace(rules), kind, recorded: Recorded::Intent(0), crashed: false }
    }

    /// The same from here, by `plan`, on a copy of the disk.
    pub(crate) fn planned(&self, plan: Plan) -> (Self, Ended) {
        let mut way = Self { fs: self.fs.kill(), ..self.clone() };
        way.fs.plan(plan);
        let ended = go_on(&way.fs, way.kind, &mut way.recorded, way.crashed);
        (way, ended)
    }

    /// How many calls there are to its end.
    pub(crate) fn calls(&self) -> u64 {
        self.planned(Plan::default()).0.fs.calls()
    }

    /// From here on another disk, after a crash.
    pub(crate) fn after_crash(&self, fs: SimFs) -> Self {
        Self { fs, crashed: true, ..self.clone() }
    }
}

/// The file that holds exactly these bytes; one that people see, if there is one.
pub(crate) fn path_of(fs: &SimFs, wanted: &[u8]) -> Option<String> {
    let holds = |item: &Item| matches!(item, Item::File { bytes, .. } if bytes == wanted);
    let paths = fs.listing().into_iter().filter(|(_, item)| holds(item));
    let paths = paths.map(|(path, _)| path.display().to_string());
    paths.min_by_key(|path| is_beside(Path::new(path)))
}
