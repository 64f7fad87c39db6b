//! A ledger over a real directory, from which permits come.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kairos_core::budget::Caps;
use kairos_core::decide::decide;
use kairos_core::effect::Outcome;
use kairos_core::event::Event;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::id::{NodeId, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::mandate::spec::{Check, MandateSpec};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::fs::Identity;
use kairos_disk::{Blobs, RealFs};
use kairos_effects::file::Files;
use kairos_effects::model::{Notice, Notify};
use kairos_effects::store::Texts;
use kairos_effects::{Permit, Settled};
use kairos_journal::{Ahead, Ledger, Opening, Segments};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) texts: Texts,
    /// Files that are protected whatever they are called.
    pub(crate) secrets: Vec<PathBuf>,
    pub(crate) notices: Arc<Mutex<Vec<Notice>>>,
    pub(crate) events: Vec<Event>,
    ledger: Option<Ledger<State, (), RealFs>>,
    permits: VecDeque<Permit>,
    turns: u64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "permits come out of a ledger only, and performers are tested with real ones"
)]
fn open(dir: &Path) -> Ledger<State, (), RealFs> {
    let root = RealFs.root(dir).expect("the directory was just made");
    let opening = Opening {
        origin: NodeId::from_u128(7),
        epoch: 1,
        schema: 1,
        segments: Segments::new(1 << 20, 1 << 20, Ahead::OnDemand),
    };
    let lost = Arc::new(|_| {});
    Ledger::open(Arc::new(RealFs), root, State::empty(), lost, opening).expect("a new journal").0
}

pub(crate) fn rules() -> Rules {
    Rules {
        max_running: 4,
        day: Caps::default(),
        mandate_usd_micros_max: 1_000_000,
        proposal_ttl_ms: 1000,
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: Some(ModelRules {
            name: "model-1".into(),
            output_tokens_max: 512,
            prices: vec![NamedPrice { name: String::new(), price: Default::default() }],
        }),
    }
}

impl World {
    /// A workspace with `files`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        for part in ["workspace", "journal", "blobs"] {
            std::fs::create_dir(dir.path().join(part)).expect("a new directory");
        }
        for (path, text) in files {
            let path = dir.path().join("workspace").join(path);
            std::fs::create_dir_all(path.parent().expect("in the workspace")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let blobs = RealFs.root(&dir.path().join("blobs")).expect("made above");
        let mut world = Self {
            texts: Texts::new(Arc::new(Blobs::new(RealFs, blobs))),
            ledger: Some(open(&dir.path().join("journal"))),
            dir,
            secrets: Vec::new(),
            notices: Arc::default(),
            events: Vec::new(),
            permits: VecDeque::new(),
            turns: 0,
        };
        let configured = Input::Configured {
            rules: Box::new(rules()),
            set: Vec::new(),
            gone: Vec::new(),
            renamed: Vec::new(),
        };
        world.input(&configured);
        world
    }

    pub(crate) fn notify(&self) -> Notify {
        let notices = Arc::clone(&self.notices);
        Arc::new(move |notice| notices.lock().expect("no test panics with it").push(notice))
    }

    pub(crate) fn files(&self) -> Files {
        let root = RealFs.root(&self.dir.path().join("workspace")).expect("made before");
        let wait = |_: Duration| std::thread::yield_now();
        let secrets = self.secrets.clone();
        let protected = move || {
            let paths = secrets.iter().filter_map(|path| std::fs::metadata(path).ok());
            paths.map(|about| Identity { device: about.dev(), inode: about.ino() }).collect()
        };
        Files::new(RealFs, root, Box::new(protected), self.texts.clone(), wait)
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("workspace").join(path)).ok()
    }

    pub(crate) fn text(&self, blob: kairos_core::digest::BlobRef) -> String {
        String::from_utf8(self.texts.get(blob).expect("stored")).expect("text")
    }

    /// Creates a mandate and starts it.
    pub(crate) fn mandate(&mut self, goal: &str, files: &[&str], verify: Vec<Check>) {
        let spec = MandateSpec {
            goal: self.texts.put(goal.as_bytes()).expect("stored"),
            files: files.iter().map(|glob| (*glob).to_owned()).collect(),
            verify,
            max_cycles: 3,
            risk_budget: Risk::High,
            project_scope: String::new(),
            allowed_actions: None,
            upload: vec![Scope::L2],
            hints: None,
            model: None,
            timeout_ms: None,
        };
        let by = "user:test(1)".parse().expect("a principal");
        self.input(&Input::Command { by, verb: Verb::Create { spec: Box::new(spec), key: None } });
        self.input(&Input::Admit { only: None });
    }

    pub(crate) fn input(&mut self, input: &Input) {
        self.turns += 1;
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.turns.to_be_bytes());
        let time = Time::from_ms(1_796_115_600_000).plus_ms(self.turns * 60_000);
        let now = Now {
            time,
            seed: Seed(seed),
            day: jiff::civil::date(2026, 12, 1),
            day_ends: time.plus_ms(86_400_000),
            pace: Pace::Running,
        };
        let mut ledger = self.ledger.take().expect("put back below");
        let events = decide(ledger.state(), input, &now).expect("no refusal in these tests");
        ledger.record(time, events).expect("small events");
        let (ledger, released) = ledger.commit().expect("a working disk");
        self.ledger = Some(ledger);
        self.permits.extend(released.permits);
        self.events.extend(released.records.into_iter().flat_map(|record| record.events));
    }

    /// The next permit.
    pub(crate) fn permit(&mut self) -> Permit {
        self.permits.pop_front().expect("an effect was begun")
    }

    pub(crate) fn next(&mut self) -> Option<Permit> {
        self.permits.pop_front()
    }

    /// Records an outcome and answers it.
    pub(crate) fn settle(&mut self, settled: Settled) -> Outcome {
        let (effect, outcome) = settled.into_parts();
        self.input(&Input::Settled { effect: effect.id(), outcome: outcome.clone() });
        outcome
    }

    /// Performs the first effect of a mandate, which observes.
    pub(crate) fn observe(&mut self) -> Outcome {
        let files = self.files();
        let permit = self.permit();
        self.settle(files.perform(permit))
    }
}
