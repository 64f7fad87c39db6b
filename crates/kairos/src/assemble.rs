//! Putting the parts together.
//!
//! Owns the one place that sees every crate: performers, engine and configuration are constructed
//! here in a straight line. Rules live elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kairos_api::Hooks;
use kairos_core::fold::Snapshot as _;
use kairos_core::rules::Rules;
use kairos_core::state::State;
use kairos_disk::real::Dir;
use kairos_disk::{Blobs, RealFs};
use kairos_effects::file::Files;
use kairos_effects::model::{Client, Model, ModelOptions, Notify, Playbook, Wire, prices};
use kairos_effects::secret::Secret;
use kairos_effects::shell::{Commands, Open};
use kairos_effects::store::Texts;
use kairos_engine::{
    Configuration, Engine, Focus, Identity, Notice, Options, Outside, Parts, Places, Reloaded,
    Retain, StartError, Started,
};
use kairos_journal::checkpoint::Places as Beside;
use kairos_journal::retention::founded;
use kairos_views::Views;

use crate::checkpoints::Checkpoints;
use crate::config::Env;
use crate::config::daemon::{ModelConfig, Provider};
use crate::config::problem::{Problem, Told};
use crate::config::resolve::{self, Paths, Resolved};
use crate::keys;
use crate::log::{Detail, Level, Log};
use crate::looks::Looks;
use crate::output::Voice;
use crate::performers::{FileThreads, InUse, Performers};
use crate::protected::{self, ProtectedFiles};
use crate::shell;
use crate::startup::{self, Startup};
use crate::workspace::Workspace;

/// Reads the configuration: all files, or none.
pub(crate) fn read(root: &Path, paths: &Paths) -> Result<Resolved, Startup> {
    let (env, shipped) = (Env::of_process(), prices::shipped());
    resolve::load(root, paths, &env, &shipped.prices).map_err(Startup::Config)
}

/// A workspace at work.
pub(crate) struct Assembled {
    pub(crate) started: Started,
    pub(crate) files: FileThreads,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) log: Arc<Log>,
    pub(crate) hooks: Hooks,
}

/// Starts an engine over the workspace, which the caller has locked.
pub(crate) fn start(
    workspace: &Workspace,
    paths: Paths,
    config: Resolved,
    (focus, identity): (Focus, Identity),
    runtime: &tokio::runtime::Handle,
    voice: &Voice,
) -> Result<Assembled, Startup> {
    // A second call finds it installed, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let log = Log::open(&workspace.own("logs"), config.options.log);
    let log = Arc::new(log.map_err(Startup::cannot("open the log"))?);
    hide(&log, &config);
    log_warnings(&log, config.warnings.iter());
    let blobs = Arc::new(workspace.blobs().map_err(Startup::cannot("open the blobs"))?);
    blobs.sweep().map_err(Startup::cannot("clear up the blobs"))?;
    let texts = Texts::new(Arc::clone(&blobs));
    let (engine, checkpoints) = signing(workspace, &log, voice)?;
    let notify = notify(&log);
    let first_model = model(workspace, config.options.model.as_ref(), &texts, &notify)?;
    let protected = ProtectedFiles::default();
    protect(&protected, &paths, &config);
    let files = Arc::new(files(workspace, &texts, &protected)?);
    let commands = commands(workspace, &paths, &config, (&files, &texts), &log)?;
    let looks = Looks::begin(Arc::clone(&files), Arc::clone(&commands), engine.returns())?;
    let in_force = InForce {
        model: Arc::new(Mutex::new(first_model)),
        protected,
        hooks: hooked(&config),
        commands,
    };
    let (mut performers, files) = performers(&engine, &in_force, files, runtime)?;
    let (calls, hooks) = (performers.calls(), in_force.hooks.clone());
    let first = configuration(workspace.root(), &paths, &config, &blobs)?;
    let reload = Reload {
        workspace: workspace.clone(),
        paths,
        pid_path: config.options.pid_path.clone(),
        blobs: Arc::clone(&blobs),
        texts,
        in_force,
        notify,
        log: Arc::clone(&log),
        audience: Audience::of(voice, &config),
        checkpoints: checkpoints.clone(),
    };
    let (journal, retain) = (journal(workspace, focus)?, retain(&checkpoints));
    let started = engine.start(Parts {
        focus,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity,
        journal,
        blobs,
        places: Places {
            heartbeat: workspace.own("run/heartbeat.json"),
            poison: workspace.own("run/poison"),
        },
        configuration: first,
        outside: Outside {
            reload: Box::new(move || reload.read()),
            dispatch: Box::new(move |permit| performers.dispatch(permit)),
            look: Box::new(move |probe| looks.ask(probe)),
            cancel: Box::new(move |kind| calls.cancel_all(kind)),
            notice: notices(&log, voice),
        },
        retain: Some(retain),
    });
    Ok(Assembled { started: started.map_err(Startup::Engine)?, files, checkpoints, log, hooks })
}

