//! New entries in `schedules.yml`.
//!
//! Owns where they go, so that not a byte of what stands there changes: order, comments and all.
//! Never trusts its own reckoning: a text that does not say what the old one said, with the new
//! entries behind it, is no answer.

use std::path::Path;

use serde::Serialize;

use super::draft::values;
use super::node::{Node, Value};
use super::problem::File;

/// An entry to be added.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Lines above it, without `#`.
    comments: Vec<String>,
    /// A mapping as lines, each with its end.
    yaml: String,
    /// The same on one line.
    json: String,
}

impl Entry {
    /// An entry that says what `fields` does; none where that has no text.
    pub(crate) fn of(comments: Vec<String>, fields: &impl Serialize) -> Option<Self> {
        // Block scalars would not survive a second indentation.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let yaml = serde_saphyr::to_string_with_options(fields, options).ok()?;
        let yaml = if yaml.ends_with('\n') { yaml } else { yaml + "\n" };
        Some(Self { comments, yaml, json: serde_json::to_string(fields).ok()? })
    }

    /// The entry as an item of a list whose dashes stand in this column, from 0.
    pub(crate) fn item(&self, column: usize) -> String {
        let indent = " ".repeat(column);
        let mut text = String::new();
        for comment in &self.comments {
            text.push_str(format!("{indent}# {comment}").trim_end());
            text.push('\n');
        }
        for (n, line) in self.yaml.lines().enumerate() {
            let lead = if n == 0 { "- " } else { "  " };
            text.push_str(format!("{indent}{lead}{line}").trim_end());
            text.push('\n');
        }
        text
    }

    fn value(&self) -> Option<Value> {
        let file = File::new(Path::new(""), &self.yaml);
        Node::read(&file).ok().map(|node| node.value.placeless())
    }
}

/// `text` with the entries behind those it has; none where it is written in a way this cannot keep.
pub(crate) fn append(text: &str, entries: &[Entry]) -> Option<String> {
    let mut wanted = values(text)?;
    for entry in entries {
        wanted.push(entry.value()?);
    }
    let added = added(text, entries)?;
    (values(&added)? == wanted).then_some(added)
}

fn added(text: &str, entries: &[Entry]) -> Option<String> {
    let node = Node::read(&File::new(Path::new(""), text)).ok()?;
    let Some(list) = node.get("schedules") else {
        return Some(with_lines(text, &format!("schedules:\n{}", items(entries, 2))));
    };
    let Some(last) = list.items().last() else {
        // Brackets around nothing give way to items; a key without a value has none.
        let Some(inside) = text.get(list.at.start..).and_then(|rest| rest.strip_prefix('[')) else {
            return Some(with_lines(text, &items(entries, 2)));
        };
        let (between, rest) = inside.split_once(']')?;
        let before = text[..list.at.start].trim_end_matches(' ');
        let whole = between.trim().is_empty().then(|| format!("{before}{rest}"))?;
        return Some(with_lines(&whole, &items(entries, 2)));
    };
    let before = text.get(..last.at.start)?.trim_end();
    match before.strip_suffix('-') {
        Some(before) => {
            let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1);
            Some(with_lines(text, &items(entries, column)))
        }
        None => {
            let (before, after) = text.rsplit_once(']')?;
            let json: Vec<&str> = entries.iter().map(|entry| entry.json.as_str()).collect();
            let comma = if before.trim_end().ends_with(',') { "" } else { "," };
            Some(format!("{}{comma} {}]{after}", before.trim_end(), json.join(", ")))
        }
    }
}

fn items(entries: &[Entry], column: usize) -> String {
    entries.iter().map(|entry| entry.item(column)).collect()
}

/// `text` with whole lines behind it, ended as its own are.
fn with_lines(text: &str, lines: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    format!("{text}{gap}{}", lines.replace('\n', end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        let fields = json!({"cron": "*/5 * * * *", "name": "new"});
        Entry::of(vec!["why".to_owned()], &fields).unwrap()
    }

    #[test]
    fn what_stands_there_stays_to_the_byte() {
        let item = "  # why\n  - cron: \"*/5 * * * *\"\n    name: new\n";
        let left = item.replace("\n  ", "\n").replace("  # why", "# why");
        let cases = [
            (String::new(), format!("schedules:\n{item}")),
            ("# only words".to_owned(), format!("# only words\nschedules:\n{item}")),
            ("schedules:\n".to_owned(), format!("schedules:\n{item}")),
            ("schedules: [ ] # none\n".to_owned(), format!("schedules: # none\n{item}")),
            (
                "schedules:\n  - name: a # first\n    cron: '@daily'\n  # last words\n".to_owned(),
                format!(
                    "schedules:\n  - name: a # first\n    cron: '@daily'\n  # last words\n{item}"
                ),
            ),
            (
                "schedules:\n-   name: a\n    cron: '@daily'".to_owned(),
                format!("schedules:\n-   name: a\n    cron: '@daily'\n{left}"),
            ),
            (
                "schedules: [{name: a}]\n".to_owned(),
                "schedules: [{name: a}, {\"cron\":\"*/5 * * * *\",\"name\":\"new\"}]\n".to_owned(),
            ),
            ("schedules:\r\n".to_owned(), format!("schedules:\r\n{}", item.replace('\n', "\r\n"))),
        ];
        for (before, after) in cases {
            assert_eq!(append(&before, &[entry()]), Some(after), "{before:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_kept_is_not_changed() {
        for text in ["schedules:\n  - name: a\n...\n", "schedules: &x\n- name: a\n---\n", "a: [\n"]
        {
            assert_eq!(append(text, &[entry()]), None, "{text:?}");
        }
    }
}
