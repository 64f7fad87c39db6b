//! The beginning of what was said instead of an answer.
//!
//! Owns the form in which it is kept with the outcome: the message out of a provider's error object
//! where there is one, on one line, cut. Never redacts: whoever has a secret does that before.

use serde_json::Value;

/// The most characters that are kept.
const CHARS_MAX: usize = 200;

/// What is kept of `body`; empty when it says nothing.
pub(super) fn of(body: &str) -> String {
    let message = message(body);
    let text = message.as_deref().unwrap_or(body);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || steers(c)).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// `error.message`, `error` or `message` of an error object, as providers write it.
fn message(body: &str) -> Option<String> {
    let object: Value = serde_json::from_str(body).ok()?;
    let error = object.get("error");
    let inner = error.and_then(|error| error.get("message"));
    let found = inner.or(error).or_else(|| object.get("message"))?;
    found.as_str().map(ToOwned::to_owned)
}

/// Characters that could steer a terminal or turn the direction of a line's text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_message_is_kept_on_one_line_and_cut() {
        let kept = [
            r#"{"error":{"message":"Incorrect\nAPI key\u001b[2J","type":"invalid"}}"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            r#"{"error":"no such model"}"#,
            "<html>\r\n502\u{202e}</html>",
            "",
        ]
        .map(of);
        let expected =
            ["Incorrect API key [2J", "Overloaded", "no such model", "<html> 502 </html>", ""];
        assert_eq!(kept, expected);
        assert_eq!(of(&"x".repeat(201)), format!("{}…", "x".repeat(200)));
    }
}
