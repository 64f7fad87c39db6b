//! Snapshots in a life: when they are made, what becomes of them, and every way not to finish one.
//!
//! Owns the acts about snapshots. They are made between turns, as the engine's background thread
//! makes them beside it, by the product's own refold. Never restores one: a start does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kairos_core::event::Event;
use kairos_core::fold::{Seq, Snapshot};
use kairos_core::kind::Kind;
use kairos_core::state::State;
use kairos_disk::Fs as _;
use kairos_disk::fs::{Access, read_full};
use kairos_engine::Admit;
use kairos_journal::{RefoldError, refold};
use kairos_views::Views;

use super::daemon::{JOURNAL, open_dir};
use super::law::{Findings, Wrong};
use super::life::Life;
use super::reading::opening;
use super::retention::begins;
use super::script::Profile;
use super::tally::Tried;
use crate::{Bound, Plan, SimFs, Stop};

/// Two of each kind are kept.
const KEPT: usize = 2;
/// A snapshot here is never longer.
const BYTES_MAX: u64 = 1 << 20;
/// Of the disks a crash in a refold leaves, so many are made.
pub(super) const IMAGES: Bound = Bound { units_max: 2, samples: 2 };

/// Snapshots of the state that somebody has damaged, with what they held before.
#[derive(Debug, Default)]
pub(super) struct Spoiled(BTreeMap<Seq, Vec<u8>>);

impl Spoiled {
    pub(super) fn has(&self, seq: Seq) -> bool {
        self.0.contains_key(&seq)
    }

    /// Whether one of them is there.
    pub(super) fn any(&self, fs: &SimFs) -> bool {
        names(fs, State::KIND).iter().any(|seq| self.has(*seq))
    }

    /// A snapshot that a start believes holds what it held when it was made: nothing, or a crash,
    /// has undone the damage.
    pub(super) fn check(&self, fs: &SimFs, findings: &Findings, seq: Seq) {
        let Some(before) = self.0.get(&seq) else { return };
        let now = read(fs, &path(seq, State::KIND));
        let whole = now.is_ok_and(|now| now == *before);
        findings.check(whole, Wrong::Accepted, || {
            format!("the damaged snapshot of frame {seq} was believed")
        });
    }
}

impl Life {
    /// Makes snapshots, of the state and the views mostly; now and then every way to stop at that is
    /// tried first.
    pub(super) fn snapshot(&mut self, kind: u16, every: u16) {
        if self.daemon.as_ref().is_none_or(|daemon| daemon.admit != Admit::All) {
            return;
        }
        let every = every.is_multiple_of(16);
        if kind % 4 != 3 {
            self.make::<State>(every);
        }
        if kind % 4 != 2 && !self.fs.is_stopped() {
            self.make::<Views>(every);
        }
    }

    fn make<F>(&mut self, every: bool)
    where
        F: Snapshot<Event = Event> + Default,
    {
        if every {
            self.stop_everywhere(made::<F>);
        }
        match made::<F>(&self.fs) {
            Ok(Some(seq)) => {
                self.tally.count(Tried::Snapshots);
                if F::KIND == State::KIND {
                    self.known.spoiled.0.remove(&seq);
                }
                let durable = self.daemon.as_ref().and_then(|daemon| daemon.ledger.as_ref());
                let durable = durable.map_or(Seq(0), |ledger| ledger.durable());
                self.findings.check(seq < durable, Wrong::Accepted, || {
                    format!("a snapshot of frame {seq}, and on disk is {durable}")
                });
                self.few(F::KIND);
            }
            Ok(None) => {}
            // The disk's doing; the engine tells of it and goes on.
            Err(error) if error.kind() == Kind::Unavailable => {}
            Err(error) => self.findings.add(Wrong::Refused, format!("no snapshot: {error:?}")),
        }
    }

