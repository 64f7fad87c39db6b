//! What a value in an argv may be.
//!
//! Owns the kinds that a rule's table names and the test of one value against one kind. Looks at bytes
//! alone: whether a path is inside the workspace is judged by its spelling, and where a link leads is
//! the business of the view the command sees.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::place::Place;

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any bytes.
    Text,
    /// Digits, perhaps with a sign before and a unit of at most three letters, or `%`, behind.
    Number,
    /// Letters, digits and `_.,:+@%/-`, with no dash or slash first.
    Word,
    /// Letters, digits and `_+-`.
    Name,
    /// A pretty format of git that asks for no signature: checking one starts a program.
    Format,
    /// A revision, or a path inside the workspace.
    Revision,
    /// A path inside the workspace.
    Path,
    /// A path inside the workspace that is written.
    Out,
    /// A path inside the workspace, by no spelling an address.
    Document,
    /// A document by a name that TeX reads as one: no backslash, and no `&` first.
    Tex,
    /// A path inside the workspace whose content is executed.
    Input,
    /// What is put behind the names of files that are rewritten in place.
    Suffix,
    /// One of these.
    Choice(Vec<String>),
}

/// Why a value is not of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it names something outside the workspace")]
    Outside,
    #[error("it is an address, and only files of the workspace are read")]
    Address,
    #[error("a number is wanted")]
    Number,
    #[error("only letters, digits and a few signs are taken here")]
    Spelling,
    #[error("`%G` asks for a signature, and checking one starts a program")]
    Signature,
    #[error("what is executed is a file of the workspace, and not what is typed")]
    Typed,
    #[error("it would be read as TeX, and not as the name of a file")]
    Tex,
    #[error("it is not one of {choices}")]
    Choice { choices: String },
}

impl Kind {
    /// Reads a kind as a rule's table names it: a word, or `{one,two}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(choices) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            return Some(Self::Choice(choices.split(',').map(str::to_owned).collect()));
        }
        Some(match text {
            "text" => Self::Text,
            "number" => Self::Number,
            "word" => Self::Word,
            "name" => Self::Name,
            "format" => Self::Format,
            "revision" => Self::Revision,
            "path" => Self::Path,
            "out" => Self::Out,
            "document" => Self::Document,
            "tex" => Self::Tex,
            "input" => Self::Input,
            "suffix" => Self::Suffix,
            _ => return None,
        })
    }

    /// Whether a value of this kind says that files of the workspace change.
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::Out | Self::Suffix)
    }

    /// Tests one value. `-` alone is standard input or output wherever a path is.
    pub(crate) fn test(&self, value: &OsStr, place: &Place) -> Result<(), Unfit> {
        let bytes = value.as_bytes();
        match self {
            Self::Text => Ok(()),
            Self::Number => fits(is_number(bytes), Unfit::Number),
            Self::Word => fits(is_word(bytes), Unfit::Spelling),
            Self::Name | Self::Suffix => {
                let extra: &[u8] = if *self == Self::Name { b"_+-" } else { b"._~-" };
                let known = |b: &u8| b.is_ascii_alphanumeric() || extra.contains(b);
                fits(!bytes.is_empty() && bytes.iter().all(known), Unfit::Spelling)
            }
            Self::Format => fits(!asks_signature(bytes), Unfit::Signature),
            Self::Document | Self::Tex if is_address(bytes) => Err(Unfit::Address),
            Self::Tex if bytes.contains(&b'\\') || bytes.starts_with(b"&") => Err(Unfit::Tex),
            Self::Input if bytes == b"-" => Err(Unfit::Typed),
            Self::Revision | Self::Path | Self::Out | Self::Document | Self::Tex | Self::Input => {
                fits(bytes == b"-" || place.holds(value), Unfit::Outside)
            }
            Self::Choice(choices) => fits(
                choices.iter().any(|choice| choice.as_bytes() == bytes),
                Unfit::Choice { choices: listed(choices) },
            ),
        }
    }
}

fn fits(fit: bool, why: Unfit) -> Result<(), Unfit> {
    if fit { Ok(()) } else { Err(why) }
}

