//! Nothing silenced, nothing left open.
//!
//! Owns the ban of `allow` attributes (an `expect` with its reason notices when it is no longer
//! needed) and of macros that mark work as unfinished or print for debugging. Holds in tests too.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const RULE: &str = "marks";

const MACROS: [(&str, &str); 3] = [
    ("todo", "finish it or leave it out"),
    ("unimplemented", "finish it or leave it out"),
    ("dbg", "made for a moment, not for a commit"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(of).collect()
}

fn of(source: &Source) -> Vec<Finding> {
    let found = |at: usize, reason: String| {
        Finding::new(&source.path, source.tokens[at].line, RULE, reason)
    };
    let allows = source
        .attributes()
        .into_iter()
        .flat_map(|range| source.find(range, &["allow", "("]))
        .map(|at| found(at, "`allow`: use `#[expect(lint, reason = \"…\")]`".to_owned()));
    let macros = MACROS.iter().flat_map(|(name, why)| {
        source
            .find_all(&[name, "!"])
            .into_iter()
            .filter(|&at| source.tokens.get(at + 2).is_some_and(|next| next.text != "="))
            .map(move |at| found(at, format!("`{name}!`: {why}")))
    });
    allows.chain(macros).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::file;
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&file("crates/a/src/x.rs", text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn every_form_of_allow_is_found() {
        assert_eq!(lines("#![allow(dead_code)]\n"), [1]);
        assert_eq!(
            lines("fn a() {\n    #[allow(unused, reason = \"x\")]\n    let b = 1;\n}\n"),
            [2]
        );
        assert_eq!(lines("#[cfg_attr(unix, allow(unused))]\nfn a() {}\n"), [1]);
        assert_eq!(lines("#[expect(unused, reason = \"x\")]\nfn allow() {}\n"), [0; 0]);
    }

    #[test]
    fn unfinished_work_is_found_and_talk_about_it_is_not() {
        assert_eq!(lines("fn a() {\n    todo!()\n}\nfn b() {\n    dbg!(1);\n}\n"), [2, 5]);
        assert_eq!(lines("// todo!()\nfn a() -> &'static str {\n    \"todo!()\"\n}\n"), [0; 0]);
        assert_eq!(lines("fn a(todo: u8) -> bool {\n    todo != 1\n}\n"), [0; 0]);
    }
}
