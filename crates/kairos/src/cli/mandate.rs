//! `kairos mandate …`

use clap::{Args, Subcommand};
use kairos_wire::Mandate;
use kairos_wire::client::Conditions;
use kairos_wire::mandate::{Created, State, Stopped};
use serde::Serialize;

use super::follow::{self, Telling, Watched};
use super::spec::SpecArgs;
use super::{Root, ask, event, source, story};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, Table, talk, when};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Ask for a goal to be reached
    #[command(after_help = "Example: kairos mandate create --goal 'fix the links in docs/' \
        --files 'docs/**/*.md' --follow")]
    Create(Box<Create>),
    /// List mandates, newest first
    List {
        /// Go on after this one, for the next page
        #[arg(long, value_name = "ID")]
        before: Option<String>,
    },
    /// Show one mandate
    Show { id: String },
    /// Tell what happened in one mandate, in order
    Logs { id: String },
    /// Ask a mandate to end; what is open ends first
    Stop { id: String },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    spec: SpecArgs,
    /// Make one mandate only, however often this is sent (24 h)
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Tell each event until it ends or waits; Ctrl-C leaves it running
    #[arg(long)]
    follow: bool,
    /// Wait until it ends or waits for somebody, without a word
    #[arg(long, conflicts_with = "follow")]
    wait: bool,
}

/// `mandate list --json`
#[derive(Debug, Serialize)]
struct List {
    mandates: Vec<Mandate>,
    next: Option<String>,
}

impl Verb {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::Create(create) => create.perform(root, out),
            Self::List { before } => list(root, before.as_deref(), out),
            Self::Show { id } => {
                let mandate = source::mandate(root, &id)?;
                show(&mandate, out)?;
                Ok(Exit::Ok)
            }
            Self::Logs { id } => logs(root, &id, out),
            Self::Stop { id } => stop(root, &id, out),
        }
    }
}

impl Create {
    fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let request = self.spec.request()?;
        let client = root.client();
        let conditions = Conditions { idempotency_key: self.idempotency_key, if_match: None };
        ask::wait(async {
            let path = "/v1/mandates";
            let created: Created = client.post(path, &request, &conditions).await?;
            let (id, mandate) = (&created.mandate_id, &created.mandate);
            if !self.follow && !self.wait {
                if out.json {
                    out.entity(id, mandate.as_ref())?;
                } else {
                    out.line(id)?;
                    talk::say(format!("watch it with `kairos mandate logs {id}`"));
                }
                return Ok(Exit::Ok);
            }
            let telling = if self.follow { Telling::Lines } else { Telling::Silent };
            talk::say(format!("mandate {id}"));
            let from = mandate.as_ref().map_or(1, |mandate| mandate.seq);
            let watched = follow::mandate(&client, id, from, telling, out).await?;
            if out.json {
                out.object(&client.get::<Mandate>(&format!("{path}/{id}")).await?)?;
            }
            Ok(told(id, &watched))
        })
    }
}

/// Says how watching ended, and with which exit code.
fn told(id: &str, watched: &Watched) -> Exit {
    match watched {
        Watched::Finished(outcome) => {
            talk::say(format!("{id} finished: {outcome}"));
            if matches!(outcome.as_str(), "achieved" | "unchanged") { Exit::Ok } else { Exit::No }
        }
        Watched::Parked(reason) => {
            talk::say(format!("{id} waits [{reason}]"));
            if let Some(hint) = hint(reason) {
                talk::say(format!("hint: {hint}"));
            }
            Exit::ForNow
        }
        Watched::Interrupted => {
            talk::say(format!("{id} goes on; `kairos mandate stop {id}` ends it"));
            Exit::Interrupted
        }
    }
}

fn list(root: &Root, before: Option<&str>, out: &mut Out) -> Result<Exit, Failure> {
    let page = source::mandates(root, before)?;
    if out.json {
        out.object(&List { mandates: page.mandates, next: page.next })?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["id", "state", "created", "goal"]);
    for mandate in &page.mandates {
        let goal = mandate.goal.clone().unwrap_or_else(|| "(erased)".to_owned());
        table.row([mandate.id.clone(), stands(mandate), when::short(&mandate.created_at), goal]);
    }
    out.table(&table)?;
    if let Some(next) = page.next {
        talk::say(format!("older ones: `kairos mandate list --before {next}`"));
    }
    Ok(Exit::Ok)
}

