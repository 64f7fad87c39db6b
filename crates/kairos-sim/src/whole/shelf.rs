//! The workspace's files, and what may become of them.
//!
//! Owns the question of every look: could each file have come to hold this? By a change that is under
//! way, by a person, or by a power loss that took back what was not durable. Anything else is a file
//! in between, a change made twice, or a person's bytes gone. Never changes a file but for people.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kairos_core::digest::Digest;
use kairos_core::effect::{Change, Intent, Outcome, Reconciled};
use kairos_core::event::Event;
use kairos_core::id::{EffectId, MandateId};
use kairos_core::path::RelPath;
use kairos_disk::Fs;
use kairos_disk::fs::{Access, Rename, read_full};

use super::law::{Findings, Wrong};
use super::scene::{CLOSED, FILES};
use crate::SimFs;

/// No file of this world comes near it.
const BYTES_MAX: u64 = 1 << 20;
/// What a file has that a step creates.
const NEW_MODE: u32 = 0o644;
/// What a person's files have.
const OWN_MODE: u32 = 0o640;

/// A file's bytes and mode; none where there is no file.
type Held = Option<(Digest, u32)>;

/// Which step of which cycle.
type Step = (MandateId, u8, u8);

/// A change between its intent and its outcome.
struct Active {
    effect: EffectId,
    step: Step,
    change: Change,
    ended: bool,
}

/// What is known of one file.
#[derive(Default)]
struct Track {
    now: Held,
    /// What a power loss may bring back.
    may: BTreeSet<Held>,
}

/// A person's doing, as it was on the disk before and after.
#[derive(Clone, Copy)]
struct Touched {
    file: usize,
    before: Held,
    after: Held,
    durable: bool,
}

/// What people have done and seen.
#[derive(Default)]
pub(super) struct People {
    touched: Vec<Touched>,
    /// The bytes each file held, each time anybody looked.
    seen: BTreeMap<usize, Vec<Vec<u8>>>,
    acts: u64,
}

/// The files, watched.
pub(super) struct Shelf {
    findings: Findings,
    tracks: Vec<Track>,
    active: Vec<Active>,
    people: Arc<Mutex<People>>,
    cycles: BTreeMap<MandateId, u8>,
    /// Steps whose change a person undid before anybody said that it was made; whether that is
    /// durable.
    undone: BTreeMap<Step, bool>,
    /// Outcomes since the last look.
    done: Vec<Change>,
    /// Names beside a file may stay: somebody else was there, or nobody knows what happened.
    pub(super) litter: bool,
    /// How often a change was seen to be made.
    pub(super) changes: u64,
}

impl Shelf {
    pub(super) fn new(findings: Findings, fs: &SimFs) -> Self {
        for (path, text) in FILES {
            if let Some(text) = text {
                fs.put(Path::new(path), text.as_bytes(), OWN_MODE).expect("an empty disk");
            }
        }
        let mut shelf = Self {
            findings,
            tracks: FILES.iter().map(|_| Track::default()).collect(),
            active: Vec::new(),
            people: Arc::default(),
            cycles: BTreeMap::new(),
            undone: BTreeMap::new(),
            done: Vec::new(),
            litter: false,
            changes: 0,
        };
        for (file, track) in shelf.tracks.iter_mut().enumerate() {
            let (held, bytes) = held(fs, file);
            *track = Track { now: held, may: [held].into() };
            people(&shelf.people).see(file, bytes);
        }
        shelf
    }

