//! `kairos schedule …`
//!
//! Owns the verbs about schedules, a file each: what they are asked with and how their answers read.
//! Never decides what is due; the rules are the core's, and a change is the daemon's or a file's.

mod add;
mod check;
mod edit;
mod editor;
mod fire;
mod history;
mod import;
mod list;
mod marks;
mod next;
mod pause;
mod reload;
mod rule;

use std::path::PathBuf;

use clap::Subcommand;

use super::Global;
use crate::output::{Exit, Failure, Out};
use pause::Ask;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List schedules with their last and next slots
    ///
    /// Next slots stand in the schedule's own zone and in local time. Without a daemon it shows what
    /// the journal's files have.
    #[command(after_help = "Example: kairos schedule list --by next")]
    List(list::List),
    /// Show when a schedule, or a cron expression, is due next
    ///
    /// With `--cron` it needs no workspace and no daemon: try an expression before you write it
    /// down.
    #[command(after_help = "Examples:\n  kairos schedule next nightly -n 20\n  \
        kairos schedule next --cron '0 9 * * 1-5' --timezone Europe/Berlin -n 3")]
    Next(next::Next),
    /// Say whether schedules.yml holds together; exit 1 when not
    ///
    /// Warnings are of rules that hold and may not mean what they say: they leave exit 0.
    #[command(after_help = "Example: kairos schedule check draft.yml --json")]
    Check {
        /// The file to check instead of the workspace's
        file: Option<PathBuf>,
    },
    /// Fire a schedule now; its next slot stays where it is
    #[command(after_help = "Example: kairos schedule fire nightly --follow")]
    Fire(fire::Fire),
    /// Let a schedule fire nothing until it is resumed
    ///
    /// Its slots are recorded as skipped. It outlives a restart. `fire` still fires it.
    #[command(after_help = "Example: kairos schedule pause nightly")]
    Pause {
        /// The schedule's name
        name: String,
    },
    /// Let a paused schedule go on with its next slot
    #[command(after_help = "Example: kairos schedule resume nightly")]
    Resume {
        /// The schedule's name
        name: String,
    },
    /// Add a schedule to schedules.yml and have it loaded
    ///
    /// What stands in the file stays as it is, comments and order too. The file is checked whole
    /// before it is saved; a daemon that runs loads it.
    #[command(after_help = "Example: kairos schedule add stale-docs --cron '0 9 * * 1-5' \
        --timezone Europe/Zurich --goal 'Bring docs/install.md up to date'")]
    Add(Box<add::Add>),
    /// Edit schedules.yml; it is checked before it is saved
    ///
    /// Opens a copy in $VISUAL or $EDITOR, else vi. Nothing is saved while it has errors, or when
    /// somebody else changed the file meanwhile.
    #[command(after_help = "Example: EDITOR='code --wait' kairos schedule edit")]
    Edit {
        /// Save it only; a daemon that runs goes on with what it has
        #[arg(long)]
        no_reload: bool,
    },
    /// Make schedules of what another program has
    #[command(subcommand)]
    Import(Import),
    /// Tell what became of a schedule's slots, newest first
    ///
    /// Reads the journal's files. Slots that had the same fate in a row are one line.
    #[command(after_help = "Example: kairos schedule history nightly -n 50")]
    History(history::History),
}

/// What schedules are made of.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A crontab, each line as a schedule that you complete
    ///
    /// Prints entries for schedules.yml, disabled, with a goal that names the command; no command is
    /// ever run. Each line that cannot be taken over is told with its number and reason; exit 1
    /// then.
    #[command(after_help = "Examples:\n  crontab -l | kairos schedule import crontab -\n  \
        kairos schedule import crontab /etc/cron.d/backup --append")]
    Crontab(import::Crontab),
}

impl Verb {
    pub(super) fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.perform(&global.root()?, out),
            Self::Next(next) => next.perform(global, out),
            Self::Check { file } => check::check(global, file.as_deref(), out),
            Self::Fire(fire) => fire.perform(&global.root()?, out),
            Self::Pause { name } => pause::ask(&global.root()?, &name, Ask::Pause, out),
            Self::Resume { name } => pause::ask(&global.root()?, &name, Ask::Resume, out),
            Self::Add(add) => add.perform(&global.root()?, out),
            Self::Edit { no_reload } => edit::edit(&global.root()?, !no_reload, out),
            Self::Import(Import::Crontab(crontab)) => crontab.perform(global, out),
            Self::History(history) => history.perform(&global.root()?, out),
        }
    }
}