/// How a mandate stands, in a few words.
fn stands(mandate: &Mandate) -> String {
    match mandate.state {
        State::Queued => "queued".to_owned(),
        State::Running => match &mandate.phase {
            Some(phase) => format!("running, cycle {} {phase}", mandate.cycle),
            None => "running".to_owned(),
        },
        State::Parked => format!("waits [{}]", mandate.reason.as_deref().unwrap_or("parked")),
        State::Finished => {
            let outcome = mandate.outcome.as_deref().unwrap_or("finished");
            match mandate.verified {
                None if outcome == "achieved" => "achieved (unverified)".to_owned(),
                _ => outcome.to_owned(),
            }
        }
    }
}

/// What somebody can do about a mandate that waits.
fn hint(reason: &str) -> Option<&'static str> {
    match reason {
        "approval" => Some("`kairos proposal list` shows what waits for you"),
        "checkpoint" => Some(
            "the model said it is blocked, often for want of a file: name it with `--files`, and \
             with `--allow-upload l1` (knowledge) or `l0` when it is protected; `kairos mandate \
             stop ID` ends this one",
        ),
        "unsettled" => Some("`kairos effect list` shows what somebody must look at"),
        "budget" => Some("`kairos budget` shows the caps and when the day ends"),
        "provider" => Some("the provider does not answer; it is asked again by itself"),
        _ => None,
    }
}

fn show(mandate: &Mandate, out: &mut Out) -> Result<(), Failure> {
    if out.json {
        return out.object(mandate);
    }
    let goal = mandate.goal.as_deref().unwrap_or("(erased)");
    out.line(format!("mandate   {}", mandate.id))?;
    out.line(format!("goal      {}", one_line(goal)))?;
    out.line(format!("state     {}", stands(mandate)))?;
    if let Some(hint) = mandate.reason.as_deref().and_then(hint) {
        out.line(format!("          {hint}"))?;
    }
    if let Some(until) = &mandate.until {
        out.line(format!("until     {}", when::short(until)))?;
    }
    if let Some(schedule) = &mandate.schedule {
        out.line(format!("schedule  {}", one_line(schedule)))?;
    }
    out.line(format!("created   {}", when::short(&mandate.created_at)))?;
    if let Some(at) = &mandate.finished_at {
        out.line(format!("finished  {}", when::short(at)))?;
    }
    let spent = &mandate.spent;
    let dollars = when::dollars(spent.usd_micros);
    out.line(format!("spent     {} calls, {} tokens, {dollars} USD", spent.calls, spent.tokens))?;
    for edit in &mandate.edits {
        let to = edit.to.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
        out.line(format!("edit      {}", one_line(&format!("{}{to}", edit.path))))?;
    }
    for proposal in &mandate.proposals {
        out.line(format!("proposal  {proposal}"))?;
    }
    Ok(())
}

fn logs(root: &Root, id: &str, out: &mut Out) -> Result<Exit, Failure> {
    let mandate = source::mandate(root, id)?;
    let mut told = Vec::new();
    event::each(root, 1, Some(mandate.seq), |record| {
        let mut record = record.clone();
        record.events.retain(|event| event.mandate_id.as_ref() == Some(&mandate.id));
        if record.events.is_empty() {
            return Ok(());
        }
        if out.json {
            told.push(record);
            return Ok(());
        }
        record.events.iter().try_for_each(|event| out.line(story::line(&record.at, event)))
    })?;
    if out.json {
        out.object(&serde_json::json!({ "events": told }))?;
    }
    Ok(Exit::Ok)
}

fn stop(root: &Root, id: &str, out: &mut Out) -> Result<Exit, Failure> {
    let path = format!("/v1/mandates/{}/stop", source::segment(id)?);
    let client = root.client();
    let body = serde_json::json!({});
    let stopped: Stopped =
        ask::wait(async { Ok(client.post(&path, &body, &Conditions::default()).await?) })?;
    match &stopped.mandate {
        Some(mandate) => show(mandate, out)?,
        None if out.json => out.entity::<Mandate>(&stopped.mandate_id, None)?,
        None => out.line(format!("mandate   {}\nstate     asked to stop", stopped.mandate_id))?,
    }
    Ok(Exit::Ok)
}
