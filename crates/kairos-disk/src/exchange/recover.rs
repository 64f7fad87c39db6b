//! An intent without outcome.
//!
//! Owns the verdict over what a crash left, by the tables of [`crate::exchange`]. Never touches
//! anything but what the attempt itself made, and that only for a retry.

use std::ffi::OsStr;
use std::io;

use super::look::{Seen, disk};
use super::{Change, Doubt, Intent, Names, Target, Verdict};
use crate::digest::{Digest, digest};
use crate::fs::Fs;
use crate::tree::{MISSING, Place, Tree};

/// What a name holds, in the words of the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Absent,
    Pre,
    Post,
    Other,
}

impl<F: Fs> Tree<F> {
    /// Judges an intent whose outcome is not known, and clears up after it for a retry. What is
    /// answered is durable.
    pub fn recover(&self, intent: &Intent<'_>) -> Verdict {
        let names = Names::of(intent.temp);
        let verdict = match intent.change {
            Change::Edit { at, pre, post } => self.recover_edit(&names, at, &pre, &digest(post)),
            Change::Create { at, post, .. } => self.recover_create(&names, at, &digest(post)),
            Change::Move { from, to, pre } => self.recover_move(&names, from, to, &pre),
            Change::Delete { at, pre } => self.recover_delete(&names, at, &pre),
        };
        verdict.unwrap_or_else(Verdict::Unsettled)
    }

    fn recover_edit(
        &self,
        names: &Names,
        at: Target<'_>,
        pre: &Digest,
        post: &Digest,
    ) -> Result<Verdict, Doubt> {
        let place = self.expected(at)?;
        let target = self.holding(&place.dir, &place.name, Some(pre), Some(post))?;
        let temp = self.holding(&place.dir, &names.temp, Some(pre), Some(post))?;
        match (target, temp) {
            (Holds::Post, Holds::Absent | Holds::Pre) => self.done(&place, Verdict::Done),
            (Holds::Pre, Holds::Pre) => self.done(&place, Verdict::Reverted),
            (Holds::Pre, Holds::Absent | Holds::Post) => {
                self.clear(&place, &names.temp)?;
                self.clear(&place, &names.new)?;
                self.done(&place, Verdict::Retry)
            }
            _ => Err(Doubt::Neither),
        }
    }

    fn recover_create(
        &self,
        names: &Names,
        at: Target<'_>,
        post: &Digest,
    ) -> Result<Verdict, Doubt> {
        let mark = digest(b"");
        let place = self.found(at)?;
        let is_marked = self.is_way_marked(at, names)?;
        let Some(place) = place else {
            // Its directories, and the mark in the last of them, were durable before.
            return if is_marked { Err(Doubt::ParentMoved) } else { Ok(Verdict::Retry) };
        };
        let target = self.holding(&place.dir, &place.name, None, Some(post))?;
        let temp = self.holding(&place.dir, &names.temp, Some(&mark), None)?;
        if is_marked && temp == Holds::Absent {
            return Err(Doubt::ParentMoved);
        }
        let new = self.holding(&place.dir, &names.new, None, Some(post))?;
        match (target, temp, new) {
            (Holds::Post, Holds::Absent | Holds::Pre, Holds::Absent | Holds::Post) => {
                self.done(&place, Verdict::Done)
            }
            (Holds::Absent, Holds::Pre, Holds::Absent) => self.done(&place, Verdict::Reverted),
            (Holds::Absent, Holds::Pre, Holds::Post) => {
                self.unmark(&place, at, names).map_err(disk("removing what was begun"))?;
                self.done(&place, Verdict::Retry)
            }
            (Holds::Absent, Holds::Absent, _) => {
                self.clear(&place, &names.new)?;
                self.done(&place, Verdict::Retry)
            }
            _ => Err(Doubt::Neither),
        }
    }

    /// Whether the root says that the directories of a creation were there. What is answered is
    /// durable.
    fn is_way_marked(&self, at: Target<'_>, names: &Names) -> Result<bool, Doubt> {
        if at.parent_inode != MISSING {
            return Ok(false);
        }
        match self.holding(&self.root, &names.temp, Some(&digest(b"")), None)? {
            Holds::Pre => Ok(true),
            Holds::Absent => self.sync(&self.root).map(|()| false),
            Holds::Post | Holds::Other => Err(Doubt::Neither),
        }
    }

