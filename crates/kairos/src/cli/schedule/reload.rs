//! What follows a saved `schedules.yml`.
//!
//! Owns having it loaded by a daemon that runs, and saying when it counts. Never changes the file.

use kairos_wire::admin::Ordered;
use kairos_wire::client::Conditions;

use crate::cli::{Root, ask, source};
use crate::output::{Failure, talk};

/// Has the daemon load what is saved, unless it is not `wanted` or none runs.
pub(super) fn load(root: &Root, wanted: bool) -> Result<(), Failure> {
    if !wanted {
        talk::say("the next start or reload of the daemon loads it");
        return Ok(());
    }
    let (client, body) = (root.client(), serde_json::json!({}));
    ask::wait(async {
        let answer = client.post("/v1/admin/reload", &body, &Conditions::default()).await;
        match answer {
            Ok(Ordered { .. }) => talk::say("the daemon has loaded it"),
            Err(error) if source::nobody_answers(&error) => {
                talk::say("no daemon runs: the next start loads it");
            }
            Err(error) => {
                talk::say("it is saved, and the daemon has not loaded it");
                return Err(error.into());
            }
        }
        Ok(())
    })
}
