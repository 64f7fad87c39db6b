//! What the catalogue takes, refuses and makes of an argv; and what a real git does with the result.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod argv;
mod command;
mod git;
mod git_vectors;
mod resolve;

use std::ffi::OsString;
use std::sync::LazyLock;

use kairos_sandbox::catalog::{Catalog, CheckError, Place, RepositoryConfig, Rewritten, Trust};

static SHIPPED: LazyLock<Catalog> = LazyLock::new(|| Catalog::shipped(Trust::system("/w")));

fn catalog() -> Catalog {
    SHIPPED.clone()
}

/// In a workspace `/w`, standing in `/w/sub`, in a repository that configures nothing.
fn place() -> Place {
    Place::new("/w", "/w/sub").unwrap().with_repository(RepositoryConfig::default())
}

fn words(argv: &[&str]) -> Vec<OsString> {
    argv.iter().map(OsString::from).collect()
}

/// A command in one line; a value with a space in it is given by `check_words`.
fn check(line: &str) -> Result<Rewritten, CheckError> {
    let mut words = line.split(' ');
    let name = words.next().unwrap();
    check_words(name, &words.filter(|word| !word.is_empty()).collect::<Vec<_>>())
}

fn check_words(name: &str, argv: &[&str]) -> Result<Rewritten, CheckError> {
    SHIPPED.check(name, &words(argv), &place())
}

#[track_caller]
fn accepted(line: &str) -> Rewritten {
    check(line).unwrap_or_else(|refusal| panic!("`{line}` is refused: {refusal}"))
}

#[track_caller]
fn refused(line: &str) -> String {
    match check(line) {
        Ok(rewritten) => panic!("`{line}` became {:?}", rewritten.argv),
        Err(refusal) => refusal.to_string(),
    }
}