    fn recover_delete(
        &self,
        names: &Names,
        at: Target<'_>,
        pre: &Digest,
    ) -> Result<Verdict, Doubt> {
        let place = self.expected(at)?;
        let target = self.holding(&place.dir, &place.name, Some(pre), None)?;
        let temp = self.holding(&place.dir, &names.temp, Some(pre), None)?;
        match (target, temp) {
            (Holds::Absent, Holds::Absent | Holds::Pre) => self.done(&place, Verdict::Done),
            (Holds::Pre, Holds::Pre) => self.done(&place, Verdict::Reverted),
            (Holds::Pre, Holds::Absent) => Ok(Verdict::Retry),
            _ => Err(Doubt::Neither),
        }
    }

    fn recover_move(
        &self,
        names: &Names,
        from: Target<'_>,
        to: Target<'_>,
        pre: &Digest,
    ) -> Result<Verdict, Doubt> {
        let was_missing = to.parent_inode == MISSING;
        let (from, to) = (self.expected(from)?, self.found(to)?);
        let looking = "looking at the names";
        let first = self.look(&from.dir, &from.name).map_err(disk(looking))?;
        let second = match &to {
            Some(to) => self.look(&to.dir, &to.name).map_err(disk(looking))?,
            None => Seen::Absent,
        };
        let temp = self.look(&from.dir, &names.temp).map_err(disk(looking))?;
        let is_pre = |seen: &Seen<F>| self.holds(seen, pre).map_err(disk(looking));
        let (first_is_pre, second_is_pre) = (is_pre(&first)?, is_pre(&second)?);
        let linked = self.is_second_name(&from, &first, &second, pre).map_err(disk(looking))?;
        let moved = is_pre(&temp)? || temp.is_same_file(&first) || temp.is_same_file(&second);
        match (&first, &second, &temp) {
            (Seen::Absent, _, Seen::Absent) if second_is_pre => {
                self.moved(&from, to.as_ref(), Verdict::Done)
            }
            (Seen::Absent, _, Seen::File { .. }) if moved => {
                let stands = second_is_pre || temp.is_same_file(&second);
                let verdict = if stands { Verdict::Done } else { Verdict::Reverted };
                self.moved(&from, to.as_ref(), verdict)
            }
            (_, _, Seen::File { .. }) if moved && (first_is_pre || temp.is_same_file(&first)) => {
                self.moved(&from, to.as_ref(), Verdict::Reverted)
            }
            // The directory that was made went with the second name in it.
            (Seen::File { stat, .. }, Seen::Absent, Seen::Absent)
                if was_missing && stat.links > 1 =>
            {
                Err(Doubt::ParentMoved)
            }
            (_, Seen::Absent, Seen::Absent) if first_is_pre => Ok(Verdict::Retry),
            (_, _, Seen::Absent) if first_is_pre && linked => {
                let to = to.as_ref().ok_or(Doubt::Neither)?;
                let dropped = self.drop_second_name(&from, to, pre);
                if dropped.map_err(disk("removing the second name"))? {
                    Ok(Verdict::Retry)
                } else {
                    Err(Doubt::Neither)
                }
            }
            _ => Err(Doubt::Neither),
        }
    }

    fn holding(
        &self,
        dir: &F::Dir,
        name: &OsStr,
        pre: Option<&Digest>,
        post: Option<&Digest>,
    ) -> Result<Holds, Doubt> {
        let hold = || -> io::Result<Holds> {
            let seen = self.look(dir, name)?;
            let is = |expected: Option<&Digest>| {
                expected.map_or(Ok(false), |expected| self.holds(&seen, expected))
            };
            Ok(match seen {
                Seen::Absent => Holds::Absent,
                Seen::File { .. } if is(pre)? => Holds::Pre,
                Seen::File { .. } if is(post)? => Holds::Post,
                Seen::File { .. } | Seen::Other => Holds::Other,
            })
        };
        hold().map_err(disk("looking at the names"))
    }

    /// Makes durable what was found, because the crash may have come before that, and what was
    /// removed, because the next attempt uses other names and nobody comes back for these.
    fn done(&self, place: &Place<F>, verdict: Verdict) -> Result<Verdict, Doubt> {
        self.sync(&place.dir)?;
        Ok(verdict)
    }

    fn sync(&self, dir: &F::Dir) -> Result<(), Doubt> {
        self.fs.sync_dir(dir).map_err(disk("syncing the directory"))
    }

    fn moved(
        &self,
        from: &Place<F>,
        to: Option<&Place<F>>,
        verdict: Verdict,
    ) -> Result<Verdict, Doubt> {
        let verdict = match to {
            Some(to) => self.done(to, verdict)?,
            None => verdict,
        };
        self.done(from, verdict)
    }

    /// Removes a file of the attempt's own, if it is there.
    fn clear(&self, place: &Place<F>, name: &OsStr) -> Result<(), Doubt> {
        match self.fs.unlink(&place.dir, name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk("removing what was begun")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
