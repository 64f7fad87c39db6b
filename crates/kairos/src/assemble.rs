//! Putting the parts together.
//!
//! Owns the one place that sees every crate: performers, engine and configuration are constructed
//! here in a straight line. Rules live elsewhere.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kairos_disk::{Blobs, RealFs};
use kairos_effects::file::Files;
use kairos_effects::model::{Client, Model, Notify, Playbook, Wire, prices};
use kairos_effects::store::Texts;
use kairos_engine::{Configuration, Engine, Focus, Outside, Parts, Places, Started};

use crate::config::{self, Config, Files as ConfigFiles, Key, Provider};
use crate::log::{Level, Log};
use crate::performers::{InUse, Performers};
use crate::startup::Startup;
use crate::workspace::Workspace;

/// Reads the configuration; warnings go to `warn`.
pub(crate) fn read(files: &ConfigFiles) -> Result<Config, Startup> {
    let shipped = prices::shipped();
    config::load(files, &shipped.prices).map_err(Startup::Config)
}

/// Starts an engine over the workspace, which the caller has locked.
pub(crate) fn start(
    workspace: &Workspace,
    files: ConfigFiles,
    config: Config,
    focus: Focus,
    runtime: &tokio::runtime::Handle,
) -> Result<Started, Startup> {
    // A second call finds it installed, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let log = Log::open(&workspace.own("logs"), config.daemon.log);
    let log = Arc::new(log.map_err(Startup::cannot("open the log"))?);
    let blobs = Arc::new(workspace.blobs().map_err(Startup::cannot("open the blobs"))?);
    blobs.sweep().map_err(Startup::cannot("clear up the blobs"))?;
    let texts = Texts::new(Arc::clone(&blobs));
    let engine = Engine::default();
    let in_use: InUse = Arc::new(Mutex::new(None));
    let notify = notify(&log);
    *in_use.lock().unwrap_or_else(PoisonError::into_inner) =
        model(workspace, &config, &texts, &notify)?;
    let performers = performers(workspace, &texts, &in_use, runtime, &engine)?;
    let calls = performers.calls();
    let mut performers = performers;
    let first = configuration(&config, &blobs)?;
    let reload = Reload {
        workspace: workspace.clone(),
        files,
        pid_path: config.daemon.pid_path.clone(),
        blobs: Arc::clone(&blobs),
        texts,
        in_use,
        notify,
        log: Arc::clone(&log),
    };
    let notices = Arc::clone(&log);
    let started = engine.start(Parts {
        focus,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        journal: workspace.open_own("journal").map_err(Startup::cannot("open the journal"))?,
        blobs,
        places: Places {
            heartbeat: workspace.own("run/heartbeat.json"),
            poison: workspace.own("run/poison"),
        },
        configuration: first,
        outside: Outside {
            reload: Box::new(move || reload.read()),
            dispatch: Box::new(move |permit| performers.dispatch(permit)),
            cancel: Box::new(move || calls.cancel_all()),
            notice: Box::new(move |notice| crate::notices::write(&notices, &notice)),
        },
    });
    started.map_err(Startup::Engine)
}

fn performers(
    workspace: &Workspace,
    texts: &Texts<RealFs>,
    in_use: &InUse,
    runtime: &tokio::runtime::Handle,
    engine: &Engine,
) -> Result<Performers, Startup> {
    let made = (|| {
        let (root, protected) = (workspace.open_root()?, workspace.protected()?);
        let files = Files::new(RealFs, root, protected, texts.clone(), std::thread::sleep)?;
        Performers::new(files, Arc::clone(in_use), runtime.clone(), engine.returns())
    })();
    made.map_err(Startup::cannot("open the workspace"))
}

fn notify(log: &Arc<Log>) -> Notify {
    let log = Arc::clone(log);
    Arc::new(move |notice| {
        let mut details = serde_json::Map::new();
        details.insert("message".into(), notice.to_string().into());
        log.line(Level::Warn, "model_notice", "model", details);
    })
}

