//! What is protected in a layer, whatever links lead there.
//!
//! Owns the places that a protected path consists of: its end, where nothing may change, and every
//! directory and link on the way, which must not come to lead elsewhere. Looks at the host as it is now;
//! changes nothing.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Links followed on one way at most, which is the kernel's own bound.
const LINKS_MAX: usize = 40;

/// Paths below one root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shield {
    whole: BTreeSet<PathBuf>,
    way: BTreeSet<PathBuf>,
}

impl Shield {
    /// Protects in `root` what a path below some root, this or another, consists of.
    pub(crate) fn add(&mut self, root: &Path, of: &Path, below: &Path) {
        let inside = |path: &Path| {
            let below = path.strip_prefix(root).ok()?;
            (!below.as_os_str().is_empty()).then(|| below.to_owned())
        };
        let (way, end) = trace(of, below);
        self.whole.extend(inside(&of.join(below)));
        self.whole.extend(inside(&end));
        self.way.extend(way.iter().filter_map(|path| inside(path)));
    }

    /// Whether a path is protected, or below something that is.
    pub(super) fn covers(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.whole.contains(above))
    }

    /// Whether only a directory may stand there, and a link that does must stay.
    pub(super) fn is_on_the_way(&self, path: &Path) -> bool {
        self.way.contains(path)
    }
}

/// Where a path leads as far as it exists, and by which directories and links.
fn trace(root: &Path, below: &Path) -> (Vec<PathBuf>, PathBuf) {
    let (mut way, mut at, mut links) = (Vec::new(), root.to_owned(), 0);
    let mut rest: VecDeque<OsString> = below.iter().map(Into::into).collect();
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => at = "/".into(),
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::Normal(_)) => {
                let next = at.join(&part);
                match fs::read_link(&next) {
                    Ok(to) if links < LINKS_MAX => {
                        links += 1;
                        to.iter().rev().for_each(|part| rest.push_front(part.into()));
                        way.push(next);
                    }
                    _ => {
                        if !rest.is_empty() {
                            way.push(next.clone());
                        }
                        at = next;
                    }
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    (way, at)
}
