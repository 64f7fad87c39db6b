//! The shipped rules, as the files below `rules/` state them.
//!
//! Owns the shape of those files and their reading into [`ArgvRule`]s. The files are part of the
//! program: one that does not read is a bug of ours, found by a test. Nothing of an operator's comes
//! through here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::grant::{Grant, Inputs, ReadRoot, Risk, Starts, Writes};
use super::kind::Kind;
use super::options::{NotationError, Options};
use super::rule::{ArgvRule, Filters, Form, Forms, Table};
use super::scan::{Operands, Style};
use super::screen::Screen;

const FILES: [&str; 4] = [
    include_str!("rules/git.toml"),
    include_str!("rules/build.toml"),
    include_str!("rules/documents.toml"),
    include_str!("rules/text.toml"),
];

/// A shipped rule.
#[derive(Debug)]
pub(crate) struct Shipped {
    pub(crate) rule: ArgvRule,
    /// Why it takes an entry of an operator's before it holds, where it does.
    pub(crate) explicit: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("a rules file does not read")]
    Toml(#[from] toml::de::Error),
    #[error("the options of `{tool}` do not read")]
    Notation {
        tool: String,
        #[source]
        source: NotationError,
    },
    #[error("`{word}` means nothing in the rule of `{tool}`")]
    Word { tool: String, word: String },
}

/// All shipped rules, in the order of their files.
pub(crate) fn shipped() -> Result<Vec<Shipped>, TableError> {
    let mut all = Vec::new();
    for text in FILES {
        all.extend(read(text)?);
    }
    Ok(all)
}

