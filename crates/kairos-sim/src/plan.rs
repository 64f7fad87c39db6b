//! Which calls fail, and how.
//!
//! Owns the kinds of calls, their counting, and the verdict over each. Never touches the disk:
//! [`crate::SimFs`] asks before every call.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use rustix::io::Errno;

use crate::fs::SimFs;

/// The kinds of calls on a disk, one for each of `Fs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    OpenDir,
    MakeDir,
    List,
    SyncDir,
    StatDir,
    Space,
    Open,
    Create,
    Read,
    Write,
    SetLen,
    Sync,
    SyncAll,
    StatFile,
    Lock,
    Writers,
    CopyAttributes,
    Stat,
    Rename,
    Link,
    Unlink,
}

impl Call {
    /// Whether it may change what a crash leaves.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::MakeDir
            | Self::SyncDir
            | Self::Create
            | Self::Write
            | Self::SetLen
            | Self::Sync
            | Self::SyncAll
            | Self::CopyAttributes
            | Self::Rename
            | Self::Link
            | Self::Unlink => true,
            Self::OpenDir
            | Self::List
            | Self::StatDir
            | Self::Space
            | Self::Open
            | Self::Read
            | Self::StatFile
            | Self::Lock
            | Self::Writers
            | Self::Stat => false,
        }
    }
}

/// One call on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Among all calls since the plan was set, from 0.
    pub number: u64,
    pub call: Call,
    /// What it was about; a rename's and a link's old name.
    pub path: PathBuf,
}

/// Where the machine stops. Every later call fails with [`is_crash`] and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// That call does nothing any more.
    Before(u64),
    /// That call has its effect, and nobody learns of it.
    After(u64),
}

impl Stop {
    /// The call at which it is.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Before(number) | Self::After(number) => number,
        }
    }
}

/// Which calls a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The call of that number, whatever kind it is of.
    Nth(u64),
    /// The call of that number among those of its kind.
    NthOf(Call, u64),
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It fails and does nothing.
    Fails(Errno),
    /// It fails and has its effect all the same.
    FailsDone(Errno),
    /// A read or write moves at most so many bytes; at least one. Other calls pass.
    Short(usize),
    /// A read or write ends at the next multiple of so many bytes of the file. Other calls pass.
    ShortTo(u64),
    /// A sync fails and calls what it did not write clean: no later one will write it, though it is
    /// still seen. A directory's sync, and every other call, just fails: names go through the file
    /// system's journal, which does not lie.
    Lies,
}

/// A call, or many, that go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub due: Due,
    pub harm: Harm,
    /// Every later call of the same kind, or every later call, goes wrong as well.
    pub for_ever: bool,
}

impl Fault {
    /// A fault of one call.
    #[must_use]
    pub fn once(due: Due, harm: Harm) -> Self {
        Self { due, harm, for_ever: false }
    }

    /// A fault of that call and of all that follow.
    #[must_use]
    pub fn for_ever(due: Due, harm: Harm) -> Self {
        Self { due, harm, for_ever: true }
    }

    fn is_due(&self, number: u64, call: Call, of_kind: u64) -> bool {
        let (there, due) = match self.due {
            Due::Nth(due) => (number, due),
            Due::NthOf(kind, due) if kind == call => (of_kind, due),
            Due::NthOf(..) => return false,
        };
        there == due || (self.for_ever && there > due)
    }
}

/// Somebody else, who acts between two calls.
#[derive(Clone)]
pub struct Person {
    /// The call before which they act.
    pub before: u64,
    /// What they do, on the disk as they see it.
    pub act: Arc<dyn Fn(&SimFs) + Send + Sync>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("before", &self.before).finish_non_exhaustive()
    }
}

/// What will happen to the calls from now on.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub stop: Option<Stop>,
    /// The first that is due counts.
    pub faults: Vec<Fault>,
    pub person: Option<Person>,
    /// Keep the site of every call. Costs time.
    pub trace: bool,
}

impl Plan {
    #[must_use]
    pub fn stop(stop: Stop) -> Self {
        Self { stop: Some(stop), ..Self::default() }
    }

    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::default() }
    }

    #[must_use]
    pub fn person(before: u64, act: impl Fn(&SimFs) + Send + Sync + 'static) -> Self {
        Self { person: Some(Person { before, act: Arc::new(act) }), ..Self::default() }
    }

    #[must_use]
    pub fn trace() -> Self {
        Self { trace: true, ..Self::default() }
    }
}

/// What is to become of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passes,
    StopsBefore,
    StopsAfter,
    Harmed(Harm),
}

/// A plan and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) plan: Plan,
    pub(crate) calls: u64,
    of_kind: std::collections::BTreeMap<Call, u64>,
    pub(crate) sites: Vec<Site>,
    pub(crate) stopped: bool,
}

impl Course {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// Whoever acts before the call that comes now.
    pub(crate) fn person(&mut self) -> Option<Person> {
        let calls = self.calls;
        self.plan.person.take_if(|person| person.before == calls && !self.stopped)
    }

    /// Counts a call and says what is to become of it.
    pub(crate) fn next(&mut self, call: Call, path: impl FnOnce() -> PathBuf) -> Fate {
        if self.stopped {
            return Fate::StopsBefore;
        }
        let number = self.calls;
        self.calls += 1;
        let of_kind = self.of_kind.entry(call).or_default();
        let nth = *of_kind;
        *of_kind += 1;
        if self.plan.trace {
            self.sites.push(Site { number, call, path: path() });
        }
        match self.plan.stop {
            Some(Stop::Before(stop)) if stop == number => {
                self.stopped = true;
                return Fate::StopsBefore;
            }
            Some(Stop::After(stop)) if stop == number => {
                self.stopped = true;
                return Fate::StopsAfter;
            }
            Some(_) | None => {}
        }
        let due = self.plan.faults.iter().find(|fault| fault.is_due(number, call, nth));
        due.map_or(Fate::Passes, |fault| Fate::Harmed(fault.harm))
    }
}

/// The machine has stopped.
#[derive(Debug)]
struct Crash;

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine has stopped")
    }
}

impl std::error::Error for Crash {}

pub(crate) fn crash() -> io::Error {
    io::Error::other(Crash)
}

/// Whether a call failed because the machine has stopped.
#[must_use]
pub fn is_crash(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Crash>())
}
