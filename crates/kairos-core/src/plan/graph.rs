//! The checked graph of a plan's steps.
//!
//! Owns which step may begin next and which ones a failure cancels. Never dispatches: `decide` asks
//! [`Graph::next_runnable`], `apply` marks what happened.
//!
//! | from | may become |
//! |---|---|
//! | pending | running, completed, failed, cancelled |
//! | running | completed, failed, cancelled |
//! | completed, failed, cancelled | nothing |
//!
//! | a step failed under | what follows |
//! |---|---|
//! | halt | every pending step is cancelled |
//! | skip_dependents | every pending step behind it is cancelled |
//! | continue | nothing; steps behind it may run |
//!
//! A step behind a cancelled one never becomes runnable; it stays pending when the plan is over.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// The most steps a plan may have; a set of steps is then one machine word.
pub const STEPS_MAX: usize = 64;

/// The most characters a step's name may have.
pub const NAME_CHARS_MAX: usize = 64;

/// What a plan calls a step: 1–64 of `A–Z a–z 0–9 _ . -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepName(Box<str>);

/// The text is not a step's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepNameError {
    #[error("a step has no name")]
    Empty,
    #[error("a step's name has {chars} characters, more than {NAME_CHARS_MAX}")]
    TooLong { chars: usize },
    #[error(
        "`{name}` contains {char:?}, but a step's name has only letters, digits, `_`, `.` and `-`"
    )]
    BadChar { name: String, char: char },
}

/// What a step's failure does to the steps that have not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    #[default]
    Halt,
    SkipDependents,
    Continue,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    /// Skipped: it will not begin.
    Cancelled,
}

/// One step as a plan declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: StepName,
    /// Repetitions count once.
    pub depends_on: Vec<StepName>,
    pub policy: FailurePolicy,
}

/// Why steps are no plan, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("the plan has {count} steps, more than {STEPS_MAX}")]
    TooManySteps { count: usize },
    #[error("two steps are called `{name}`")]
    Duplicate { name: StepName },
    #[error("step `{name}` depends on `{unknown}`, which is not in the plan")]
    UnknownDependency { name: StepName, unknown: StepName },
    #[error("step `{name}` depends on itself")]
    SelfDependency { name: StepName },
    #[error("steps wait for each other: {}", list(.remaining))]
    Cycle { remaining: Vec<StepName> },
}

/// Why a status cannot be marked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    #[error("the plan has no step `{name}`")]
    UnknownStep { name: StepName },
    #[error("step `{name}` is {from} and cannot become {to}")]
    NotAllowed { name: StepName, from: Status, to: Status },
}

/// The steps of one plan and where each stands.
///
/// **Invariant:** names are unique, dependencies exist and form no cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: StepName,
    depends_on: Set,
    policy: FailurePolicy,
    status: Status,
}

/// A set of steps by position: bit n stands for the n-th step.
type Set = u64;

fn bit(position: usize) -> Set {
    1 << position
}

