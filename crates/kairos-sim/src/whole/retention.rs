//! Old segments in a life: covered, given up by a record, and deleted.
//!
//! Owns the act that looks at them, as the engine's thread does beside it and by the product's own
//! look, and every way not to finish one. Never deletes what no durable record gives up.

use std::path::Path;

use kairos_core::fold::Seq;
use kairos_core::id::NodeId;
use kairos_core::input::{Input, Pace};
use kairos_core::kind::Kind;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::Fs as _;
use kairos_engine::Admit;
use kairos_journal::checkpoint::{self, CheckpointError, Places};
use kairos_journal::note::Signer;
use kairos_journal::retention::{
    Excess, Limits, Looked, RetentionError, Standing, begin, look, older_snapshot,
};
use kairos_views::Views;

use super::daemon::{JOURNAL, KEPT};
use super::law::Wrong;
use super::life::Life;
use super::snapshots::IMAGES;
use super::tally::Tried;
use crate::{Plan, SimFs, Stop};

/// Journals may take so much, until the next time somebody says otherwise.
const BYTES_MAX: [u64; 4] = [0, 20_000, 50_000, 100_000];
const DAY_MS: u64 = 86_400_000;

impl Life {
    /// Snapshots first, as the engine does. Then looks at the oldest segments twice: to record what may
    /// go, and to delete it. Now and then every way to stop at that is tried first.
    pub(super) fn retain(&mut self, limit: u16, every: u16) {
        let bytes_max = BYTES_MAX[usize::from(limit % 4)];
        let oldest = if (limit / 4).is_multiple_of(2) { Time::EPOCH } else { self.clock };
        let limits =
            Limits { oldest: Time::from_ms(oldest.as_ms() - DAY_MS.cast_signed()), bytes_max };
        self.snapshot(0, 1);
        for _ in 0..2 {
            let alone = self.daemon.as_ref().is_some_and(|daemon| daemon.admit == Admit::All);
            if !alone || self.fs.is_stopped() || self.findings.any() {
                return;
            }
            self.look_once(&limits, every);
        }
    }

    fn look_once(&mut self, limits: &Limits, every: u16) {
        let recorded = self.state().kept_from();
        if every.is_multiple_of(8) {
            self.stop_looks(recorded, limits);
        }
        match looked(&self.fs, recorded, limits) {
            Ok(Looked { deleted, next }) => {
                self.tally.add_to(Tried::Deleted, deleted.segments.into());
                let deletes = |Excess { first, segments, bytes, over }: Excess| Input::Delete {
                    first,
                    segments,
                    bytes,
                    over,
                };
                let own: Vec<Input> = next.map(deletes).into_iter().collect();
                self.turn(own, Vec::new(), Pace::Running);
            }
            // The disk's doing; the engine tells of it and goes on.
            Err(error) if error.kind() == Kind::Unavailable => {}
            Err(RetentionError::Unfounded { .. }) if self.known.spoiled.any(&self.fs) => {}
            Err(error) => self.findings.add(Wrong::Refused, format!("nothing goes: {error:?}")),
        }
    }

    /// Stops before and after every call that changes something, and reads what that may leave.
    fn stop_looks(&mut self, recorded: Seq, limits: &Limits) {
        let traced = self.fs.kill();
        traced.plan(Plan::trace());
        drop(looked(&traced, recorded, limits));
        let changes = traced.sites().into_iter().filter(|site| site.call.changes());
        for number in changes.map(|site| site.number) {
            for stop in [Stop::Before(number), Stop::After(number)] {
                let fs = self.fs.kill();
                fs.plan(Plan::stop(stop));
                drop(looked(&fs, recorded, limits));
                self.tally.count(Tried::Crashes);
                for image in fs.crash_images(IMAGES, number) {
                    self.read_image(&image.mount());
                }
            }
        }
    }
}

/// A look as the engine's thread takes one.
fn looked(fs: &SimFs, recorded: Seq, limits: &Limits) -> Result<Looked, RetentionError> {
    let doing = "look at the snapshots";
    let cannot = |source| RetentionError::from(CheckpointError::Io { doing, source });
    let open = |path: &str| fs.open_dir(&fs.root(), Path::new(path)).map_err(cannot);
    let (journal, kept) = (open(JOURNAL)?, open(KEPT)?);
    let state = older_snapshot::<State, _>(fs, &journal).map_err(cannot)?;
    let views = older_snapshot::<Views, _>(fs, &journal).map_err(cannot)?;
    let (Some(state), Some(views)) = (state, views) else { return Ok(Looked::default()) };
    let standing = Standing { founded: state.min(views), recorded };
    let places = Places { disk: fs, journal: &journal, kept: Some(&kept), stop: None };
    look(&places, &signer(), standing, limits)
}

fn signer() -> Signer {
    Signer::new(&checkpoint::name(NodeId::from_u128(7)), [3; 32]).expect("a name")
}

/// Where the journal begins on this disk.
pub(super) fn begins(fs: &SimFs) -> Seq {
    let fs = fs.aside();
    let journal = fs.open_dir(&fs.root(), Path::new(JOURNAL)).expect("it is always there");
    begin(&fs, &journal).expect("nothing fails")
}
