//! The fuzz targets on any toolchain: their corpus as it is, and mutated by a seeded generator.

#[path = "../count/mod.rs"]
mod count;
#[path = "../../../../fuzz/targets.rs"]
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::count::{Count, Wrong, hold};
use crate::targets::TARGETS;

/// Inputs for each target.
const INPUTS: u64 = 10_000;
const INPUT_BYTES_MAX: usize = 1 << 16;
/// What numbers and framing are made of.
const TOKENS: [&[u8]; 8] =
    [b"\0", b"\n", b"kj1 ", b"\"", b"}", b"18446744073709551616", b"-1", b"\"t\":"];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("it is in the tree")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// One to a few changes of one input.
fn mutated(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        let (mut from, mut to) = (random.usize(..=bytes.len()), random.usize(..=bytes.len()));
        if from > to {
            std::mem::swap(&mut from, &mut to);
        }
        match random.u8(..8) {
            0 | 1 if from < bytes.len() => bytes[from] ^= 1 << random.u8(..8),
            2 if from < bytes.len() => bytes[from] = random.u8(..),
            3 => drop(bytes.drain(from..to)),
            4 => bytes.truncate(to),
            5 => {
                let part = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, part));
            }
            6 => {
                let other = &corpus[random.usize(..corpus.len())];
                let part = other[random.usize(..=other.len())..].to_vec();
                drop(bytes.splice(from..to, part));
            }
            _ => {
                let token = TOKENS[random.usize(..TOKENS.len())];
                drop(bytes.splice(from..from, token.iter().copied()));
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn give(target: fn(&[u8]), bytes: &[u8], case: &str, count: &mut Count) {
    count.add();
    let held = catch_unwind(AssertUnwindSafe(|| target(bytes))).is_ok();
    hold(Wrong::Accepted, held, || format!("{case}: `{}`", bytes.escape_ascii()));
}

#[test]
fn no_mutation_of_the_corpus_breaks_a_promise() {
    let effort = std::env::var("KAIROS_SIM_EFFORT").ok();
    let effort = effort.map_or(1, |effort| effort.parse::<u64>().expect("an effort is a number"));
    let mut count = Count::new("fuzzed inputs");
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for (nth, bytes) in corpus.iter().enumerate() {
            give(target, bytes, &format!("{name}, corpus {nth}"), &mut count);
        }
        for seed in 0..INPUTS * effort {
            let bytes = mutated(&corpus, &mut fastrand::Rng::with_seed(seed));
            give(target, &bytes, &format!("{name}, seed {seed}"), &mut count);
        }
    }
}