/// What is worth a line goes to the log, and what a person should see is said.
fn notices(log: &Arc<Log>, voice: &Voice) -> Box<dyn FnMut(Notice) + Send> {
    let (log, voice) = (Arc::clone(log), voice.clone());
    Box::new(move |notice| {
        crate::notices::write(&log, &notice);
        crate::notices::said(&notice).into_iter().for_each(|words| voice.say(words));
    })
}

/// The journal's directory, once it is certain that none is begun where another was, and that what
/// people see can be made of it.
fn journal(workspace: &Workspace, focus: Focus) -> Result<Dir, Startup> {
    let journal = workspace.open_own("journal").map_err(Startup::cannot("open the journal"))?;
    let kept =
        workspace.open_own("checkpoints").map_err(Startup::cannot("open the checkpoints"))?;
    let places = Beside { disk: &RealFs, journal: &journal, kept: Some(&kept), stop: None };
    kairos_journal::may_begin(&places)
        .map_err(|error| Startup::Engine(StartError::Journal(error)))?;
    if focus == Focus::Daemon {
        // Views would otherwise begin where the journal does, and not say so.
        let founded = founded::<Views, _>(&RealFs, &journal);
        founded.map_err(|error| Startup::Engine(StartError::Journal(error)))?;
    }
    Ok(journal)
}

/// Retention below the snapshots of everything a start begins from.
fn retain(checkpoints: &Checkpoints) -> Retain {
    let checkpoints = checkpoints.clone();
    let look =
        Box::new(move |standing, limits: &_, stop: &_| checkpoints.look(standing, limits, stop));
    Retain { kinds: &[State::KIND, Views::KIND], look }
}

/// An engine whose journal, if it is still to begin, is of the node that the key is for.
fn signing(
    workspace: &Workspace,
    log: &Arc<Log>,
    voice: &Voice,
) -> Result<(Engine, Checkpoints), Startup> {
    let key = keys::find_or_make(workspace.root()).map(|(signer, _)| signer);
    let node = key.as_ref().ok().and_then(keys::node_of);
    let engine = node.into_iter().fold(Engine::default(), Engine::of);
    let checkpoints = Checkpoints::open(workspace, key, log, voice);
    Ok((engine, checkpoints.map_err(Startup::cannot("open the checkpoints"))?))
}

fn files(
    workspace: &Workspace,
    texts: &Texts<RealFs>,
    protected: &ProtectedFiles,
) -> Result<Files, Startup> {
    let made = (|| {
        let (root, own) = (workspace.open_root()?, workspace.protected()?);
        Ok(Files::new(RealFs, root, protected.with(own), texts.clone(), std::thread::sleep))
    })();
    made.map_err(Startup::cannot::<std::io::Error>("open the workspace"))
}

fn performers(
    engine: &Engine,
    in_force: &InForce,
    files: Arc<Files>,
    runtime: &tokio::runtime::Handle,
) -> Result<(Performers, FileThreads), Startup> {
    let performs = (files, Arc::clone(&in_force.commands));
    let model = Arc::clone(&in_force.model);
    let made = Performers::new(performs, model, runtime.clone(), engine.returns());
    made.map_err(Startup::cannot("start the file threads"))
}

