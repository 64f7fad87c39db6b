//! Workspace paths: what is one, and the one text each has.

use kairos_core::path::{PATH_BYTES_MAX, PathError, RelPath};

fn parsed(text: &str) -> Result<String, PathError> {
    RelPath::parse(text).map(|path| path.to_string())
}

#[test]
fn spellings_of_one_path_become_one_path() {
    for text in ["a/b", "./a//b", "a/b/", "a/./b/.", "x/../a/b", "a/b/c/.."] {
        assert_eq!(parsed(text).as_deref(), Ok("a/b"), "{text}");
    }
}

#[test]
fn nothing_leads_out_of_the_workspace() {
    for text in ["..", "../a", "a/../../b", "./..", "a/../../w/b"] {
        assert_eq!(parsed(text), Err(PathError::Escapes { path: text.to_owned() }));
    }
    assert_eq!(parsed("/etc/passwd"), Err(PathError::Absolute { path: "/etc/passwd".to_owned() }));
}

#[test]
fn a_path_names_something_below_the_root() {
    for text in ["", ".", "./", "a/.."] {
        assert_eq!(parsed(text), Err(PathError::Empty), "{text}");
    }
}

#[test]
fn a_nul_is_refused_also_when_escaped() {
    let nul = PathError::Nul { path: r"a\x00b".to_owned() };
    assert_eq!(parsed("a\0b"), Err(nul.clone()));
    assert_eq!(parsed(r"a\x00b"), Err(nul));
}

#[test]
fn an_escaped_slash_or_dot_gains_nothing() {
    assert!(matches!(parsed(r"\x2e\x2e/a"), Err(PathError::Escapes { .. })));
    assert!(matches!(parsed(r"\x2fetc"), Err(PathError::Absolute { .. })));
    assert_eq!(parsed(r"a\x2fb").as_deref(), Ok("a/b"));
}

#[test]
fn length_is_bounded() {
    assert!(RelPath::parse(&"a".repeat(PATH_BYTES_MAX)).is_ok());
    let bytes = PATH_BYTES_MAX + 1;
    let too_long = PathError::TooLong { bytes, max: PATH_BYTES_MAX };
    assert_eq!(parsed(&"a".repeat(bytes)), Err(too_long));
    assert!(matches!(parsed(&"./".repeat(1 << 20)), Err(PathError::TooLong { .. })));
}

#[test]
fn a_lone_backslash_is_refused_with_its_place() {
    for text in [r"ab\", r"ab\n", r"ab\x", r"ab\x4", r"ab\xgg", r"ab\xAB"] {
        assert_eq!(parsed(text), Err(PathError::BadEscape { path: text.to_owned(), at: 2 }));
    }
}

#[test]
fn every_byte_survives_its_text() {
    let every: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let mut samples = vec![every, "日本/é\u{85}".as_bytes().to_vec(), b"\\/\\x41".to_vec()];
    samples.extend((1..=255).filter(|b| !b"/.".contains(b)).map(|byte: u8| vec![byte]));
    for bytes in samples {
        let path = RelPath::from_bytes(&bytes).expect("a path");
        let text = path.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(text.parse(), Ok(path.clone()));
        assert_eq!(path.as_bytes(), bytes);
    }
    let path = RelPath::from_bytes(b"a\\b\xff\n\xc3\xa9").expect("a path");
    assert_eq!(path.to_string(), "a\\\\b\\xff\\x0a\u{e9}");
}

#[test]
fn stored_text_has_one_spelling() {
    for text in ["./a", "a/", r"\x61", "a\nb"] {
        assert!(matches!(text.parse::<RelPath>(), Err(PathError::NotNormal { .. })), "{text}");
    }
    let path = RelPath::parse("docs/a.md").expect("a path");
    let json = serde_json::to_string(&path).expect("json");
    assert_eq!(json, r#""docs/a.md""#);
    assert_eq!(serde_json::from_str::<RelPath>(&json).expect("path"), path);
    assert!(serde_json::from_str::<RelPath>(r#""../a""#).is_err());
}
