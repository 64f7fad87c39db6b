//! Moving: the file gets its second name first and loses the first one after.
//!
//! Owns the steps of a move and their way back. Never leaves a moment in which the file has no
//! name, and never copies it, so writers do no harm. The first name ends under the temporary one:
//! that it lies there says that the move was made, even if somebody has moved it back.

use std::io;

use super::look::{Seen, disk};
use super::stage::rename_refused;
use super::{Applied, Doubt, Failure, Left, Names, Target};
use crate::digest::Digest;
use crate::fs::{Fs, Identity, Rename, Stat, Writers};
use crate::refusal::Reason;
use crate::tree::{Opened, Place, Tree};

/// Where a file is moved from and to.
struct Way<F: Fs> {
    from: Place<F>,
    to: Place<F>,
}

impl<F: Fs> Tree<F> {
    pub(super) fn relocate(
        &self,
        names: &Names,
        from: Target<'_>,
        to: Target<'_>,
        pre: &Digest,
    ) -> Result<Applied, Failure> {
        let from = self.expected(from)?;
        let old = self.open(&from)?;
        self.check_pre(&from, &old, pre)?;
        let way = Way { from, to: self.made(to)? };
        self.check_vacant(&way.to)?;
        self.add_name(&way, old.stat.identity, pre)?;
        let (first, temp) = ((&way.from.dir, &*way.from.name), (&way.from.dir, &*names.temp));
        if let Err(source) = self.fs.rename(first, temp, Rename::NoReplace) {
            let what = "rename without replacing";
            let failure = self.not_renamed(&way.from, &names.temp, old.stat.identity, what, source);
            return Err(self.abandon_move(&way, failure, pre));
        }
        self.check_moved(&way, names, &old, pre).map_err(|doubt| {
            let left = self.move_back(&way, names, pre);
            way.from.unsettled(doubt, left.unwrap_or(Left::Unknown))
        })?;
        self.seal(&way.from)?;
        Ok(Applied { writers: Writers::None })
    }

    /// Gives the file its second name, durably: a crash must not leave it with the temporary one
    /// alone.
    fn add_name(&self, way: &Way<F>, identity: Identity, pre: &Digest) -> Result<(), Failure> {
        let (first, second) = ((&way.from.dir, &*way.from.name), (&way.to.dir, &*way.to.name));
        if let Err(source) = self.fs.link(first, second) {
            return Err(self.not_linked(way, identity, source, pre));
        }
        let linked = self.fs.stat(&way.to.dir, &way.to.name);
        if !linked.is_ok_and(|stat| stat.identity == identity) {
            let reason = self.not_recognized(way, identity, pre);
            return Err(self.abandon_move(way, way.from.refuse(reason).into(), pre));
        }
        self.fs.sync_dir(&way.to.dir).map_err(|source| {
            let reason = Reason::Disk { step: "syncing the directory", source };
            self.abandon_move(way, way.to.refuse(reason).into(), pre)
        })
    }

    /// Why the second name does not show the file that got it: an overlay numbers the names of one
    /// file differently when it comes from a lower layer. Without one number nothing could be proven
    /// after a crash.
    fn not_recognized(&self, way: &Way<F>, identity: Identity, pre: &Digest) -> Reason {
        let same = || -> io::Result<bool> {
            let first = self.look(&way.from.dir, &way.from.name)?;
            let second = self.look(&way.to.dir, &way.to.name)?;
            let stays = first.identity() == Some(identity);
            Ok(stays && self.is_second_name(&way.from, &first, &second, pre)?)
        };
        match same() {
            Ok(true) => Reason::Unsupported {
                what: "tell that two names stand for one file",
                source: io::ErrorKind::Unsupported.into(),
            },
            Ok(false) | Err(_) => Reason::Stale,
        }
    }

    /// What a link that reports failure comes to: the second name may stand all the same.
    fn not_linked(
        &self,
        way: &Way<F>,
        identity: Identity,
        source: io::Error,
        pre: &Digest,
    ) -> Failure {
        let taken = source.kind() == io::ErrorKind::AlreadyExists;
        let refused = way.to.refuse(link_refused(source)).into();
        if taken {
            return refused;
        }
        match self.fs.stat(&way.to.dir, &way.to.name) {
            Ok(stat) if stat.identity == identity => self.abandon_move(way, refused, pre),
            Ok(_) => refused,
            Err(error) if error.kind() == io::ErrorKind::NotFound => refused,
            Err(source) => {
                let doubt = Doubt::Disk { step: "looking at the second name", source };
                way.to.unsettled(doubt, Left::Unknown)
            }
        }
    }