    /// What a record says of changes.
    pub(super) fn record(&mut self, event: &Event) {
        match event {
            Event::CycleStarted { mandate, cycle } => {
                self.cycles.insert(*mandate, *cycle);
            }
            Event::EffectBegun {
                mandate,
                effect,
                intent:
                    intent @ (Intent::Change { step, change, .. }
                    | Intent::Reconcile { step, change, .. }),
            } => {
                let step = (*mandate, self.cycles.get(mandate).copied().unwrap_or(0), *step);
                let again = matches!(intent, Intent::Change { .. });
                self.findings.check(
                    !(again && self.undone.contains_key(&step)),
                    Wrong::Duplicated,
                    || format!("{step:?} is changed again, after a person undid it: {change:?}"),
                );
                let change = change.clone();
                self.active.push(Active { effect: *effect, step, change, ended: false });
            }
            Event::EffectSettled { effect, outcome, .. } => {
                let Some(active) = self.ended(*effect) else { return };
                let change = active.change.clone();
                match outcome {
                    Outcome::Changed { .. } => self.changed(*effect, change),
                    Outcome::Reconciled(Reconciled::Done) => self.done.push(change),
                    _ => {}
                }
            }
            Event::EffectUnsettled { .. } => self.litter = true,
            Event::EffectJudged { effect, .. } => {
                if let Some(active) = self.ended(*effect) {
                    let step = active.step;
                    self.undone.remove(&step);
                }
            }
            Event::StepFinished { mandate, step, .. } => {
                let cycle = self.cycles.get(mandate).copied().unwrap_or(0);
                self.undone.remove(&(*mandate, cycle, *step));
            }
            Event::MandateFinished { mandate, .. } => {
                self.cycles.remove(mandate);
                self.undone.retain(|step, _| step.0 != *mandate);
                let of = self.active.iter_mut().filter(|active| active.step.0 == *mandate);
                of.for_each(|active| active.ended = true);
            }
            _ => {}
        }
    }

    /// A change stands, and it is said that it does: from now on no power loss takes it back.
    fn changed(&mut self, effect: EffectId, change: Change) {
        let about = |file: &usize| after(&change, *file).is_some();
        let files: Vec<usize> = (0..FILES.len()).filter(about).collect();
        let touched = &people(&self.people).touched;
        if touched.iter().any(|touched| files.contains(&touched.file)) {
            // Whose doing it is that stands there, the next look will tell.
            return self.done.push(change);
        }
        self.active.retain(|active| active.effect != effect);
        for file in files {
            let now = after(&change, file).unwrap_or_default();
            self.tracks[file] = Track { now, may: [now].into() };
            self.changes += 1;
        }
    }

    fn ended(&mut self, effect: EffectId) -> Option<&Active> {
        let active = self.active.iter_mut().find(|active| active.effect == effect)?;
        active.ended = true;
        Some(active)
    }

