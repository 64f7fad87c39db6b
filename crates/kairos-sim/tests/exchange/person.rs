//! People who change the same files between two calls, or after a crash: their bytes stay, and what
//! they undid is not done again.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename};
use kairos_sim::{Bound, Item, Plan, Rules, SimFs, Stop};

use crate::count::{Count, Wrong, hold};
use crate::world::{
    BELOW, Ended, KINDS, Kind, POST, PRE, Way, all, files, is_beside, path_of, stops, visible,
    workspace,
};

const THEIRS: &[u8] = b"a person's own words\n";
const BOUND: Bound = Bound { units_max: 4, samples: 4 };

/// What a person does, and makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Writes over the file that stands at the target, or makes one.
    Overwrite,
    /// Puts a file of their own in its place, as most editors do.
    Replace,
    Remove,
    /// Has everything as it was, if the change shows.
    Undo,
    /// Gives the directory, and with it all that lies below, another name.
    Away,
    /// The same, and makes another in its place.
    Anew,
}

const ACTS: [Act; 6] = [Act::Overwrite, Act::Replace, Act::Remove, Act::Undo, Act::Away, Act::Anew];

/// What is counted together.
const GROUPS: [(&[Kind], &str); 2] =
    [(&KINDS, "people beside an exchange"), (&BELOW, "people beside a new directory")];

/// Where the change shows.
fn target(kind: Kind) -> &'static Path {
    Path::new(match kind {
        Kind::Edit | Kind::Delete => "docs/a.md",
        Kind::Create => "docs/b.md",
        Kind::CreateBelow => "new/deep/b.md",
        Kind::Move => "other/a.md",
        Kind::MoveBelow => "new/deep/a.md",
    })
}

