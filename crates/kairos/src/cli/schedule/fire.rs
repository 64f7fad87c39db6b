//! `kairos schedule fire`
//!
//! Owns asking the daemon for it, now or for one of the schedule's slots. Never makes a mandate
//! itself.

use clap::Args;
use kairos_wire::client::Conditions;
use kairos_wire::schedule::Fired;

use crate::cli::{Root, ask, source};
use crate::output::{Exit, Failure, Out, talk};

#[derive(Debug, Args)]
pub(crate) struct Fire {
    /// The schedule's name
    name: String,
    /// Fire once only, however often this is sent (24 h)
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Fire {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let path = format!("/v1/schedules/{}/fire", source::escaped(&self.name));
        let client = root.client();
        let body = serde_json::json!({});
        let conditions = Conditions { idempotency_key: self.idempotency_key, if_match: None };
        let fired: Fired = ask::wait(async { Ok(client.post(&path, &body, &conditions).await?) })?;
        if out.json {
            out.entity(&fired.mandate_id, fired.mandate.as_ref())?;
        } else {
            out.line(&fired.mandate_id)?;
            talk::say(format!("watch it with `kairos mandate logs {}`", fired.mandate_id));
        }
        Ok(Exit::Ok)
    }
}
