//! One step as a model wrote it.
//!
//! Owns which fields each action needs, and the form of a step by which two plans are told to be
//! the same. Never looks at other steps but for the places its dependencies have.

use std::collections::BTreeSet;

use kairos_core::canonical::Tree;
use kairos_core::cycle::answer::Status;
use kairos_core::edit::Occurrences;
use kairos_core::path::{PathError, RelPath};
use kairos_core::plan::graph::StepNameError;
use kairos_core::plan::{Action, ActionKind, FailurePolicy, Step, StepName};

use super::answer::Problem;
use super::fields::{FieldError, Fields, shown};

/// The name of the one step in an answer of the single form.
const SINGLE_STEP: &str = "s1";

/// The most words a command may have.
const ARGV_MAX: usize = 256;

/// What is wrong with one step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepProblem {
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("`id`: {0}")]
    Name(StepNameError),
    #[error("`depends_on`: {0}")]
    Dependency(StepNameError),
    #[error("`{field}`: {error}")]
    Path { field: &'static str, error: PathError },
    #[error("`{field}`: `{path}` has a control character, which no path in a plan may have")]
    Control { field: &'static str, path: String },
    #[error("`action` is `{found}`, which is no action")]
    Action { found: String },
    #[error("`old_string` is empty; use `file_create` for a new file")]
    EmptyOld,
    #[error("`old_string` and `new_string` are the same")]
    Unchanged,
    #[error("`argv` has {count} words, expected 1 to {ARGV_MAX}")]
    Argv { count: usize },
}

/// The texts of one step that only its performer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepTexts {
    Edit {
        old: String,
        new: String,
        which: Occurrences,
    },
    Create {
        content: String,
    },
    Command {
        argv: Vec<String>,
        /// Where it stands; `None` is the workspace.
        cwd: Option<RelPath>,
    },
    /// The action has none.
    None,
}

/// A step with everything the model said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) name: StepName,
    pub(crate) texts: StepTexts,
    action: Action,
    depends_on: Vec<StepName>,
    policy: FailurePolicy,
    /// What distinguishes a command or a tool call from another.
    extra: Tree,
}

/// Reads the single form: one action at the top of the answer.
pub(crate) fn single(fields: &Fields<'_>) -> Result<(Status, Vec<Draft>), Problem> {
    if fields.needed("action")? == ActionKind::Noop.word() {
        fields.text("reason")?;
        return Ok((Status::Done, Vec::new()));
    }
    let name: StepName = SINGLE_STEP.parse().expect("the name is a valid one");
    let draft = Draft::named(name, fields);
    let draft = draft.map_err(|problem| Problem::Step { step: SINGLE_STEP.into(), problem })?;
    Ok((Status::Continue, vec![draft]))
}

impl Draft {
    /// Reads the step at `place` of the list, counted from 0.
    pub(crate) fn read(place: usize, tree: &Tree) -> Result<Self, Problem> {
        let counted = || format!("number {}", place + 1);
        let at = |step: String| move |problem| Problem::Step { step, problem };
        let fields = Fields::of(tree).map_err(|e| at(counted())(e.into()))?;
        let name = fields.needed("id").map_err(|e| at(counted())(e.into()))?;
        let name: StepName = name.parse().map_err(|e| at(counted())(StepProblem::Name(e)))?;
        let step = name.to_string();
        Self::named(name, &fields).map_err(at(step))
    }

    fn named(name: StepName, fields: &Fields<'_>) -> Result<Self, StepProblem> {
        let kind = fields.needed("action")?;
        let known = ActionKind::ALL.into_iter().find(|action| action.word() == kind);
        let kind = known.ok_or_else(|| StepProblem::Action { found: shown(kind) })?;
        let (action, texts, extra) = action(kind, fields)?;
        fields.text("intent")?;
        let depends_on = dependencies(fields)?;
        let policies = [
            ("halt", FailurePolicy::Halt),
            ("skip_dependents", FailurePolicy::SkipDependents),
            ("continue", FailurePolicy::Continue),
        ];
        let policy = match fields.raw("failure_policy") {
            None => FailurePolicy::default(),
            Some(_) => fields.word("failure_policy", &policies)?,
        };
        Ok(Self { name, texts, action, depends_on, policy, extra })
    }

    pub(crate) fn step(&self) -> Step {
        Step {
            name: self.name.clone(),
            action: self.action.clone(),
            depends_on: self.depends_on.clone(),
            policy: self.policy,
        }
    }

