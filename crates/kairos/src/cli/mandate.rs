//! `kairos mandate …`

use clap::{Args, Subcommand};
use kairos_wire::Mandate;
use kairos_wire::client::Conditions;
use kairos_wire::mandate::{Created, State, Stopped, Verify};
use serde::Serialize;

use super::spec::SpecArgs;
use super::tale::Tale;
use super::watch::{Made, Watch};
use super::{Root, Stored, ask, erase, event, source, standing};
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
    #[command(flatten)]
    watch: Watch,
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
                show(root, &mandate, out)?;
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
            let created: Created = client.post("/v1/mandates", &request, &conditions).await?;
            let Created { mandate_id, mandate, seq, .. } = created;
            self.watch.made(root, &client, Made { id: mandate_id, mandate, seq }, out).await
        })
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
        table.row([
            mandate.id.clone(),
            standing::brief(mandate),
            when::short(&mandate.created_at),
            goal,
        ]);
    }
    out.table(&table, "no mandate here yet")?;
    if let Some(next) = page.next {
        talk::say(format!("older ones: `kairos mandate list --before {next}`"));
    }
    Ok(Exit::Ok)
}

fn show(root: &Root, mandate: &Mandate, out: &mut Out) -> Result<(), Failure> {
    if out.json {
        return out.object(mandate);
    }
    let waits = mandate.state == State::Parked;
    let reason = mandate.reason.as_deref().filter(|_| waits);
    let held = match reason {
        Some("approval") => source::held(root, &mandate.id)?,
        _ => Vec::new(),
    };
    let goal = mandate.goal.as_deref().unwrap_or("(erased)");
    out.line(format!("mandate   {}", mandate.id))?;
    out.line(format!("goal      {}", one_line(goal)))?;
    let state = match mandate.state {
        State::Parked => standing::parked(mandate, &held),
        State::Finished => standing::ended(mandate),
        State::Queued | State::Running => standing::brief(mandate),
    };
    out.line(format!("state     {state}"))?;
    for why in standing::failures_in_full(mandate) {
        let lead = if why.starts_with(' ') { "" } else { "failed" };
        out.line(format!("{lead:<10}{why}"))?;
    }
    for hint in reason.iter().flat_map(|r| standing::hints(&mandate.id, r, &held, &root.flag())) {
        out.line(format!("          {hint}"))?;
    }
    if let (None, Some(said)) = (reason, &mandate.blocked_reason) {
        out.line(format!("blocked   {}", one_line(said)))?;
    }
    if let Some(until) = &mandate.until {
        out.line(format!("until     {}", when::short(until)))?;
    }
    if mandate.cycle > 0 {
        out.line(format!("cycle     {} of {}", mandate.cycle, mandate.max_cycles))?;
    }
    if let Some(schedule) = &mandate.schedule {
        out.line(format!("schedule  {}", one_line(schedule)))?;
    }
    out.line(format!("created   {}", when::short(&mandate.created_at)))?;
    if let Some(at) = &mandate.finished_at {
        out.line(format!("finished  {}", when::short(at)))?;
    }
    for glob in &mandate.files {
        out.line(format!("files     {}", one_line(glob)))?;
    }
    for check in &mandate.verify {
        out.line(format!("verify    {}", one_line(&holds(check))))?;
    }
    if !mandate.project_scope.is_empty() {
        out.line(format!("scope     {}", one_line(&mandate.project_scope)))?;
    }
    if let Some(seen) = mandate.observed {
        let left = match seen.left_out {
            0 => String::new(),
            n => format!(", {n} left out: too large, too many, or not allowed by `--allow-upload`"),
        };
        out.line(format!("seen      {} by the model{left}", files(seen.files)))?;
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
    erase::lines(&mandate.erased).try_for_each(|line| out.line(line))
}

fn files(count: u32) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn logs(root: &Root, id: &str, out: &mut Out) -> Result<Exit, Failure> {
    let mandate = source::mandate(root, id)?;
    let (mut told, mut tale) = (Vec::new(), Tale::past(Stored::below(root.path())));
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
        let lines = record.events.iter().filter_map(|event| tale.line(&record.at, event));
        lines.into_iter().try_for_each(|line| out.line(line))
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
        Some(mandate) => show(root, mandate, out)?,
        None if out.json => out.entity::<Mandate>(&stopped.mandate_id, None)?,
        None => out.line(format!("mandate   {}\nstate     asked to stop", stopped.mandate_id))?,
    }
    if stopped.mandate.as_ref().is_none_or(|mandate| mandate.state != State::Finished) {
        let id = &stopped.mandate_id;
        talk::say(format!("{id} is asked to stop; it ends when its open effect has ended"));
    }
    Ok(Exit::Ok)
}

/// What has to hold, in words.
fn holds(check: &Verify) -> String {
    match check {
        Verify::Contains { file, contains } => format!("`{file}` contains `{contains}`"),
        Verify::Command { command } => format!("`{}` exits with 0", command.join(" ")),
    }
}
