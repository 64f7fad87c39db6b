//! `kairos effect …`

use clap::{Args, Subcommand};
use kairos_wire::client::Conditions;
use kairos_wire::effect::{Answer, Settle, Settled, State};

use super::{Root, ask, source};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, Table, talk, when};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List effects without an outcome
    List,
    /// Say whether an unsettled effect happened
    #[command(after_help = "Example: kairos effect settle 01J… --did-not --note 'looked at it'")]
    Settle(Say),
}

#[derive(Debug, Args)]
pub(crate) struct Say {
    id: String,
    #[command(flatten)]
    answer: AnswerArgs,
    /// How you know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct AnswerArgs {
    /// It happened: the step succeeded
    #[arg(long)]
    happened: bool,
    /// It did not happen: the step is prepared and judged anew
    #[arg(long)]
    did_not: bool,
    /// Nobody can tell: the step failed
    #[arg(long)]
    unknown: bool,
}

impl Verb {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::List => list(root, out),
            Self::Settle(say) => say.perform(root, out),
        }
    }
}

fn list(root: &Root, out: &mut Out) -> Result<Exit, Failure> {
    let effects = source::effects(root)?;
    if out.json {
        out.object(&effects)?;
        return Ok(Exit::Ok);
    }
    let told: Vec<_> = effects
        .effects
        .iter()
        .filter_map(|effect| Some((effect.id.clone(), effect.told.clone()?)))
        .collect();
    let mut table = Table::new(&["id", "state", "since", "what"]);
    for effect in effects.effects {
        let state = match (effect.state, &effect.doubt) {
            (State::Open, _) => "open".to_owned(),
            (State::Unsettled, None) => "unsettled".to_owned(),
            (State::Unsettled, Some(doubt)) => format!("unsettled [{doubt}]"),
        };
        table.row([effect.id, state, when::short(&effect.since), effect.what]);
    }
    out.table(&table, "every effect has its outcome")?;
    for (id, told) in told {
        out.line(format!("\n{id} told:"))?;
        for line in told.lines() {
            out.line(one_line(line))?;
        }
    }
    Ok(Exit::Ok)
}

impl Say {
    fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let answer = match (self.answer.happened, self.answer.did_not) {
            (true, _) => Answer::Happened,
            (_, true) => Answer::DidNot,
            _ => Answer::Unknown,
        };
        let path = format!("/v1/effects/{}/settle", source::segment(&self.id)?);
        let body = Settle { answer, note: self.note };
        let client = root.client();
        let settled: Settled =
            ask::wait(async { Ok(client.post(&path, &body, &Conditions::default()).await?) })?;
        if out.json {
            out.object(&settled)?;
        } else {
            talk::say(format!("recorded for {}", settled.effect_id));
        }
        Ok(Exit::Ok)
    }
}