    /// What the step means: without its name, which others are free to differ in, and without its
    /// intent.
    pub(crate) fn normal(&self, all: &[&Self]) -> Tree {
        let place = |name: &StepName| all.iter().position(|other| other.name == *name);
        let mut behind: Vec<usize> = self.depends_on.iter().filter_map(place).collect();
        behind.sort_unstable();
        behind.dedup();
        let (old, new, every) = match &self.texts {
            StepTexts::Edit { old, new, which } => {
                (Some(old.as_str()), Some(new.as_str()), Some(*which == Occurrences::All))
            }
            StepTexts::Create { content } => (None, Some(content.as_str()), None),
            StepTexts::Command { .. } | StepTexts::None => (None, None, None),
        };
        let to = match &self.action {
            Action::FileMove { to, .. } => Some(to.to_string()),
            _ => None,
        };
        Tree::map([
            ("action", self.action.kind().word().into()),
            ("path", self.action.path().map(ToString::to_string).into()),
            ("to", to.into()),
            ("old", old.into()),
            ("new", new.into()),
            ("every", every.into()),
            ("extra", self.extra.clone()),
            ("behind", Tree::list(behind.into_iter().map(|place| place as u64))),
            ("policy", policy_word(self.policy).into()),
        ])
    }
}

fn action(kind: ActionKind, fields: &Fields<'_>) -> Result<(Action, StepTexts, Tree), StepProblem> {
    let mut texts = StepTexts::None;
    let mut extra = Tree::Null;
    let action = match kind {
        ActionKind::CodeEdit => {
            texts = edit(fields)?;
            let field = if fields.has("path") { "path" } else { "target" };
            let field = if fields.has(field) { field } else { "path" };
            Action::CodeEdit { path: path(fields, field)? }
        }
        ActionKind::FileCreate => {
            texts = StepTexts::Create { content: fields.needed("content")?.to_owned() };
            Action::FileCreate { path: path(fields, "path")? }
        }
        ActionKind::FileMove => {
            Action::FileMove { path: path(fields, "path")?, to: path(fields, "to")? }
        }
        ActionKind::FileDelete => Action::FileDelete { path: path(fields, "path")? },
        ActionKind::Shell => {
            let argv = fields.texts("argv")?;
            if !(1..=ARGV_MAX).contains(&argv.len()) {
                return Err(StepProblem::Argv { count: argv.len() });
            }
            let cwd = match fields.has("cwd") {
                true => cwd(fields)?,
                false => None,
            };
            let stands = cwd.as_ref().map(ToString::to_string);
            extra = Tree::map([("argv", Tree::list(argv.iter().copied())), ("cwd", stands.into())]);
            let argv = argv.into_iter().map(ToOwned::to_owned).collect();
            texts = StepTexts::Command { argv, cwd };
            Action::Shell
        }
        ActionKind::ToolCall => {
            let tool = fields.needed("tool")?.into();
            let arguments = fields.raw("arguments").cloned().unwrap_or(Tree::Null);
            extra = Tree::map([("tool", tool), ("arguments", arguments)]);
            Action::ToolCall
        }
        ActionKind::PdfBuild => Action::PdfBuild,
        ActionKind::Noop => Action::Noop,
    };
    Ok((action, texts, extra))
}

fn edit(fields: &Fields<'_>) -> Result<StepTexts, StepProblem> {
    let old = fields.needed("old_string")?.to_owned();
    let new = fields.needed("new_string")?.to_owned();
    if old.is_empty() {
        return Err(StepProblem::EmptyOld);
    }
    if old == new {
        return Err(StepProblem::Unchanged);
    }
    let every = fields.flag("replace_all")?.unwrap_or(false);
    let which = if every { Occurrences::All } else { Occurrences::One };
    Ok(StepTexts::Edit { old, new, which })
}

/// The steps it waits for, in the order they are first named.
fn dependencies(fields: &Fields<'_>) -> Result<Vec<StepName>, StepProblem> {
    let mut met = BTreeSet::new();
    let named = fields.texts("depends_on")?.into_iter().filter(|name| met.insert(*name));
    named.map(|name| name.parse().map_err(StepProblem::Dependency)).collect()
}

fn path(fields: &Fields<'_>, field: &'static str) -> Result<RelPath, StepProblem> {
    let text = fields.needed(field)?;
    // A sentence repeats the path, so a hostile one must not fill the repair.
    if text.len() > kairos_core::path::PATH_BYTES_MAX {
        let (bytes, max) = (text.len(), kairos_core::path::PATH_BYTES_MAX);
        return Err(StepProblem::Path { field, error: PathError::TooLong { bytes, max } });
    }
    let path = RelPath::parse(text).map_err(|error| StepProblem::Path { field, error })?;
    if String::from_utf8_lossy(path.as_bytes()).chars().any(char::is_control) {
        return Err(StepProblem::Control { field, path: shown(&path.to_string()) });
    }
    Ok(path)
}

/// Where a command stands; `.` is the workspace.
fn cwd(fields: &Fields<'_>) -> Result<Option<RelPath>, StepProblem> {
    match fields.needed("cwd")?.trim_end_matches('/') {
        "" | "." => Ok(None),
        _ => path(fields, "cwd").map(Some),
    }
}

const fn policy_word(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Halt => "halt",
        FailurePolicy::SkipDependents => "skip_dependents",
        FailurePolicy::Continue => "continue",
    }
}
