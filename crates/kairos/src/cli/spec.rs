//! What a mandate is asked for with, on the command line.
//!
//! Owns the options that `mandate create` and `once` share, and a mandate file under them. Never
//! checks what needs the workspace; the door that takes the request does.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kairos_wire::duration;
use kairos_wire::mandate::{MandateRequest, RiskBudget, UploadScope, Verify};

use crate::output::{Exit, Failure, talk};

/// A mandate file is a page, not a book.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A goal with limits.
#[derive(Debug, Args)]
pub(crate) struct SpecArgs {
    /// What shall be reached
    #[arg(long, value_name = "TEXT", required_unless_present = "file")]
    goal: Option<String>,
    /// Let the model see files that match (repeatable)
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// Count it as achieved only if FILE contains TEXT (repeatable)
    #[arg(long, value_name = "FILE=TEXT", value_parser = verify)]
    verify_contains: Vec<Verify>,
    /// Count it as achieved only if COMMAND exits with 0; words, or a JSON list (repeatable)
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    verify: Vec<Verify>,
    /// Give it at most this many cycles
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=50))]
    max_cycles: Option<u8>,
    /// Ask before anything riskier than this
    #[arg(long, value_name = "RISK")]
    risk_budget: Option<Risk>,
    /// Do not run beside another mandate of this scope
    #[arg(long, value_name = "SCOPE")]
    project_scope: Option<String>,
    /// Let the model see files of this scope: l2, l1 (knowledge), l0 (repeatable; l2 when left out)
    #[arg(long, value_name = "SCOPE")]
    allow_upload: Vec<Upload>,
    /// Ask this model instead of the configured one
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// End it after this time, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<std::time::Duration>,
    /// Read a mandate from a YAML file; options given beside it win
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Risk {
    Low,
    Medium,
    High,
}

impl SpecArgs {
    /// These options as they are typed.
    pub(crate) fn typed(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut line = String::new();
        let mut add = |name: &str, value: &str| line.push_str(&format!(" --{name} {value}"));
        let one = |value: &Option<String>| value.as_deref().map(quoted);
        let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        let file = self.file.as_ref().map(|file| quoted(&file.display().to_string()));
        file.iter().for_each(|file| add("file", file));
        one(&self.goal).iter().for_each(|goal| add("goal", goal));
        self.files.iter().for_each(|glob| add("files", &quoted(glob)));
        for check in self.verify_contains.iter().chain(&self.verify) {
            match check {
                Verify::Contains { file, contains } => {
                    add("verify-contains", &quoted(&format!("{file}={contains}")));
                }
                Verify::Command { command } => {
                    let list = serde_json::to_string(command).expect("words are JSON");
                    add("verify", &quoted(&list));
                }
            }
        }
        self.max_cycles.iter().for_each(|n| add("max-cycles", &n.to_string()));
        self.risk_budget.iter().for_each(|risk| add("risk-budget", &word(risk)));
        one(&self.project_scope).iter().for_each(|scope| add("project-scope", scope));
        self.allow_upload.iter().for_each(|scope| add("allow-upload", &word(scope)));
        one(&self.model).iter().for_each(|model| add("model", model));
        self.timeout.iter().for_each(|length| add("timeout", &length.as_secs_f64().to_string()));
        line
    }

    /// The request these options make.
    pub(crate) fn request(self) -> Result<MandateRequest, Failure> {
        let mut request = match &self.file {
            Some(path) => read(path)?,
            None => MandateRequest::default(),
        };
        if let Some(goal) = self.goal {
            request.goal = goal;
        }
        if request.goal.trim().is_empty() {
            return Err(Failure::usage("a mandate needs a goal"));
        }
        if !self.files.is_empty() {
            request.files = self.files;
        }
        if !self.verify_contains.is_empty() || !self.verify.is_empty() {
            request.verify = self.verify_contains.into_iter().chain(self.verify).collect();
        }
        request.max_cycles = self.max_cycles.or(request.max_cycles);
        request.risk_budget = self.risk_budget.map(Into::into).or(request.risk_budget);
        request.project_scope = self.project_scope.or(request.project_scope);
        if !self.allow_upload.is_empty() {
            request.allow_llm_upload =
                Some(self.allow_upload.into_iter().map(Into::into).collect());
        }
        request.model = self.model.or(request.model);
        request.timeout = self.timeout.or(request.timeout);
        Ok(request)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Upload {
    L0,
    L1,
    L2,
}

impl From<Upload> for UploadScope {
    fn from(scope: Upload) -> Self {
        match scope {
            Upload::L0 => Self::L0,
            Upload::L1 => Self::L1,
            Upload::L2 => Self::L2,
        }
    }
}

impl From<Risk> for RiskBudget {
    fn from(risk: Risk) -> Self {
        match risk {
            Risk::Low => Self::Low,
            Risk::Medium => Self::Medium,
            Risk::High => Self::High,
        }
    }
}

fn verify(text: &str) -> Result<Verify, String> {
    match text.split_once('=') {
        Some((file, contains)) if !file.is_empty() && !contains.is_empty() => {
            Ok(Verify::Contains { file: file.to_owned(), contains: contains.to_owned() })
        }
        _ => Err("expected FILE=TEXT".to_owned()),
    }
}

fn command(text: &str) -> Result<Verify, String> {
    if text.starts_with('[') {
        let list: Result<Vec<String>, _> = serde_json::from_str(text);
        return match list {
            Ok(command) if !command.is_empty() => Ok(Verify::Command { command }),
            Ok(_) => Err("the command is empty".to_owned()),
            Err(error) => Err(format!("not a list of words: {error}")),
        };
    }
    let command = kairos_wire::mandate::words(text)?;
    Ok(Verify::Command { command })
}

fn read(path: &std::path::Path) -> Result<MandateRequest, Failure> {
    use std::io::Read;

    let shown = path.display();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| Failure::usage(format!("cannot read `{shown}`: {error}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("`{shown}` is longer than {FILE_BYTES_MAX} bytes")));
    }
    crate::config::mandate(path, &text).map_err(|problems| {
        let drawn = problems.render(talk::talk_coloured());
        let message = format!("`{shown}` is not a mandate\n{}", drawn.trim_end());
        Failure::new(Exit::Config, "bad_mandate_file", message)
    })
}
