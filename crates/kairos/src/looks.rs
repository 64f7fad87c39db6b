//! Looks at the workspace on behalf of schedules.
//!
//! Owns the one thread that takes them, one after the other; the engine asks at most one for each
//! schedule, which bounds its queue. Never decides what follows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use kairos_effects::file::Files;
use kairos_engine::{Probe, Returns};

use crate::startup::{self, Startup};

/// Where looks are asked for; the thread ends with it.
pub(crate) struct Looks(Sender<Probe>);

impl Looks {
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn begin(files: Arc<Files>, returns: Returns) -> Result<Self, Startup> {
        let (sender, asked) = channel::<Probe>();
        let made = thread::Builder::new().name("looks".into()).spawn(move || {
            for probe in asked {
                let look = || files.look(&probe.condition, &probe.scopes);
                let found = match catch_unwind(AssertUnwindSafe(look)) {
                    Ok(found) => found.map_err(|unclear| startup::chain(&unclear)),
                    Err(_) => Err("looking panicked".to_owned()),
                };
                returns.looked(probe, found);
            }
        });
        made.map_err(Startup::cannot("start the thread of looks"))?;
        Ok(Self(sender))
    }

    /// Never blocks.
    pub(crate) fn ask(&self, probe: Probe) {
        // The thread ends only with this sender, so its queue takes it.
        self.0.send(probe).ok();
    }
}
