//! `kairos proposal …`
//!
//! Owns showing a person exactly what they decide on, and binding the decision to its hash.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use kairos_wire::Proposal;
use kairos_wire::client::Conditions;
use kairos_wire::proposal::{Decided, Decision, State, Verdict};
use serde::Serialize;

use super::{Root, ask, erase, source, words};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, Table, diff, talk, when};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what waits for you
    List {
        /// Also those that are decided, expired or stale
        #[arg(long)]
        all: bool,
    },
    /// Show one proposal with its diff
    Show { id: String },
    /// Let a held step happen, exactly as shown
    #[command(after_help = "Example: kairos proposal approve 01J… --yes --hash sha256:…")]
    Approve(Decide),
    /// Refuse a held step
    Reject(Decide),
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    id: String,
    /// Do not ask; needs `--hash`
    #[arg(long, requires = "hash")]
    yes: bool,
    /// The hash of what you looked at
    #[arg(long, value_name = "sha256:…")]
    hash: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// `proposal list --json`
#[derive(Debug, Serialize)]
struct List {
    proposals: Vec<Proposal>,
}

impl Verb {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::List { all } => list(root, all, out),
            Self::Show { id } => {
                let proposal = source::proposal(root, &id)?;
                if out.json {
                    out.object(&proposal)?
                } else {
                    show(&proposal, out)?
                }
                Ok(Exit::Ok)
            }
            Self::Approve(decide) => decide.perform(root, "approve", out),
            Self::Reject(decide) => decide.perform(root, "reject", out),
        }
    }
}

fn list(root: &Root, all: bool, out: &mut Out) -> Result<Exit, Failure> {
    let mut proposals = source::proposals(root)?.proposals;
    proposals.retain(|proposal| all || proposal.state == State::Waiting);
    if out.json {
        out.object(&List { proposals })?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["id", "state", "until", "what"]);
    for proposal in &proposals {
        let state = word(proposal.state).to_owned();
        let until = when::short(&proposal.expires_at);
        table.row([proposal.id.clone(), state, until, what(proposal)]);
    }
    out.table(&table, "nothing waits for you")?;
    Ok(Exit::Ok)
}

impl Decide {
    fn perform(self, root: &Root, way: &str, out: &mut Out) -> Result<Exit, Failure> {
        let proposal = source::proposal(root, &self.id)?;
        let hash = match self.hash {
            Some(hash) if self.yes => hash,
            given => {
                if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
                    let line = format!(
                        "kairos proposal {way} {} --yes --hash {}",
                        proposal.id, proposal.hash
                    );
                    return Err(Failure::usage(
                        "a decision without a terminal needs `--yes --hash`",
                    )
                    .hint(format!("look at it with `kairos proposal show {}`", proposal.id))
                    .hint(format!("then `{line}`")));
                }
                if !out.json {
                    show(&proposal, out)?;
                    out.flush()?;
                }
                if !asked(way)? {
                    talk::say("nothing decided");
                    return Ok(Exit::No);
                }
                given.unwrap_or_else(|| proposal.hash.clone())
            }
        };
        let path = format!("/v1/proposals/{}/{way}", proposal.id);
        let body = Decision { reason: self.reason, ..Decision::default() };
        let conditions = Conditions { if_match: Some(hash), idempotency_key: None };
        let client = root.client();
        let decided: Decided =
            ask::wait(async { Ok(client.post(&path, &body, &conditions).await?) })?;
        if out.json {
            out.entity(&decided.proposal_id, decided.proposal.as_ref())?;
        } else {
            let state = match decided.decision {
                Verdict::Approve => word(State::Approved),
                Verdict::Reject => word(State::Rejected),
            };
            out.line(format!("{state}: {}", one_line(&what(&proposal))))?;
        }
        Ok(Exit::Ok)
    }
}

/// Asks on the terminal; anything but `y` or `yes` is a no.
fn asked(way: &str) -> Result<bool, Failure> {
    let mut err = io::stderr();
    write!(err, "{way} exactly this? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn show(proposal: &Proposal, out: &mut Out) -> Result<(), Failure> {
    let waits = proposal.state == State::Waiting;
    let lead = if waits { "waits for you" } else { word(proposal.state) };
    out.line(format!("{lead}: {}", one_line(&what(proposal))))?;
    out.line(format!("proposal  {}", proposal.id))?;
    out.line(format!("mandate   {}", proposal.mandate_id))?;
    out.line(format!("hash      {}", one_line(&proposal.hash)))?;
    out.line(format!("until     {}", when::short(&proposal.expires_at)))?;
    if let Some(by) = &proposal.decided_by {
        out.line(format!("by        {}", one_line(by)))?;
    }
    erase::lines(&proposal.erased).try_for_each(|line| out.line(line))?;
    out.line("")?;
    match &proposal.diff {
        Some(text) => diff::lines(text, talk::coloured()).try_for_each(|line| out.line(line)),
        None => out.line("(the diff was erased)"),
    }
}

/// A held step with its scope: `1 edit to docs/a.md (protected: knowledge) [l1]`.
fn what(proposal: &Proposal) -> String {
    format!("{} [{}]", words::held(proposal), proposal.scope)
}

const fn word(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Approved => "approved",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Stale => "stale",
    }
}
