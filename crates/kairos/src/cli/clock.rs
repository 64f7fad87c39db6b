//! `kairos clock`
//!
//! Owns the word of a person that the wall clock is right. Never sets a clock.

use clap::Subcommand;
use kairos_wire::admin::Ordered;
use kairos_wire::client::Conditions;

use super::{Root, ask};
use crate::output::{Exit, Failure, Out};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say that the wall clock is right as it is: what waits for it goes on at once
    Confirm,
}

impl Verb {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let Self::Confirm = self;
        let client = root.client();
        let ordered: Ordered = ask::wait(async {
            let path = "/v1/admin/clock/confirm";
            Ok(client.post(path, &serde_json::json!({}), &Conditions::default()).await?)
        })?;
        if out.json {
            out.object(&ordered)?;
        } else {
            out.line("confirmed  the wall clock is right, all goes on")?;
        }
        Ok(Exit::Ok)
    }
}