/// The performer of commands. Its place is opened beside the start, which need not wait for it, and the
/// log says where that is not to be had.
fn commands(
    workspace: &Workspace,
    paths: &Paths,
    config: &Resolved,
    (files, texts): (&Arc<Files>, &Texts<RealFs>),
    log: &Arc<Log>,
) -> Result<Arc<Commands>, Startup> {
    let root = workspace.root().to_owned();
    let settings = shell::settings(&root, paths, config);
    let open: Open = Box::new(move |settings| {
        shell::open(&root, shell::For::Daemon, settings).map_err(|error| startup::chain(&error))
    });
    let commands = Commands::new(open, settings, Arc::clone(files), texts.clone());
    let commands = Arc::new(commands);
    let (opened, log) = (Arc::clone(&commands), Arc::clone(log));
    let open = move || {
        if let Err(why) = opened.shell() {
            let details = [("error", Detail::Text(why.to_owned()))];
            log.line(Level::Warn, "commands_unavailable", "shell", &details);
        }
    };
    let made = std::thread::Builder::new().name("opens".into()).spawn(open);
    made.map_err(Startup::cannot("make a thread"))?;
    Ok(commands)
}

fn notify(log: &Arc<Log>) -> Notify {
    let log = Arc::clone(log);
    Arc::new(move |notice| {
        let details = [("message", Detail::Text(notice.to_string()))];
        log.line(Level::Warn, "model_notice", "model", &details);
    })
}

/// The engine's part of a configuration, with the texts of its mandates stored.
fn configuration(
    root: &Path,
    paths: &Paths,
    config: &Resolved,
    blobs: &Blobs<RealFs>,
) -> Result<Configuration, Startup> {
    let secrets = protected::paths_in(root, config.secrets.files());
    let mut stored: BTreeMap<String, kairos_core::digest::BlobRef> = BTreeMap::new();
    let mut texts = |text: &str| -> Result<_, kairos_disk::blob::BlobError> {
        // Schedules often want the same, and each text costs a sync.
        if let Some(blob) = stored.get(text) {
            return Ok(*blob);
        }
        let digest = blobs.put(text.as_bytes())?;
        let digest = kairos_core::digest::Digest::from_bytes(digest);
        let blob = kairos_core::digest::BlobRef { digest, bytes: text.len() as u64 };
        stored.insert(text.to_owned(), blob);
        Ok(blob)
    };
    let mut schedules = Vec::with_capacity(config.schedules.len());
    for schedule in &config.schedules {
        let spec = kairos_api::convert::spec(&schedule.mandate, &mut texts);
        let spec = spec.map_err(Startup::cannot("store a schedule's texts"))?;
        let condition = schedule.condition.as_ref();
        let condition = condition.map(|condition| condition.stored(&mut |text| texts(text)));
        let condition =
            condition.transpose().map_err(Startup::cannot("store a condition's text"))?;
        schedules.push(schedule.definition(spec, condition));
    }
    Ok(Configuration {
        rules: Rules { secrets, ..config.rules.clone() },
        schedules,
        missing: config.missing.iter().find(|file| **file == paths.schedules).cloned(),
        zones: |name| crate::config::zone::with_digest(name).ok(),
        options: Options {
            tick_interval_ms: config.options.tick_interval_ms,
            graceful_timeout_ms: config.options.graceful_timeout_ms,
            heartbeat_interval_ms: config.options.heartbeat_interval_ms,
            day_zone: config.options.day_zone.clone(),
            retention: config.options.retention,
        },
    })
}

fn model(
    workspace: &Workspace,
    config: Option<&ModelConfig>,
    texts: &Texts<RealFs>,
    notify: &Notify,
) -> Result<Option<Arc<Model>>, Startup> {
    let Some(config) = config else { return Ok(None) };
    let (texts, notify) = (texts.clone(), Arc::clone(notify));
    let wire = match &config.provider {
        Provider::Anthropic => Wire::Anthropic,
        Provider::OpenAi => Wire::OpenAi,
        Provider::Playbook { file } => {
            let playbook = Playbook::load(workspace.root(), file, texts, notify);
            let playbook = playbook.map_err(Startup::value("model.file"))?;
            return Ok(Some(Arc::new(Model::Playbook(playbook))));
        }
    };
    let options = ModelOptions {
        wire,
        base_url: config.base_url.clone(),
        api_key: config.api_key.as_ref().map(|key| Secret::new(key.expose())),
        timeout: Duration::from_millis(config.timeout_ms),
    };
    let client = Client::new(options, texts, notify).map_err(Startup::value("model"))?;
    Ok(Some(Arc::new(Model::Http(Box::new(client)))))
}

