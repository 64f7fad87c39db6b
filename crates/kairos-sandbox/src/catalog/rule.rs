//! The rule of one tool.
//!
//! Owns which argv of a tool are taken and what they are rewritten to: flags and variables put in
//! that take the tool's own ways of starting programs away. Pure: what must be known of a repository
//! is an input, and [`ArgvRule::question`] says how to learn it. In the flow: a name is resolved to a
//! binary, its rule checks the argv, the sandbox runs what comes out.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::grant::{Grant, ReadRoot};
use super::options::Options;
use super::place::Place;
use super::scan::{Operands, Said, Scan, Style};
use super::screen::Screen;
use super::violation::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, ARGV_BYTES_MAX, Violation, shown};
use crate::policy::{Cache, EnvPolicy, PathRule, Policy};

/// The rule of one tool: which argv it takes and what they become.
#[derive(Clone, Debug)]
pub struct ArgvRule {
    pub(crate) name: String,
    /// The name of its binary, and the first argument.
    pub(crate) program: String,
    /// What an operator adds: looked at before the table.
    pub(crate) screen: Screen,
    /// `None` where only the screen knows the tool.
    pub(crate) table: Option<Table>,
    pub(crate) grant: Grant,
    /// Programs that may interpret the tool, where it is a script.
    pub(crate) interpreters: Vec<String>,
    /// Directories below a home that it is looked for in first: who has a toolchain there means it.
    pub(crate) home: Vec<PathBuf>,
}

/// What the shipped table says of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) style: Style,
    /// What may stand before a subcommand.
    pub(crate) globals: Options,
    /// Put in before everything.
    pub(crate) inject: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) forms: Forms,
    /// Whether the tool reads a git repository.
    pub(crate) repository: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Forms {
    /// The tool has no subcommands.
    Only(Box<Form>),
    Subcommands {
        known: BTreeMap<String, Form>,
        refused: BTreeMap<String, String>,
    },
}

/// What a tool, or one subcommand of it, takes.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) options: Options,
    pub(crate) operands: Operands,
    /// Put in behind the subcommand.
    pub(crate) inject: Vec<String>,
    /// At least one of these stands in the argv.
    pub(crate) require: Vec<String>,
    /// Words that are refused wherever they stand, with the reason: the tool reads them before it
    /// reads options.
    pub(crate) never: BTreeMap<String, String>,
    pub(crate) filters: Filters,
    pub(crate) grant: Grant,
}

/// What is done about programs that a repository filters its files through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Filters {
    /// The tool starts none.
    #[default]
    None,
    /// Each is overridden, and attributes of the workspace are not read.
    Override,
    /// The repository is refused: without its filter the tool would store other bytes.
    Refuse,
}

/// An argv as it is executed, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Whole, the name of the tool first.
    pub argv: Vec<OsString>,
    /// Variables to set; the tool gets no others from a rule.
    pub env: Vec<(String, OsString)>,
    pub grant: Grant,
}

impl Rewritten {
    /// The policy that gives a command what its rule says and nothing else: the workspace, in the
    /// write mode it begins with, and toolchains below a known home. Limits, layers and what is
    /// protected in the workspace are the caller's to add.
    pub fn policy(&self, place: &Place) -> Policy {
        let mut env = EnvPolicy::default();
        let is_set = |name: &OsString| self.env.iter().any(|(set, _)| name == set.as_str());
        env.set.retain(|(name, _)| !is_set(name));
        env.set.extend(self.env.iter().map(|(name, value)| (name.into(), value.clone())));
        let root = |root: &ReadRoot| match root {
            ReadRoot::Absolute(path) => Some(PathRule::optional(path)),
            ReadRoot::Home(path) => Some(PathRule::optional(place.home()?.join(path))),
        };
        Policy {
            read: self.grant.reads.iter().filter_map(root).collect(),
            write: vec![PathRule::required(place.workspace())],
            exec: self.grant.starts.exec_rule(),
            net: self.grant.net.clone(),
            env,
            writes: self.grant.writes.mode(),
            ..Policy::default()
        }
    }
}

