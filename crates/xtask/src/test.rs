//! `cargo xtask test`: everything that has to be green.
//!
//! Owns the order of the stages, cheapest first, and what is installed for them. Stops at the first
//! failure with the command that repeats it. Every stage that builds asks for the whole workspace,
//! so features are resolved once and nothing is built a second time for another selection; the core
//! alone is only checked.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::call::Call;
use crate::{Verdict, packages};

/// Known to build with our toolchain; newer ones may ask for a newer compiler.
const NEXTEST_VERSION: &str = "0.9.143";
/// Program and package of the tools that a sandbox is tried with, as their users have them.
const TOOLS: [(&str, &str); 7] = [
    ("cc", "gcc"),
    ("jq", "jq"),
    ("make", "make"),
    ("npm", "npm"),
    ("pandoc", "pandoc"),
    ("python3", "python3"),
    ("rg", "ripgrep"),
];
/// Building nextest takes 5 to 10 minutes on two cores. Past this the plain runner is quicker.
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);

struct Stage {
    name: &'static str,
    act: Act,
}

enum Act {
    Call(Call),
    /// A verb of this program, and what to type for it alone.
    Inside(fn(&Path) -> Result<Verdict>, &'static str),
}

pub(crate) fn test(root: &Path) -> Result<Verdict> {
    let begun = Instant::now();
    let missing = install_components(root)?;
    let nextest = install_nextest(root)?;
    for stage in stages(nextest, &missing) {
        println!("── {}", stage.name);
        let stage_begun = Instant::now();
        let (good, repeat) = match &stage.act {
            Act::Call(call) => (call.show(root)?, call.to_string()),
            Act::Inside(verb, repeat) => (verb(root)? == Verdict::Good, (*repeat).to_owned()),
        };
        if !good {
            println!("── {} failed after {}", stage.name, seconds(stage_begun));
            println!("repeat it alone: {repeat}");
            return Ok(Verdict::Bad);
        }
        println!("── {}: {}", stage.name, seconds(stage_begun));
    }
    if !missing.is_empty() {
        println!("not tried in the sandbox, for they cannot be installed: {missing}");
    }
    println!("all good: {}", seconds(begun));
    Ok(Verdict::Good)
}

fn stages(nextest: bool, missing: &str) -> Vec<Stage> {
    let call = |name, args: &[&str]| Stage { name, act: Act::Call(Call::cargo(args)) };
    let tests: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked", "--no-tests", "pass"]
    } else {
        &["test", "--workspace", "--locked", "--lib", "--bins", "--tests"]
    };
    let tests = match missing {
        "" => Call::cargo(tests),
        missing => Call::cargo(tests).var("KAIROS_TOOLS_MISSING", missing),
    };
    vec![
        call("format", &["fmt", "--all", "--check"]),
        Stage { name: "tidy", act: Act::Inside(crate::tidy::tidy, "cargo xtask tidy") },
        call("core alone", &["check", "--locked", "-p", "kairos-core"]),
        call(
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        ),
        Stage { name: "tests", act: Act::Call(tests) },
        call("documentation tests", &["test", "--doc", "--workspace", "--locked"]),
        Stage {
            name: "recorded cases",
            act: Act::Inside(|root| crate::vectors::vectors(root, None), "cargo xtask vectors"),
        },
        Stage {
            name: "civil time",
            act: Act::Inside(|root| crate::civil::civil(root, false), "cargo xtask civil"),
        },
        Stage { name: "slots", act: Act::Inside(crate::slots::usual, "cargo xtask slots") },
        Stage {
            name: "attack",
            act: Act::Inside(crate::attack::usual, "cargo xtask attack --driver kairos"),
        },
        Stage { name: "faults", act: Act::Inside(crate::faults::all, "cargo xtask faults") },
    ]
}

/// Answers with the tools that cannot be installed, with commas between them: what would be tried with one is
/// then left out, and that is said.
fn install_components(root: &Path) -> Result<String> {
    for component in ["rustfmt", "clippy"] {
        let tool = if component == "rustfmt" { "fmt" } else { component };
        if Call::cargo(&[tool, "--version"]).works(root) {
            continue;
        }
        println!("installing {component}, which is missing");
        let install = Call::new("rustup", &["component", "add", component]);
        if !install.show(root)? {
            bail!("`{component}` cannot be installed; repeat it alone: {install}");
        }
    }
    packages::install_in_system(root, "git", "git", "lists the tree")?;
    let mut missing = Vec::new();
    for (program, package) in TOOLS {
        let why = "is tried in the sandbox";
        if let Err(error) = packages::install_in_system(root, program, package, why) {
            println!("{error}");
            missing.push(program);
        }
    }
    Ok(missing.join(","))
}

/// Whether nextest is there in the end. The tests do not depend on it: without it the runner that
/// comes with cargo takes them, one program after the other.
fn install_nextest(root: &Path) -> Result<bool> {
    let present = Call::cargo(&["nextest", "--version"]);
    if present.works(root) {
        return Ok(true);
    }
    println!("installing cargo-nextest {NEXTEST_VERSION}, which is missing");
    let install =
        Call::cargo(&["install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION]);
    install.show_within(root, INSTALL_LIMIT)?;
    if present.works(root) {
        return Ok(true);
    }
    println!("cargo-nextest cannot be installed; the runner of cargo takes the tests");
    Ok(false)
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_stages_come_first() {
        let names: Vec<&str> = stages(true, "").iter().map(|stage| stage.name).collect();
        let expected = [
            "format",
            "tidy",
            "core alone",
            "clippy",
            "tests",
            "documentation tests",
            "recorded cases",
            "civil time",
            "slots",
            "attack",
            "faults",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn without_nextest_the_tests_still_run() {
        let tests = stages(false, "").into_iter().find(|stage| stage.name == "tests").unwrap();
        let Act::Call(call) = tests.act else { panic!("tests are a call") };
        assert_eq!(call.to_string(), "cargo test --workspace --locked --lib --bins --tests");
    }
}
