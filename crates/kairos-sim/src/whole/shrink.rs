//! The shortest script that still fails.
//!
//! Owns leaving out: halves first, then less, until no single act can go or the time is over. Never
//! changes an act.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::law::{Broken, Wrong};
use super::life;
use super::script::Script;
use super::tally::Tally;

/// Performs a script; a panic is a finding like any other.
#[must_use]
pub fn attempt(script: &Script) -> (Tally, Vec<Broken>) {
    let performed = catch_unwind(AssertUnwindSafe(|| life::perform(script)));
    performed.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        let broken = vec![Broken { wrong: Wrong::Refused, what: format!("a panic: {text}") }];
        let mut tally = Tally::one();
        tally.broken(&broken);
        (tally, broken)
    })
}

/// Leaves out what `script` fails without, in the same way, for at most so long.
#[must_use]
pub fn shrink(script: &Script, first: &Broken, time: Duration) -> Script {
    let begun = Instant::now();
    let fails = |script: &Script| {
        let (_, broken) = attempt(script);
        broken.first().is_some_and(|broken| broken.wrong == first.wrong)
    };
    let mut script = script.clone();
    let mut width = script.acts.len().div_ceil(2);
    while width > 0 {
        let mut at = 0;
        let before = script.acts.len();
        while at < script.acts.len() {
            if begun.elapsed() > time {
                return script;
            }
            let mut shorter = script.clone();
            let end = (at + width).min(shorter.acts.len());
            shorter.acts.drain(at..end);
            if fails(&shorter) { script = shorter } else { at += width }
        }
        let gained = script.acts.len() < before;
        width = if width == 1 && !gained { 0 } else { width.div_ceil(2).max(1) };
    }
    script
}