impl Rewritten {
    /// The directories that the command fills for itself, each to be kept below `kept`, an absolute
    /// path outside the workspace. The caller makes them, and puts them into the policy.
    pub fn caches(&self, place: &Place, kept: &Path) -> Vec<Cache> {
        let cache = |scratch: &String| {
            let at = place.cwd().join(scratch);
            // One name for one place, whatever its letters are.
            let digest = Sha256::digest(at.as_os_str().as_bytes());
            let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            Cache { at, kept: kept.join(name) }
        };
        self.grant.scratch.iter().map(cache).collect()
    }

    /// Whether a change to `path`, relative to the workspace, is somebody's work.
    pub fn is_kept(&self, place: &Place, path: &Path) -> bool {
        let whole = place.workspace().join(path);
        let nobodys = self.grant.scratch.iter().chain(&self.grant.dropped);
        nobodys.into_iter().all(|dir| !whole.starts_with(place.cwd().join(dir)))
    }
}

impl ArgvRule {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the rule gives where no subcommand says otherwise.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// What to execute just before `check`, in the same place: its standard output is for
    /// [`RepositoryConfig::parse`](super::RepositoryConfig::parse); where it does not exit with 0
    /// nothing is known, and the command is refused. `None` where nothing has to be known.
    pub fn question(&self, place: &Place) -> Option<Rewritten> {
        let table = self.table.as_ref().filter(|table| table.repository)?;
        let mut argv = vec![OsString::from(&self.program)];
        argv.extend(table.inject.iter().map(OsString::from));
        argv.extend(["config", "--list", "-z"].map(OsString::from));
        Some(Rewritten { argv, env: table.env(place), grant: Grant::default() })
    }

    /// Checks the arguments behind the tool's name, and says what is executed instead.
    pub fn check(&self, argv: &[OsString], place: &Place) -> Result<Rewritten, Violation> {
        within_bounds(argv)?;
        self.screen.check(&self.name, argv)?;
        let rewritten = match &self.table {
            Some(table) => table.check(&self.program, argv, place)?,
            None => {
                let mut whole = vec![OsString::from(&self.program)];
                whole.extend_from_slice(argv);
                Rewritten { argv: whole, env: Vec::new(), grant: self.grant.clone() }
            }
        };
        let rewritten = self.screen.raise(rewritten);
        let bytes = sizes(&rewritten.argv).chain(
            rewritten
                .env
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2 + size_of::<usize>()),
        );
        match bytes.sum::<usize>() {
            bytes if bytes > ARGV_BYTES_MAX => Err(Violation::Large { bytes }),
            _ => Ok(rewritten),
        }
    }
}

impl Table {
    fn check(&self, tool: &str, argv: &[OsString], place: &Place) -> Result<Rewritten, Violation> {
        let mut whole = vec![OsString::from(tool)];
        whole.extend(self.inject.iter().map(OsString::from));
        let (title, form, rest) = match &self.forms {
            Forms::Only(form) => (tool.to_owned(), &**form, argv),
            Forms::Subcommands { known, refused } => {
                let globals = self.globals(tool, argv)?;
                let (before, behind) = argv.split_at(globals);
                let (name, rest) =
                    behind.split_first().ok_or_else(|| no_subcommand(tool, known))?;
                let form = subcommand(tool, name, known, refused)?;
                whole.extend(form.overrides(tool, place)?);
                whole.extend_from_slice(before);
                whole.push(name.clone());
                (format!("{tool} {}", shown(name)), form, rest)
            }
        };
        let said = form.read(&title, self.style, rest, place)?;
        whole.extend(form.inject.iter().map(OsString::from));
        whole.extend_from_slice(rest);
        let mut env = self.env(place);
        if form.filters == Filters::Override
            && let Some(repository) = place.repository()
        {
            env.push(("GIT_ATTR_SOURCE".to_owned(), repository.empty_tree().into()));
        }
        Ok(Rewritten { argv: whole, env, grant: form.grant_for(said) })
    }

    /// How many arguments stand before the subcommand, all of them known flags.
    fn globals(&self, tool: &str, argv: &[OsString]) -> Result<usize, Violation> {
        // Two dashes alone end no options here: they would be a subcommand.
        let is_option = |argument: &&OsString| {
            let bytes = argument.as_bytes();
            bytes.starts_with(b"-") && bytes != b"-" && bytes != b"--"
        };
        let globals = argv.iter().take_while(is_option).count();
        let nothing = Operands::default();
        let scan =
            Scan { title: tool, options: &self.globals, operands: &nothing, place: &nowhere() };
        scan.read(self.style, &argv[..globals]).map(|_| globals)
    }

