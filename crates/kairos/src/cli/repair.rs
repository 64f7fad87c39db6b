//! `kairos journal repair`
//!
//! Owns how a loss is shown and accepted. Never repairs without the position, and never beside a
//! daemon; what is given up stays in `.kairos/journal/torn/`.

use std::sync::Arc;

use kairos_core::fold::Seq;
use kairos_disk::RealFs;
use kairos_disk::real::Dir;
use kairos_journal::checkpoint::Places;
use kairos_journal::{Damage, Loss, OpenError, RepairError, Repaired, examine, may_begin, repair};
use serde::Serialize;

use super::Root;
use crate::output::{Exit, Failure, Out, talk};
use crate::startup::way_on;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    repaired: bool,
    /// The newest frame that stays.
    after: u64,
    damage: Option<String>,
    /// Bytes set aside, or to be.
    bytes: u64,
    segments: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    readable: Option<u64>,
}

/// Shows what a repair would give up, or makes it.
pub(super) fn perform(
    root: &Root,
    (dir, kept): (Dir, Option<Dir>),
    accepted: Option<u64>,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let places = Places { disk: &RealFs, journal: &dir, kept: kept.as_ref(), stop: None };
    // What else there is to repair, and whether it can be read, the repair says.
    if let Err(OpenError::Damaged(damage @ Damage::Vanished { .. })) = may_begin(&places) {
        return Err(refused(root, RepairError::Unrepairable(damage)));
    }
    let Some(accepted) = accepted else {
        return show(root, examine(&RealFs, &dir), out);
    };
    let by = kairos_api::unix::principal(rustix::process::getuid().as_raw()).to_string();
    let done = repair(&Arc::new(RealFs), &dir, Seq(accepted), &by);
    let Repaired { after, bytes, segments, .. } = done.map_err(|error| refused(root, error))?;
    if out.json {
        let shown = Shown { repaired: true, after, damage: None, bytes, segments, readable: None };
        out.object(&shown)?;
        return Ok(Exit::Ok);
    }
    let kept = root.journal().join("torn");
    out.line(format!(
        "repaired: the journal ends at {after}; {} set aside",
        counted(bytes, segments)
    ))?;
    out.line(format!("kept in {}; the next start records it", kept.display()))?;
    Ok(Exit::Ok)
}

fn show(root: &Root, found: Result<Loss, RepairError>, out: &mut Out) -> Result<Exit, Failure> {
    let loss = match found {
        Err(RepairError::Sound { head }) => {
            if out.json {
                let after = head.0;
                let (damage, readable) = (None, None);
                out.object(&Shown {
                    repaired: false,
                    after,
                    damage,
                    bytes: 0,
                    segments: 0,
                    readable,
                })?;
            } else {
                out.line(format!("sound up to {head}; there is nothing to repair"))?;
            }
            return Ok(Exit::Ok);
        }
        found => found.map_err(|error| refused(root, error))?,
    };
    let Loss { from, after, damage, bytes, segments, readable, highest } = loss;
    let way_round = match &damage {
        Damage::Length { segment, .. } => Some(shortened(*segment)),
        _ => None,
    };
    if out.json {
        let (damage, readable) = (Some(damage.to_string()), Some(readable));
        out.object(&Shown { repaired: false, after: after.0, damage, bytes, segments, readable })?;
        return Ok(Exit::No);
    }
    out.line(format!("damaged: {damage}"))?;
    match after {
        Seq(0) => out.line("would stay: no frame")?,
        after => out.line(format!("would stay: frames {from} to {after}"))?,
    }
    out.line(format!("would be set aside: {}", counted(bytes, segments)))?;
    if let Some(highest) = highest {
        out.line(format!(
            "among them {readable} whole frames, up to {highest}: what they recorded is lost to kairos"
        ))?;
    }
    out.line(format!(
        "to accept that: kairos{} journal repair --accept-loss-after {after}",
        root.flag()
    ))?;
    if let Some(way_round) = way_round {
        talk::say(format!("hint: {way_round}"));
    }
    Ok(Exit::No)
}

/// A file that only lost zeros at its end gives up nothing once it has its length again.
fn shortened(segment: Seq) -> String {
    let file = format!(".kairos/journal/{segment:020}.kj");
    format!(
        "before that: `\"bytes\"` in the first line of `{file}` is its length (`head -n 1 {file}`); if only \
         zeros are missing at its end, `truncate -s LENGTH {file}` brings them back, and `kairos journal \
         verify` says whether all frames are there"
    )
}

fn counted(bytes: u64, segments: u32) -> String {
    match segments {
        0 => format!("{bytes} bytes"),
        1 => format!("{bytes} bytes, a whole segment among them"),
        n => format!("{bytes} bytes, {n} whole segments among them"),
    }
}

fn refused(root: &Root, error: RepairError) -> Failure {
    let code = match &error {
        RepairError::Locked => "locked",
        RepairError::Sound { .. } => "sound",
        RepairError::OtherLoss { .. } => "other_loss",
        RepairError::Unrepairable(_) | RepairError::Unfounded { .. } => "unrepairable",
        RepairError::Read(_) | RepairError::Io { .. } => "journal_unreadable",
    };
    let failure = Failure::of(error.kind().into(), code, &error);
    match error {
        RepairError::Unrepairable(damage) => {
            way_on(&damage).into_iter().fold(failure, Failure::hint)
        }
        RepairError::Locked => failure.hint("stop the daemon first"),
        RepairError::OtherLoss { after, .. } => failure
            .hint(format!("kairos{} journal repair --accept-loss-after {after}", root.flag())),
        RepairError::Unfounded { .. } => failure.hint(
            "put the damaged segment or `.kairos/journal/snapshots` back from a copy; `kairos journal \
             export` prints what can be read",
        ),
        _ => failure,
    }
}
