//! A door over a real engine, whose performers let one edit of a path go well.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::tz::TimeZone;
use kairos_api::{Door, router};
use kairos_core::budget::{Caps, Price, Usage};
use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::phase::Phase;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{
    Attempt, Call, Change, Effect, FileFact, Outcome, Place, Reply, WritersKnown,
};
use kairos_core::event::Event;
use kairos_core::gate::risk::Risk;
use kairos_core::id::NodeId;
use kairos_core::plan::{Action, FailurePolicy, Step};
use kairos_core::principal::Principal;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::Dst;
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::{Blobs, Fs as _, RealFs};
use kairos_engine::{
    Configuration, Control, Engine, Focus, Identity, Options, Outside, Parts, Places, Reloaded,
    Retention, Started,
};
use kairos_journal::{Ledger, Opening, Segments};
use kairos_views::Views;
use kairos_wire::MandateRequest;
use serde_json::Value;
use tower_service::Service as _;

/// What the stored diff of every change says.
pub(crate) const DIFF: &str = "-old\n+new\n";

/// A running engine and the routes over it.
pub(crate) struct World {
    started: Started,
    router: Router,
    dir: tempfile::TempDir,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) media: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl World {
    /// Every plan is one edit of `path`.
    pub(crate) fn edits(path: &'static str) -> Self {
        Self::after(path, &[], Views::default())
    }

    /// The same over a journal that has `history` already, shown through `views`.
    pub(crate) fn after(path: &'static str, history: &[Vec<Event>], views: Views) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["journal", "blobs"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        write(&dir.path().join("journal"), history);
        let started = start(dir.path(), path);
        let router = router(Door::over(started.handle.clone(), views));
        Self { started, router, dir }
    }

    /// Another door over the same engine.
    pub(crate) fn door(&self) -> Door {
        Door::open(self.started.handle.clone())
    }

    /// The journal's directory.
    pub(crate) fn journal(&self) -> std::path::PathBuf {
        self.dir.path().join("journal")
    }

    /// The file of a stored text.
    pub(crate) fn blob(&self, digest: &str) -> std::path::PathBuf {
        self.dir.path().join("blobs").join(digest)
    }

    /// The same engine behind another door.
    pub(crate) fn through_another_door(&mut self) {
        self.router = router(self.door());
    }

    pub(crate) async fn ask(&self, request: Request<String>) -> Answered {
        let mut request = request.map(Body::from);
        let ann: Principal = "user:ann(1000)".parse().expect("a principal");
        request.extensions_mut().insert(ann);
        let response = self.router.clone().call(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let header = |name| parts.headers.get(name).map(|v| v.to_str().expect("text").to_owned());
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answered {
            status: parts.status,
            media: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask(Request::get(path).body(String::new()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answered {
        self.ask(Request::post(path).body(body.to_owned()).expect("a request")).await
    }

    /// Waits until so many mandates are finished.
    pub(crate) async fn ended(&self, mandates: usize) {
        self.nth("mandate_finished", mandates - 1).await;
    }

    /// Waits for a record of this type, from the first on, and answers the event.
    pub(crate) async fn until(&self, kind: &str) -> Value {
        self.nth(kind, 0).await
    }

    async fn nth(&self, kind: &str, n: usize) -> Value {
        let mut left = n;
        let mut follower = self.started.handle.follow(kairos_core::fold::Seq(1));
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_secs(20), follower.next());
            let record = next.await.expect("in time").expect("the engine lives");
            let shown = kairos_api::event::public(record.at, &record.events);
            let events = shown.into_iter().flat_map(|shown| shown.events);
            for event in events.filter(|event| event.kind == kind) {
                if left == 0 {
                    return serde_json::to_value(event).expect("JSON");
                }
                left -= 1;
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.started.handle.signal(Control::Shutdown);
    }
}

/// A journal of these frames.
fn write(dir: &Path, history: &[Vec<Event>]) {
    let opening = Opening {
        origin: NodeId::from_u128(7),
        epoch: 1,
        schema: 1,
        segments: Segments::default(),
    };
    let dir = RealFs.root(dir).expect("the directory");
    let empty = State::empty();
    #[expect(clippy::disallowed_methods, reason = "a history for the engine to find")]
    let opened = Ledger::<_, (), _>::open(Arc::new(RealFs), dir, empty, Arc::new(|_| {}), opening);
    let (mut ledger, _) = opened.expect("a journal");
    for frames in history.chunks(1_000) {
        for events in frames {
            ledger.record(Time::from_ms(0), events.clone()).expect("recorded");
        }
        ledger = ledger.commit().expect("on disk").0;
    }
}

fn start(dir: &Path, path: &'static str) -> Started {
    let root = RealFs.root(dir).expect("the root");
    let open = |name: &str| RealFs.open_dir(&root, Path::new(name)).expect("a directory");
    let blobs = Arc::new(Blobs::new(RealFs, open("blobs")));
    blobs.put(DIFF.as_bytes()).expect("stored");
    let engine = Engine::default();
    let returns = engine.returns();
    let parts = Parts {
        focus: Focus::Daemon,
        version: "test".into(),
        identity: Identity::default(),
        journal: open("journal"),
        blobs,
        places: Places { heartbeat: dir.join("heartbeat.json"), poison: dir.join("poison") },
        configuration: configuration(),
        outside: Outside {
            reload: Box::new(|| {
                Ok(Reloaded { configuration: configuration(), apply: Box::new(|| {}) })
            }),
            dispatch: Box::new(move |permit| {
                let outcome = perform(permit.effect(), path);
                returns.settled(permit.settle(outcome));
            }),
            look: Box::new(drop),
            cancel: Box::new(|_| 0),
            notice: Box::new(|_| {}),
        },
        retain: None,
    };
    engine.start(parts).expect("the engine starts")
}

fn perform(effect: &Effect, path: &str) -> Outcome {
    match effect.call() {
        Call::Observe { .. } => Outcome::Observed { files: Vec::new(), left_out: 0 },
        Call::Ask { brief, .. } => answered(match brief.phase {
            Phase::Orient => Answer::Orient { risk: Risk::Low },
            Phase::Decide => plan(path),
            _ => Answer::Reflect { assessment: Assessment::Success },
        }),
        Call::Prepare { .. } => {
            let change = Change::Edit {
                at: Place { path: path.parse().expect("a path"), parent: 2 },
                pre: FileFact { content: BlobRef::of(b"old"), mode: 0o644 },
                post: BlobRef::of(b"new"),
            };
            Outcome::Prepared { change, diff: BlobRef::of(DIFF.as_bytes()) }
        }
        Call::Change { .. } => Outcome::Changed { writers: WritersKnown::None },
        Call::Clear { .. } => Outcome::Cleared,
        other => panic!("no such call in these tests: {other:?}"),
    }
}

fn answered(answer: Answer) -> Outcome {
    let text = BlobRef::of(b"{}");
    let usage = Usage { input: 10, output: 5, cache_read: 0, cache_write: 0 };
    let reply = Reply::Answered { answer, text };
    Outcome::Asked(Attempt { request: Some(text), usage: Some(usage), said: None, reply })
}

fn plan(path: &str) -> Answer {
    let step = Step {
        name: "s1".parse().expect("a name"),
        action: Action::CodeEdit { path: path.parse().expect("a path") },
        depends_on: Vec::new(),
        policy: FailurePolicy::Halt,
    };
    let fingerprint = Digest::of(path.as_bytes());
    Answer::Decide(Decide { status: Status::Done, steps: vec![step], fingerprint })
}

/// A schedule that is due on no day a test is run.
fn yearly() -> Definition {
    let request = MandateRequest { goal: "fix it".into(), ..MandateRequest::default() };
    let text = |text: &str| Ok::<_, std::io::Error>(BlobRef::of(text.as_bytes()));
    let (cron, zone, dst) = ("0 0 29 2 1".into(), "UTC".into(), Dst::default());
    let timing = Timing::Cron { cron, zone, dst };
    let spec = kairos_api::convert::spec(&request, &mut { text }).expect("a mandate");
    Definition {
        enabled: false,
        concurrency: Concurrency::Reject,
        ..Definition::new("yearly".parse().expect("a name"), timing, spec)
    }
}

fn configuration() -> Configuration {
    let free = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
    Configuration {
        rules: Rules {
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
        },
        zones: |_| Some(TimeZone::UTC.into()),
        schedules: vec![yearly()],
        missing: None,
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
