//! An operator's entry in the catalogue.
//!
//! Owns what `commands:` in daemon.yml can say of a program, and the check of an entry against its
//! own examples: it holds only if it accepts every argv it says it accepts and refuses every one it
//! says it refuses. An entry for a shipped name adds to the shipped rule and takes nothing away; for
//! another name it is the whole rule. Reads no file: whoever reads the configuration fills it in.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::grant::{Grant, Inputs, ReadRoot, Risk, Starts, Writes};
use super::place::Place;
use super::repository::RepositoryConfig;
use super::rule::{ArgvRule, Forms};
use super::screen::Screen;
use super::violation::Violation;
use crate::kind::Kind;
use crate::policy::{HostPort, Net};

const NAME_BYTES_MAX: usize = 64;

/// What an operator says of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandRule {
    pub name: String,
    /// Where it is, if not in a directory of the system. It may belong to the daemon's own user.
    pub path: Option<PathBuf>,
    /// At least this. A program of the operator's own is `Medium` without it, `High` with a network.
    pub risk: Option<Risk>,
    /// `host:port`, each one it may connect to.
    pub network: Vec<String>,
    /// Arguments behind the name that the rule must accept.
    pub accept: Vec<Vec<String>>,
    /// Arguments behind the name that the rule must refuse.
    pub refuse: Vec<Vec<String>>,
    /// What the first argument may be; empty means anything the shipped rule takes.
    pub subcommands: Vec<String>,
    /// Flags, with their dashes, that are refused in every spelling.
    pub refuse_flags: Vec<String>,
    /// Globs of the workspace files it executes; `None` means nobody can say.
    pub inputs: Option<Vec<String>>,
    /// Directories that it fills for itself: kept from one command to the next, in place of the
    /// workspace's own, and never among its changes.
    pub scratch: Vec<String>,
    /// Directories and files it reads beside the workspace: absolute, or `~/…`.
    pub reads: Vec<String>,
    /// Programs that may interpret it, where it is a script. No step can name them for that.
    pub interpreters: Vec<String>,
}

/// Why an entry does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("`{name}` is no name of a program")]
    Name { name: String },
    #[error("`{name}` has two entries")]
    Twice { name: String },
    #[error("the path `{}` of `{name}` is not absolute and plain", .path.display())]
    Path { name: String, path: PathBuf },
    #[error("`{host}`, which `{name}` may connect to, is no `host:port`")]
    Host { name: String, host: String },
    #[error("`{flag}`, which `{name}` refuses, is no flag")]
    Flag { name: String, flag: String },
    #[error("`{path}`, which `{name}` reads, is no path from the root or from a home")]
    Reads { name: String, path: String },
    #[error("`{path}` of `{name}` does not stay in the workspace")]
    Outside { name: String, path: String },
    #[error("the rule of `{name}` has no subcommand `{subcommand}`")]
    Subcommand { name: String, subcommand: String },
    #[error("`{name}` has a risk of its own, and the entry says less")]
    Risk { name: String },
    #[error("`{name}` has no argv it must accept")]
    NoExample { name: String },
    #[error("the entry of `{name}` refuses `{argv}`, which it says it accepts: {violation}")]
    Refuses { name: String, argv: String, violation: Violation },
    #[error("the entry of `{name}` accepts `{argv}`, which it says it refuses")]
    Accepts { name: String, argv: String },
}

impl CommandError {
    pub fn kind(&self) -> Kind {
        Kind::Refused
    }

    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "write the file's name alone, and `path:` beside it".to_owned(),
            Self::Twice { .. } => "put what both say into one".to_owned(),
            Self::Path { .. } => "write it whole, without `..`".to_owned(),
            Self::Host { .. } => "write `network: {allow: [\"example.org:443\"]}`".to_owned(),
            Self::Flag { .. } => "write it with its dashes: `--output`".to_owned(),
            Self::Reads { .. } => "write `/opt/x` or `~/x`, without `..`".to_owned(),
            Self::Outside { .. } => "write it from the workspace's root, without `..`".to_owned(),
            Self::Subcommand { .. } => "name one that the shipped rule takes".to_owned(),
            Self::Risk { .. } => "leave `risk:` out, or raise it".to_owned(),
            Self::NoExample { name } => {
                format!("write `accept: [[…]]`: arguments that `{name}` is meant to get")
            }
            Self::Refuses { violation, .. } => violation.hint().unwrap_or_else(|| {
                "take that argv out of `accept:`; a shipped rule is not loosened".to_owned()
            }),
            Self::Accepts { .. } => {
                "add what is wrong with it to `refuse_flags:`, or name the `subcommands:`"
                    .to_owned()
            }
        }
    }
}

impl CommandRule {
    /// Makes the rule, over the shipped one of that name if there is one. `is_explicit` says that the
    /// shipped one holds only with an entry.
    pub(crate) fn compile(
        &self,
        shipped: Option<&ArgvRule>,
        is_explicit: bool,
    ) -> Result<ArgvRule, CommandError> {
        self.well_formed()?;
        if self.accept.is_empty() && (shipped.is_none() || is_explicit) {
            return Err(CommandError::NoExample { name: self.name.clone() });
        }
        let rule = match shipped {
            Some(shipped) => self.over(shipped)?,
            None => self.alone()?,
        };
        self.holds(&rule)?;
        Ok(rule)
    }