fn read(text: &str) -> Result<Vec<Shipped>, TableError> {
    let file: File = toml::from_str(text)?;
    let mut all = Vec::new();
    for tool in &file.tool {
        for name in tool.name.split_whitespace() {
            all.push(Shipped {
                rule: tool.rule(name, &file.set)?,
                explicit: tool.explicit.clone(),
            });
        }
    }
    Ok(all)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Options that several subcommands share.
    #[serde(default)]
    set: BTreeMap<String, Set>,
    tool: Vec<Tool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Set {
    accept: Vec<String>,
    /// Spellings with a reason.
    refuse: BTreeMap<String, String>,
}

// tidy: table
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    /// Several, with spaces between them, have the same rule.
    name: String,
    /// The name of the binary, where it is another.
    program: Option<String>,
    explicit: Option<String>,
    #[serde(default)]
    interpreters: Vec<String>,
    /// Directories below a home that it is looked for in first: who has a toolchain there means it.
    #[serde(default)]
    home: Vec<PathBuf>,
    style: Style,
    #[serde(default)]
    repository: bool,
    #[serde(default)]
    inject: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    globals: Set,
    /// Subcommands with the reason why not.
    #[serde(default)]
    refuse: BTreeMap<String, String>,
    /// By subcommand; `*` alone where there are none.
    form: BTreeMap<String, FormTable>,
    #[serde(default)]
    grant: GrantTable,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FormTable {
    sets: Vec<String>,
    accept: Vec<String>,
    refuse: BTreeMap<String, String>,
    /// Kinds by position; one that ends in `*` stands for all further ones.
    operands: Vec<String>,
    rest: Option<String>,
    instead: Vec<String>,
    inject: Vec<String>,
    require: Vec<String>,
    least: usize,
    never: BTreeMap<String, String>,
    filters: Filters,
    grant: GrantTable,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GrantTable {
    risk: Option<Risk>,
    writes: Option<Writes>,
    starts: Option<Starts>,
    reads: Option<Vec<String>>,
    scratch: Option<Vec<String>>,
    dropped: Option<Vec<String>>,
    inputs: Option<Vec<String>>,
    not_bound: Option<String>,
}

impl Tool {
    fn rule(&self, name: &str, sets: &BTreeMap<String, Set>) -> Result<ArgvRule, TableError> {
        let notation = |source| TableError::Notation { tool: name.to_owned(), source };
        let grant = self.grant.over(&Grant::default(), name)?;
        let mut globals = Options::default();
        self.globals.put(&mut globals).map_err(notation)?;
        let forms = match self.form.get("*") {
            Some(form) => Forms::Only(Box::new(form.form(name, sets, &grant)?)),
            None => {
                let read = |(sub, form): (&String, &FormTable)| {
                    Ok((sub.clone(), form.form(name, sets, &grant)?))
                };
                let known = self.form.iter().map(read).collect::<Result<_, TableError>>()?;
                Forms::Subcommands { known, refused: self.refuse.clone() }
            }
        };
        let table = Table {
            style: self.style,
            globals,
            inject: self.inject.clone(),
            env: self.env.clone().into_iter().collect(),
            forms,
            repository: self.repository,
        };
        Ok(ArgvRule {
            name: name.to_owned(),
            program: self.program.clone().unwrap_or_else(|| name.to_owned()),
            screen: Screen::default(),
            table: Some(table),
            grant,
            interpreters: self.interpreters.clone(),
            home: self.home.clone(),
        })
    }
}

impl Set {
    fn put(&self, options: &mut Options) -> Result<(), NotationError> {
        self.accept.iter().try_for_each(|line| options.take(line))?;
        self.refuse.iter().try_for_each(|(spellings, reason)| options.refuse(spellings, reason))
    }
}

impl FormTable {
    fn form(
        &self,
        tool: &str,
        sets: &BTreeMap<String, Set>,
        grant: &Grant,
    ) -> Result<Form, TableError> {
        let notation = |source| TableError::Notation { tool: tool.to_owned(), source };
        let mut options = Options::default();
        for name in &self.sets {
            let set = sets.get(name).ok_or_else(|| unknown(tool, name))?;
            set.put(&mut options).map_err(notation)?;
        }
        let own = Set { accept: self.accept.clone(), refuse: self.refuse.clone() };
        own.put(&mut options).map_err(notation)?;
        Ok(Form {
            options,
            operands: self.operands(tool)?,
            inject: self.inject.clone(),
            require: self.require.clone(),
            never: self.never.clone(),
            filters: self.filters,
            grant: self.grant.over(grant, tool)?,
        })
    }

    fn operands(&self, tool: &str) -> Result<Operands, TableError> {
        let kind = |text: &str| Kind::parse(text).ok_or_else(|| unknown(tool, text));
        let mut operands =
            Operands { instead: self.instead.clone(), least: self.least, ..Operands::default() };
        for text in &self.operands {
            match text.strip_suffix('*') {
                Some(text) => operands.more = Some(kind(text)?),
                None => operands.first.push(kind(text)?),
            }
        }
        operands.rest = self.rest.as_deref().map(kind).transpose()?;
        Ok(operands)
    }
}

impl GrantTable {
    /// What stands here, over what stands there.
    fn over(&self, base: &Grant, tool: &str) -> Result<Grant, TableError> {
        let mut grant = base.clone();
        grant.risk = self.risk.unwrap_or(grant.risk);
        grant.writes = self.writes.unwrap_or(grant.writes);
        grant.starts = self.starts.unwrap_or(grant.starts);
        if let Some(reads) = &self.reads {
            let root = |text: &String| ReadRoot::parse(text).ok_or_else(|| unknown(tool, text));
            grant.reads = reads.iter().map(root).collect::<Result<_, _>>()?;
        }
        if let Some(scratch) = &self.scratch {
            grant.scratch = scratch.clone();
        }
        if let Some(dropped) = &self.dropped {
            grant.dropped = dropped.clone();
        }
        if let Some(globs) = &self.inputs {
            grant.inputs = Inputs::globs(globs);
        }
        if let Some(why) = &self.not_bound {
            grant.inputs = Inputs::NotBound { why: why.clone() };
        }
        Ok(grant)
    }
}

fn unknown(tool: &str, word: &str) -> TableError {
    TableError::Word { tool: tool.to_owned(), word: word.to_owned() }
}

#[cfg(test)]
mod tests;
