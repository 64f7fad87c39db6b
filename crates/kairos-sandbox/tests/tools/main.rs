//! Real tools, as a new user would try them: named, checked, given the policy of their shipped rule and
//! run in the real sandbox. None of them may be missing: `cargo xtask test` installs them.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod account;
mod build;
mod desk;
mod documents;
mod git;
mod meanwhile;
mod mistakes;
mod scripts;
mod text;
