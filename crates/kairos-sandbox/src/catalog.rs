//! Which programs a step may name, and what it may say to them.
//!
//! Owns the list of names with the rule and, once resolved, the verified binary of each; what
//! operators add to it; and the programs that are refused by name, with the reason. A name is looked
//! up under directories of the system only; a program is executed as the descriptor that was read.
//! Rules are data: `rules/*.toml`. Never executes anything, and decides nothing beyond "this argv
//! becomes that one, or is refused because": what a command may see and change is the policy's part.
//!
//! ```text
//! name ──▶ Catalog::resolve ──▶ Program (descriptor, stamp, digest)
//! argv ──▶ Catalog::check  ──▶ Rewritten (argv, variables, Grant) | Violation
//! ```

mod binary;
mod cmd_hash;
mod command;
mod grant;
mod kind;
mod options;
mod place;
mod program;
mod refused;
mod repository;
mod rule;
mod scan;
mod screen;
mod table;
mod trust;
mod violation;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use binary::{Binary, BinaryError, Stamp};
pub use cmd_hash::cmd_hash;
pub use command::{CommandError, CommandRule};
pub use grant::{Effect, Grant, Inputs, ReadRoot, Risk, Starts, Writes};
pub use kind::Unfit;
pub use place::{Place, PlaceError};
pub use program::{Program, Script};
pub use repository::{ListingError, RepositoryConfig};
pub use rule::{ArgvRule, Rewritten};
pub use trust::{Trust, Untrusted};
pub use violation::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, ARGV_BYTES_MAX, Violation};

use crate::kind::Kind;
use program::{Head, Shebang};
use refused::Refused;
use trust::Walked;

/// The rule for commits after a mandate; no step names it unless an operator's entry does.
pub const COMMIT_RULE: &str = "git-write";

/// Names, each with its rule.
#[derive(Clone, Debug)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
    refused: Refused,
    trust: Trust,
}

#[derive(Clone, Debug)]
struct Entry {
    rule: ArgvRule,
    /// Where an operator says it is.
    path: Option<PathBuf>,
    /// Why it takes an operator's entry, as long as there is none.
    explicit: Option<String>,
    /// An operator's entry is in it.
    entered: bool,
}

/// Why a name is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlisted {
    #[error("`{name}` is refused: {reason}")]
    Refused { name: String, reason: String },
    #[error("`{name}` is in no catalogue")]
    Unknown { name: String },
    #[error("`{name}` is a path, and a command is named")]
    Path { name: String },
}

impl Unlisted {
    pub fn kind(&self) -> Kind {
        Kind::Refused
    }

    /// What an operator could do.
    pub fn hint(&self) -> String {
        match self {
            Self::Refused { name, .. } | Self::Unknown { name } => format!(
                "add to `commands:` in daemon.yml: `{{name: {name}, accept: [[…]]}}`, with an argv it must accept"
            ),
            Self::Path { name } => {
                let base = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
                format!("say `{base}`")
            }
        }
    }
}

/// Why a name has no binary.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error(transparent)]
    Unlisted(#[from] Unlisted),
    #[error("`{name}` is in none of {}", listed(.prefixes))]
    Missing { name: String, prefixes: Vec<PathBuf> },
    #[error("`{name}` cannot be trusted")]
    Untrusted {
        name: String,
        #[source]
        source: Untrusted,
    },
    #[error(transparent)]
    Binary(#[from] BinaryError),
    #[error("`{name}` leads to `{}`, which is refused: {reason}", .path.display())]
    LeadsTo { name: String, path: PathBuf, reason: String },
    #[error("`{}` is neither a program of this machine nor a script", .path.display())]
    Shape { path: PathBuf },
    #[error("`{}` is a script for `{interpreter}`, which the rule of `{name}` does not name", .path.display())]
    Interpreter { name: String, path: PathBuf, interpreter: String },
}

/// Why an argv becomes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Unlisted(#[from] Unlisted),
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl ResolveError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unlisted(_) | Self::LeadsTo { .. } | Self::Interpreter { .. } => Kind::Refused,
            Self::Untrusted { source, .. } => source.kind(),
            Self::Missing { .. } | Self::Binary(_) | Self::Shape { .. } => Kind::Unavailable,
        }
    }
}

