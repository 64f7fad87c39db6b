//! `scope.json`: absolute paths, judged relative to their workspace.

use kairos_core::gate::scope::{Classified, Reason, Scopes};
use kairos_core::path::RelPath;
use serde_json::Value;

use crate::harness::{Outcome, Rule, run};

static CONTROL_PLANE: Rule = Rule {
    id: "DESIGN-9",
    reason: "the control plane is refused in any act, not held for approval",
};
static PROTECTED_NAMES: Rule = Rule {
    id: "SCO-3",
    reason: ".git, CI definitions, .env and agent or editor configuration were approved unseen",
};
static CASE: Rule = Rule {
    id: "SCO-4",
    reason: "another spelling of a protected name in upper or lower case was free",
};
static NESTED: Rule = Rule {
    id: "SCO-6",
    reason: "what protects at the root was free further down, where another daemon's root may be",
};
static SLASH_ROOT: Rule =
    Rule { id: "SCO-5", reason: "with the workspace at `/` every path was said to escape it" };

#[test]
fn scope() {
    run("scope.json", check);
}

fn check(case: &Value) -> Outcome {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let path = text(&case["input"]["path"]).expect("a path");
    let root = text(&case["input"]["workspace_root"]).expect("a root");
    let recorded = text(&case["expected"]["scope"]);
    let Some(path) = below(&path, &root) else {
        return Outcome::equal(&None, &recorded);
    };
    let classified = Scopes::default().classify(&path);
    if recorded.is_none() && root == "/" {
        return Outcome::Deviation(&SLASH_ROOT);
    }
    let ours = match &classified {
        Classified::Scoped { scope, .. } => Some(scope.to_string()),
        Classified::Refused { .. } => None,
    };
    match Outcome::equal(&ours, &recorded) {
        Outcome::Mismatch(why) if recorded.is_some() => match deviation(&path, &classified) {
            Some(rule) => Outcome::Deviation(rule),
            None => Outcome::Mismatch(why),
        },
        outcome => outcome,
    }
}

/// The path relative to its workspace, if it names something in there.
fn below(path: &str, root: &str) -> Option<RelPath> {
    match path.strip_prefix(root.trim_end_matches('/')) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            RelPath::parse(rest.trim_start_matches('/')).ok()
        }
        // A relative path is recorded as an error of the caller; ours are relative by type.
        _ => RelPath::parse(path).ok().filter(|_| path.starts_with('/')),
    }
}

fn deviation(path: &RelPath, classified: &Classified) -> Option<&'static Rule> {
    let lower = path.to_string().to_ascii_lowercase();
    let spelled = [".kairos", "KairosChain_mcp_server"].iter().any(|name| {
        lower.starts_with(&name.to_ascii_lowercase()) && !path.to_string().starts_with(name)
    });
    let nested = ["/.kairos", "/kairoschain_mcp_server"].iter().any(|name| lower.contains(name));
    match classified {
        Classified::Refused { .. } if nested => Some(&NESTED),
        Classified::Refused { .. } if spelled => Some(&CASE),
        Classified::Refused { .. } => Some(&CONTROL_PLANE),
        Classified::Scoped { reason, .. } => match reason {
            Reason::GitInternals
            | Reason::GitHooks
            | Reason::Ci
            | Reason::Environment
            | Reason::AgentConfig
            | Reason::EditorConfig
            | Reason::ToolConfig => Some(&PROTECTED_NAMES),
            Reason::Core | Reason::Skills | Reason::Knowledge | Reason::OtherKairos if spelled => {
                Some(&CASE)
            }
            Reason::Core | Reason::Skills | Reason::Knowledge | Reason::OtherKairos if nested => {
                Some(&NESTED)
            }
            Reason::Core
            | Reason::Skills
            | Reason::Knowledge
            | Reason::OtherKairos
            | Reason::Context
            | Reason::Workspace
            | Reason::Raised { .. } => None,
        },
    }
}
