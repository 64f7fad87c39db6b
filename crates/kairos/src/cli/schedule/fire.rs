//! `kairos schedule fire`
//!
//! Owns asking the daemon for it, now or for one of the schedule's slots. Never makes a mandate itself.

use clap::Args;
use kairos_wire::client::Conditions;
use kairos_wire::schedule::{Fire as Request, Fired};

use crate::cli::watch::{Made, Watch};
use crate::cli::{Root, ask, source};
use crate::output::{Exit, Failure, Out, talk};

#[derive(Debug, Args)]
pub(crate) struct Fire {
    /// The schedule's name
    name: String,
    /// Fire this slot again: as the schedule's clock shows it, or as an instant; once in 24 h,
    /// whoever asks
    #[arg(long, value_name = "TIME")]
    slot: Option<String>,
    /// Fire once only, however often this is sent (24 h)
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

impl Fire {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let path = format!("/v1/schedules/{}/fire", source::escaped(&self.name));
        let client = root.client();
        let body = Request { slot: self.slot };
        let conditions = Conditions { idempotency_key: self.idempotency_key, if_match: None };
        ask::wait(async {
            let fired: Fired = client.post(&path, &body, &conditions).await?;
            let Fired { mandate_id, mandate, seq, repeated, .. } = fired;
            if repeated {
                talk::say(format!("it was fired so before, and made {mandate_id} then"));
            }
            self.watch.made(root, &client, Made { id: mandate_id, mandate, seq }, out).await
        })
    }
}
