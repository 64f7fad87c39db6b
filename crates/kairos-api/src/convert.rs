//! From a mandate's public form to the rules' own.
//!
//! Owns the one conversion, for requests, schedules and `once` alike. Texts are stored through a
//! closure; everything else is checked here, by field.

use globset::Glob;
use kairos_core::digest::BlobRef;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::Scope;
use kairos_core::glob::{BRACES_MAX, is_deep};
use kairos_core::mandate::spec::{Check, FILES_MAX, MAX_CYCLES, MandateSpec, VERIFY_MAX};
use kairos_core::path::{PathError, RelPath};
use kairos_core::plan::ActionKind;
use kairos_wire::MandateRequest;
use kairos_wire::mandate::{RiskBudget, UploadScope, Verify};

/// Bytes of a goal, of hints and of an expected content.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Cycles of a mandate that names none.
const CYCLES: u8 = 10;

/// A request that is no mandate.
#[derive(Debug, thiserror::Error)]
pub enum SpecError<E: std::error::Error + 'static> {
    #[error("`goal` is empty")]
    NoGoal,
    #[error("`{field}` has {bytes} bytes, at most {TEXT_BYTES_MAX} are allowed")]
    TooLong { field: &'static str, bytes: usize },
    #[error("`{field}` has {count} entries, at most {most} are allowed")]
    TooMany { field: &'static str, count: usize, most: usize },
    #[error("`files`: `{glob}` is no glob")]
    Glob { glob: String, source: globset::Error },
    #[error("`files`: a glob has more than {BRACES_MAX} `{{`")]
    Deep,
    #[error("`files`: `{glob}` leads out of the workspace; globs are relative to it")]
    Outside { glob: String },
    #[error("`verify` names a file that cannot be looked at")]
    Path { source: PathError },
    #[error("`max_cycles: {cycles}` is not 1 to 50")]
    Cycles { cycles: u8 },
    #[error("`allowed_actions`: no action `{word}`; there are {}", actions())]
    Action { word: String },
    #[error("the texts cannot be stored")]
    Store {
        #[source]
        source: E,
    },
}

fn actions() -> String {
    ActionKind::ALL.map(ActionKind::word).join(", ")
}

/// Converts `request`, storing its texts through `put`.
///
/// # Errors
/// The first field that cannot be used, or what `put` said.
pub fn spec<E: std::error::Error + 'static>(
    request: &MandateRequest,
    put: &mut dyn FnMut(&str) -> Result<BlobRef, E>,
) -> Result<MandateSpec, SpecError<E>> {
    if request.goal.trim().is_empty() {
        return Err(SpecError::NoGoal);
    }
    let max_cycles = request.max_cycles.unwrap_or(CYCLES);
    if !MAX_CYCLES.contains(&max_cycles) {
        return Err(SpecError::Cycles { cycles: max_cycles });
    }
    few("files", request.files.len(), FILES_MAX)?;
    few("verify", request.verify.len(), VERIFY_MAX)?;
    for glob in &request.files {
        if leads_out(glob) {
            return Err(SpecError::Outside { glob: glob.clone() });
        }
        if is_deep(glob) {
            return Err(SpecError::Deep);
        }
        let parsed = Glob::new(glob);
        parsed.map_err(|source| SpecError::Glob { glob: glob.clone(), source })?;
    }
    let actions = request.allowed_actions.as_ref();
    let actions = actions.map(|words| words.iter().map(|word| action(word)).collect());
    let scopes = request.allow_llm_upload.as_deref().unwrap_or(&[UploadScope::L2]);
    let mut store = |field, text: &str| {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SpecError::TooLong { field, bytes: text.len() });
        }
        put(text).map_err(|source| SpecError::Store { source })
    };
    let mut verify = Vec::with_capacity(request.verify.len());
    for check in &request.verify {
        verify.push(match check {
            Verify::Contains { file, contains } => {
                let file = RelPath::parse(file).map_err(|source| SpecError::Path { source })?;
                Check::Contains { file, text: store("verify", contains)? }
            }
            Verify::Command { command } => {
                let argv = serde_json::to_string(command).expect("words are JSON");
                Check::Command { argv: store("verify", &argv)? }
            }
        });
    }
    let hints = request.hints_text();
    Ok(MandateSpec {
        goal: store("goal", &request.goal)?,
        files: request.files.clone(),
        verify,
        max_cycles,
        risk_budget: risk(request.risk_budget.unwrap_or_default()),
        project_scope: request.project_scope.clone().unwrap_or_default(),
        allowed_actions: actions.transpose()?,
        upload: scopes.iter().map(|scope| upload(*scope)).collect(),
        hints: hints.map(|hints| store("decide_hints", &hints)).transpose()?,
        model: request.model.clone(),
        timeout_ms: request.timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// Whether a glob can only match outside of the workspace, or steps through its parent.
#[must_use]
pub fn leads_out(glob: &str) -> bool {
    glob.starts_with('/') || glob.split('/').any(|component| component == "..")
}

fn few<E: std::error::Error>(
    field: &'static str,
    count: usize,
    most: usize,
) -> Result<(), SpecError<E>> {
    if count > most { Err(SpecError::TooMany { field, count, most }) } else { Ok(()) }
}

fn action<E: std::error::Error>(word: &str) -> Result<ActionKind, SpecError<E>> {
    let found = ActionKind::ALL.into_iter().find(|kind| kind.word() == word);
    found.ok_or_else(|| SpecError::Action { word: word.to_owned() })
}

const fn risk(budget: RiskBudget) -> Risk {
    match budget {
        RiskBudget::Low => Risk::Low,
        RiskBudget::Medium => Risk::Medium,
        RiskBudget::High => Risk::High,
    }
}

const fn upload(scope: UploadScope) -> Scope {
    match scope {
        UploadScope::L0 => Scope::L0,
        UploadScope::L1 => Scope::L1,
        UploadScope::L2 => Scope::L2,
    }
}
