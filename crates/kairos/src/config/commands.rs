//! `commands:` and `commands_as:`: what an operator says of programs, and who they run as.
//!
//! Owns the keys of an entry and where in it a problem stands; what an entry means, and whether it holds
//! its own examples, the catalogue says. Never looks for a program: that is tried when one is used.

use std::fmt;
use std::path::PathBuf;

use kairos_sandbox::catalog::{Catalog, CommandError, CommandRule, Risk, Trust};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::node::{Node, Value};
use super::problem::{File, Problem};
use crate::accounts::{self, Account};

/// Entries in one file.
const ENTRIES_MAX: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    name: String,
    path: Option<PathBuf>,
    risk: Option<Risk>,
    #[serde(default)]
    network: RawNetwork,
    #[serde(default)]
    accept: Vec<Vec<String>>,
    #[serde(default)]
    refuse: Vec<Vec<String>>,
    #[serde(default)]
    subcommands: Vec<String>,
    #[serde(default)]
    refuse_flags: Vec<String>,
    inputs: Option<Vec<String>>,
    #[serde(default)]
    scratch: Vec<String>,
    #[serde(default)]
    interpreters: Vec<String>,
    #[serde(default)]
    reads: Vec<String>,
}

/// `none`, or `{allow: [HOST:PORT]}`.
#[derive(Debug, Default)]
struct RawNetwork(Vec<String>);

impl<'de> Deserialize<'de> for RawNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Network)
    }
}

struct Network;

impl<'de> Visitor<'de> for Network {
    type Value = RawNetwork;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none`, or `{allow: [\"example.org:443\"]}`")
    }

    fn visit_unit<E: de::Error>(self) -> Result<RawNetwork, E> {
        Ok(RawNetwork::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawNetwork, E> {
        match text {
            "none" => Ok(RawNetwork::default()),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawNetwork, A::Error> {
        let mut allow = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "allow" => allow = map.next_value()?,
                other => return Err(de::Error::unknown_field(other, &["allow"])),
            }
        }
        Ok(RawNetwork(allow))
    }
}

impl RawCommand {
    fn rule(self) -> CommandRule {
        CommandRule {
            name: self.name,
            path: self.path,
            risk: self.risk,
            network: self.network.0,
            accept: self.accept,
            refuse: self.refuse,
            subcommands: self.subcommands,
            refuse_flags: self.refuse_flags,
            inputs: self.inputs,
            scratch: self.scratch,
            interpreters: self.interpreters,
            reads: self.reads,
        }
    }
}

/// What the operator says of commands.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandsConfig {
    /// What is said of programs, each tried with its examples.
    pub(crate) rules: Vec<CommandRule>,
    /// Who commands run as, where root is told so.
    pub(crate) run_as: Option<Account>,
    /// How long one may take.
    pub(crate) timeout_ms: u64,
}

impl CommandsConfig {
    /// Entries and account; what is wrong is in `out`.
    pub(super) fn read(
        (raw, run_as): (Option<Vec<RawCommand>>, Option<&str>),
        (file, node): (&File, &Node),
        out: &mut Vec<Problem>,
    ) -> Self {
        let rules = entries(raw, file, node, out);
        Self { rules, run_as: account(run_as, file, node, out), timeout_ms: 0 }
    }
}

/// The entries, each tried with its own examples; what is wrong with one is in `out`.
fn entries(
    raw: Option<Vec<RawCommand>>,
    file: &File,
    node: &Node,
    out: &mut Vec<Problem>,
) -> Vec<CommandRule> {
    let rules: Vec<CommandRule> =
        raw.unwrap_or_default().into_iter().map(RawCommand::rule).collect();
    if rules.is_empty() {
        return rules;
    }
    if rules.len() > ENTRIES_MAX {
        let message = format!("{} commands, more than {ENTRIES_MAX}", rules.len());
        out.push(Problem::new(file, node.place(&["commands"]), message));
        return Vec::new();
    }
    let items = node.get("commands").map_or(&[][..], Node::items);
    // Where programs are looked for is of no concern to an example.
    let mut catalog = Catalog::shipped(Trust::system("/nowhere"));
    for (rule, item) in rules.iter().zip(items) {
        match catalog.clone().with(rule.clone()) {
            Ok(with) => catalog = with,
            Err(error) => {
                let at = place(item, rule, &error);
                out.push(Problem::new(file, at, error.to_string()).hint(error.hint()));
            }
        }
    }
    rules
}

/// The part of an entry that an error is about.
fn place(item: &Node, rule: &CommandRule, error: &CommandError) -> std::ops::Range<usize> {
    let example = |key: &str, lists: &[Vec<String>], argv: &str| {
        let at = lists.iter().position(|list| list.join(" ") == argv);
        let found = at.and_then(|at| item.get(key)?.items().get(at));
        found.map_or_else(|| item.place(&[key]), |node| node.at.clone())
    };
    let text = |key: &str, wanted: &str| {
        let is = |node: &&Node| matches!(&node.value, Value::Text(text) if text == wanted);
        item.get(key).and_then(|list| list.items().iter().find(is)).map(|node| node.at.clone())
    };
    let whole = |key: &str| item.place(&[key]);
    match error {
        CommandError::Name { name } => text("interpreters", name).unwrap_or_else(|| whole("name")),
        CommandError::Twice { .. } => whole("name"),
        CommandError::Path { .. } => whole("path"),
        CommandError::Host { host, .. } => {
            let hosts = item.find(&["network", "allow"]).map_or(&[][..], Node::items);
            let is = |node: &&Node| matches!(&node.value, Value::Text(text) if text == host);
            hosts.iter().find(is).map_or_else(|| whole("network"), |node| node.at.clone())
        }
        CommandError::Flag { flag, .. } => {
            text("refuse_flags", flag).unwrap_or_else(|| whole("refuse_flags"))
        }
        CommandError::Outside { path, .. } => text("scratch", path)
            .or_else(|| text("inputs", path))
            .or_else(|| text("inputs", &format!("!{path}")))
            .unwrap_or_else(|| item.at.clone()),
        CommandError::Subcommand { subcommand, .. } => {
            text("subcommands", subcommand).unwrap_or_else(|| whole("subcommands"))
        }
        CommandError::Reads { path, .. } => text("reads", path).unwrap_or_else(|| whole("reads")),
        CommandError::Risk { .. } => whole("risk"),
        CommandError::NoExample { .. } => item.at.clone(),
        CommandError::Refuses { argv, .. } => example("accept", &rule.accept, argv),
        CommandError::Accepts { argv, .. } => example("refuse", &rule.refuse, argv),
    }
}

/// Who commands run as, where root is told so; what is wrong is in `out`.
fn account(
    name: Option<&str>,
    file: &File,
    node: &Node,
    out: &mut Vec<Problem>,
) -> Option<Account> {
    let name = name?;
    let at = || node.place(&["commands_as"]);
    match accounts::find(name) {
        Ok(account) => {
            let own = rustix::process::geteuid().as_raw();
            if own != 0 && own != account.uid {
                let message = format!("only root can have commands run as `{name}`");
                let hint = "delete the key, or start the daemon as that user";
                out.push(Problem::warning(file, at(), message).hint(hint));
            }
            Some(account)
        }
        Err(error) => {
            out.push(Problem::new(file, at(), error.to_string()).hint(accounts::HINT));
            None
        }
    }
}
