//! `kairos schedule check`
//!
//! Owns how what is wrong with `schedules.yml` is told, errors and warnings apart. Never finds
//! anything itself; that is the configuration's.

use std::path::Path;

use serde::Serialize;

use crate::cli::Global;
use crate::config::draft::{self, Checked};
use crate::config::problem::{Problem, ProblemRow};
use crate::config::resolve::Paths;
use crate::output::{Exit, Failure, Out, talk};

/// `schedule check --json`
#[derive(Debug, Serialize)]
struct Report {
    /// Whether the workspace has no such file, which alone is nothing wrong.
    missing: bool,
    errors: Vec<ProblemRow>,
    warnings: Vec<ProblemRow>,
}

pub(super) fn check(global: &Global, file: Option<&Path>, out: &mut Out) -> Result<Exit, Failure> {
    let checked = match file {
        Some(file) => draft::check_file(file),
        None => draft::check_if_there(&Paths::below(global.root()?.path()).schedules),
    };
    let exit = match (checked.is_ok(), checked.missing) {
        (true, _) => Exit::Ok,
        // It was named, and nothing has that name.
        (false, true) => Exit::Usage,
        (false, false) => Exit::No,
    };
    if out.json {
        let (errors, warnings) = checked.problems.iter().map(|p| (p.is_error(), p.row())).fold(
            (Vec::new(), Vec::new()),
            |(mut errors, mut warnings), (is_error, row)| {
                if is_error {
                    errors.push(row)
                } else {
                    warnings.push(row)
                }
                (errors, warnings)
            },
        );
        out.object(&Report { missing: checked.missing, errors, warnings })?;
        return Ok(exit);
    }
    tell(&checked);
    if checked.is_ok() {
        out.line(checked.verdict())?;
    } else {
        talk::say(checked.verdict());
    }
    Ok(exit)
}

/// Says everything that was found.
fn tell(checked: &Checked) {
    say(checked.problems.iter());
}

/// The failure to save what does not hold. What is wrong is drawn for people, and part of the failure
/// for programs.
pub(super) fn refused(checked: &Checked, how: &str, json: bool) -> Failure {
    let errors = || checked.problems.iter().filter(|problem| problem.is_error());
    let message = format!("`{}` does not hold {how}; nothing was saved", checked.path.display());
    let failure = Failure::new(Exit::Config, "bad_configuration", message);
    if json {
        return errors().fold(failure, |failure, error| failure.because(error.to_string()));
    }
    say(errors());
    failure
}

/// Says these problems, drawn.
pub(super) fn say<'a>(problems: impl Iterator<Item = &'a Problem>) {
    let coloured = talk::talk_coloured();
    for problem in problems {
        talk::say(problem.render(coloured).trim_end());
    }
}