/// Makes what stands at `path` durable, and the directories to it.
fn sync(fs: &SimFs, path: &Path) -> io::Result<()> {
    let mut dir = fs.root();
    for parent in parent(path).components() {
        fs.sync_dir(&dir)?;
        match fs.open_dir(&dir, Path::new(parent.as_os_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => dir = opened?,
        }
    }
    match fs.open(&dir, name(path), Access::Read) {
        Ok(file) => fs.sync(&file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs.sync_dir(&dir)
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("it lies in a directory")
}

fn name(path: &Path) -> &OsStr {
    path.file_name().expect("it has a name")
}

fn bytes(fs: &SimFs, path: impl AsRef<Path>) -> Option<Vec<u8>> {
    match fs.listing().remove(path.as_ref()) {
        Some(Item::File { bytes, .. }) => Some(bytes),
        Some(Item::Directory) | None => None,
    }
}

fn remove(fs: &SimFs, path: &Path) -> io::Result<()> {
    let removed = fs.open_dir(&fs.root(), parent(path)).and_then(|dir| fs.unlink(&dir, name(path)));
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn shows(fs: &SimFs, kind: Kind) -> bool {
    let (a, b) = (bytes(fs, "docs/a.md"), bytes(fs, target(kind)));
    match kind {
        Kind::Edit => a.as_deref() == Some(POST),
        Kind::Create | Kind::CreateBelow => b.as_deref() == Some(POST),
        Kind::Move | Kind::MoveBelow => a.is_none() && b.is_some(),
        Kind::Delete => a.is_none(),
    }
}

/// Does it, and answers whether there was anything to do.
fn act(fs: &SimFs, kind: Kind, act: Act) -> io::Result<bool> {
    let (fs, path) = (fs.aside(), target(kind));
    match act {
        Act::Overwrite => fs.put(path, THEIRS, 0o640)?,
        Act::Replace => {
            let beside = path.with_file_name("theirs.swp");
            fs.put(&beside, THEIRS, 0o640)?;
            sync(&fs, &beside)?;
            let dir = fs.open_dir(&fs.root(), parent(path))?;
            fs.rename((&dir, name(&beside)), (&dir, name(path)), Rename::Replace)?;
        }
        Act::Remove => remove(&fs, path)?,
        Act::Away | Act::Anew => {
            let top = path.iter().next().expect("it lies in a directory");
            let (root, away) = (fs.root(), OsStr::new("away"));
            match fs.rename((&root, top), (&root, away), Rename::NoReplace) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                renamed => renamed?,
            }
            if act == Act::Anew {
                fs.put(&path.with_file_name("theirs.txt"), THEIRS, 0o640)?;
            }
        }
        Act::Undo if !shows(&fs, kind) => return Ok(false),
        Act::Undo => match kind {
            Kind::Edit | Kind::Delete => fs.put(path, PRE, 0o640)?,
            Kind::Create | Kind::CreateBelow => remove(&fs, path)?,
            Kind::Move | Kind::MoveBelow => {
                let docs = fs.open_dir(&fs.root(), Path::new("docs"))?;
                let other = fs.open_dir(&fs.root(), parent(path))?;
                let name = OsStr::new("a.md");
                fs.rename((&other, name), (&docs, name), Rename::Replace)?;
                sync(&fs, Path::new("docs/a.md"))?;
            }
        },
    }
    sync(&fs, path)?;
    Ok(true)
}

/// What must hold at the end, whoever did what and whatever was lost.
fn check(way: &Way, ended: &Ended, act: Act, acted: bool, case: &dyn Fn() -> String) {
    let listing = files(&way.fs.listing());
    let case = || format!("{}: {ended:?}\n{listing:?}", case());
    if acted && matches!(act, Act::Overwrite | Act::Replace) {
        let shown = path_of(&way.fs, THEIRS);
        hold(Wrong::Lost, shown.is_some(), || format!("a person's bytes\n{}", case()));
        // Under a name nobody looks at only when that is said.
        let hidden = shown.is_some_and(|path| is_beside(Path::new(&path)));
        let said = !hidden || matches!(ended, Ended::Unsettled(_));
        hold(Wrong::Lost, said, || format!("hidden, and nobody says so\n{}", case()));
    }
    if acted && act == Act::Undo {
        let before = visible(&workspace(Rules::default()));
        hold(Wrong::Duplicated, visible(&way.fs) == before, case);
    }
    if acted && matches!(act, Act::Away | Act::Anew) {
        check_once(way, ended, &case);
    }
    for path in all().map(target) {
        let whole = bytes(&way.fs, path)
            .is_none_or(|bytes| [PRE, POST, THEIRS].contains(&bytes.as_slice()));
        hold(Wrong::Accepted, whole, || format!("{} is in between\n{}", path.display(), case()));
    }
}

/// However its directories are called by now, the change is made once if that is what was said, and
/// never twice.
fn check_once(way: &Way, ended: &Ended, case: &dyn Fn() -> String) {
    let listing = way.fs.listing();
    let seen = |wanted: &[u8]| {
        let holds = |item: &Item| matches!(item, Item::File { bytes, .. } if bytes == wanted);
        listing.iter().filter(|(path, item)| holds(item) && !is_beside(path)).count()
    };
    // A file that was to be moved may have both names, and then that is said.
    let moves = matches!(way.kind, Kind::Move | Kind::MoveBelow);
    let said = moves && matches!(ended, Ended::Unsettled(_));
    hold(Wrong::Duplicated, seen(POST) <= 1 && (said || seen(PRE) <= 1), case);
    let done = matches!(ended, Ended::Done | Ended::Reverted);
    let stands = match way.kind {
        Kind::Edit | Kind::Create | Kind::CreateBelow => seen(POST) == 1,
        Kind::Move | Kind::MoveBelow => seen(PRE) == 1,
        Kind::Delete => seen(PRE) == 0,
    };
    hold(Wrong::Lost, !done || stands, case);
}

/// The change with a person acting before call `before`, stopped at `stop`; whether they did
/// anything.
fn beside(begun: &Way, what: Act, before: u64, stop: Option<Stop>) -> (Way, Ended, bool) {
    let acted = Arc::new(AtomicBool::new(false));
    let (kind, seen) = (begun.kind, acted.clone());
    let person = Plan::person(before, move |fs| {
        let did = act(fs, kind, what).expect("nothing fails for them");
        seen.store(did, Ordering::Relaxed);
    });
    let (way, ended) = begun.planned(Plan { stop, ..person });
    (way, ended, acted.load(Ordering::Relaxed))
}

#[test]
fn what_a_person_does_between_two_calls_stays() {
    for (kinds, name) in GROUPS {
        let mut tried = Count::new(name);
        for &kind in kinds {
            let begun = Way::new(kind, Rules::default());
            for what in ACTS {
                for before in 0..begun.calls() {
                    let (way, ended, acted) = beside(&begun, what, before, None);
                    check(&way, &ended, what, acted, &|| format!("{kind:?}, {what:?} at {before}"));
                    tried.add();
                }
            }
        }
    }
}

#[test]
fn what_a_person_does_stays_when_the_power_goes_after_it() {
    for (kinds, name) in GROUPS {
        let mut tried = Count::new(name);
        for &kind in kinds {
            let begun = Way::new(kind, Rules::default());
            for what in ACTS {
                for before in 0..begun.calls() {
                    let (way, ..) = beside(&begun, what, before, None);
                    for stop in stops(way.fs.calls()).filter(|stop| stop.number() >= before) {
                        let (stopped, _, acted) = beside(&begun, what, before, Some(stop));
                        let killed = [stopped.fs.kill()].into_iter();
                        let images = stopped.fs.crash_images(BOUND, before);
                        for fs in killed.chain(images.map(|image| image.mount())) {
                            let case = || format!("{kind:?}, {what:?} at {before}, {stop:?}");
                            let (way, ended) = stopped.after_crash(fs).planned(Plan::default());
                            check(&way, &ended, what, acted, &case);
                            tried.add();
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_a_person_does_after_the_crash_stays() {
    for (kinds, name) in GROUPS {
        let mut tried = Count::new(name);
        for &kind in kinds {
            let begun = Way::new(kind, Rules::default());
            for stop in stops(begun.calls()) {
                let (stopped, _) = begun.planned(Plan::stop(stop));
                let killed = [stopped.fs.kill()].into_iter();
                let images = stopped.fs.crash_images(Bound::default(), 6);
                for fs in killed.chain(images.map(|image| image.mount())) {
                    for what in ACTS {
                        let left = stopped.after_crash(fs.kill());
                        let acted = act(&left.fs, kind, what).expect("nothing fails for them");
                        let (way, ended) = left.planned(Plan::default());
                        let case = || format!("{kind:?}, {stop:?}, then {what:?}");
                        check(&way, &ended, what, acted, &case);
                        tried.add();
                    }
                }
            }
        }
    }
}
