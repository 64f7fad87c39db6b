//! Paths inside the workspace.
//!
//! Owns [`RelPath`], the one type for a workspace path in events, state and rules, and its one
//! text form. Never touches a file system: `kairos-disk` opens a path beneath the root, and what
//! it resolved comes back here as bytes.
//!
//! The text form is what people type, models answer and frames carry: the path itself, where a
//! backslash is written `\\` and a byte that is not UTF-8, or belongs to a control character, is
//! written `\xHH` (two lower-case hex digits). One path has one text, so texts can be compared,
//! and printing one never moves a terminal's cursor.

use std::fmt;
use std::str::FromStr;

/// The most bytes a path may have.
pub const PATH_BYTES_MAX: usize = 4096;

/// Each byte of a path takes at most four in its text.
const TEXT_BYTES_MAX: usize = 4 * PATH_BYTES_MAX;

/// A path relative to the workspace root that cannot lead out of it lexically.
///
/// **Invariant:** one or more components joined by single slashes, none of them empty, `.` or
/// `..`, no NUL, at most [`PATH_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Box<[u8]>);

/// Why a text or bytes are no path inside the workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty or names the workspace itself")]
    Empty,
    #[error("the path has {bytes} bytes, more than {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("`{path}` is absolute, expected a path relative to the workspace")]
    Absolute { path: String },
    #[error("`{path}` leads out of the workspace")]
    Escapes { path: String },
    #[error("`{path}` contains a NUL byte")]
    Nul { path: String },
    #[error("`{path}` has a backslash at byte {at} that is neither `\\\\` nor `\\xHH`")]
    BadEscape { path: String, at: usize },
    #[error("`{path}` is not the normal form of the path, which is `{normal}`")]
    NotNormal { path: String, normal: RelPath },
}

impl RelPath {
    /// Reads a path that a person or a model wrote: `./a//b` and `x/../a/b` are `a/b`.
    ///
    /// `..` is folded lexically, which is sound because the disk follows no symlink on the way; one
    /// that would climb above the root is [`PathError::Escapes`], also when the path comes back.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PathError::TooLong { bytes: text.len(), max: TEXT_BYTES_MAX });
        }
        Self::from_bytes(&unescape(text)?)
    }

    /// The path of these raw bytes, without escapes; normalised as in [`RelPath::parse`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong { bytes: bytes.len(), max: PATH_BYTES_MAX });
        }
        let path = || escape(bytes);
        if bytes.contains(&0) {
            return Err(PathError::Nul { path: path() });
        }
        if bytes.starts_with(b"/") {
            return Err(PathError::Absolute { path: path() });
        }
        let mut components: Vec<&[u8]> = Vec::new();
        for component in bytes.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    components.pop().ok_or_else(|| PathError::Escapes { path: path() })?;
                }
                name => components.push(name),
            }
        }
        if components.is_empty() {
            return Err(PathError::Empty);
        }
        Ok(Self(components.join(&b'/').into_boxed_slice()))
    }

    /// The raw bytes, as the file system wants them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components from the root down, raw; at least one.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({self})")
    }
}

impl FromStr for RelPath {
    type Err = PathError;

    /// Reads the text form exactly as [`RelPath`] prints it; any other spelling is refused.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let normal = Self::parse(text)?;
        if normal.to_string() == text {
            Ok(normal)
        } else {
            Err(PathError::NotNormal { path: text.to_owned(), normal })
        }
    }
}

impl serde::Serialize for RelPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RelPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = RelPath;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path relative to the workspace")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RelPath, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

fn escape(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    let hex = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            write!(text, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                char if char.is_control() => {
                    hex(&mut text, char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                char => text.push(char),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

fn unescape(text: &str) -> Result<Vec<u8>, PathError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                (hex_pair(*high, *low).ok_or_else(|| bad_escape(text, rest))?, after)
            }
            (b'\\', _) => return Err(bad_escape(text, rest)),
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    Ok(bytes)
}

fn bad_escape(text: &str, rest: &[u8]) -> PathError {
    PathError::BadEscape { path: text.to_owned(), at: text.len() - rest.len() }
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}
