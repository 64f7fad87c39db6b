//! What an edit does to bytes.

use kairos_core::edit::{EditError, Edited, Occurrences, RESULT_BYTES_MAX, apply};

fn check(content: &[u8], old: &str, new: &str, which: Occurrences, expected: &[u8], count: usize) {
    let edited = Edited { bytes: expected.to_vec(), occurrences: count };
    assert_eq!(apply(content, old, new, which), Ok(edited));
}

#[test]
fn every_byte_of_the_new_text_stands_for_itself() {
    check(b"a b", "b", r"\0\\\&\'\k<x>$1", Occurrences::One, br"a \0\\\&\'\k<x>$1", 1);
}

#[test]
fn occurrences_do_not_overlap() {
    check(b"aaaaa", "aa", "b", Occurrences::All, b"bba", 2);
}

#[test]
fn text_that_is_not_ascii_is_edited() {
    check("日本語".as_bytes(), "本", "x", Occurrences::One, "日x語".as_bytes(), 1);
}

#[test]
fn bytes_that_are_not_utf8_pass_through() {
    check(b"\xff\xe3\x81a\xc3\xa9\xfe", "a\u{e9}", "b", Occurrences::One, b"\xff\xe3\x81b\xfe", 1);
}

#[test]
fn a_character_is_never_cut_in_half() {
    // The last byte of U+00E9 and an `a` are no occurrence of anything that is text.
    assert_eq!(apply(b"\xa9a", "\u{e9}a", "x", Occurrences::One), Err(EditError::NotFound));
}

#[test]
fn a_file_of_crlf_lines_keeps_them() {
    check(b"a\r\nb\r\n", "a\nb", "a\nx\ny", Occurrences::One, b"a\r\nx\r\ny\r\n", 1);
    check(b"a\r\nb\r\n", "a\r\nb", "c\r\n\n", Occurrences::One, b"c\r\n\r\n\r\n", 1);
}

#[test]
fn mixed_line_ends_are_left_to_the_author() {
    check(b"a\r\nb\n", "b", "x\ny", Occurrences::One, b"a\r\nx\ny\n", 1);
    check(b"ab", "b", "x\ny", Occurrences::One, b"ax\ny", 1);
}

#[test]
fn refusals_say_what_is_wrong() {
    let one = |content: &[u8], old, new| apply(content, old, new, Occurrences::One);
    assert_eq!(one(b"a", "", "x"), Err(EditError::EmptyOld));
    assert_eq!(one(b"a", "x", "x"), Err(EditError::Unchanged));
    assert_eq!(one(b"a\r\n", "a\n", "a\r\n"), Err(EditError::Unchanged));
    assert_eq!(one(b"a", "x", "y"), Err(EditError::NotFound));
    assert_eq!(one(b"abab", "ab", "y"), Err(EditError::NotUnique { count: 2 }));
}

#[test]
fn a_result_over_the_limit_is_refused_before_it_is_built() {
    let content = vec![b'a'; RESULT_BYTES_MAX];
    let bytes = 2 * RESULT_BYTES_MAX;
    assert_eq!(apply(&content, "a", "bb", Occurrences::All), Err(EditError::TooLarge { bytes }));
    check(&content[..3], "a", "", Occurrences::All, b"", 3);
}

#[test]
fn a_repetitive_file_does_not_make_the_search_quadratic() {
    let content = vec![b'a'; RESULT_BYTES_MAX];
    let old = format!("{}b", "a".repeat(1 << 20));
    assert_eq!(apply(&content, &old, "x", Occurrences::One), Err(EditError::NotFound));
}