/// The engine's part of a configuration, with the texts of its mandates stored.
fn configuration(config: &Config, blobs: &Blobs<RealFs>) -> Result<Configuration, Startup> {
    let texts = |text: &str| -> Result<_, kairos_disk::blob::BlobError> {
        let digest = blobs.put(text.as_bytes())?;
        let digest = kairos_core::digest::Digest::from_bytes(digest);
        Ok(kairos_core::digest::BlobRef { digest, bytes: text.len() as u64 })
    };
    let mut schedules = Vec::with_capacity(config.schedules.len());
    for schedule in &config.schedules {
        let spec = kairos_api::convert::spec(&schedule.mandate, &mut |text| texts(text));
        let spec = spec.map_err(Startup::cannot("store a schedule's texts"))?;
        schedules.push((schedule.definition(spec), schedule.rule.clone()));
    }
    Ok(Configuration {
        rules: config.daemon.rules.clone(),
        schedules,
        options: config.daemon.options.clone(),
    })
}

fn model(
    workspace: &Workspace,
    config: &Config,
    texts: &Texts<RealFs>,
    notify: &Notify,
) -> Result<Option<Arc<Model>>, Startup> {
    let Some(options) = &config.daemon.model else { return Ok(None) };
    let http = |wire, base_url: &String, key: &Key, provider: &str| -> Result<Model, Startup> {
        let api_key = match key {
            Key::None => None,
            Key::Variable(name) => {
                config::env::variable(name).map(|value| kairos_effects::secret::Secret::new(&value))
            }
            Key::Secret(name) => {
                let tool = format!("model:{provider}");
                let value = config.secrets.value(name, &tool, workspace.root());
                Some(value.map_err(Startup::value("model.api_key"))?)
            }
        };
        let client = kairos_effects::model::ModelOptions {
            wire,
            base_url: base_url.clone(),
            api_key,
            timeout: std::time::Duration::from_millis(options.timeout_ms),
        };
        let client = Client::new(client, texts.clone(), Arc::clone(notify));
        Ok(Model::Http(Box::new(client.map_err(Startup::value("model"))?)))
    };
    let model = match &options.provider {
        Provider::Anthropic { base_url, key } => http(Wire::Anthropic, base_url, key, "anthropic")?,
        Provider::OpenAi { base_url, key } => http(Wire::OpenAi, base_url, key, "openai")?,
        Provider::Playbook { file } => {
            let playbook = Playbook::load(
                workspace.root(),
                std::path::Path::new(file),
                texts.clone(),
                Arc::clone(notify),
            );
            Model::Playbook(playbook.map_err(Startup::value("model.file"))?)
        }
    };
    Ok(Some(Arc::new(model)))
}

/// Reads the configuration again.
struct Reload {
    workspace: Workspace,
    files: ConfigFiles,
    pid_path: PathBuf,
    blobs: Arc<Blobs<RealFs>>,
    texts: Texts<RealFs>,
    in_use: InUse,
    notify: Notify,
    log: Arc<Log>,
}

impl Reload {
    /// All of it, or why not.
    fn read(&self) -> Result<Configuration, String> {
        let config = read(&self.files).map_err(|startup| startup.line())?;
        if config.daemon.pid_path != self.pid_path {
            return Err("`pid_path` changed, which needs a restart".to_owned());
        }
        let made = model(&self.workspace, &config, &self.texts, &self.notify)
            .and_then(|model| Ok((model, configuration(&config, &self.blobs)?)));
        let (model, configuration) = made.map_err(|startup| startup.line())?;
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = model;
        self.log.configure(config.daemon.log);
        Ok(configuration)
    }
}

/// Where the three files are, given `--config`.
pub(crate) fn files(workspace: &Workspace, daemon: Option<PathBuf>) -> ConfigFiles {
    ConfigFiles::of(workspace.root(), daemon)
}

/// Says what the configuration has to say beside its meaning.
pub(crate) fn warn(config: &Config) {
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
}
