//! SPDX licence expressions.
//!
//! Owns how `OR`, `AND`, `WITH` and brackets bind (`WITH` before `AND` before `OR`), and the old
//! spelling of `OR` as a slash. Does not know which licences are wanted; `licences` does.

/// Whether the licences of `expression` that one may choose are all `allowed`.
///
/// `allowed` is asked for single licences, with their exception where there is one
/// (`Apache-2.0 WITH LLVM-exception`). `None` when it is no expression.
pub(super) fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0 };
    let answer = any(&mut words, allowed)?;
    (words.at == words.words.len()).then_some(answer)
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn take_if(&mut self, wanted: &str) -> bool {
        let found = self.words.get(self.at) == Some(&wanted);
        self.at += usize::from(found);
        found
    }
}

fn any(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = all(words, allowed)?;
    while words.take_if("OR") {
        answer |= all(words, allowed)?;
    }
    Some(answer)
}

fn all(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = one(words, allowed)?;
    while words.take_if("AND") {
        answer &= one(words, allowed)?;
    }
    Some(answer)
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match words.take()? {
        "(" => {
            let answer = any(words, allowed)?;
            words.take_if(")").then_some(answer)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence if words.take_if("WITH") => {
            let exception = words.take()?;
            Some(allowed(&format!("{licence} WITH {exception}")))
        }
        licence => Some(allowed(licence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str) -> Option<bool> {
        satisfied(expression, &|l| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&l))
    }

    #[test]
    fn one_side_of_or_is_enough_and_both_sides_of_and_are_needed() {
        assert_eq!(check("MIT"), Some(true));
        assert_eq!(check("GPL-3.0"), Some(false));
        assert_eq!(check("GPL-3.0 OR MIT"), Some(true));
        assert_eq!(check("GPL-3.0/MIT"), Some(true));
        assert_eq!(check("GPL-3.0 AND MIT"), Some(false));
        assert_eq!(check("ISC AND MIT"), Some(true));
    }

    #[test]
    fn and_binds_before_or_and_brackets_before_both() {
        assert_eq!(check("MIT OR ISC AND GPL-3.0"), Some(true));
        assert_eq!(check("(MIT OR ISC) AND GPL-3.0"), Some(false));
        assert_eq!(check("(GPL-3.0 OR MIT) AND (ISC OR GPL-3.0)"), Some(true));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert_eq!(check("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(check("Apache-2.0"), Some(false));
        assert_eq!(check("MIT WITH LLVM-exception"), Some(false));
    }

    #[test]
    fn what_is_no_expression_gives_no_answer() {
        for broken in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH"] {
            assert_eq!(check(broken), None, "{broken}");
        }
    }
}
