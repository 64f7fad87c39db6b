//! `cargo xtask attack`: hostile cases by every sandbox that is installed.
//!
//! Owns what is built and installed for it, and the order. Attacks nothing itself: `attack` enters an
//! arena of its own and prints the matrix. Bad where ours let something through, and where a case that
//! can run elsewhere on a machine like this cannot run here.

use std::path::Path;

use anyhow::{Result, bail};

use crate::Verdict;
use crate::call::Call;
use crate::metadata::Metadata;
use crate::packages;

/// The package of the probe, of what drives it, and of ours.
const PACKAGE: &str = "kairos-attack";
const OURS: &str = "kairos-sandbox";
const HELPER: &str = "kairos-sbx";

/// Handed on as it stands; `attack` knows the cases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    args: Vec<String>,
}

impl Request {
    /// `None` when the arguments are no request.
    pub(crate) fn parse(args: &[&str]) -> Option<Self> {
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match *arg {
                "--json" | "--list" => {}
                "--driver" | "--writes" => drop(rest.next()?),
                case if !case.starts_with('-') => {}
                _ => return None,
            }
        }
        Some(Self { args: args.iter().map(|arg| (*arg).to_owned()).collect() })
    }

    fn wants(&self, driver: &str) -> bool {
        let named = self.args.windows(2).any(|pair| pair[0] == "--driver");
        !named || self.args.windows(2).any(|pair| pair[0] == "--driver" && pair[1] == driver)
    }
}

/// Ours alone, which is what every change has to pass.
pub(crate) fn usual(root: &Path) -> Result<Verdict> {
    attack(root, &Request { args: vec!["--driver".to_owned(), "kairos".to_owned()] })
}

pub(crate) fn attack(root: &Path, request: &Request) -> Result<Verdict> {
    if request.wants("bwrap") {
        packages::install_from(root, "bwrap", "bubblewrap", "stands beside ours in the matrix")?;
    }
    packages::install(root, "git", "makes the repositories that are hostile")?;
    let metadata = Metadata::read(root)?;
    // Without libraries of the machine, so that it starts in any view.
    let probe = ["rustc", "--quiet", "--locked", "--package", PACKAGE, "--bin", "probe"];
    let stand_alone = ["--", "-C", "target-feature=+crt-static", "-C", "strip=symbols"];
    built(root, &Call::cargo(&[&probe[..], &stand_alone[..]].concat()))?;
    if metadata.members().any(|package| package.name == OURS) {
        let call = ["build", "--quiet", "--locked", "--profile", "test"];
        built(root, &Call::cargo(&[&call[..], &["--package", OURS, "--bin", HELPER]].concat()))?;
    }
    let start = [
        "run",
        "--quiet",
        "--locked",
        "--profile",
        "test",
        "--package",
        PACKAGE,
        "--bin",
        "attack",
        "--",
    ];
    let args: Vec<&str> = request.args.iter().map(String::as_str).collect();
    let good = Call::cargo(&[&start[..], &args[..]].concat()).show(root)?;
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

fn built(root: &Path, call: &Call) -> Result<()> {
    if call.show(root)? {
        return Ok(());
    }
    bail!("`{call}` failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_cases_drivers_and_flags() {
        let request =
            Request::parse(&["--json", "--driver", "kairos", "1", "2.link-made"]).unwrap();
        assert!(request.wants("kairos") && !request.wants("bwrap"));
        assert!(Request::default().wants("bwrap"));
        assert_eq!(Request::parse(&["--driver"]), None);
        assert_eq!(Request::parse(&["--fast"]), None);
    }
}
