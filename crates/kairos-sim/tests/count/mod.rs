//! What was tried and what went wrong, as lines that a program can add up.
//!
//! A part of `cargo xtask faults` is a test that counts. Its lines stand in the output whether it
//! ends well or not: the first thing that goes wrong is counted, told, and ends the part.

use std::cell::Cell;
use std::fmt;
use std::io::Write as _;

/// In which way a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// What was acknowledged, or somebody's bytes, is not there.
    Lost,
    /// What may happen once has happened twice.
    Duplicated,
    /// What nobody wrote, or not so, was taken for true.
    Accepted,
    /// What is sound was turned away.
    Refused,
}

thread_local! {
    static WRONG: Cell<Option<Wrong>> = const { Cell::new(None) };
}

/// Ends the test if `holds` is false, and has it counted.
pub(crate) fn hold(wrong: Wrong, holds: bool, case: impl FnOnce() -> String) {
    if !holds {
        WRONG.set(Some(wrong));
        panic!("{wrong:?}: {}", case());
    }
}

/// How often something was tried; printed when it is dropped.
pub(crate) struct Count {
    name: &'static str,
    pub(crate) tried: u64,
    /// How many there are, where every one has to be tried.
    pub(crate) of: Option<u64>,
}

impl Count {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, tried: 0, of: None }
    }

    pub(crate) fn add(&mut self) {
        self.tried += 1;
    }
}

impl Drop for Count {
    /// Of the counts of one test, the first that is dropped bears what went wrong.
    fn drop(&mut self) {
        writeln!(std::io::stdout(), "{self}").ok();
        WRONG.set(None);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = |wrong| u8::from(WRONG.get() == Some(wrong));
        write!(f, "{{\"name\":\"{}\",\"tried\":{}", self.name, self.tried)?;
        if let Some(of) = self.of {
            write!(f, ",\"of\":{of}")?;
        }
        let (lost, duplicated) = (wrong(Wrong::Lost), wrong(Wrong::Duplicated));
        let (accepted, refused) = (wrong(Wrong::Accepted), wrong(Wrong::Refused));
        write!(f, ",\"lost\":{lost},\"duplicated\":{duplicated}")?;
        write!(f, ",\"wrongly_accepted\":{accepted},\"wrongly_refused\":{refused}}}")
    }
}
