//! Bounds of a whole tree.
//!
//! Owns one cgroup of the second version that was handed over to this process, and a child of it for
//! each command. Takes what is delegated and asks for no more: where memory and processes cannot both be
//! bounded there, there is no such layer. Knows nothing of the first version.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use crate::limits::Limits;

/// Where this process lives from then on: a cgroup that is divided has no processes of its own.
const LEAF: &str = "kairos";

/// What children are called.
const CHILD: &str = "run-";

/// The two first processes of each tree, which are ours.
const OWN: u32 = 2;

/// What was killed leaves its cgroup within this.
const EMPTY_MAX: Duration = Duration::from_secs(2);

/// A cgroup that is ours to divide.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    next: AtomicU64,
}

/// Why there is none.
#[derive(Debug, Error)]
pub enum CgroupError {
    #[error("no cgroup of version 2 is mounted")]
    Unmounted,
    #[error("the root of all cgroups is nobody's to divide")]
    Root,
    #[error("controller `{name}` is not delegated to `{dir}`")]
    Missing { name: &'static str, dir: PathBuf },
    #[error("`{path}` cannot be used")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Cgroup {
    /// Takes over the cgroup this process is in: moves it into a leaf, and clears away what an earlier
    /// process left. To be asked before anything is started that would stay behind. Where it fails, the
    /// process is where it was.
    pub fn take_over() -> Result<Self, CgroupError> {
        let own = Self { dir: own().ok_or(CgroupError::Unmounted)?, next: AtomicU64::new(0) };
        own.offers()?;
        own.divide().inspect_err(|_| own.undo())?;
        own.sweep();
        Ok(own)
    }

    /// Whether what a command needs is delegated.
    fn offers(&self) -> Result<(), CgroupError> {
        if !self.dir.join("cgroup.events").exists() {
            return Err(CgroupError::Root);
        }
        let controllers = self.dir.join("cgroup.controllers");
        let offered = fs::read_to_string(&controllers)
            .map_err(|source| CgroupError::Io { path: controllers, source })?;
        for name in ["memory", "pids"] {
            if !offered.split_whitespace().any(|offered| offered == name) {
                return Err(CgroupError::Missing { name, dir: self.dir.clone() });
            }
        }
        Ok(())
    }

    /// Only a cgroup without processes of its own can be divided; somebody else's in it are a failure.
    fn divide(&self) -> Result<(), CgroupError> {
        let failed = |path: PathBuf| move |source| CgroupError::Io { path, source };
        let leaf = self.dir.join(LEAF);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(leaf)(error));
            }
            _ => {}
        }
        write(&leaf.join("cgroup.procs"), "0").map_err(failed(leaf))?;
        let subtree = self.dir.join("cgroup.subtree_control");
        write(&subtree, "+memory +pids").map_err(failed(subtree))
    }

    /// Goes back, if this process went anywhere, and leaves nothing that is empty.
    fn undo(&self) {
        let _ = write(&self.dir.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(self.dir.join(LEAF));
    }

    /// Ends and removes what an earlier process left.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(CHILD) {
                drop(Cell { dir: entry.path() });
            }
        }
    }

    /// Makes a cgroup for one command.
    pub(crate) fn cell(&self, limits: &Limits) -> io::Result<Cell> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let dir = self.dir.join(format!("{CHILD}{}-{number}", process::id()));
        fs::create_dir(&dir)?;
        let cell = Cell { dir };
        let set = |name: &str, value: String| write(&cell.dir.join(name), &value);
        set("memory.max", limits.mem.to_string())?;
        set("memory.oom.group", "1".into())?;
        set("pids.max", limits.pids.saturating_add(OWN).to_string())?;
        match set("memory.swap.max", "0".into()) {
            // A kernel without swap accounting has nothing to swap to in it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(cell),
        }
    }
}

/// One command's cgroup. Dropped, it is emptied and removed.
#[derive(Debug)]
pub(crate) struct Cell {
    dir: PathBuf,
}

impl Cell {
    /// What a process writes to, to join.
    pub(crate) fn procs(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(self.dir.join("cgroup.procs"), flags, Mode::empty())?)
    }

    /// Kills all of it at once.
    pub(crate) fn kill(&self) {
        let _ = write(&self.dir.join("cgroup.kill"), "1");
    }

    /// The kernel killed in it for want of memory.
    pub(crate) fn was_full(&self) -> bool {
        self.count("memory.events", "oom_kill") > 0
    }

    /// It was refused a process.
    pub(crate) fn was_crowded(&self) -> bool {
        self.count("pids.events", "max") > 0
    }

    fn count(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        // A word and a number in each line; later kernels have more words.
        let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
        let value = pairs.find_map(|(word, value)| (word == key).then(|| value.parse().ok())?);
        value.unwrap_or(0)
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.kill();
        let end = Instant::now() + EMPTY_MAX;
        while let Err(error) = fs::remove_dir(&self.dir) {
            if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() > end {
                // The next start clears it away.
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path).and_then(|mut file| {
        // One write: the kernel reads each as a whole.
        io::Write::write_all(&mut file, value.as_bytes())
    })
}

/// The directory of this process's own cgroup.
fn own() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    place(&groups, &mounts)
}