impl ResolveError {
    /// What an operator could do, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unlisted(unlisted) => Some(unlisted.hint()),
            Self::Missing { name, .. } => Some(format!(
                "install it, or say where it is: `{{name: {name}, path: /…}}` in `commands:`"
            )),
            Self::Untrusted { source, .. } => source.hint(),
            Self::LeadsTo { name, path, .. } => Some(format!(
                "to mean that program, write `{{name: {name}, path: {}}}` in `commands:`",
                path.display()
            )),
            Self::Interpreter { interpreter, .. } => Some(format!(
                "an entry in `commands:` can name it: `interpreters: [{interpreter}]`"
            )),
            Self::Binary(_) | Self::Shape { .. } => None,
        }
    }
}

impl CheckError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unlisted(unlisted) => unlisted.kind(),
            Self::Violation(violation) => violation.kind(),
        }
    }

    /// What could be done, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unlisted(unlisted) => Some(unlisted.hint()),
            Self::Violation(violation) => violation.hint(),
        }
    }
}

impl Catalog {
    /// The shipped catalogue, over the programs that `trust` takes.
    pub fn shipped(trust: Trust) -> Self {
        let shipped = table::shipped().expect("the shipped rules read, a test holds it");
        let entry = |shipped: table::Shipped| {
            let (rule, explicit) = (shipped.rule, shipped.explicit);
            (rule.name().to_owned(), Entry { rule, path: None, explicit, entered: false })
        };
        Self { entries: shipped.into_iter().map(entry).collect(), refused: Refused::read(), trust }
    }

    /// Adds an operator's entry, once it accepts and refuses what it says it does.
    pub fn with(mut self, command: CommandRule) -> Result<Self, CommandError> {
        let path = command.path.clone();
        let shipped = self.entries.get(&command.name);
        if shipped.is_some_and(|entry| entry.entered) {
            return Err(CommandError::Twice { name: command.name });
        }
        let is_explicit = shipped.is_some_and(|entry| entry.explicit.is_some());
        let rule = command.compile(shipped.map(|entry| &entry.rule), is_explicit)?;
        let name = rule.name().to_owned();
        self.entries.insert(name, Entry { rule, path, explicit: None, entered: true });
        Ok(self)
    }

