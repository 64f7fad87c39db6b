//! Functions fit a screen, structs have few fields.
//!
//! Owns both bounds and the mark `// tidy: table`, which lifts them where a body is a table and
//! splitting it would only hide it. Tests are free: a scenario is as long as what it tells.

use std::ops::RangeInclusive;

use syn::visit::Visit;

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const RULE: &str = "sizes";
const FUNCTION_LINES_MAX: usize = 70;
const FIELDS_MAX: usize = 12;
const MARK: &str = "table";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(of).collect()
}

fn of(source: &Source) -> Vec<Finding> {
    let mut sizes = Sizes { source, findings: Vec::new() };
    sizes.visit_file(&source.syntax);
    sizes.findings
}

struct Sizes<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Sizes<'_> {
    fn function(&mut self, attrs: &[syn::Attribute], sig: &syn::Signature, body: &syn::Block) {
        let first = sig.fn_token.span.start().line;
        let open = body.brace_token.span.open().start().line;
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let what =
                format!("`{}` has {lines} lines, {FUNCTION_LINES_MAX} fit a screen", sig.ident);
            self.too_big(first, top(attrs, first)..=open + 1, &what);
        }
    }

    fn too_big(&mut self, line: usize, mark_lines: RangeInclusive<usize>, what: &str) {
        if !self.source.is_test(line) && !self.source.is_marked(mark_lines, MARK) {
            let reason =
                format!("{what}: split by meaning, or mark a table with `// tidy: {MARK}`");
            self.findings.push(Finding::new(&self.source.path, line, RULE, reason));
        }
    }
}

/// The line where the attributes and doc comments of an item begin.
fn top(attrs: &[syn::Attribute], item: usize) -> usize {
    attrs.first().map_or(item, |attr| attr.pound_token.span.start().line)
}

impl<'ast> Visit<'ast> for Sizes<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let fields = item.fields.len();
        if fields > FIELDS_MAX {
            let line = item.struct_token.span.start().line;
            let what = format!("`{}` has {fields} fields, more than {FIELDS_MAX}", item.ident);
            self.too_big(line, top(&item.attrs, line)..=line + 1, &what);
        }
        syn::visit::visit_item_struct(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::file;
    use super::*;

    fn findings(text: &str) -> Vec<Finding> {
        check(&file("crates/a/src/x.rs", text))
    }

    fn function(before: &str, lines: usize) -> String {
        format!("{before}fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_past_a_screen_is_found() {
        assert_eq!(findings(&function("", 70)), []);
        let reason = "`f` has 71 lines, 70 fit a screen: split by meaning, or mark a table with \
                      `// tidy: table`";
        let found = findings(&function("", 71));
        assert_eq!(found, [Finding::new("crates/a/src/x.rs", 1, RULE, reason)]);
    }

    #[test]
    fn a_table_and_a_test_may_be_long() {
        assert_eq!(findings(&function("// tidy: table\n", 100)), []);
        assert_eq!(findings(&function("// tidy: table\n/// Doc.\n#[inline]\n", 100)), []);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("", 100));
        assert_eq!(findings(&test), []);
    }

    #[test]
    fn methods_count_as_functions() {
        assert_eq!(findings(&format!("impl A {{\n{}}}\n", function("", 80))).len(), 1);
        assert_eq!(findings(&format!("trait A {{\n{}}}\n", function("", 80))).len(), 1);
    }

    #[test]
    fn a_struct_with_too_many_fields_is_found() {
        let fields = |n: usize| (0..n).map(|i| format!("f{i}: u8,\n")).collect::<String>();
        assert_eq!(findings(&format!("struct A {{\n{}}}\n", fields(12))), []);
        assert_eq!(findings(&format!("struct A {{\n{}}}\n", fields(13))).len(), 1);
        let marked = format!("// tidy: table\nstruct A {{\n{}}}\n", fields(13));
        assert_eq!(findings(&marked), []);
    }
}