    /// Looks at every file. After a power loss, what was not durable may be gone.
    pub(super) fn look(&mut self, fs: &SimFs, power_lost: bool) {
        let touched = std::mem::take(&mut people(&self.people).touched);
        self.litter |= !touched.is_empty();
        self.undo(&touched, power_lost);
        for (file, (path, _)) in FILES.iter().enumerate() {
            let (now, bytes) = held(fs, file);
            let legal = self.may_hold(fs, file, now, power_lost, &touched);
            self.findings.check(legal, Wrong::Lost, || {
                let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default());
                let before = self.tracks[file].now;
                format!("{path} came to hold {now:?} {text:?}, before {before:?}")
            });
            let track = &mut self.tracks[file];
            self.changes += u64::from(track.now != now);
            track.now = now;
            track.may.insert(now);
            // What a person met may be what their own act, not durable yet, gives way to.
            let met = touched.iter().filter(|touched| touched.file == file);
            track.may.extend(met.map(|touched| touched.before));
            // What was made while a person was at the same file may be theirs.
            let theirs = touched.iter().any(|touched| touched.file == file && !touched.durable);
            let firm = self.done.iter().any(|change| after(change, file) == Some(now));
            if power_lost || (firm && !theirs) {
                track.may = [now].into();
            }
            people(&self.people).see(file, bytes);
        }
        self.done.clear();
        self.active.retain(|active| !active.ended);
    }

    /// Whether a disk a power loss may leave holds what it may hold.
    pub(super) fn could_be(&self, fs: &SimFs) {
        let touched = people(&self.people).touched.clone();
        for (file, (path, _)) in FILES.iter().enumerate() {
            let (now, _) = held(fs, file);
            let legal = self.may_hold(fs, file, now, true, &touched);
            self.findings.check(legal, Wrong::Lost, || {
                format!("a power loss made {path} hold {now:?}, before {:?}", self.tracks[file].now)
            });
        }
    }

    /// Notes which changes people undid.
    fn undo(&mut self, touched: &[Touched], power_lost: bool) {
        if power_lost {
            self.undone.retain(|_, durable| *durable);
        }
        for act in touched.iter().filter(|act| act.durable || !power_lost) {
            for active in self.active.iter().filter(|active| !active.ended) {
                // Only these leave something that nobody else writes.
                let marked = matches!(active.change, Change::Edit { .. } | Change::Create { .. });
                let stood = after(&active.change, act.file) == Some(act.before);
                if marked && stood && act.after != act.before {
                    self.undone.insert(active.step, act.durable);
                }
            }
        }
    }

    fn may_hold(
        &self,
        fs: &SimFs,
        file: usize,
        now: Held,
        power_lost: bool,
        touched: &[Touched],
    ) -> bool {
        let track = &self.tracks[file];
        let mut reached: BTreeSet<Held> = [track.now].into();
        if power_lost {
            reached.extend(&track.may);
        }
        let mut steps: Vec<(Held, Held)> = Vec::new();
        let acts = touched.iter().filter(|touched| touched.file == file);
        steps.extend(acts.map(|touched| (touched.before, touched.after)));
        for active in &self.active {
            if let (Some(before), Some(after)) =
                (before(&active.change, file), after(&active.change, file))
            {
                // There, and back again where a check failed.
                steps.extend([(before, after), (after, before)]);
            }
        }
        while !reached.contains(&now) {
            let next =
                steps.iter().find(|(from, to)| reached.contains(from) && !reached.contains(to));
            match next {
                Some((_, to)) => drop(reached.insert(*to)),
                None => break,
            }
        }
        reached.contains(&now) || self.is_displaced(fs, file, now, &reached)
    }

    /// Whether a change stands over somebody's bytes, and these lie beside it.
    fn is_displaced(&self, fs: &SimFs, file: usize, now: Held, reached: &BTreeSet<Held>) -> bool {
        let over = self.active.iter().any(|active| after(&active.change, file) == Some(now));
        over && beside(fs, file).iter().any(|hidden| reached.contains(&Some(*hidden)))
    }

    /// What lies beside files under names of changes.
    pub(super) fn left_beside(fs: &SimFs) -> Vec<String> {
        let names = fs.listing().into_keys().map(|path| path.display().to_string());
        names.filter(|path| path.contains(".kairos-")).collect()
    }

    /// What a person does, now or whenever it is called; every second one at a file that is being
    /// changed, if there is one.
    pub(super) fn touch(&self, file: u16, how: u16) -> impl Fn(&SimFs) + Send + Sync + 'static {
        let people = Arc::clone(&self.people);
        let changing = self.active.last().and_then(|active| {
            let shows = active.change.to().unwrap_or_else(|| active.change.path());
            (0..CLOSED).find(|file| is(shows, *file))
        });
        let any = usize::from(file / 2) % CLOSED;
        let file = changing.filter(|_| file % 2 == 1).unwrap_or(any);
        move |fs| touch(&people, fs, file, how)
    }
}

impl People {
    fn see(&mut self, file: usize, bytes: Option<Vec<u8>>) {
        let seen = self.seen.entry(file).or_default();
        if let Some(bytes) = bytes.filter(|bytes| seen.last() != Some(bytes)) {
            seen.push(bytes);
        }
    }

    /// What the file held before it held this.
    fn earlier(&self, file: usize, now: Option<&Vec<u8>>) -> Option<Vec<u8>> {
        let seen = self.seen.get(&file)?;
        seen.iter().rev().find(|bytes| Some(*bytes) != now).cloned()
    }
}

fn people(people: &Mutex<People>) -> MutexGuard<'_, People> {
    people.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a file holds, and its bytes.
fn held(fs: &SimFs, file: usize) -> (Held, Option<Vec<u8>>) {
    let path = Path::new(FILES[file].0);
    match read(&fs.aside(), path) {
        Ok((bytes, mode)) => (Some((Digest::of(&bytes), mode)), Some(bytes)),
        Err(_) => (None, None),
    }
}

fn read(fs: &SimFs, path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let dir = fs.open_dir(&fs.root(), path.parent().unwrap_or(Path::new("")))?;
    read_in(fs, &dir, path.file_name().unwrap_or_default())
}

fn read_in(fs: &SimFs, dir: &crate::SimDir, name: &OsStr) -> io::Result<(Vec<u8>, u32)> {
    let file = fs.open(dir, name, Access::Read)?;
    let mode = fs.stat_file(&file)?.mode;
    Ok((read_full(fs, &file, BYTES_MAX)?, mode))
}

