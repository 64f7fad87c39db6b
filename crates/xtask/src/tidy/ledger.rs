//! Where a ledger may be opened.
//!
//! Owns the second half of the argument that no effect leaves before its record: only what opens a
//! ledger can make it yield permits, so that happens at engine start, in the crate that defines it,
//! in what never ships (the simulator, the benchmark of whole turns), and in tests. Clippy bans the call as well; this check has no attribute to
//! switch it off.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const RULE: &str = "ledger";
const OPENS: [&str; 2] = ["open", "open_if"];
const MAY_OPEN: [&str; 4] = [
    "crates/kairos-journal/",
    "crates/kairos-engine/",
    "crates/kairos-sim/",
    "crates/kairos-bench/",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources
        .iter()
        .filter(|source| !MAY_OPEN.iter().any(|dir| source.path.starts_with(dir)))
        .flat_map(of)
        .collect()
}

fn of(source: &Source) -> Vec<Finding> {
    let opens = |at: &usize| {
        let words = source.tokens[at + 1..].iter().map(|token| token.text.as_str());
        let words: Vec<&str> = words.take(WORDS_MAX).collect();
        let named = if words.starts_with(&[":", ":"]) { words.get(2).copied() } else { None };
        [named, after_generics(&words)].iter().flatten().any(|name| OPENS.contains(name))
    };
    source
        .find_all(&["Ledger"])
        .into_iter()
        .filter(opens)
        .map(|at| source.tokens[at].line)
        .filter(|&line| !source.is_test(line))
        .map(|line| {
            let reason = "`Ledger::open` outside engine start: take a `Permit` instead";
            Finding::new(&source.path, line, RULE, reason)
        })
        .collect()
}

/// How far a list of generic arguments may reach before it is taken for something else.
const WORDS_MAX: usize = 64;

/// The name after `::<…>::` or, in a qualified path, after `<…>>::`.
fn after_generics<'a>(words: &[&'a str]) -> Option<&'a str> {
    let first = words.iter().position(|word| *word != ":")?;
    let mut depth = 0usize;
    for (at, word) in words.iter().enumerate().skip(first) {
        match *word {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            _ if depth == 0 => return None,
            _ => {}
        }
        let rest = words.get(at + 1..)?;
        if depth == 0 && rest.starts_with(&[":", ":"]) {
            return rest.get(2).copied();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::file;
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&file(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn opening_outside_the_engine_is_found_in_every_spelling() {
        for call in [
            "Ledger::open(disk)",
            "kairos_journal::Ledger::open(disk)",
            "Ledger::<State, Vec<u8>>::open(disk)",
            "<Ledger<State, Vec<u8>>>::open(disk)",
            "<kairos_journal::Ledger>::open(disk)",
            "Some(disk).map(Ledger::open)",
            "Ledger::open_if(disk)",
        ] {
            let text = format!("fn a() {{\n    {call};\n}}\n");
            assert_eq!(lines("crates/kairos/src/assemble.rs", &text), [2], "{call}");
            assert_eq!(lines("crates/kairos-engine/src/startup.rs", &text), [0; 0], "{call}");
            assert_eq!(lines("crates/kairos-effects/tests/file.rs", &text), [0; 0], "{call}");
        }
    }

    #[test]
    fn other_uses_of_the_name_are_free() {
        let text = "fn a(l: Ledger<File>) -> File {\n    File::open(l.path)\n}\nuse x::Ledger;\n";
        assert_eq!(lines("crates/kairos/src/a.rs", text), [0; 0]);
    }
}