    /// The names a step may say.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let open = self.entries.iter().filter(|(_, entry)| entry.explicit.is_none());
        open.map(|(name, _)| name.as_str())
    }

    /// The rule of a command.
    pub fn rule(&self, name: &str) -> Result<&ArgvRule, Unlisted> {
        self.entry(name).map(|entry| &entry.rule)
    }

    /// The rule for commits after a mandate.
    pub fn commit_rule(&self) -> &ArgvRule {
        &self.entries.get(COMMIT_RULE).expect("the shipped rules have it").rule
    }

    /// Checks the arguments behind `name`; see [`ArgvRule::check`].
    pub fn check(
        &self,
        name: &str,
        argv: &[OsString],
        place: &Place,
    ) -> Result<Rewritten, CheckError> {
        Ok(self.rule(name)?.check(argv, place)?)
    }

    /// Finds the program of a command, opens it once and reads it whole: a tenth of a second for a
    /// large one, so this is for the start and for a changed configuration. Each command gets
    /// [`Program::again`].
    pub fn resolve(&self, name: &str) -> Result<Program, ResolveError> {
        self.program_of(self.entry(name)?)
    }

    /// The program for [`Catalog::commit_rule`].
    pub fn resolve_commit(&self) -> Result<Program, ResolveError> {
        self.program_of(self.entries.get(COMMIT_RULE).expect("the shipped rules have it"))
    }

    fn program_of(&self, entry: &Entry) -> Result<Program, ResolveError> {
        let name = &entry.rule.program;
        let walked = match &entry.path {
            Some(path) => self.trust.named(path).map_err(untrusted(name))?,
            None => self.find(name, &entry.rule.home)?,
        };
        // A link that leads to a shell or to a program of many names is not what its name says; an
        // operator who gave the path has looked.
        if entry.path.is_none()
            && let Some(file) = walked.path.file_name().and_then(|file| file.to_str())
            && file != name
            && let Some(reason) = self.refused.reason(file)
        {
            let (name, path, reason) = (name.clone(), walked.path, reason.to_owned());
            return Err(ResolveError::LeadsTo { name, path, reason });
        }
        let file = Binary::walked(walked)?;
        match Head::read(&file)? {
            Head::Machine => Ok(Program::new(file, None)),
            Head::Other => Err(ResolveError::Shape { path: file.path().to_owned() }),
            Head::Script(line) => {
                let interpreter = self.interpreter(&entry.rule, &file, &line)?;
                Ok(Program::new(interpreter, Some(Script { file, argument: line.argument })))
            }
        }
    }

    fn entry(&self, name: &str) -> Result<&Entry, Unlisted> {
        let owned = || name.to_owned();
        match self.entries.get(name) {
            Some(Entry { explicit: Some(reason), .. }) => {
                Err(Unlisted::Refused { name: owned(), reason: reason.clone() })
            }
            Some(entry) => Ok(entry),
            None => Err(match self.refused.reason(name) {
                Some(reason) => Unlisted::Refused { name: owned(), reason: reason.to_owned() },
                None if name.contains('/') => Unlisted::Path { name: owned() },
                None => Unlisted::Unknown { name: owned() },
            }),
        }
    }

    /// The first file of that name in one of the directories `below` a home that is known, or in one of
    /// the system. One that is there and cannot be trusted is passed over for a later one, and told
    /// when there is none.
    fn find(&self, name: &str, below: &[PathBuf]) -> Result<Walked, ResolveError> {
        let mut first = None;
        let home = self.trust.home().into_iter();
        let own: Vec<PathBuf> =
            home.flat_map(|home| below.iter().map(|dir| home.join(dir))).collect();
        let system = self.trust.prefixes();
        for (at, dir) in own.iter().chain(system).enumerate() {
            let path = dir.join(name);
            match if at < own.len() { self.trust.named(&path) } else { self.trust.found(&path) } {
                Ok(walked) => return Ok(walked),
                Err(Untrusted::Missing { .. }) => {}
                Err(untrusted) => {
                    first.get_or_insert(untrusted);
                }
            }
        }
        let name = name.to_owned();
        Err(match first {
            Some(source) => ResolveError::Untrusted { name, source },
            None => ResolveError::Missing { name, prefixes: [&own, system].concat() },
        })
    }

    /// What a script's first line names: a program that the script's rule names, or one of the
    /// catalogue.
    fn interpreter(
        &self,
        rule: &ArgvRule,
        script: &Binary,
        line: &Shebang,
    ) -> Result<Binary, ResolveError> {
        let name = &line.name;
        if !rule.interpreters.contains(name) && self.entry(name).is_err() {
            return Err(ResolveError::Interpreter {
                name: rule.name().to_owned(),
                path: script.path().to_owned(),
                interpreter: name.clone(),
            });
        }
        let listed = self.entries.get(name).and_then(|entry| entry.path.as_ref());
        let walked = match (listed, line.path()) {
            (Some(path), _) => self.trust.named(path).map_err(untrusted(name))?,
            (None, Some(path)) => self.trust.found(path).map_err(untrusted(name))?,
            (None, None) => self.find(name, &[])?,
        };
        let binary = Binary::walked(walked)?;
        match Head::read(&binary)? {
            Head::Machine => Ok(binary),
            Head::Script(_) | Head::Other => {
                Err(ResolveError::Shape { path: binary.path().to_owned() })
            }
        }
    }
}

fn untrusted(name: &str) -> impl Fn(Untrusted) -> ResolveError {
    move |source| ResolveError::Untrusted { name: name.to_owned(), source }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
