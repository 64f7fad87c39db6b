//! What an operator adds to a tool's rule, or all there is to the rule of a tool of theirs.
//!
//! Owns the refusal of flags whose tool is not known: since nobody here knows which options take
//! values, an argument is refused whenever some tool could read the flag in it. Never loosens a
//! shipped rule.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::grant::{Inputs, ReadRoot, Risk};
use super::rule::Rewritten;
use super::violation::{Violation, shown};
use crate::policy::Net;

/// Bounds that an operator's entry sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Screen {
    /// The first argument is one of these; empty means anything.
    pub(crate) subcommands: Vec<String>,
    /// Flags with their dashes.
    pub(crate) refuse: Vec<String>,
    pub(crate) risk: Option<Risk>,
    pub(crate) scratch: Vec<String>,
    pub(crate) inputs: Vec<String>,
    pub(crate) reads: Vec<ReadRoot>,
    /// The directory of the program that the entry names: what came with it is found there first.
    pub(crate) path: Option<PathBuf>,
    pub(crate) net: Net,
}

impl Screen {
    pub(crate) fn check(&self, tool: &str, argv: &[OsString]) -> Result<(), Violation> {
        if !self.subcommands.is_empty() {
            let known = || self.subcommands.clone();
            let Some(first) = argv.first() else {
                return Err(Violation::NoSubcommand { tool: tool.to_owned(), known: known() });
            };
            if !self.subcommands.iter().any(|name| name.as_bytes() == first.as_bytes()) {
                let subcommand = shown(first);
                let tool = tool.to_owned();
                return Err(Violation::Subcommand { tool, subcommand, known: known() });
            }
        }
        for argument in argv {
            if let Some(flag) =
                self.refuse.iter().find(|flag| could_mean(argument.as_bytes(), flag))
            {
                let reason = match flag.as_bytes() == argument.as_bytes() {
                    true => "the entry in daemon.yml refuses it".to_owned(),
                    false => format!("it may mean `{flag}`, which the entry in daemon.yml refuses"),
                };
                let option = shown(argument);
                return Err(Violation::Refused { tool: tool.to_owned(), option, reason });
            }
        }
        Ok(())
    }

    /// Puts what the entry says on top of what the table grants. Risk is only ever raised.
    pub(crate) fn raise(&self, mut rewritten: Rewritten) -> Rewritten {
        // A colon would end the name there.
        if let Some(first) =
            self.path.as_ref().filter(|path| !path.as_os_str().as_bytes().contains(&b':'))
            && !rewritten.env.iter().any(|(name, _)| name == "PATH")
        {
            let mut path = OsString::from(first);
            path.push(":");
            path.push(crate::policy::PATH);
            rewritten.env.push(("PATH".to_owned(), path));
        }
        let grant = &mut rewritten.grant;
        grant.reads.extend(self.reads.iter().cloned());
        grant.risk = self.risk.map_or(grant.risk, |risk| grant.risk.max(risk));
        grant.scratch.extend(self.scratch.iter().cloned());
        if let Inputs::Bound { globs, .. } = &mut grant.inputs {
            globs.extend(self.inputs.iter().cloned());
        }
        if self.net != Net::Deny {
            grant.net = self.net.clone();
        }
        rewritten
    }
}

/// Whether some tool could read `flag` in `argument`: whole, with a value, cut short, with one dash or
/// two, or among other short options.
fn could_mean(argument: &[u8], flag: &str) -> bool {
    let flag_name = flag.trim_start_matches('-').as_bytes();
    let Some(one) = argument.strip_prefix(b"-") else { return false };
    let spelled = one.strip_prefix(b"-").unwrap_or(one);
    let name = spelled.split(|b| *b == b'=').next().unwrap_or_default();
    if name.is_empty() {
        return false;
    }
    if let [letter] = flag_name {
        // A cluster: the letter may stand behind flags, and a value behind it.
        return name == flag_name || (spelled.len() == one.len() && one.contains(letter));
    }
    // `-no-x` could be read as `-n o-x`; long flags are cut short from their third letter on.
    name == flag_name
        || (name.len() >= 3 && flag_name.starts_with(name))
        || (argument.starts_with(flag.as_bytes()) && argument.get(flag.len()) == Some(&b'='))
        || (!flag.starts_with("--") && argument.starts_with(flag.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_flag_is_found_in_every_spelling() {
        let long = |argument: &str| could_mean(argument.as_bytes(), "--output");
        for spelling in ["--output", "--output=x", "--outp", "--out=x", "-output", "-output=x"] {
            assert!(long(spelling), "{spelling}");
        }
        for other in ["--outputs", "output", "--", "-", "--o", "-o", "x--output", "--input"] {
            assert!(!long(other), "{other}");
        }
        let short = |argument: &str| could_mean(argument.as_bytes(), "-o");
        for spelling in ["-o", "-oFILE", "-vo", "-o=x", "--o"] {
            assert!(short(spelling), "{spelling}");
        }
        for other in ["--output", "o", "-", "--", "-v", "--verbose"] {
            assert!(!short(other), "{other}");
        }
        let single = |argument: &str| could_mean(argument.as_bytes(), "-exec");
        for spelling in ["-exec", "--exec", "-execdir", "-exe"] {
            assert!(single(spelling), "{spelling}");
        }
    }
}
