//! One hostile case.
//!
//! Owns what a case says of itself: its number in the reference and its own name, what is done, in which
//! workspace, under which policy, and what a witness sees where nothing stops it. Performs nothing.

use crate::cases;

/// A row of the tables in `cases`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Of the reference, 1 to 93; from 94 on what building the suite taught.
    pub(crate) number: u8,
    /// Apart from the others of its number.
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) shows: Shows,
    pub(crate) ground: Ground,
    pub(crate) wish: Wish,
    /// What a driver that tells how a command ended has to say of this one.
    pub(crate) told: Option<&'static str>,
    pub(crate) needs: Needs,
    /// What it leaves in a layer and a driver must not take over from there.
    pub(crate) kept_back: Option<&'static str>,
    /// Where our own papers say that this is not held, as the reference allows.
    pub(crate) not_claimed: Option<&'static str>,
}

/// What of the machine a sandbox could not hold it without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// A control group that bounds memory and that the user may divide.
    MemoryGroup,
    /// A filesystem to which `.GIT` and `.git` are one name.
    OneCase,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `probe` with these arguments, inside. `{ws}` and its like stand for places of the world.
    Probe(&'static [&'static str]),
    /// A program of the machine as an agent would ask for it: by its name, without a path. A driver that
    /// has a catalogue resolves it there.
    Tool(&'static [&'static str]),
}

/// What a witness sees in the control. Anything that any witness sees is an escape, whatever a case names
/// here: this says which of them must have been able to see something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The secret of this attempt in what the probe said.
    Leak,
    /// Something outside, or something protected inside, is no longer what it was.
    Change,
    /// A program that a repository brings along was started.
    Start,
    /// The process outside was ended, stopped, traced or altered.
    Harm,
    /// A listener outside was reached, or somebody from outside got in.
    Contact,
    /// Processes stay when the driver has returned.
    Stay,
    /// The driver returned late, or its output stayed open.
    Late,
    /// Somebody outside could not do their work, or had to wait.
    Starve,
    /// A terminal outside has got input.
    Typed,
    /// Nothing outside can see it: the answer of the kernel is the effect.
    Answer,
    /// Nothing but what a driver tells of how it ended.
    Told,
    /// Turned round: what has to work inside. The probe must succeed everywhere.
    Works,
}

/// The workspace at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A git repository with one commit.
    Repository,
    /// The same, and `hard-other` is another name of a file of another project.
    Hardlink,
    /// No repository.
    Plain,
    /// `.git` is a file that says where the repository is.
    Pointer,
    /// A linked worktree; the main repository is beside it.
    Worktree,
    /// `.git/hooks` is a link to a directory beside it.
    LinkedHooks,
    /// A repository whose settings start a program: which, says the name.
    Hostile(&'static str),
}

/// How the workspace may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Direct,
    Overlay,
    ReadOnly,
}

impl Writes {
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("direct", Self::Direct), ("overlay", Self::Overlay), ("read-only", Self::ReadOnly)];

    /// As it is typed.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(other, _)| *other == name).map(|(_, writes)| *writes)
    }

    pub(crate) fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, writes)| *writes == self);
        own.map(|(name, _)| *name).expect("every way has a name")
    }
}

/// What the policy asks for beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) writes: Writes,
    pub(crate) bounds: Bounds,
    /// Only what the catalogue names may be executed.
    pub(crate) listed: bool,
    /// What happens outside meanwhile.
    pub(crate) outside: Outside,
    /// What is wrong with the machine or with the sandbox's own parts.
    pub(crate) broken: Broken,
    /// Hosts with ports that the network may be used for.
    pub(crate) allow: &'static [&'static str],
    /// Paths below the workspace that may be written besides it, each mounted by itself.
    pub(crate) also: &'static [&'static str],
    /// So often: a race is not lost at once.
    pub(crate) times: u32,
}

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) wall_ms: u64,
    pub(crate) grace_ms: u64,
    pub(crate) cpu_s: u64,
    pub(crate) memory_mib: u64,
    pub(crate) processes: u32,
    pub(crate) files: u32,
    pub(crate) file_mib: u64,
    pub(crate) tmpfs_mib: u64,
}

