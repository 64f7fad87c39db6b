//! One text, and so one hash, for values that mean the same.
//!
//! Owns a small JSON tree, its canonical text and the reading of JSON into it. Decisions bind to
//! such hashes, so the text never changes; it is KairosChain's, whose hashes stay comparable.
//! Never decides what belongs into a hash: who asks for one builds the tree of what is meant.
//!
//! | value | canonical text |
//! |---|---|
//! | object | compact, keys in the order of their UTF-8 bytes; of equal keys the last wins |
//! | string | raw except `"`, `\` and C0 controls (`\b \f \n \r \t`, else `\u00xx`) |
//! | integer | its digits, of any length; `-0` is `0` |
//! | other number | fewest digits that give the same double; fixed from 1e-4 to below 1e15, and above where there is a fraction, else `d.de+XX`; `-0.0` stays |
//!
//! Where RFC 8785 differs (1.0, 1e15, -0.0, UTF-16 key order) this is the other one.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::digest::Digest;

/// The longest text [`Tree::parse`] reads.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// How deep lists and maps may stand in each other.
pub const DEPTH_MAX: usize = 100;

/// A JSON value. Displays as its canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

/// A number as it was written, so that no digit is lost on the way to its hash.
///
/// **Invariant:** a JSON number whose value is finite as a double, or an integer of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<str>);

/// Why a text is no tree. Positions are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("JSON text of {bytes} bytes, more than {TEXT_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("JSON nested deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep { at: usize },
    #[error("not JSON at byte {at}: expected {expected}")]
    Unexpected { at: usize, expected: &'static str },
    #[error("the number at byte {at} is beyond any double")]
    NumberTooLarge { at: usize },
}

impl Tree {
    /// Reads JSON (RFC 8259, nothing more lenient).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseError::TooLong { bytes: text.len() });
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let tree = parser.value()?;
        parser.skip_blank();
        if parser.at < text.len() { Err(parser.unexpected("the end")) } else { Ok(tree) }
    }

    /// A map of these entries; of equal keys the last wins.
    pub fn map<const N: usize>(entries: [(&str, Tree); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A list of these values.
    pub fn list<T: Into<Tree>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }

    /// The SHA-256 of the canonical text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_string().as_bytes())
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Tree {
    fn from(value: u64) -> Self {
        Self::Number(Number(value.to_string().into()))
    }
}

impl From<&str> for Tree {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Tree {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Tree>> From<Option<T>> for Tree {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write_quoted(f, text),
            Self::List(values) => {
                f.write_char('[')?;
                for (n, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if n == 0 { "" } else { "," })?;
                }
                f.write_char(']')
            }
            Self::Map(entries) => {
                f.write_char('{')?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { "," })?;
                    write_quoted(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            8 => "\\b",
            9 => "\\t",
            10 => "\\n",
            12 => "\\f",
            13 => "\\r",
            0..0x20 => "",
            _ => continue,
        };
        f.write_str(&text[plain..at])?;
        if short.is_empty() {
            write!(f, "\\u{byte:04x}")?
        } else {
            f.write_str(short)?
        }
        plain = at + 1;
    }
    f.write_str(&text[plain..])?;
    f.write_char('"')
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(['.', 'e', 'E']) {
            return f.write_str(if &*self.0 == "-0" { "0" } else { &self.0 });
        }
        let value: f64 = self.0.parse().expect("a JSON number is a Rust float");
        // `{:e}` writes the fewest digits that read back as the same double.
        let text = format!("{:e}", value.abs());
        let (digits, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
        let exponent: i32 = exponent.parse().expect("an exponent of a double is small");
        let digits = digits.replace('.', "");
        if value.is_sign_negative() {
            f.write_char('-')?;
        }
        match exponent {
            -4..0 => {
                let zeros = usize::try_from(-exponent - 1).expect("at most three");
                write!(f, "0.{}{digits}", "0".repeat(zeros))
            }
            0.. if exponent < 15 || value.fract() != 0.0 => {
                let whole = usize::try_from(exponent).expect("not negative") + 1;
                let padded = format!("{digits:0<whole$}");
                let (whole, fraction) = padded.split_at(whole);
                write!(f, "{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
            }
            _ => {
                let (first, rest) = digits.split_at(1);
                write!(f, "{first}.{}e{exponent:+03}", if rest.is_empty() { "0" } else { rest })
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Tree, ParseError> {
        self.skip_blank();
        match self.peek() {
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => self.string().map(Tree::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Tree::Number),
            _ if self.eat("null") => Ok(Tree::Null),
            _ if self.eat("true") => Ok(Tree::Bool(true)),
            _ if self.eat("false") => Ok(Tree::Bool(false)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Tree, ParseError>,
    ) -> Result<Tree, ParseError> {
        if self.depth == DEPTH_MAX {
            return Err(ParseError::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        self.skip_blank();
        let tree = inner(self)?;
        self.depth -= 1;
        Ok(tree)
    }

    fn list(&mut self) -> Result<Tree, ParseError> {
        let mut values = Vec::new();
        if self.eat("]") {
            return Ok(Tree::List(values));
        }
        loop {
            values.push(self.value()?);
            self.skip_blank();
            if self.eat("]") {
                return Ok(Tree::List(values));
            }
            self.expect(",", "`,` or `]`")?;
        }
    }

    fn map(&mut self) -> Result<Tree, ParseError> {
        let mut entries = BTreeMap::new();
        if self.eat("}") {
            return Ok(Tree::Map(entries));
        }
        loop {
            self.skip_blank();
            let key = self.string()?;
            self.skip_blank();
            self.expect(":", "`:`")?;
            entries.insert(key, self.value()?);
            self.skip_blank();
            if self.eat("}") {
                return Ok(Tree::Map(entries));
            }
            self.expect(",", "`,` or `}`")?;
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.expect("\"", "a string")?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let plain = rest.bytes().position(special).unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            if self.eat("\"") {
                return Ok(out);
            }
            self.expect("\\", "the end of the string, without a raw control character")?;
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let short = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(short)
    }

    /// A `uXXXX`, or two that are a surrogate pair. Half a pair is no text and so no JSON here.
    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        let first = self.hex_unit()?;
        let second = if (0xd800..0xdc00).contains(&first) && self.eat("\\") {
            Some(self.hex_unit()?)
        } else {
            None
        };
        let unit = char::decode_utf16([first].into_iter().chain(second)).next();
        unit.and_then(Result::ok)
            .ok_or(ParseError::Unexpected { at: start, expected: "a whole surrogate pair" })
    }

    fn hex_unit(&mut self) -> Result<u16, ParseError> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) if self.eat("u") => {
                self.at += 4;
                Ok(unit)
            }
            _ => Err(self.unexpected("`u` and four hex digits")),
        }
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let start = self.at;
        let _ = self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let integer = !text.contains(['.', 'e', 'E']);
        if integer || text.parse::<f64>().is_ok_and(f64::is_finite) {
            Ok(Number(text.into()))
        } else {
            Err(ParseError::NumberTooLarge { at: start })
        }
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }

    fn skip_blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> ParseError {
        ParseError::Unexpected { at: self.at, expected }
    }
}
