//! What a probe says of itself.
//!
//! Owns the two lines of JSON: one before the attempt, so that a probe which dies of it has still said
//! that it tried, and one after. Never judges: whether an effect was seen is said outside.

use std::fmt::Write as _;
use std::io;

/// What the attempt yielded, or what stopped it.
pub(crate) type Try = Result<String, Denied>;

/// An attempt that was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Zero where no call failed and the answer alone was not what an attacker wants.
    pub(crate) errno: i32,
    pub(crate) what: String,
}

/// Longer details are cut: a report is a line.
const DETAIL_CHARS_MAX: usize = 2_000;

impl Denied {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { errno: 0, what: what.into() }
    }

    /// What the last system call said.
    pub(crate) fn last(name: &str) -> Self {
        let error = io::Error::last_os_error();
        Self { errno: error.raw_os_error().unwrap_or(0), what: format!("{name}: {error}") }
    }
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(0), what: error.to_string() }
    }
}

/// The line before the attempt.
pub(crate) fn begun(case: &str) -> String {
    format!("{{\"case\":{},\"attempted\":true}}\n", quoted(case))
}

/// The line after it.
pub(crate) fn ended(case: &str, result: &Try) -> String {
    let (succeeded, errno, detail) = match result {
        Ok(detail) => (true, 0, detail),
        Err(denied) => (false, denied.errno, &denied.what),
    };
    let errno = if errno == 0 { "null".to_owned() } else { errno.to_string() };
    let (case, detail) = (quoted(case), quoted(detail));
    format!(
        "{{\"case\":{case},\"attempted\":true,\"succeeded\":{succeeded},\"errno\":{errno},\"detail\":{detail}}}\n"
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().take(DETAIL_CHARS_MAX) {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(c)).expect("a string takes all")
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_whatever_was_found() {
        let line = ended("read", &Ok("a\n\"b\"\\\u{1}".to_owned()));
        let expected = "{\"case\":\"read\",\"attempted\":true,\"succeeded\":true,\"errno\":null,\
                        \"detail\":\"a\\u000a\\\"b\\\"\\\\\\u0001\"}\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn what_stopped_an_attempt_has_its_number() {
        let denied = Denied { errno: 13, what: "no".to_owned() };
        let line = ended("read", &Err(denied));
        let expected = "{\"case\":\"read\",\"attempted\":true,\"succeeded\":false,\"errno\":13,\"detail\":\"no\"}\n";
        assert_eq!(line, expected);
    }
}