    fn check_moved(
        &self,
        way: &Way<F>,
        names: &Names,
        old: &Opened<F>,
        pre: &Digest,
    ) -> Result<(), Doubt> {
        let looking = "looking at what was moved";
        let moved = self.look(&way.from.dir, &names.temp).map_err(disk(looking))?;
        let second = self.look(&way.to.dir, &way.to.name).map_err(disk(looking))?;
        if moved.identity() != Some(old.stat.identity)
            || !self.holds(&moved, pre).map_err(disk(looking))?
        {
            return Err(Doubt::PreChanged);
        }
        if !second.is_same_file(&moved) {
            return Err(Doubt::TargetChanged);
        }
        self.check_place(&way.from)?;
        self.check_place(&way.to)
    }

    /// Takes the second name back while the first still stands. A refusal stays one only if that
    /// works.
    fn abandon_move(&self, way: &Way<F>, failure: Failure, pre: &Digest) -> Failure {
        if let Failure::Unsettled(_) = failure {
            return failure;
        }
        match self.drop_second_name(&way.from, &way.to, pre) {
            Ok(true) => failure,
            Ok(false) => way.to.unsettled(Doubt::TargetChanged, Left::Unknown),
            Err(source) => {
                let doubt = Doubt::Disk { step: "removing the second name", source };
                way.to.unsettled(doubt, Left::Unknown)
            }
        }
    }

    fn move_back(&self, way: &Way<F>, names: &Names, pre: &Digest) -> io::Result<Left> {
        let (first, temp) = ((&way.from.dir, &*way.from.name), (&way.from.dir, &*names.temp));
        match self.fs.rename(temp, first, Rename::NoReplace) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Left::Standing);
            }
            Err(error) => return Err(error),
        }
        self.fs.sync_dir(&way.from.dir)?;
        let dropped = self.drop_second_name(&way.from, &way.to, pre)?;
        Ok(if dropped { Left::Restored } else { Left::Unknown })
    }

    /// Removes the name at `to` if it stands for the file at `from`, and answers whether it did.
    pub(super) fn drop_second_name(
        &self,
        from: &Place<F>,
        to: &Place<F>,
        pre: &Digest,
    ) -> io::Result<bool> {
        let first = self.look(&from.dir, &from.name)?;
        let second = self.look(&to.dir, &to.name)?;
        if !self.is_second_name(from, &first, &second, pre)? {
            return Ok(false);
        }
        self.fs.unlink(&to.dir, &to.name)?;
        self.fs.sync_dir(&to.dir)?;
        Ok(true)
    }

    /// Whether both names stand for one file. Where their numbers need not agree, the rest of what
    /// they show has to: two names each, and the bytes that are moved, so that none go with one.
    pub(super) fn is_second_name(
        &self,
        from: &Place<F>,
        first: &Seen<F>,
        second: &Seen<F>,
        pre: &Digest,
    ) -> io::Result<bool> {
        let (Seen::File { stat: one, .. }, Seen::File { stat: other, .. }) = (first, second) else {
            return Ok(false);
        };
        if one.identity == other.identity {
            return Ok(true);
        }
        let alike = one.links == 2 && (Stat { identity: one.identity, ..*other }) == *one;
        Ok(alike
            && !self.fs.names_agree(&from.dir)?
            && self.holds(first, pre)?
            && self.holds(second, pre)?)
    }
}

/// What the refusal of a link says about the path.
fn link_refused(source: io::Error) -> Reason {
    let what = "give a file a second name";
    if source.kind() == io::ErrorKind::AlreadyExists {
        return Reason::Occupied;
    }
    // `EPERM` and not `EACCES`: no hard links here, or none to files of others.
    if source.raw_os_error() == Some(libc::EPERM) {
        return Reason::Unsupported { what, source };
    }
    rename_refused(what, source)
}
