//! What follows once a mandate is made.
//!
//! Owns the options to watch it and what is said of it: its id, or all that happens until it ends or
//! waits, and the exit code that comes of it. Never makes one.

use clap::Args;
use kairos_wire::client::Client;
use kairos_wire::mandate::State;
use kairos_wire::proposal::Proposals;
use kairos_wire::{Mandate, Proposal};

use super::follow::{self, Watched};
use super::tale::Tale;
use super::{Root, Stored, standing};
use crate::output::{Exit, Failure, Out, talk};

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Watch {
    /// Tell what happens until it ends or waits; Ctrl-C leaves it running
    #[arg(long)]
    follow: bool,
    /// Wait until it ends or waits for somebody, without a word
    #[arg(long, conflicts_with = "follow")]
    wait: bool,
}

/// A mandate that was asked for.
pub(super) struct Made {
    pub(super) id: String,
    /// None while the daemon still reads its history.
    pub(super) mandate: Option<Mandate>,
    /// The record that acknowledges it.
    pub(super) seq: u64,
}

impl Watch {
    /// Says what was made, and watches it if that was asked for.
    pub(super) async fn made(
        self,
        root: &Root,
        client: &Client,
        made: Made,
        out: &mut Out,
    ) -> Result<Exit, Failure> {
        let Made { id, mandate, seq } = made;
        let queued = mandate.as_ref().filter(|mandate| mandate.state == State::Queued);
        let watches = self.follow || self.wait;
        // One that waits for the budget is not watched; it is told of in the end.
        let kept = queued
            .filter(|made| made.reason.is_some())
            .filter(|made| !watches || !follow::is_poor(made));
        kept.iter().for_each(|made| talk::say(format!("{id} {}", standing::brief(made))));
        if !watches {
            if out.json {
                out.entity(&id, mandate.as_ref())?;
            } else {
                out.line(&id)?;
                talk::say(format!("watch it with `kairos mandate logs {id}`"));
            }
            return Ok(Exit::Ok);
        }
        let stored = Stored::below(root.path());
        let tale = self.follow.then(|| Tale::live(root.flag(), stored));
        talk::say(format!("mandate {id}"));
        // It may have gone far already: what is told begins with its first record.
        let from = mandate.as_ref().map_or(seq, |made| seq.min(made.seq));
        let watched = match mandate.as_ref().is_some_and(follow::is_poor) {
            true => Watched::Queued,
            false => follow::mandate(client, &id, from, tale, out).await?,
        };
        let mandate: Mandate = client.get(&format!("/v1/mandates/{id}")).await?;
        let mut held = client.get::<Proposals>("/v1/proposals").await?.proposals;
        held.retain(|held| held.mandate_id == mandate.id);
        if out.json {
            out.object(&mandate)?;
        }
        Ok(told(&mandate, &watched, &held, &root.flag()))
    }
}

/// Says how watching ended, and with which exit code.
fn told(mandate: &Mandate, watched: &Watched, held: &[Proposal], flag: &str) -> Exit {
    let id = &mandate.id;
    match watched {
        Watched::Queued => {
            talk::say(format!("{id} {}", standing::brief(mandate)));
            talk::say(format!("hint: `kairos budget{flag}` shows the caps"));
            talk::say(format!(
                "hint: it starts by itself then; `kairos mandate stop {id}{flag}` ends it"
            ));
            Exit::ForNow
        }
        Watched::Finished(outcome) => {
            talk::say(format!("{id} finished: {}", standing::ended(mandate)));
            standing::failures(mandate).for_each(|why| talk::say(format!("  because: {why}")));
            if matches!(outcome.as_str(), "achieved" | "unchanged") { Exit::Ok } else { Exit::No }
        }
        Watched::Parked(reason) => {
            // It may have gone on since; what it waited for is told all the same.
            let parked = Mandate { reason: Some(reason.clone()), ..mandate.clone() };
            talk::say(format!("{id} {}", standing::parked(&parked, held)));
            for hint in standing::hints(id, reason, held, flag) {
                talk::say(format!("hint: {hint}"));
            }
            Exit::ForNow
        }
        Watched::Interrupted => {
            talk::say(format!("{id} goes on; `kairos mandate stop {id}{flag}` ends it"));
            Exit::Interrupted
        }
    }
}
