//! `kairos schedule edit`
//!
//! Owns a person's way through an editor: a copy, the check of what they wrote, and what becomes of
//! it. Never saves what a daemon would not load, and never throws away what was written without
//! being told to.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::editor::Editor;
use super::{add, check, reload};
use crate::cli::Root;
use crate::config::draft::{self, Draft};
use crate::config::problem::Told;
use crate::config::resolve::Paths;
use crate::output::{Exit, Failure, Out, talk};

pub(super) fn edit(root: &Root, wanted: bool, out: &mut Out) -> Result<Exit, Failure> {
    let draft = Draft::read(&Paths::below(root.path()).schedules)?;
    add::not_lost(root, &draft)?;
    let mut editor = Editor::new()?;
    let copy = Copy::of(root, draft.text())?;
    let text = match written(&copy, &draft, &mut editor) {
        Ok(Written::Text(text)) => text,
        Ok(Written::Nothing) => {
            copy.remove();
            talk::say("nothing changed");
            return Ok(Exit::Ok);
        }
        Ok(Written::Discarded) => {
            copy.remove();
            talk::say("discarded; nothing was saved");
            return Ok(Exit::No);
        }
        Err(failure) => return Err(copy.kept(failure, &draft)),
    };
    draft.save(&text).map_err(|error| copy.kept(error.into(), &draft))?;
    copy.remove();
    let checked = draft::check_text(draft.path(), &text);
    out.line(format!("saved {}", checked.verdict()))?;
    out.flush()?;
    reload::load(root, wanted)?;
    Ok(Exit::Ok)
}

/// What came of the editor.
enum Written {
    /// It holds.
    Text(String),
    Nothing,
    Discarded,
}

/// Lets a person edit until the text holds or they give up.
fn written(copy: &Copy, draft: &Draft, editor: &mut Editor) -> Result<Written, Failure> {
    loop {
        editor.open(&copy.path)?;
        let text = copy.read()?;
        if text == draft.text() {
            return Ok(Written::Nothing);
        }
        // The places told are those of the copy: there they can be looked at.
        let checked = draft::check_text(&copy.path, &text);
        let told = Told::of(&draft::check_text(&copy.path, draft.text()).problems);
        // What is wrong is said as often as it is asked for, and a warning when it is new.
        let errors = checked.problems.iter().filter(|problem| problem.is_error());
        let new = told.new_among(&checked.problems).into_iter();
        check::say(errors.chain(new.filter(|problem| !problem.is_error())));
        if checked.is_ok() {
            return Ok(Written::Text(text));
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            let message = "what was written does not hold; nothing was saved";
            return Err(Failure::new(Exit::Config, "bad_configuration", message));
        }
        match editor.ask("edit again, or discard it? [E/d] ")?.as_deref() {
            Some("d" | "discard") => return Ok(Written::Discarded),
            Some(_) => {}
            None => {
                let message = "nobody answered; nothing was saved";
                return Err(Failure::new(Exit::Config, "bad_configuration", message));
            }
        }
    }
}

/// A copy of the file, for an editor.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn of(root: &Root, text: &str) -> Result<Self, Failure> {
        let dir = root.path().join(".kairos/run");
        let path = dir.join(format!("schedules-{}.yml", std::process::id()));
        let made = fs::create_dir_all(&dir).and_then(|()| {
            // One that an earlier process of this number left behind is somebody's work.
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            file?.write_all(text.as_bytes())
        });
        made.map_err(|error| unusable(&path, &error))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<String, Failure> {
        draft::text(&self.path).map_err(|error| unusable(&self.path, &error))
    }

    /// The failure, with where to find what was written, if anything was.
    fn kept(&self, failure: Failure, draft: &Draft) -> Failure {
        if self.read().is_ok_and(|text| text == draft.text()) {
            self.remove();
            return failure;
        }
        failure.hint(format!("what you wrote is in `{}`", self.path.display()))
    }

    fn remove(&self) {
        // One left behind harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("the copy `{}` cannot be used: {error}", path.display());
    Failure::new(Exit::No, "unusable_copy", message)
}
