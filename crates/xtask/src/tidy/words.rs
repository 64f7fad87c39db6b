//! Retired words are not names.
//!
//! Owns the list of words that `docs/glossary.md` retires, for types, traits, modules and functions.
//! Looks at whole words inside a name: `TaskQueue` holds one, `multitasking` does not. Names a trait
//! dictates are judged where the trait is ours, and not where it is implemented. Test names are
//! sentences and are free.

use std::ops::RangeInclusive;

use proc_macro2::Ident;
use syn::visit::Visit;

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const RULE: &str = "words";
/// A name from outside: `// tidy: word, because …`.
const MARK: &str = "word, because ";

const RETIRED: [&str; 14] = [
    "context", "data", "handler", "helper", "info", "job", "manager", "run", "service", "session",
    "task", "util", "utils", "workflow",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(of).collect()
}

fn of(source: &Source) -> Vec<Finding> {
    let mut names = Names { source, findings: Vec::new() };
    names.visit_file(&source.syntax);
    names.findings
}

/// What kind of thing a name stands for. Only a function may begin with the verb `run`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Thing,
    Function,
}

struct Names<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Names<'_> {
    fn name(&mut self, ident: &Ident, named: Named) {
        let line = ident.span().start().line;
        let lines: RangeInclusive<usize> = line..=line;
        if self.source.is_test(line) || self.source.is_marked(lines, MARK) {
            return;
        }
        if let Some(word) = retired(&ident.to_string(), named) {
            let reason = format!("`{ident}`: `{word}` is retired, see docs/glossary.md");
            self.findings.push(Finding::new(&self.source.path, line, RULE, reason));
        }
    }
}

/// The retired word that `name` holds.
fn retired(name: &str, named: Named) -> Option<&'static str> {
    let words = words(name);
    let verb =
        named == Named::Function && words.len() > 1 && ["run", "runs"].contains(&words[0].as_str());
    let matches =
        |word: &str, retired: &str| word == retired || word.strip_suffix('s') == Some(retired);
    words
        .iter()
        .skip(usize::from(verb))
        .find_map(|word| RETIRED.iter().find(|retired| matches(word, retired)))
        .copied()
}

/// `TaskQueue` and `task_queue` are `task` and `queue`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.trim_start_matches("r#").chars() {
        if c == '_' || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("begins with one word").extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name(&item.ident, Named::Thing);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name(&item.ident, Named::Thing);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.name(&item.ident, Named::Thing);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.name(&item.ident, Named::Thing);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.name(&item.ident, Named::Thing);
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.name(&item.sig.ident, Named::Function);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.name(&item.sig.ident, Named::Function);
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let own = item.trait_.is_none();
        for function in item.items.iter().filter_map(|inner| match inner {
            syn::ImplItem::Fn(function) => Some(function),
            _ => None,
        }) {
            if own {
                self.name(&function.sig.ident, Named::Function);
            }
            syn::visit::visit_block(self, &function.block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::file;
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&file("crates/a/src/x.rs", text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn names_split_into_words() {
        assert_eq!(words("TaskQueue"), ["task", "queue"]);
        assert_eq!(words("next_run"), ["next", "run"]);
        assert_eq!(words("MCPServer2Task"), ["mcpserver2", "task"]);
        assert_eq!(words("r#type"), ["type"]);
    }

    #[test]
    fn a_retired_word_is_found_in_types_modules_and_functions() {
        assert_eq!(
            lines("struct JobQueue;\nmod utils {}\nfn next_run() {}\nenum Tasks {}\n"),
            [1, 2, 3, 4]
        );
        assert_eq!(lines("fn multitasking() {}\nstruct Jobless;\nfn running() {}\n"), [0; 0]);
    }

    #[test]
    fn run_may_be_the_verb_of_a_function() {
        assert_eq!(lines("fn run_stages() {}\nfn runs_after_gap() {}\n"), [0; 0]);
        assert_eq!(lines("fn run() {}\nstruct RunStages;\n"), [1, 2]);
    }

    #[test]
    fn a_trait_is_judged_where_it_is_defined() {
        assert_eq!(lines("trait A {\n    fn data(&self);\n}\n"), [2]);
        assert_eq!(lines("impl A for B {\n    fn data(&self) {}\n}\n"), [0; 0]);
        assert_eq!(lines("impl B {\n    fn data(&self) {}\n}\n"), [2]);
    }

    #[test]
    fn tests_and_names_from_outside_are_free() {
        assert_eq!(lines("#[cfg(test)]\nmod tests {\n    fn a_run_ends() {}\n}\n"), [0; 0]);
        assert_eq!(
            lines("// tidy: word, because the protocol calls it so\nstruct Session;\n"),
            [0; 0]
        );
        assert_eq!(lines("// tidy: word\nstruct Session;\n"), [2]);
    }
}
