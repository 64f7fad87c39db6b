//! `argv_validators.json`: the predecessor's rules for an argv, a name, a place, and its hash.
//!
//! A case that differs is explained by what in it is refused or taken now, never by its number: the
//! predecessor's holes are closed, and what it refused although nothing could come of it is taken.

#[path = "../../../../vectors/harness.rs"]
mod harness;

use std::ffi::OsString;
use std::sync::LazyLock;

use harness::{Outcome, Rule, run};
use kairos_sandbox::catalog::{
    Catalog, CheckError, Place, RepositoryConfig, Trust, Unfit, Violation, cmd_hash,
};
use serde_json::Value;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::shipped(Trust::system("/w")));

static WRITES: Rule =
    Rule { id: "SHL-2", reason: "an option that writes a file anywhere was passed on" };
static READS: Rule = Rule {
    id: "SHL-3",
    reason: "an option or name that reads outside the workspace was passed on",
};
static STARTS: Rule = Rule { id: "SHL-4", reason: "an option that starts a program was passed on" };
static SPELLED: Rule = Rule {
    id: "SHL-7",
    reason: "glued, cut short or unknown options, and options without their value, were passed on",
};
static SIGNS: Rule = Rule {
    id: "SHL-8",
    reason: "signs that only a shell would read, harmless options and names of files were refused",
};
static ROOT: Rule =
    Rule { id: "SHL-9", reason: "with `/` allowed every working directory was refused" };
static INJECTED: Rule = Rule {
    id: "SHL-12",
    reason: "the option without which TeX starts programs is put in, and need not be given",
};
#[test]
fn argv_validators() {
    run("argv_validators.json", |case| {
        let input = &case["input"];
        if input.get("cmd_hash").is_some() {
            hash(input, &case["expected"])
        } else if input.get("validate_paths").is_some() {
            paths(&input["validate_paths"], is_ok(case))
        } else {
            argv(input, is_ok(case))
        }
    });
}

fn is_ok(case: &Value) -> bool {
    case["expected"]["ok"].as_bool().expect("an answer")
}

fn words(list: &Value) -> Vec<OsString> {
    let words = list.as_array().expect("a list").iter();
    words.map(|word| OsString::from(word.as_str().expect("a word"))).collect()
}

fn hash(input: &Value, expected: &Value) -> Outcome {
    let cwd = input["cmd_hash"]["cwd"].as_str().expect("a directory");
    let ours = cmd_hash(&words(&input["cmd_hash"]["cmd"]), cwd.as_ref());
    Outcome::equal(&Some(ours.as_str()), &expected["cmd_hash"].as_str())
}

/// The predecessor took a list of directories; a command here has one workspace.
fn paths(input: &Value, recorded: bool) -> Outcome {
    let cwd = input["cwd"].as_str().expect("a directory");
    let allowed = words(&input["allowed_paths"]);
    let ours = allowed.iter().any(|workspace| Place::new(workspace, cwd).is_ok());
    match Outcome::equal(&ours, &recorded) {
        Outcome::Mismatch(_) if ours && allowed == ["/"] => Outcome::Deviation(&ROOT),
        outcome => outcome,
    }
}

fn argv(input: &Value, recorded: bool) -> Outcome {
    let name = input["bin"].as_str().expect("a name");
    let argv = words(&input["argv"]);
    if input.get("resolve_only").is_some() {
        return Outcome::equal(&CATALOG.rule(name).is_ok(), &recorded);
    }
    let place = Place::new("/w", "/w").expect("a directory is in itself");
    let place = place.with_repository(RepositoryConfig::default());
    let ours = CATALOG.check(name, &argv, &place);
    let why = match (&ours, recorded) {
        (Ok(_), true) | (Err(_), false) => return Outcome::Pass,
        (Ok(_), false) => taken(name, &argv),
        (Err(error), true) => refused(error),
    };
    match why {
        Some(rule) => Outcome::Deviation(rule),
        None => Outcome::Mismatch(format!("ours {ours:?}, recorded ok={recorded}")),
    }
}

/// Why something is taken that was refused.
fn taken(name: &str, argv: &[OsString]) -> Option<&'static Rule> {
    let has = |test: &dyn Fn(&str) -> bool| argv.iter().any(|word| word.to_str().is_some_and(test));
    let signs = |word: &str| word.contains(|c| ";&|`$(){}\n\r".contains(c));
    // Behind the subcommand these look for copies and show merges; before it they are refused still.
    let harmless = |word: &str| name == "git" && (word == "-C" || word == "-c");
    // Behind two dashes everything is the name of a file.
    let is_named = argv.iter().any(|word| word == "--");
    if has(&signs) || has(&harmless) || is_named {
        Some(&SIGNS)
    } else if name == "xelatex" && !argv.iter().any(|word| word == "-no-shell-escape") {
        Some(&INJECTED)
    } else {
        None
    }
}

/// Why something is refused that was taken.
fn refused(error: &CheckError) -> Option<&'static Rule> {
    let CheckError::Violation(violation) = error else { return None };
    match violation {
        Violation::Refused { option, .. } => Some(match option.as_str() {
            "--output" => &WRITES,
            "--no-index" => &READS,
            "--ext-diff" | "-enable-write18" => &STARTS,
            _ => &SPELLED,
        }),
        Violation::Unknown { .. }
        | Violation::Abbreviated { .. }
        | Violation::NoValue { .. }
        | Violation::Dashed { .. } => Some(&SPELLED),
        Violation::Unfit { why: Unfit::Outside | Unfit::Address, .. } => Some(&READS),
        _ => None,
    }
}
