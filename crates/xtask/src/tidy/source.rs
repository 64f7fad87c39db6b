//! One Rust file, read three ways.
//!
//! Owns the text, the syntax tree and the flat list of tokens of a file, and which of its lines are
//! tests. Tokens reach into macro calls, where the syntax tree does not; comments are in neither, so
//! no rule can be tripped by what a comment or a string says.

use std::ops::{Range, RangeInclusive};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::Visit;

use super::Finding;

pub(super) struct Source {
    pub(super) path: String,
    pub(super) lines: Vec<String>,
    pub(super) syntax: syn::File,
    pub(super) tokens: Vec<Token>,
    test_lines: Vec<RangeInclusive<usize>>,
}

/// An identifier, a punctuation character, a literal, or one half of a pair of brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let wrong = |line, reason: String| Finding::new(path, line, "syntax", reason);
        let stream: TokenStream = text.parse().map_err(|e: proc_macro2::LexError| {
            wrong(e.span().start().line, format!("cannot be read as Rust: {e}"))
        })?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let syntax = syn::parse_file(text)
            .map_err(|e| wrong(e.span().start().line, format!("cannot be parsed: {e}")))?;
        let mut modules = TestModules(Vec::new());
        modules.visit_file(&syntax);
        Ok(Self {
            path: path.to_owned(),
            lines: text.lines().map(Into::into).collect(),
            syntax,
            tokens,
            test_lines: modules.0,
        })
    }

    /// Below `src/` of some crate: what ships, or would.
    pub(super) fn in_src(&self) -> bool {
        self.path.split('/').any(|dir| dir == "src")
    }

    /// Whether the line belongs to tests or benches.
    pub(super) fn is_test(&self, line: usize) -> bool {
        !self.in_src()
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Whether `// tidy: {mark}` stands on one of the lines, or on the line above them.
    pub(super) fn is_marked(&self, lines: RangeInclusive<usize>, mark: &str) -> bool {
        let wanted = format!("// tidy: {mark}");
        let first = lines.start().saturating_sub(2);
        self.lines.iter().take(*lines.end()).skip(first).any(|line| {
            line.trim_start().starts_with(&wanted) || line.contains(&format!(" {wanted}"))
        })
    }

    /// The ranges of tokens that are attributes, `#` to `]`.
    pub(super) fn attributes(&self) -> Vec<Range<usize>> {
        let is = |at: usize, text: &str| self.tokens.get(at).is_some_and(|t| t.text == text);
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let open = if is(at + 1, "!") { at + 2 } else { at + 1 };
            if is(at, "#") && is(open, "[") {
                found.push(at..self.end_of_group(open));
            }
        }
        found
    }

    /// Where `pattern` begins in the tokens of `within`.
    pub(super) fn find(&self, within: Range<usize>, pattern: &[&str]) -> Vec<usize> {
        let matches = |at: &usize| {
            self.tokens[*at..within.end].len() >= pattern.len()
                && pattern.iter().zip(&self.tokens[*at..]).all(|(want, token)| *want == token.text)
        };
        within.clone().filter(matches).collect()
    }

    pub(super) fn find_all(&self, pattern: &[&str]) -> Vec<usize> {
        self.find(0..self.tokens.len(), pattern)
    }

    /// One past the token that closes the bracket at `open`.
    pub(super) fn end_of_group(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => {
                        flatten(group.stream(), out);
                        continue;
                    }
                };
                out.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), out);
                let line = group.span_close().start().line;
                out.push(Token { text: close.to_owned(), line });
            }
            other => out.push(Token { text: other.to_string(), line }),
        }
    }
}

/// Whether the attributes hold `#[cfg(test)]`.
pub(super) fn is_cfg_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

/// Collects the lines of modules that exist only under test.
struct TestModules(Vec<RangeInclusive<usize>>);

impl<'ast> Visit<'ast> for TestModules {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if let (true, Some((brace, _))) = (is_cfg_test(&module.attrs), &module.content) {
            let (open, close) = (brace.span.open(), brace.span.close());
            self.0.push(open.start().line..=close.end().line);
        }
        syn::visit::visit_item_mod(self, module);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse("crates/a/src/lib.rs", text).unwrap()
    }

    #[test]
    fn tokens_reach_into_macros_and_leave_comments_and_strings_out() {
        let source = source("fn f() {\n    m!(a::b, \"x::y\"); // c::d\n}\n");
        let at = source.find_all(&["a", ":", ":", "b"]);
        assert_eq!(at.iter().map(|&at| source.tokens[at].line).collect::<Vec<_>>(), [2]);
        assert_eq!(source.find_all(&["x", ":", ":", "y"]), [0usize; 0]);
        assert_eq!(source.find_all(&["c"]), [0usize; 0]);
    }

    #[test]
    fn lines_of_a_test_module_are_tests() {
        let source = source("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
        let tests: Vec<usize> = (1..=6).filter(|&line| source.is_test(line)).collect();
        assert_eq!(tests, [3, 4, 5]);
    }

    #[test]
    fn a_file_outside_src_is_a_test() {
        let source = Source::parse("crates/a/tests/x.rs", "fn a() {}").unwrap();
        assert!(source.is_test(1));
    }

    #[test]
    fn a_mark_counts_on_the_lines_and_above_them() {
        let source = source("// tidy: table\nfn a() {}\n\nfn b() {} // tidy: table\nfn c() {}\n");
        let marked: Vec<bool> =
            [2, 4, 3].iter().map(|&line| source.is_marked(line..=line, "table")).collect();
        assert_eq!(marked, [true, true, false]);
    }

    #[test]
    fn a_file_that_is_no_rust_is_a_finding_with_its_line() {
        let finding = Source::parse("a.rs", "fn a() {}\nfn {\n").err().unwrap();
        assert_eq!((finding.rule, finding.file.as_str()), ("syntax", "a.rs"));
    }
}
