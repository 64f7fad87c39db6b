//! An engine as the daemon has it, on a real disk, in a directory of its own.
//!
//! Owns its start and its end. What is performed is up to the bench.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use kairos_core::budget::{Caps, Price};
use kairos_core::digest::BlobRef;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::state::State;
use kairos_disk::{Blobs, Fs as _, RealFs};
use kairos_engine::{
    Configuration, Control, Engine, Focus, Handle, Identity, Options, Outside, Parts, Places,
    Retention, Started,
};
use kairos_journal::Permit;

use crate::Done;

/// Takes permits; never blocks.
pub type Dispatch = Box<dyn FnMut(Permit<State>) + Send>;

/// Starts `engine` over `root`, which gets the directories `journal` and `blobs`.
///
/// # Errors
/// It does not start.
pub fn start(root: &Path, engine: Engine, max_running: u16, dispatch: Dispatch) -> Done<Started> {
    for name in ["journal", "blobs"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    let dir = RealFs.root(root)?;
    let day_zone = TimeZone::UTC;
    let options = Options {
        tick_interval_ms: 10_000,
        graceful_timeout_ms: 1_000,
        heartbeat_interval_ms: 10_000,
        day_zone,
        retention: Retention::default(),
    };
    let zones = |_: &str| Some(TimeZone::UTC.into());
    let (rules, schedules) = (rules(max_running), Vec::new());
    let configuration = Configuration { rules, schedules, missing: None, zones, options };
    Ok(engine.start(Parts {
        focus: Focus::Daemon,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: Identity::default(),
        journal: RealFs.open_dir(&dir, Path::new("journal"))?,
        blobs: Arc::new(Blobs::new(RealFs, RealFs.open_dir(&dir, Path::new("blobs"))?)),
        places: Places { heartbeat: root.join("heartbeat.json"), poison: root.join("poison") },
        configuration,
        outside: Outside {
            reload: Box::new(|| Err("nothing to read".to_owned())),
            dispatch,
            look: Box::new(drop),
            cancel: Box::new(|_| 0),
            notice: Box::new(|_| {}),
        },
        retain: None,
    })?)
}

/// Lets the thread that makes snapshots stand back behind the others also where the whole program
/// runs in a real-time class, in which its own `nice` says nothing.
///
/// # Errors
/// Its threads cannot be listed.
pub fn let_snapshots_stand_back() -> Done<()> {
    for entry in std::fs::read_dir("/proc/self/task")? {
        let thread = entry?;
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if name.starts_with("snapshot-") {
            // Without the program it goes on as it is, which only costs the measured side.
            let mut chrt = std::process::Command::new("chrt");
            chrt.args(["--other", "--pid", "0"]).arg(thread.file_name()).output().ok();
        }
    }
    Ok(())
}

/// Drains it and waits for its end.
///
/// # Errors
/// Its disk failed.
pub fn stop(started: Started) -> Done<()> {
    let Started { handle, thread } = started;
    Handle::signal(&handle, Control::Shutdown);
    thread.join().map_err(|_| "the engine panicked")??;
    Ok(())
}

/// Rules under which nothing costs anything.
#[must_use]
pub fn rules(max_running: u16) -> Rules {
    let free = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
    Rules {
        max_running,
        day: Caps { calls: None, tokens: None, usd_micros: None },
        mandate_usd_micros_max: u64::MAX,
        proposal_ttl_ms: 8 * 3_600_000,
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules {
            name: "m".into(),
            output_tokens_max: 4096,
            prices: vec![NamedPrice { name: String::new(), price: free }],
        }),
    }
}

/// A mandate for `goal` that looks at `files`.
#[must_use]
pub fn spec(goal: BlobRef, files: &[&str]) -> MandateSpec {
    MandateSpec {
        goal,
        files: files.iter().map(|&file| file.into()).collect(),
        verify: Vec::new(),
        max_cycles: 3,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: None,
    }
}
