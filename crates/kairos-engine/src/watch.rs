//! Files that schedules watch: which there are, and what was told of them.
//!
//! Owns what the files of each hold as far as anybody told. A change is what differs from what the
//! state has seen, so that one that came while nothing ran is seen at the next start, and one that
//! cannot be recorded now is found again by a later turn. Never looks itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_core::gate::scope::Scopes;
use kairos_core::input::Input;
use kairos_core::schedule::Contents;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::state::State;

use crate::condition::Probe;

/// What is asked of whoever looks at the workspace.
#[derive(Clone, Debug)]
pub enum LookAt {
    /// Whether a condition holds: one answer through [`Returns::looked`](crate::Returns::looked).
    Condition(Probe),
    /// From here on these files, and no others: each time what they hold has settled, an answer through
    /// [`Returns::settled_on`](crate::Returns::settled_on).
    Files(Vec<Watch>),
}

/// Files that make a schedule due.
#[derive(Clone, Debug)]
pub struct Watch {
    pub schedule: ScheduleName,
    pub glob: String,
    /// How long they have to stand, in milliseconds.
    pub settle_ms: u64,
    /// How paths are protected.
    pub scopes: Arc<Scopes>,
}

/// What was told last, by schedule, with the glob that it is about.
#[derive(Debug, Default)]
pub(crate) struct Watched(RefCell<BTreeMap<ScheduleName, (String, Contents)>>);

impl Watched {
    pub(crate) fn told(&self, watch: Watch, files: Contents) {
        self.0.borrow_mut().insert(watch.schedule, (watch.glob, files));
    }

    /// The changes that have no slot yet.
    pub(crate) fn changed(&self, state: &State) -> Vec<Input> {
        let told = self.0.borrow();
        let inputs = told.iter().filter_map(|(schedule, (told, files))| {
            let loaded = state.schedule(schedule)?;
            let (glob, _) = loaded.definition.watches()?;
            let fare = state.fare(loaded.definition.identity());
            let seen = fare.map(|fare| fare.seen).unwrap_or_default();
            (told == glob && seen != *files).then(|| Input::Changed {
                schedule: schedule.clone(),
                revision: loaded.revision,
                files: *files,
            })
        });
        inputs.collect()
    }

    /// The same for other schedules.
    pub(crate) fn kept(self, stays: impl Fn(&ScheduleName) -> bool) -> Self {
        self.0.borrow_mut().retain(|name, _| stays(name));
        self
    }
}

/// What the schedules of this state watch.
pub(crate) fn watches(state: &State) -> Vec<Watch> {
    let watches = state.schedules().filter_map(|loaded| {
        let (glob, settle_ms) = loaded.definition.watches()?;
        let (schedule, glob) = (loaded.definition.name.clone(), glob.to_owned());
        Some(Watch { schedule, glob, settle_ms, scopes: state.scopes() })
    });
    watches.collect()
}