/// What is wrong from the beginning, for a driver that takes care of such things: the command has to be
/// confined all the same, or it must not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// The kernel does not know these calls.
    Unknown(&'static [&'static str]),
    /// Whoever makes this call is dead.
    Deadly(&'static str),
    /// No user namespace is left.
    NoNamespaces,
    Program(Program),
    /// The thread that starts the command ends before the command does.
    StarterEnds,
    /// Nothing is, but there are hundreds of it.
    Many,
    /// One argument is longer than the kernel takes.
    GiantArgument,
}

/// What is in the place of the small program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Missing,
    /// Itself, and everybody may write it.
    Writable,
    /// Another program.
    Another,
    /// Itself when it is opened, and a hostile one before it is used.
    ReplacedLater,
}

/// What happens outside while the probe is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    Nothing,
    /// The driver's process is ended by SIGKILL as soon as the probe has said that it tries.
    DriverKilled,
    /// Somebody connects to this port, again and again.
    Connects(u16),
    /// The driver's stdin is a terminal, which is also what it is controlled by.
    Terminal,
    /// The driver's stdin is a terminal that nobody is controlled by.
    LeakedTerminal,
    /// Somebody else of the same user does this meanwhile, by a probe of their own.
    Works(&'static [&'static str]),
    /// The driver's stdin is so many MiB.
    Input(usize),
    /// The workspace stands first in the search path.
    PathInside,
    /// A directory and a link that leads out change places all the time.
    Swaps,
}

pub(crate) const USUAL: Wish = Wish {
    writes: Writes::Direct,
    bounds: BOUNDS,
    listed: false,
    outside: Outside::Nothing,
    broken: Broken::Nothing,
    allow: &[],
    also: &[],
    times: 1,
};

pub(crate) const BOUNDS: Bounds = Bounds {
    wall_ms: 10_000,
    grace_ms: 500,
    cpu_s: 8,
    memory_mib: 256,
    processes: 64,
    files: 128,
    file_mib: 32,
    tmpfs_mib: 16,
};

impl Case {
    pub(crate) const fn probe(
        number: u8,
        name: &'static str,
        shows: Shows,
        args: &'static [&'static str],
    ) -> Self {
        let act = Act::Probe(args);
        Self {
            number,
            name,
            act,
            shows,
            ground: Ground::Repository,
            wish: USUAL,
            told: None,
            needs: Needs::Nothing,
            kept_back: None,
            not_claimed: None,
        }
    }

    pub(crate) const fn tool(
        number: u8,
        name: &'static str,
        shows: Shows,
        args: &'static [&'static str],
    ) -> Self {
        Self { act: Act::Tool(args), ..Self::probe(number, name, shows, args) }
    }

    pub(crate) const fn on(mut self, ground: Ground) -> Self {
        self.ground = ground;
        self
    }

    pub(crate) const fn wishing(mut self, wish: Wish) -> Self {
        self.wish = wish;
        self
    }

    pub(crate) const fn while_outside(mut self, outside: Outside) -> Self {
        self.wish.outside = outside;
        self
    }

    pub(crate) const fn not_claimed(mut self, place: &'static str) -> Self {
        self.not_claimed = Some(place);
        self
    }

    pub(crate) const fn kept_back(mut self, path: &'static str) -> Self {
        self.kept_back = Some(path);
        self.wish.writes = Writes::Overlay;
        self
    }

    pub(crate) const fn broken(mut self, broken: Broken) -> Self {
        self.wish.broken = broken;
        self
    }

    /// Whether a refusal is as good as holding it.
    pub(crate) fn may_be_refused(&self) -> bool {
        self.wish.broken != Broken::Nothing
            || self.wish.outside == Outside::Swaps
            || self.ground == Ground::Hardlink
    }

    pub(crate) const fn needing(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    pub(crate) const fn told(mut self, told: &'static str) -> Self {
        self.told = Some(told);
        self
    }

    /// `1.shadow`.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.number, self.name)
    }

    /// Whether somebody who asks for `wanted` means this one: `1` or `1.shadow`.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        wanted == self.id() || wanted.parse() == Ok(self.number)
    }
}

/// Every case, in the order of the reference.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    cases::GROUPS.iter().flat_map(|(_, cases)| cases.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_an_id_of_its_own() {
        let mut ids: Vec<String> = all().map(Case::id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn a_number_means_all_of_its_cases() {
        let one = all().next().unwrap();
        assert!(one.is("1") && one.is(&one.id()) && !one.is("2"));
    }
}
