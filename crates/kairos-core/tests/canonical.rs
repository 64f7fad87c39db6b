//! The canonical text of values.

use kairos_core::canonical::{DEPTH_MAX, ParseError, TEXT_BYTES_MAX, Tree};
use kairos_core::digest::Digest;

#[track_caller]
fn check(json: &str, canonical: &str) {
    assert_eq!(Tree::parse(json).map(|tree| tree.to_string()).as_deref(), Ok(canonical));
}

#[track_caller]
fn refused(json: &str, at: usize) {
    match Tree::parse(json) {
        Err(ParseError::Unexpected { at: found, .. }) => assert_eq!(found, at, "{json}"),
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn numbers_have_one_spelling_per_value() {
    check("1.0", "1.0");
    check("1.10E0", "1.1");
    check("100e-2", "1.0");
    check("1e2", "100.0");
    check("-0", "0");
    check("-0.0", "-0.0");
    check("0e5", "0.0");
    check("0.0001", "0.0001");
    check("0.00012345", "0.00012345");
    check("0.00001", "1.0e-05");
    check("123456.789e-10", "1.23456789e-05");
    check("999999999999999.9", "999999999999999.9");
    check("1e15", "1.0e+15");
    check("1000000000000005", "1000000000000005");
    check("1000000000000005.0", "1.000000000000005e+15");
    check("3192698761369401.5", "3192698761369401.5");
    check("-1.5e300", "-1.5e+300");
    check("5e-324", "5.0e-324");
    check("123456789012345678901234567890", "123456789012345678901234567890");
}

#[test]
fn strings_escape_only_what_they_must() {
    check(r#""\/\u007f\u2028\u65e5\ud83d\ude00""#, "\"/\u{7f}\u{2028}日😀\"");
    check(r#""\u0000\u001F\b\f\n\r\t\"\\""#, r#""\u0000\u001f\b\f\n\r\t\"\\""#);
}

#[test]
fn objects_are_sorted_by_bytes_and_the_last_of_equal_keys_wins() {
    check(" { \"b\" : [ ] ,\n\"a\":{},\"b\":[1 , 2]} ", r#"{"a":{},"b":[1,2]}"#);
    check(
        r#"{"\ud83d\ude00":1,"\ufb33":2,"B":3,"a":4}"#,
        "{\"B\":3,\"a\":4,\"\u{fb33}\":2,\"😀\":1}",
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for (json, at) in [
        ("", 0),
        ("nul", 0),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("{1:2}", 1),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":1,}"#, 7),
        ("01", 1),
        ("-", 1),
        ("1.", 2),
        ("1e+", 3),
        ("+1", 0),
        ("\"a", 2),
        ("\"a\nb\"", 2),
        (r#""\q""#, 2),
        (r#""\u00g0""#, 2),
        (r#""\u+123""#, 2),
        (r#""\ud83d""#, 2),
        (r#""\ud83dA""#, 2),
        (r#""\ud83d\n""#, 8),
        (r#""\ude00""#, 2),
        ("1 1", 2),
        ("/**/1", 0),
        ("\u{feff}1", 0),
        ("NaN", 0),
    ] {
        refused(json, at);
    }
    assert_eq!(Tree::parse("[1e400]"), Err(ParseError::NumberTooLarge { at: 1 }));
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tree::parse(&nested(DEPTH_MAX)).is_ok());
    let too_deep = ParseError::TooDeep { at: DEPTH_MAX };
    assert_eq!(Tree::parse(&nested(DEPTH_MAX + 1)), Err(too_deep.clone()));
    assert_eq!(Tree::parse(&"[".repeat(TEXT_BYTES_MAX)), Err(too_deep));
    let bytes = TEXT_BYTES_MAX + 1;
    assert_eq!(Tree::parse(&" ".repeat(bytes)), Err(ParseError::TooLong { bytes }));
}

#[test]
fn a_tree_made_in_code_hashes_as_its_text() {
    let tree = Tree::map([
        ("path", "docs/a.md".into()),
        ("count", 3.into()),
        ("force", false.into()),
        ("reason", None::<&str>.into()),
        ("argv", Tree::list(["git", "log"])),
    ]);
    let text = r#"{"argv":["git","log"],"count":3,"force":false,"path":"docs/a.md","reason":null}"#;
    assert_eq!(tree.to_string(), text);
    assert_eq!(Tree::parse(text), Ok(tree.clone()));
    assert_eq!(tree.digest(), Digest::of(text.as_bytes()));
}
