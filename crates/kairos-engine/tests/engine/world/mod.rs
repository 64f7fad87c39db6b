//! An engine on a real disk with performers that follow a script.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use kairos_core::budget::{Caps, Price, Usage};
use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Effect, FileFact, Outcome, Place, Reply, WritersKnown,
};
use kairos_core::event::Event;
use kairos_core::fold::Seq;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::plan::{Action, FailurePolicy, Step};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::definition::Definition;
use kairos_disk::{Blobs, Fs as _, RealFs};
use kairos_engine::{
    Configuration, Engine, Focus, Handle, Identity, Options, Outside, Parts, Places, Reloaded,
    Retain, Retention, StartError, Started,
};

/// What an effect settles with; `None` leaves it open for ever.
pub(crate) type Script = fn(&Effect) -> Option<Outcome>;

pub(crate) fn rules() -> Rules {
    let free = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
    Rules {
        max_running: 4,
        day: Caps { calls: Some(100), tokens: Some(10_000_000), usd_micros: Some(5_000_000) },
        mandate_usd_micros_max: 1_000_000,
        proposal_ttl_ms: 8 * 3_600_000,
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules {
            name: "m".into(),
            output_tokens_max: 100,
            prices: vec![NamedPrice { name: String::new(), price: free }],
        }),
    }
}

pub(crate) fn spec(goal: BlobRef) -> MandateSpec {
    MandateSpec {
        goal,
        files: Vec::new(),
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

pub(crate) fn edit(path: &str) -> Change {
    let blob = |text: &[u8]| BlobRef::of(text);
    Change::Edit {
        at: Place { path: path.parse().expect("a path"), parent: 2 },
        pre: FileFact { content: blob(b"old"), mode: 0o644 },
        post: blob(b"new"),
    }
}

pub(crate) fn answered(answer: Answer) -> Outcome {
    let usage = Usage { input: 10, output: 5, cache_read: 0, cache_write: 0 };
    let text = BlobRef::of(b"{}");
    Outcome::Asked(Attempt {
        request: Some(text),
        usage: Some(usage),
        said: None,
        reply: Reply::Answered { answer, text },
    })
}

fn plan(path: &str) -> Answer {
    Answer::Decide(Decide {
        status: Status::Done,
        steps: vec![Step {
            name: "s1".parse().expect("a name"),
            action: Action::CodeEdit { path: path.parse().expect("a path") },
            depends_on: Vec::new(),
            policy: FailurePolicy::Halt,
        }],
        fingerprint: Digest::of(path.as_bytes()),
    })
}

/// Everything goes well; decide wants one edit of `path`.
pub(crate) fn well(effect: &Effect, path: &str) -> Option<Outcome> {
    Some(match effect.call() {
        Call::Observe { .. } => Outcome::Observed { files: Vec::new(), left_out: 0 },
        Call::Ask { brief, .. } => answered(match brief.phase {
            Phase::Orient => Answer::Orient { risk: Risk::Low },
            Phase::Decide => plan(path),
            _ => Answer::Reflect { assessment: Assessment::Success },
        }),
        Call::Prepare { .. } => {
            Outcome::Prepared { change: edit(path), diff: BlobRef::of(b"diff") }
        }
        Call::Change { .. } => Outcome::Changed { writers: WritersKnown::None },
        Call::Clear { .. } => Outcome::Cleared,
        _ => return None,
    })
}

/// Starts an engine in `dir`.
pub(crate) fn start(dir: &Path, script: Script) -> Started {
    start_with(dir, Box::new(script), Box::new(|_| {}))
}

type Performer = Box<dyn Fn(&Effect) -> Option<Outcome> + Send>;

pub(crate) fn start_with(
    dir: &Path,
    script: Performer,
    notice: Box<dyn FnMut(kairos_engine::Notice) + Send>,
) -> Started {
    let schedules = Vec::new;
    begin(dir, script, notice, (schedules, Identity::default())).expect("the engine starts")
}

/// The schedules of a configuration, each time it is read.
pub(crate) type Schedules = fn() -> Vec<Definition>;

pub(crate) fn begin(
    dir: &Path,
    script: Performer,
    notice: Box<dyn FnMut(kairos_engine::Notice) + Send>,
    (schedules, identity): (Schedules, Identity),
) -> Result<Started, StartError> {
    let configured = Box::new(move || configuration(schedules()));
    begin_with(dir, script, notice, (configured, identity, None))
}

/// What is read at the start and by each reload.
pub(crate) type Configured = Box<dyn Fn() -> Configuration + Send>;

pub(crate) fn begin_with(
    dir: &Path,
    script: Performer,
    notice: Box<dyn FnMut(kairos_engine::Notice) + Send>,
    (configured, identity, retain): (Configured, Identity, Option<Retain>),
) -> Result<Started, StartError> {
    for name in ["journal", "blobs"] {
        std::fs::create_dir_all(dir.join(name)).expect("a directory");
    }
    let root = RealFs.root(dir).expect("the root");
    let open = |name: &str| RealFs.open_dir(&root, Path::new(name)).expect("a directory");
    let engine = Engine::default();
    let returns = engine.returns();
    let mut kept = Vec::new();
    let parts = Parts {
        focus: Focus::Daemon,
        version: "test".into(),
        identity,
        journal: open("journal"),
        blobs: Arc::new(Blobs::new(RealFs, open("blobs"))),
        places: Places { heartbeat: dir.join("heartbeat.json"), poison: dir.join("poison") },
        configuration: configured(),
        outside: Outside {
            reload: Box::new(move || {
                let configuration = configured();
                Ok(Reloaded { configuration, apply: Box::new(|| {}) })
            }),
            dispatch: Box::new(move |permit| match script(permit.effect()) {
                Some(outcome) => returns.settled(permit.settle(outcome)),
                None => kept.push(permit),
            }),
            look: Box::new(drop),
            cancel: Box::new(|_| 0),
            notice,
        },
        retain,
    };
    engine.start(parts)
}

pub(crate) fn configuration(schedules: Vec<Definition>) -> Configuration {
    Configuration {
        rules: rules(),
        schedules,
        missing: None,
        zones: |_| Some(TimeZone::UTC.into()),
        options: Options {
            tick_interval_ms: 10_000,
            graceful_timeout_ms: 100,
            heartbeat_interval_ms: 10_000,
            day_zone: TimeZone::UTC,
            // However full the disk of the tests is.
            retention: Retention { free_bytes: 0, ..Retention::default() },
        },
    }
}

/// Follows from the first record until `done`, and returns the names of the events seen.
pub(crate) fn until(handle: &Handle, done: impl Fn(&Event) -> bool) -> Vec<Event> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let mut follower = handle.follow(Seq(1));
        let mut seen = Vec::new();
        loop {
            let record = tokio::time::timeout(std::time::Duration::from_secs(20), follower.next());
            let record = record.await.expect("in time").expect("the engine lives");
            for event in &record.events {
                seen.push(event.clone());
                if done(event) {
                    return seen;
                }
            }
        }
    })
}