    /// Of a kind that was just made.
    fn few(&self, kind: &str) {
        let names = names(&self.fs, kind);
        self.findings.check(names.len() <= KEPT, Wrong::Lost, || format!("kept: {names:?}"));
    }

    /// Stops before and after every call that changes something, and reads what that may leave.
    fn stop_everywhere(&mut self, make: fn(&SimFs) -> Result<Option<Seq>, RefoldError>) {
        let traced = self.fs.kill();
        traced.plan(Plan::trace());
        drop(make(&traced));
        let changes = traced.sites().into_iter().filter(|site| site.call.changes());
        for number in changes.map(|site| site.number) {
            for stop in [Stop::Before(number), Stop::After(number)] {
                let fs = self.fs.kill();
                fs.plan(Plan::stop(stop));
                drop(make(&fs));
                self.tally.count(Tried::Crashes);
                for image in fs.crash_images(IMAGES, number) {
                    self.read_image(&image.mount());
                }
            }
        }
    }

    /// Damages a snapshot of the state: a bit, its end, all of it, or its name.
    pub(super) fn spoil(&mut self, which: u16, how: u16) {
        let names = names(&self.fs, State::KIND);
        let Some(place) = usize::from(which).checked_rem(names.len()) else { return };
        let needed = begins(&self.fs).max(self.state().kept_from()) > Seq(1);
        if needed && (names.len() < KEPT || self.known.spoiled.any(&self.fs)) {
            // Nothing else would stand for what was deleted.
            return;
        }
        let seq = names[place];
        let path = path(seq, State::KIND);
        let Ok(before) = read(&self.fs, &path) else { return };
        let mut bytes = before.clone();
        let at = usize::from(which / 2) * 7 % bytes.len().max(1);
        match how % 4 {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (how / 4 % 8)),
            1 => bytes.truncate(at),
            2 => bytes.clear(),
            // The other one's bytes under this one's name.
            _ => {
                let other = names.iter().find(|other| **other != seq);
                let other =
                    other.and_then(|other| read(&self.fs, &self::path(*other, State::KIND)).ok());
                bytes = other.unwrap_or_default();
            }
        }
        self.tally.count(Tried::Spoiled);
        self.known.spoiled.0.entry(seq).or_insert(before);
        self.fs.put(&path, &bytes, 0o600).expect("the file is there");
    }
}

fn made<F>(fs: &SimFs) -> Result<Option<Seq>, RefoldError>
where
    F: Snapshot<Event = Event> + Default,
{
    let io = |source| RefoldError::Io { doing: "open the journal's directory", source };
    let dir = fs.open_dir(&fs.root(), Path::new(JOURNAL)).map_err(io)?;
    refold(
        &Arc::new(fs.clone()),
        &dir,
        F::default(),
        &opening(Profile::Work),
        &AtomicBool::new(false),
    )
}

fn path(seq: Seq, kind: &str) -> PathBuf {
    Path::new(JOURNAL).join("snapshots").join(format!("{:020}.{kind}", seq.0))
}

/// The frames there are snapshots of, newest first.
fn names(fs: &SimFs, kind: &str) -> Vec<Seq> {
    let fs = fs.aside();
    let listed = open_dir(&fs, &format!("{JOURNAL}/snapshots")).map(|dir| fs.list(&dir));
    let Ok(Ok(names)) = listed else { return Vec::new() };
    let seq = |name: &OsString| {
        let (digits, ending) = name.to_str()?.split_once('.')?;
        (ending == kind).then(|| digits.parse().ok().map(Seq)).flatten()
    };
    let mut seqs: Vec<Seq> = names.iter().filter_map(seq).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    seqs
}

fn read(fs: &SimFs, path: &Path) -> io::Result<Vec<u8>> {
    let fs = fs.aside();
    let dir = fs.open_dir(&fs.root(), path.parent().expect("a file in a directory"))?;
    let file = fs.open(&dir, path.file_name().expect("a file"), Access::Read)?;
    read_full(&fs, &file, BYTES_MAX)
}