    fn env(&self, place: &Place) -> Vec<(String, OsString)> {
        // What names a home is left out where none is known.
        let value = |text: &str| match text.strip_prefix("{home}/") {
            Some(below) => Some(place.home()?.join(below).into()),
            None if text.starts_with("{here}/") => Some(place.cwd().join(&text[7..]).into()),
            None if text == "{above}" => Some(place.above().to_owned()),
            None => Some(OsString::from(text)),
        };
        self.env.iter().filter_map(|(name, text)| Some((name.clone(), value(text)?))).collect()
    }
}

impl Form {
    fn read(
        &self,
        title: &str,
        style: Style,
        argv: &[OsString],
        place: &Place,
    ) -> Result<Said, Violation> {
        let never = |word: &OsString| word.to_str().and_then(|word| self.never.get_key_value(word));
        if let Some((word, reason)) = argv.iter().find_map(never) {
            let (tool, word, reason) = (title.to_owned(), word.clone(), reason.clone());
            return Err(Violation::Word { tool, word, reason });
        }
        let scan = Scan { title, options: &self.options, operands: &self.operands, place };
        let said = scan.read(style, argv)?;
        if !self.require.is_empty() && !self.require.iter().any(|o| said.options.contains(o)) {
            let options = self.require.clone();
            return Err(Violation::Required { tool: title.to_owned(), options });
        }
        Ok(said)
    }

    /// What keeps a repository's filters from being started.
    fn overrides(&self, tool: &str, place: &Place) -> Result<Vec<OsString>, Violation> {
        let known =
            || place.repository().ok_or_else(|| Violation::NoRepository { tool: tool.to_owned() });
        match self.filters {
            Filters::None => Ok(Vec::new()),
            Filters::Override => Ok(known()?.overrides()),
            Filters::Refuse => match known()?.filters().next() {
                Some(driver) => Err(Violation::Filter {
                    tool: tool.to_owned(),
                    driver: shown(OsStr::from_bytes(driver)),
                }),
                None => Ok(known()?.overrides()),
            },
        }
    }

    fn grant_for(&self, said: Said) -> Grant {
        let mut grant = self.grant.clone();
        if said.writes && grant.writes == super::Writes::Nothing {
            grant.writes = super::Writes::Files;
        }
        grant.inputs = grant.inputs.with(said.inputs);
        grant
    }
}

fn subcommand<'a>(
    tool: &str,
    name: &OsStr,
    known: &'a BTreeMap<String, Form>,
    refused: &BTreeMap<String, String>,
) -> Result<&'a Form, Violation> {
    let text = name.to_str().unwrap_or_default();
    if let Some(form) = known.get(text) {
        return Ok(form);
    }
    let (tool, subcommand) = (tool.to_owned(), shown(name));
    Err(match refused.get(text) {
        Some(reason) => Violation::RefusedSubcommand { tool, subcommand, reason: reason.clone() },
        None => Violation::Subcommand { tool, subcommand, known: known.keys().cloned().collect() },
    })
}

fn no_subcommand(tool: &str, known: &BTreeMap<String, Form>) -> Violation {
    Violation::NoSubcommand { tool: tool.to_owned(), known: known.keys().cloned().collect() }
}

/// No global option takes a path, so none is read from anywhere.
fn nowhere() -> Place {
    Place::new("/", "/").expect("the root is in the root")
}

/// What the kernel could not pass on is refused here, with a name for it.
fn within_bounds(argv: &[OsString]) -> Result<(), Violation> {
    if argv.len() > ARGUMENTS_MAX {
        return Err(Violation::Many { arguments: argv.len() });
    }
    for (index, argument) in argv.iter().enumerate() {
        let bytes = argument.len();
        if bytes > ARGUMENT_BYTES_MAX {
            return Err(Violation::Long { index, bytes });
        }
        if argument.as_bytes().contains(&0) {
            return Err(Violation::Nul { index });
        }
    }
    match sizes(argv).sum::<usize>() {
        bytes if bytes > ARGV_BYTES_MAX => Err(Violation::Large { bytes }),
        _ => Ok(()),
    }
}

/// What each argument takes of the kernel's room: bytes, an end, a pointer.
fn sizes(argv: &[OsString]) -> impl Iterator<Item = usize> {
    argv.iter().map(|argument| argument.len() + 1 + size_of::<usize>())
}
