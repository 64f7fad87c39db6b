//! What must hold for success.
//!
//! Owns the forms in which a check is written: a mapping, or a command as words. Never splits what a
//! shell would read in more than one way.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Verify {
    /// The file, relative to the workspace, exists and contains the text.
    Contains { file: String, contains: String },
    /// The command exits with 0. Written as a list, or as words.
    Command { command: Vec<String> },
}

/// What a shell would do more with than to pass it on.
const NOT_WORDS: &str = "\"'\\$`;|&<>(){}*?[]~#";

/// The words of a command that is written as one text.
///
/// # Errors
/// There is none, or a shell would read it otherwise; in words.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let list = "write the command as a list: [cargo, test]";
    if let Some(found) = text.chars().find(|c| NOT_WORDS.contains(*c)) {
        return Err(format!("`{found}` in `{text}` is for a shell, and there is none; {list}"));
    }
    let words: Vec<String> = text.split_ascii_whitespace().map(ToOwned::to_owned).collect();
    if words.is_empty() { Err(format!("the command is empty; {list}")) } else { Ok(words) }
}

/// A command as a list, or as words: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(pub Vec<String>);

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Argv;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command as a list of texts, or in words")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Argv, E> {
                words(text).map(Argv).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Argv, A::Error> {
                let mut list = Vec::new();
                while let Some(word) = seq.next_element::<String>()? {
                    list.push(word);
                }
                match list.is_empty() {
                    true => Err(de::Error::custom("the command is empty")),
                    false => Ok(Argv(list)),
                }
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

impl<'de> Deserialize<'de> for Verify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Verify;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping with `file` and `contains`, or a command")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Verify, E> {
                Ok(Verify::Command { command: words(text).map_err(E::custom)? })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Verify, A::Error> {
                let (mut file, mut contains, mut command) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "file" if file.is_none() => file = Some(map.next_value()?),
                        "contains" if contains.is_none() => contains = Some(map.next_value()?),
                        "command" if command.is_none() => {
                            command = Some(map.next_value::<Argv>()?.0);
                        }
                        "file" => return Err(de::Error::duplicate_field("file")),
                        "contains" => return Err(de::Error::duplicate_field("contains")),
                        "command" => return Err(de::Error::duplicate_field("command")),
                        other => return Err(de::Error::unknown_field(other, FIELDS)),
                    }
                }
                match (file, contains, command) {
                    (None, None, Some(command)) => Ok(Verify::Command { command }),
                    (_, _, Some(_)) => {
                        Err(de::Error::custom("`command` stands alone, without `file`"))
                    }
                    (file, contains, None) => Ok(Verify::Contains {
                        file: file.ok_or_else(|| de::Error::missing_field("file"))?,
                        contains: contains.ok_or_else(|| de::Error::missing_field("contains"))?,
                    }),
                }
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

const FIELDS: &[&str] = &["file", "contains", "command"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Verify, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_a_list_or_words() {
        let command = |words: &[&str]| {
            let command = words.iter().map(|word| (*word).to_owned()).collect();
            Ok(Verify::Command { command })
        };
        assert_eq!(read(r#""cargo  test --quiet""#), command(&["cargo", "test", "--quiet"]));
        assert_eq!(read(r#"{"command": "make check"}"#), command(&["make", "check"]));
        assert_eq!(read(r#"{"command": ["grep", "a b", "x"]}"#), command(&["grep", "a b", "x"]));
        for refused in [
            r#""""#,
            r#""make; rm x""#,
            r#""echo 'a b'""#,
            r#"{"command": []}"#,
            r#"{"command": "a", "file": "b"}"#,
            r#"{"run": "a"}"#,
            r#"{"file": "a"}"#,
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for text in [r#"{"file":"a","contains":"b"}"#, r#"{"command":["a","b c"]}"#] {
            let check = read(text).expect("a check");
            assert_eq!(serde_json::to_string(&check).expect("JSON"), text);
        }
    }
}
