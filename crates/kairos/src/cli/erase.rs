//! `kairos journal erase`
//!
//! Owns asking the daemon for it, and the words for what is gone. Never touches a file: without a
//! record nothing is erased, and only the daemon records.

use clap::Args;
use kairos_wire::blob::{Erase as Body, Erased, Erasure, State};
use kairos_wire::client::Conditions;

use super::{Root, ask, source};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, talk, when};

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// SHA-256 of the text as events and `mandate show --json` name it, or its first 8 digits or more
    blob: String,
    /// Why; recorded, and shown wherever the text was
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Erase {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let digits = self.blob.strip_prefix("sha256:").unwrap_or(&self.blob);
        let path = format!("/v1/blobs/{}/erase", source::segment(digits)?);
        let (client, body) = (root.client(), Body { reason: self.reason });
        let erased: Erased =
            ask::wait(async { Ok(client.post(&path, &body, &Conditions::default()).await?) })?;
        let exit = match erased.state {
            State::Erased => Exit::Ok,
            State::Erasing => Exit::ForNow,
            State::Needed => Exit::No,
        };
        if out.json {
            out.object(&erased)?;
            return Ok(exit);
        }
        match erased.state {
            State::Erased => {
                out.line(format!("erased    {}", erased.blob_id))?;
                talk::say(
                    "its hash and length stay in the journal, copies elsewhere where they are",
                );
            }
            State::Erasing => {
                out.line(format!("erasing   {}", erased.blob_id))?;
                talk::say(
                    "recorded, and not gone yet: the daemon goes on with it; ask again to see",
                );
            }
            State::Needed => {
                out.line(format!("needed    {}", erased.blob_id))?;
                talk::say("not erased: work that began meanwhile needs it; erase it after that");
            }
        }
        Ok(exit)
    }
}

/// What is gone, a line each.
pub(super) fn lines(erased: &[Erasure]) -> impl Iterator<Item = String> {
    erased.iter().map(|erasure| {
        let (id, at, by) = (&erasure.blob_id, when::short(&erasure.at), &erasure.by);
        let reason = erasure.reason.as_deref().unwrap_or("(the reason was erased)");
        format!("erased    {id} at {at} by {}: {}", one_line(by), one_line(reason))
    })
}