    /// The shipped rule, with this on top.
    fn over(&self, shipped: &ArgvRule) -> Result<ArgvRule, CommandError> {
        let name = || self.name.clone();
        if self.risk.is_some_and(|risk| risk < shipped.grant.risk) {
            return Err(CommandError::Risk { name: name() });
        }
        if let Some(table) = &shipped.table {
            let takes = |subcommand: &String| match &table.forms {
                Forms::Only(_) => true,
                Forms::Subcommands { known, .. } => known.contains_key(subcommand),
            };
            if let Some(subcommand) = self.subcommands.iter().find(|name| !takes(name)) {
                let subcommand = subcommand.clone();
                return Err(CommandError::Subcommand { name: name(), subcommand });
            }
        }
        let net = self.net()?;
        let risk = if net == Net::Deny { self.risk } else { Some(Risk::High) };
        let screen = Screen {
            subcommands: self.subcommands.clone(),
            refuse: self.refuse_flags.clone(),
            risk,
            scratch: self.scratch.clone(),
            inputs: self.inputs.clone().unwrap_or_default(),
            reads: self.reads()?,
            path: self.first_on_path(),
            net,
        };
        let mut rule = ArgvRule { screen, ..shipped.clone() };
        rule.interpreters.extend_from_slice(&self.interpreters);
        Ok(rule)
    }

    /// A rule that knows what the entry says, and nothing else of the program.
    fn alone(&self) -> Result<ArgvRule, CommandError> {
        let net = self.net()?;
        let risk = match net {
            Net::Deny => self.risk.unwrap_or(Risk::Medium),
            Net::Allow(_) => Risk::High,
        };
        let inputs = match &self.inputs {
            Some(globs) => Inputs::globs(globs),
            None => {
                Inputs::NotBound { why: format!("the entry of `{}` names no `inputs:`", self.name) }
            }
        };
        let screen = Screen {
            subcommands: self.subcommands.clone(),
            refuse: self.refuse_flags.clone(),
            path: self.first_on_path(),
            ..Screen::default()
        };
        Ok(ArgvRule {
            name: self.name.clone(),
            program: self.name.clone(),
            screen,
            table: None,
            grant: Grant {
                risk,
                writes: Writes::Files,
                starts: Starts::Any,
                reads: self.reads()?,
                scratch: self.scratch.clone(),
                dropped: Vec::new(),
                inputs,
                net,
            },
            interpreters: self.interpreters.clone(),
            home: Vec::new(),
        })
    }

    fn reads(&self) -> Result<Vec<ReadRoot>, CommandError> {
        let read = |path: &String| {
            let wrong = || CommandError::Reads { name: self.name.clone(), path: path.clone() };
            ReadRoot::parse(path).ok_or_else(wrong)
        };
        self.reads.iter().map(read).collect()
    }

    /// Where it is, so that it finds what came with it.
    fn first_on_path(&self) -> Option<PathBuf> {
        self.path.as_ref()?.parent().map(Path::to_owned)
    }

    fn net(&self) -> Result<Net, CommandError> {
        let read = |host: &String| {
            let wrong = || CommandError::Host { name: self.name.clone(), host: host.clone() };
            HostPort::parse(host).ok_or_else(wrong)
        };
        match self.network.is_empty() {
            true => Ok(Net::Deny),
            false => Ok(Net::Allow(self.network.iter().map(read).collect::<Result<_, _>>()?)),
        }
    }

    fn well_formed(&self) -> Result<(), CommandError> {
        let name = || self.name.clone();
        if let Some(name) =
            std::iter::once(&self.name).chain(&self.interpreters).find(|name| !is_name(name))
        {
            return Err(CommandError::Name { name: name.clone() });
        }
        if let Some(path) = self.path.as_ref().filter(|path| !is_plain_absolute(path)) {
            return Err(CommandError::Path { name: name(), path: path.clone() });
        }
        let is_flag =
            |flag: &str| flag.starts_with('-') && !flag.trim_start_matches('-').is_empty();
        if let Some(flag) = self.refuse_flags.iter().find(|flag| !is_flag(flag)) {
            return Err(CommandError::Flag { name: name(), flag: flag.clone() });
        }
        let globs = self.inputs.iter().flatten().map(|glob| glob.strip_prefix('!').unwrap_or(glob));
        let mut paths = globs.chain(self.scratch.iter().map(String::as_str));
        match paths.find(|path| !stays_inside(path)) {
            Some(path) => Err(CommandError::Outside { name: name(), path: path.to_owned() }),
            None => Ok(()),
        }
    }

    /// Tries every example.
    fn holds(&self, rule: &ArgvRule) -> Result<(), CommandError> {
        let place = Place::new("/workspace", "/workspace")
            .expect("a directory is in itself")
            .with_repository(RepositoryConfig::default());
        let check = |argv: &Vec<String>| {
            let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
            rule.check(&argv, &place)
        };
        for argv in &self.accept {
            if let Err(violation) = check(argv) {
                let (name, argv) = (self.name.clone(), argv.join(" "));
                return Err(CommandError::Refuses { name, argv, violation });
            }
        }
        match self.refuse.iter().find(|argv| check(argv).is_ok()) {
            Some(argv) => {
                Err(CommandError::Accepts { name: self.name.clone(), argv: argv.join(" ") })
            }
            None => Ok(()),
        }
    }
}

/// The name of one file, that a person can tell from another.
fn is_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(known)
        && !name.starts_with(['-', '.'])
}

fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

fn stays_inside(path: &str) -> bool {
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    !path.is_empty() && Path::new(path).components().all(inside)
}