/// What lies beside a file under the names of changes.
fn beside(fs: &SimFs, file: usize) -> Vec<(Digest, u32)> {
    let fs = fs.aside();
    let parent = Path::new(FILES[file].0).parent().unwrap_or(Path::new(""));
    let Ok(dir) = fs.open_dir(&fs.root(), parent) else { return Vec::new() };
    let names = fs.list(&dir).unwrap_or_default().into_iter();
    let names = names.filter(|name| name.to_string_lossy().starts_with(".kairos-"));
    let read = names.filter_map(|name| read_in(&fs, &dir, &name).ok());
    read.map(|(bytes, mode)| (Digest::of(&bytes), mode)).collect()
}

fn is(path: &RelPath, file: usize) -> bool {
    path.as_bytes() == FILES[file].0.as_bytes()
}

/// What a change finds in a file; none where it is about another one.
fn before(change: &Change, file: usize) -> Option<Held> {
    match change {
        Change::Edit { at, pre, .. }
        | Change::Delete { at, pre }
        | Change::Move { at, pre, .. }
            if is(&at.path, file) =>
        {
            Some(Some((pre.content.digest, pre.mode)))
        }
        Change::Create { at, .. } if is(&at.path, file) => Some(None),
        Change::Move { to, .. } if is(&to.path, file) => Some(None),
        _ => None,
    }
}

/// What a change leaves in a file; none where it is about another one.
fn after(change: &Change, file: usize) -> Option<Held> {
    match change {
        Change::Edit { at, pre, post } if is(&at.path, file) => Some(Some((post.digest, pre.mode))),
        Change::Create { at, post, .. } if is(&at.path, file) => {
            Some(Some((post.digest, NEW_MODE)))
        }
        Change::Delete { at, .. } | Change::Move { at, .. } if is(&at.path, file) => Some(None),
        Change::Move { to, pre, .. } if is(&to.path, file) => {
            Some(Some((pre.content.digest, pre.mode)))
        }
        _ => None,
    }
}

/// A person at a file: writes over it, puts another in its place, removes it, or has it as it was
/// before; every second of them sees to it that it is durable.
fn touch(people_of: &Mutex<People>, fs: &SimFs, file: usize, how: u16) {
    let fs = fs.aside();
    let path = Path::new(FILES[file].0);
    let (before, bytes) = held(&fs, file);
    let mut people = people(people_of);
    people.acts += 1;
    let own = format!("a person's {}\nEND\n", people.acts).into_bytes();
    let durable = how % 8 < 4;
    let done = match how % 4 {
        0 => overwrite(&fs, path, &own),
        1 => replace(&fs, path, &own),
        2 => remove(&fs, path),
        _ => match people.earlier(file, bytes.as_ref()) {
            Some(earlier) => replace(&fs, path, &earlier),
            None => Ok(()),
        },
    };
    let synced = match durable {
        true => done.and_then(|()| sync_dir(&fs, path)),
        false => done,
    };
    // A machine that has stopped takes nothing from people either.
    if synced.is_ok() {
        let (after, _) = held(&fs, file);
        people.touched.push(Touched { file, before, after, durable });
    }
}

fn overwrite(fs: &SimFs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs.put(path, bytes, OWN_MODE)?;
    let dir = fs.open_dir(&fs.root(), path.parent().unwrap_or(Path::new("")))?;
    let file = fs.open(&dir, path.file_name().unwrap_or_default(), Access::Read)?;
    fs.sync_all(&file)
}

fn replace(fs: &SimFs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let other = path.with_file_name("theirs.swp");
    overwrite(fs, &other, bytes)?;
    let dir = fs.open_dir(&fs.root(), path.parent().unwrap_or(Path::new("")))?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
    fs.rename((&dir, &name(&other)), (&dir, &name(path)), Rename::Replace)
}

fn remove(fs: &SimFs, path: &Path) -> io::Result<()> {
    let dir = fs.open_dir(&fs.root(), path.parent().unwrap_or(Path::new("")))?;
    match fs.unlink(&dir, path.file_name().unwrap_or_default()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_dir(fs: &SimFs, path: &Path) -> io::Result<()> {
    let dir = fs.open_dir(&fs.root(), path.parent().unwrap_or(Path::new("")))?;
    fs.sync_dir(&dir)
}