fn place(groups: &str, mounts: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, at) = mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        kind.starts_with("cgroup2 ").then(|| Some((fields.next()?, fields.next()?)))?
    })?;
    let below = Path::new(own).strip_prefix(root).ok()?;
    Some(Path::new(at).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with files as the kernel has them in a cgroup, as far as these tests go.
    fn like_a_cgroup(files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let cgroup = Cgroup { dir: dir.path().to_owned(), next: AtomicU64::new(0) };
        (dir, cgroup)
    }

    #[test]
    fn what_is_not_delegated_whole_is_not_divided() {
        let of = |controllers: &str| {
            let files = [("cgroup.events", "populated 1\n"), ("cgroup.controllers", controllers)];
            let (_dir, cgroup) = like_a_cgroup(&files);
            cgroup.offers().map_err(|error| error.to_string())
        };
        assert!(of("cpuset cpu io memory hugetlb pids rdma misc\n").is_ok());
        assert!(of("memory\n").is_err_and(|why| why.contains("`pids`")));
        assert!(of("hugetlb\n").is_err_and(|why| why.contains("`memory`")));
        assert!(of("memory_pids pids\n").is_err_and(|why| why.contains("`memory`")));
        let (_dir, root) = like_a_cgroup(&[("cgroup.controllers", "memory pids\n")]);
        assert!(matches!(root.offers(), Err(CgroupError::Root)));
    }

    #[test]
    fn a_division_moves_this_process_and_then_asks_for_both() {
        let files = [("kairos/cgroup.procs", ""), ("cgroup.subtree_control", "")];
        let (dir, cgroup) = like_a_cgroup(&files);
        cgroup.divide().expect("divided");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("there");
        assert_eq!(read("kairos/cgroup.procs"), "0");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_division_that_fails_is_undone() {
        let (dir, cgroup) = like_a_cgroup(&[("cgroup.procs", "")]);
        let error = cgroup.divide().expect_err("no `cgroup.procs` in the leaf");
        assert!(error.to_string().contains("kairos"), "{error}");
        cgroup.undo();
        assert!(!dir.path().join(LEAF).exists());
        assert_eq!(fs::read_to_string(dir.path().join("cgroup.procs")).expect("there"), "0");
    }

    #[test]
    fn what_cannot_be_bounded_is_no_cell_and_leaves_nothing() {
        let (dir, cgroup) = like_a_cgroup(&[]);
        assert!(cgroup.cell(&Limits::default()).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
    }

    #[test]
    fn a_cell_tells_why_its_tree_ended() {
        let of = |memory: &str, pids: &str| {
            let files = [("memory.events", memory), ("pids.events", pids)];
            let (dir, _) = like_a_cgroup(&files);
            let cell = Cell { dir: dir.path().to_owned() };
            let told = (cell.was_full(), cell.was_crowded());
            // What is dropped is removed; these files are not the kernel's.
            std::mem::forget(cell);
            told
        };
        let quiet = "low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n";
        let full = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 7\noom_group_kill 1\n";
        assert_eq!(of(quiet, "max 0\n"), (false, false));
        assert_eq!(of(full, "max 0\n"), (true, false));
        assert_eq!(of(quiet, "max 3\n"), (false, true));
        assert_eq!(of("oom_group_kill 1\n", "max_usage 9\n"), (false, false));
        assert_eq!(of("", ""), (false, false));
        assert_eq!(of("oom_kill x\n", "max\n"), (false, false));
    }

    #[test]
    fn ones_own_cgroup_is_found_where_it_is_mounted() {
        let mounts = "1 0 0:1 / / rw - ext4 /dev/x rw\n\
                      2 1 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw\n\
                      3 1 0:3 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        let at = |groups: &str| place(groups, mounts);
        let service = "0::/system.slice/kairos.service\n";
        let expected = PathBuf::from("/sys/fs/cgroup/system.slice/kairos.service");
        assert_eq!(at(service), Some(expected.clone()));
        assert_eq!(at(&format!("4:memory:/x\n{service}")), Some(expected));
        assert_eq!(at("4:memory:/x\n"), None);
        let inner = "3 1 0:3 /a /cg rw - cgroup2 cgroup2 rw\n";
        assert_eq!(place("0::/a/b\n", inner), Some("/cg/b".into()));
        assert_eq!(place("0::/b\n", inner), None);
    }
}
