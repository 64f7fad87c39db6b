//! The verbs.
//!
//! Owns the tree of commands, one file a noun, and what is global to them. A verb reads through a
//! [`source`] or changes through the daemon's socket; none touches the engine. Never holds rules.

mod ask;
mod budget;
mod checkpoint;
mod clock;
mod config;
mod doctor;
mod effect;
mod erase;
mod event;
mod follow;
mod journal;
mod live;
mod mandate;
mod proposal;
mod repair;
mod root;
mod schedule;
mod shell;
mod source;
mod spec;
mod standing;
mod status;
pub(crate) mod story;
pub(crate) mod tale;
mod watch;
mod words;
mod work;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::{Exit, Failure, Out};

pub(crate) use root::Root;
pub(crate) use source::Stored;

/// Run LLM agents unattended, within limits, and prove what happened
#[derive(Debug, Parser)]
#[command(name = "kairos", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What stands before or after any verb.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Work on this directory instead of the nearest parent with `.kairos/`
    #[arg(long, global = true, value_name = "DIR", env = "KAIROS_ROOT", hide_env_values = true)]
    pub(crate) root: Option<PathBuf>,
    /// Answer in JSON: one object, errors as RFC 9457 on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a workspace: commented configuration and directories
    #[command(after_help = "Example: kairos init ~/src/site")]
    Init {
        /// Where; the current directory when left out
        dir: Option<PathBuf>,
    },
    /// Serve schedules and mandates until told to stop
    #[command(after_help = "Example: kairos daemon --root ~/src/site")]
    Daemon {
        /// Read this file instead of `.kairos/config/daemon.yml`
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Go on with a restored or copied journal; no missed slot fires
        #[arg(long)]
        adopt: bool,
    },
    /// Watch a small workspace work: a schedule fires, an edit is made, one waits for you
    Demo(crate::demo::Demo),
    /// Run one mandate here and now, without a daemon
    #[command(after_help = "Example: kairos once --goal 'Fix the date in README.md'")]
    Once(Box<spec::SpecArgs>),
    /// Show how the daemon stands
    Status,
    /// Create, watch and stop mandates
    #[command(subcommand)]
    Mandate(mandate::Verb),
    /// Look at what waits for you, and decide
    #[command(subcommand)]
    Proposal(proposal::Verb),
    /// Settle effects that nobody can prove happened
    #[command(subcommand)]
    Effect(effect::Verb),
    /// See when schedules fire, check them, fire one now
    #[command(subcommand)]
    Schedule(schedule::Verb),
    /// Say that the wall clock is right after it was set
    #[command(subcommand)]
    Clock(clock::Verb),
    /// Show what model calls cost today, and the caps
    Budget,
    /// Print events from the journal, and follow new ones
    Events(event::Events),
    /// Verify, show, export, sign and repair the journal's files, erase a text
    #[command(subcommand)]
    Journal(journal::Verb),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Try a command as a step would get it, behind the same walls
    #[command(after_help = "Example: kairos shell -- cargo test")]
    Shell(shell::Shell),
    /// Say what this machine can enforce, what is missing, and what adds it
    Doctor,
}

impl Cli {
    /// Does what was asked and answers how the process ends.
    pub(crate) fn perform(self, out: &mut Out) -> Result<Exit, Failure> {
        let global = &self.global;
        match self.verb {
            Verb::Init { dir } => work::init(dir.or_else(|| global.root.clone()), out),
            Verb::Daemon { config, adopt } => work::daemon(&global.root()?, config, adopt),
            Verb::Demo(demo) => demo.perform(out),
            Verb::Once(spec) => work::once(&global.root()?, *spec, out),
            Verb::Config(verb) => verb.perform(global, out),
            Verb::Shell(shell) => shell.perform(&global.root()?, out),
            Verb::Doctor => doctor::perform(global.root().ok().as_ref(), out),
            Verb::Status => status::show(&global.root()?, out),
            Verb::Mandate(verb) => verb.perform(&global.root()?, out),
            Verb::Proposal(verb) => verb.perform(&global.root()?, out),
            Verb::Effect(verb) => verb.perform(&global.root()?, out),
            Verb::Schedule(verb) => verb.perform(global, out),
            Verb::Clock(verb) => verb.perform(&global.root()?, out),
            Verb::Budget => budget::show(&global.root()?, out),
            Verb::Events(events) => events.perform(&global.root()?, out),
            Verb::Journal(verb) => verb.perform(|| global.root(), out),
        }
    }
}

impl Global {
    /// The workspace this command is about.
    pub(crate) fn root(&self) -> Result<Root, Failure> {
        Root::find(self.root.as_deref())
    }
}