impl Graph {
    /// Checks `nodes` and makes a graph of them, every step pending.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        if nodes.len() > STEPS_MAX {
            return Err(GraphError::TooManySteps { count: nodes.len() });
        }
        for (position, node) in nodes.iter().enumerate() {
            if nodes[..position].iter().any(|before| before.name == node.name) {
                return Err(GraphError::Duplicate { name: node.name.clone() });
            }
        }
        let mut dependencies: Vec<Set> = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let mut set = 0;
            for dependency in &node.depends_on {
                let position = nodes
                    .iter()
                    .position(|other| other.name == *dependency)
                    .ok_or_else(|| GraphError::UnknownDependency {
                        name: node.name.clone(),
                        unknown: dependency.clone(),
                    })?;
                set |= bit(position);
            }
            dependencies.push(set);
        }
        if let Some(own) = (0..nodes.len()).find(|n| dependencies[*n] & bit(*n) != 0) {
            return Err(GraphError::SelfDependency { name: nodes[own].name.clone() });
        }
        let steps: Vec<Step> = nodes
            .into_iter()
            .zip(dependencies)
            .map(|(node, depends_on)| Step {
                name: node.name,
                depends_on,
                policy: node.policy,
                status: Status::Pending,
            })
            .collect();
        let graph = Self { steps };
        let ordered = graph.order().iter().fold(0, |set, position| set | bit(*position));
        let remaining = graph.names(|position, _| ordered & bit(position) == 0);
        if remaining.is_empty() { Ok(graph) } else { Err(GraphError::Cycle { remaining }) }
    }

    /// The graph of `nodes` with each step where `statuses` say; `None` when they make none.
    pub(crate) fn standing(nodes: Vec<Node>, statuses: &[Status]) -> Option<Self> {
        let mut graph =
            Self::new(nodes).ok().filter(|graph| graph.steps.len() == statuses.len())?;
        for (step, status) in graph.steps.iter_mut().zip(statuses) {
            step.status = *status;
        }
        Some(graph)
    }

    /// The steps in the order of the plan, and where each stands.
    pub fn steps(&self) -> impl Iterator<Item = (&StepName, Status)> {
        self.steps.iter().map(|step| (&step.name, step.status))
    }

    /// Every step behind all it depends on; steps that are free at the same time keep the plan's
    /// order.
    #[must_use]
    pub fn topological_order(&self) -> Vec<&StepName> {
        self.order().into_iter().map(|position| &self.steps[position].name).collect()
    }

    /// The first pending step in the plan's order whose dependencies are completed, or failed
    /// under `continue`.
    #[must_use]
    pub fn next_runnable(&self) -> Option<&StepName> {
        let done = self.set(|step| match step.status {
            Status::Completed => true,
            Status::Failed => step.policy == FailurePolicy::Continue,
            Status::Pending | Status::Running | Status::Cancelled => false,
        });
        self.steps
            .iter()
            .find(|step| step.status == Status::Pending && step.depends_on & !done == 0)
            .map(|step| &step.name)
    }

    /// Whether nothing runs and nothing ever will.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.set(|step| step.status == Status::Running) == 0 && self.next_runnable().is_none()
    }

    /// Marks a step, and returns the names of the steps this cancelled, in the plan's order.
    ///
    /// Whether its dependencies are done is not asked: the mark says what happened.
    pub fn mark(&mut self, name: &StepName, to: Status) -> Result<Vec<StepName>, MarkError> {
        let position = self
            .steps
            .iter()
            .position(|step| step.name == *name)
            .ok_or_else(|| MarkError::UnknownStep { name: name.clone() })?;
        let step = &mut self.steps[position];
        let allowed = match step.status {
            Status::Pending => to != Status::Pending,
            Status::Running => !matches!(to, Status::Pending | Status::Running),
            Status::Completed | Status::Failed | Status::Cancelled => false,
        };
        if !allowed {
            return Err(MarkError::NotAllowed { name: name.clone(), from: step.status, to });
        }
        step.status = to;
        if to != Status::Failed {
            return Ok(Vec::new());
        }
        let doomed = match step.policy {
            FailurePolicy::Halt => Set::MAX,
            FailurePolicy::SkipDependents => self.behind(position),
            FailurePolicy::Continue => 0,
        };
        let doomed = doomed & self.set(|step| step.status == Status::Pending);
        for (position, step) in self.steps.iter_mut().enumerate() {
            if doomed & bit(position) != 0 {
                step.status = Status::Cancelled;
            }
        }
        Ok(self.names(|position, _| doomed & bit(position) != 0))
    }

    /// All steps that depend on this one, directly or through others of any status.
    fn behind(&self, position: usize) -> Set {
        let mut reached = bit(position);
        loop {
            let next = reached | self.set(|step| step.depends_on & reached != 0);
            if next == reached {
                return reached & !bit(position);
            }
            reached = next;
        }
    }

    /// Kahn's order, first free first out; without the steps of a cycle and those behind one.
    fn order(&self) -> Vec<usize> {
        let free =
            |ordered: Set, position: &usize| self.steps[*position].depends_on & !ordered == 0;
        let mut queue: VecDeque<usize> =
            (0..self.steps.len()).filter(|position| free(0, position)).collect();
        let mut queued = queue.iter().fold(0, |set, position| set | bit(*position));
        let mut ordered = 0;
        let mut order = Vec::with_capacity(self.steps.len());
        while let Some(position) = queue.pop_front() {
            order.push(position);
            ordered |= bit(position);
            for next in 0..self.steps.len() {
                if queued & bit(next) == 0 && free(ordered, &next) {
                    queued |= bit(next);
                    queue.push_back(next);
                }
            }
        }
        order
    }

    fn set(&self, belongs: impl Fn(&Step) -> bool) -> Set {
        let members = self.steps.iter().enumerate().filter(|(_, step)| belongs(step));
        members.fold(0, |set, (position, _)| set | bit(position))
    }

    fn names(&self, wanted: impl Fn(usize, &Step) -> bool) -> Vec<StepName> {
        let steps = self.steps.iter().enumerate();
        steps.filter(|(n, step)| wanted(*n, step)).map(|(_, step)| step.name.clone()).collect()
    }
}

impl serde::Serialize for Graph {
    /// Where each step stands; the rest follows from the plan's steps.
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.steps.iter().map(|step| step.status))
    }
}

impl StepName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StepName {
    type Err = StepNameError;

    fn from_str(text: &str) -> Result<Self, StepNameError> {
        if text.is_empty() {
            return Err(StepNameError::Empty);
        }
        let chars = text.chars().count();
        if chars > NAME_CHARS_MAX {
            return Err(StepNameError::TooLong { chars });
        }
        let allowed = |char: &char| char.is_ascii_alphanumeric() || "_.-".contains(*char);
        match text.chars().find(|char| !allowed(char)) {
            Some(char) => Err(StepNameError::BadChar { name: text.to_owned(), char }),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepName({self})")
    }
}

impl serde::Serialize for StepName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for StepName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = StepName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step's name")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StepName, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

fn list(names: &[StepName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