/// Keeps known secrets out of the log.
fn hide(log: &Log, config: &Resolved) {
    let env = Env::of_process();
    let known = config.secrets.known(&env).map(|secret| secret.expose().to_owned());
    let key = config.options.model.as_ref().and_then(|model| model.api_key.as_ref());
    log.hide(known.chain(key.map(|key| key.expose().to_owned())));
}

/// The hooks of a first configuration.
fn hooked(config: &Resolved) -> Hooks {
    let hooks = Hooks::default();
    hook(&hooks, config);
    hooks
}

/// Lets deliveries in that are signed with the secrets of this configuration.
fn hook(hooks: &Hooks, config: &Resolved) {
    hooks.set(config.schedules.iter().filter_map(|schedule| {
        let secret = config.hooks.get(&schedule.name)?;
        Some((&schedule.name, schedule.identity(), secret.expose()))
    }));
}

/// Keeps every act away from the secrets and from the configuration, which may lie elsewhere.
fn protect(protected: &ProtectedFiles, paths: &Paths, config: &Resolved) {
    let own = [&paths.daemon, &paths.schedules, &paths.secrets].map(PathBuf::as_path);
    protected.set(own.into_iter().chain(config.secrets.files()));
}

/// Reads the configuration again.
struct Reload {
    workspace: Workspace,
    paths: Paths,
    pid_path: PathBuf,
    blobs: Arc<Blobs<RealFs>>,
    texts: Texts<RealFs>,
    in_force: InForce,
    notify: Notify,
    log: Arc<Log>,
    audience: Audience,
    checkpoints: Checkpoints,
}

/// What performers and doors go by, which a reload replaces as a whole.
#[derive(Clone)]
struct InForce {
    model: InUse,
    protected: ProtectedFiles,
    hooks: Hooks,
    commands: Arc<Commands>,
}

/// Who is told of a reload, and which warnings are no news there.
#[derive(Clone)]
struct Audience {
    voice: Voice,
    told: Arc<Mutex<Told>>,
}

impl Audience {
    fn of(voice: &Voice, config: &Resolved) -> Self {
        let told = Arc::new(Mutex::new(Told::of(&config.warnings)));
        Self { voice: voice.clone(), told }
    }

    fn hear(&self, log: &Log, config: &Resolved, file: &Path) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let warnings = told.new_among(&config.warnings);
        log_warnings(log, warnings.iter().copied());
        let said = brought(&warnings).chain(modelless(config, file));
        said.for_each(|said| self.voice.say(said));
        *told = Told::of(&config.warnings);
    }
}

impl Reload {
    /// All of it, or why not.
    fn read(&self) -> Result<Reloaded, String> {
        let config = read(self.workspace.root(), &self.paths).map_err(|startup| startup.line())?;
        if config.options.pid_path != self.pid_path {
            return Err("`pid_path` changed, which needs a restart".to_owned());
        }
        let made = model(&self.workspace, config.options.model.as_ref(), &self.texts, &self.notify)
            .and_then(|model| {
                let root = self.workspace.root();
                Ok((model, configuration(root, &self.paths, &config, &self.blobs)?))
            });
        let (model, configuration) = made.map_err(|startup| startup.line())?;
        let (in_force, log) = (self.in_force.clone(), Arc::clone(&self.log));
        let (checkpoints, paths) = (self.checkpoints.clone(), self.paths.clone());
        let (audience, file) = (self.audience.clone(), self.paths.daemon.clone());
        let settings = shell::settings(self.workspace.root(), &self.paths, &config);
        let apply = Box::new(move || {
            protect(&in_force.protected, &paths, &config);
            *in_force.model.lock().unwrap_or_else(PoisonError::into_inner) = model;
            log.set_options(config.options.log);
            checkpoints.witness_by(config.options.witnesses.clone());
            hide(&log, &config);
            hook(&in_force.hooks, &config);
            in_force.commands.replace(settings);
            audience.hear(&log, &config, &file);
        });
        Ok(Reloaded { configuration, apply })
    }
}