fn listed(choices: &[String]) -> String {
    choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

fn is_number(bytes: &[u8]) -> bool {
    let unsigned = bytes.strip_prefix(b"-").or(bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let digits = unsigned.iter().take_while(|b| b.is_ascii_digit()).count();
    let unit = &unsigned[digits..];
    (1..=18).contains(&digits)
        && unit.len() <= 3
        && unit.iter().all(|b| b.is_ascii_alphabetic() || *b == b'%')
}

fn is_word(bytes: &[u8]) -> bool {
    let known = |b: &u8| b.is_ascii_alphanumeric() || b"_.,:+@%/-".contains(b);
    bytes.iter().all(known) && bytes.first().is_some_and(|b| !b"-/".contains(b))
}

/// `%G?`, `%GK` and their kin, with the signs that may stand between (`%+GK`, `%-G?`, `% GK`). Where a
/// doubled percent sign ends depends on what stands before it, so what only looks like one is asking.
fn asks_signature(bytes: &[u8]) -> bool {
    bytes
        .split(|b| *b == b'%')
        .skip(1)
        .any(|behind| behind.iter().find(|b| !b"+- ".contains(b)) == Some(&b'G'))
}

/// `scheme:`, of at least two letters, so that `a:b` stays a name.
fn is_address(bytes: &[u8]) -> bool {
    let scheme =
        bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+.-".contains(b)).count();
    scheme >= 2 && bytes[0].is_ascii_alphabetic() && bytes.get(scheme) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(kind: &str, value: &str) -> Result<(), Unfit> {
        let place = Place::new("/w", "/w/sub").unwrap();
        Kind::parse(kind).unwrap().test(OsStr::new(value), &place)
    }

    #[test]
    fn a_path_stays_inside_by_its_spelling() {
        for inside in ["a", "./a", "../a", "/w", "/w/x/../y", "-", "", "HEAD@{1}", "a..b"] {
            assert_eq!(test("path", inside), Ok(()), "{inside}");
        }
        for outside in ["../..", "../../w2", "/etc/passwd", "/w/../etc", "/wx", "//etc", "/"] {
            assert_eq!(test("path", outside), Err(Unfit::Outside), "{outside}");
        }
    }

    #[test]
    fn a_document_is_no_address() {
        for address in ["http://x", "HTTPS://x", "file:///w/a", "ftp://z", "data:text/plain,x"] {
            assert_eq!(test("document", address), Err(Unfit::Address), "{address}");
        }
        assert_eq!(test("document", "a:b"), Ok(()));
        assert_eq!(test("document", "notes/2026: plans.md"), Ok(()));
    }

    #[test]
    fn what_tex_reads_as_tex_is_no_name() {
        for code in ["\\input{x}", "&latex", "a\\b"] {
            assert_eq!(test("tex", code), Err(Unfit::Tex), "{code}");
        }
        assert_eq!(test("tex", "thesis.tex"), Ok(()));
    }

    #[test]
    fn a_format_asks_for_no_signature() {
        for asking in ["%G?", "%h %GK", "%+G?", "%-GS", "% GG", "%H%G?", "% %G?", "%%%G?", "%%G"] {
            assert_eq!(test("format", asking), Err(Unfit::Signature), "{asking}");
        }
        for quiet in ["%H", "oneline", "G?", "100%", "%C(red)G", "%(describe)", "%an %g"] {
            assert_eq!(test("format", quiet), Ok(()), "{quiet}");
        }
    }

    #[test]
    fn numbers_words_and_choices_are_narrow() {
        for number in ["5", "-5", "+5", "10K", "50%", "1MiB"] {
            assert_eq!(test("number", number), Ok(()), "{number}");
        }
        for other in ["", "-", "5;x", "=5", "0x10g5", "9999999999999999999"] {
            assert_eq!(test("number", other), Err(Unfit::Number), "{other}");
        }
        assert_eq!(test("word", "sub/all.o"), Ok(()));
        for other in ["", "-x", "/x", "a;b", "$(x)", "CC=x", "a b"] {
            assert_eq!(test("word", other), Err(Unfit::Spelling), "{other}");
        }
        assert_eq!(test("name", "markdown+smart"), Ok(()));
        assert_eq!(test("name", "evil.lua"), Err(Unfit::Spelling));
        assert_eq!(test("{a,b}", "b"), Ok(()));
        assert_eq!(test("{a,b}", "c"), Err(Unfit::Choice { choices: "`a`, `b`".into() }));
    }
}