/// Where the three files are, given `--config`.
pub(crate) fn paths(root: &Path, daemon: Option<PathBuf>) -> Paths {
    let paths = Paths::below(root);
    match daemon {
        Some(daemon) => Paths { daemon, ..paths },
        None => paths,
    }
}

/// Warnings told at a load; `config check` tells all of them.
const WARNINGS_MAX: usize = 100;

/// What is said of those that are not told.
fn more(warnings: usize) -> Option<String> {
    let more = warnings.checked_sub(WARNINGS_MAX).filter(|more| *more > 0)?;
    Some(format!("{more} more warnings: `kairos config check` tells them all"))
}

/// What a person should know of a configuration that holds when a process starts with it: not each
/// warning once more, but that there are some.
pub(crate) fn remarks(config: &Resolved, paths: &Paths) -> impl Iterator<Item = String> {
    summary(config, paths).into_iter().chain(modelless(config, &paths.daemon))
}

/// How many warnings there are, and what tells them.
pub(crate) fn summary(config: &Resolved, paths: &Paths) -> Option<String> {
    let count = match config.warnings.len() {
        0 => return None,
        1 => "1 warning".to_owned(),
        n => format!("{n} warnings"),
    };
    let of_schedules = config.warnings.iter().all(|warning| warning.is_in(&paths.schedules));
    let verb = if of_schedules { "kairos schedule check" } else { "kairos config check" };
    Some(format!("note: the configuration has {count}: `{verb}` tells more"))
}

/// The warnings that a reload brought, whole.
fn brought(warnings: &[&Problem]) -> impl Iterator<Item = String> {
    let told = warnings.iter().take(WARNINGS_MAX);
    let told = told.map(|warning| format!("warning: {}", warning.line()));
    told.chain(more(warnings.len()).map(|more| format!("warning: {more}")))
}

fn modelless(config: &Resolved, file: &Path) -> Option<String> {
    config.options.model.is_none().then(|| no_model(file, &Env::of_process()))
}

/// Says that no model is configured, with what to write.
fn no_model(file: &Path, env: &Env) -> String {
    let file = file.display();
    let (provider, more) = if env.get("ANTHROPIC_API_KEY").is_some() {
        ("anthropic", format!("then `kill -HUP {}`", std::process::id()))
    } else if env.get("OPENAI_API_KEY").is_some() {
        ("openai", format!("then `kill -HUP {}`", std::process::id()))
    } else {
        ("anthropic", "set `ANTHROPIC_API_KEY`, and start again".to_owned())
    };
    format!(
        "note: no model is configured: mandates that need one are refused [no_model]\n\
         hint: add `model: {{provider: {provider}, name: NAME}}` to `{file}`, {more}"
    )
}

fn log_warnings<'a>(log: &Log, warnings: impl ExactSizeIterator<Item = &'a Problem>) {
    let more = more(warnings.len());
    for warning in warnings.take(WARNINGS_MAX).map(ToString::to_string).chain(more) {
        let details = [("message", Detail::Text(warning))];
        log.line(Level::Warn, "config_warning", "config", &details);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_model_the_lines_to_add_are_said() {
        let said = |env| no_model(Path::new("/w/daemon.yml"), &env);
        let note = "note: no model is configured: mandates that need one are refused [no_model]\n";
        let add = |provider| {
            format!("hint: add `model: {{provider: {provider}, name: NAME}}` to `/w/daemon.yml`, ")
        };
        let bare = said(Env::default());
        assert_eq!(
            bare,
            format!("{note}{}set `ANTHROPIC_API_KEY`, and start again", add("anthropic"))
        );
        let with_key = said(Env::from([("OPENAI_API_KEY", "k")]));
        assert!(
            with_key.starts_with(&format!("{note}{}then `kill -HUP ", add("openai"))),
            "{with_key}"
        );
    }
}
