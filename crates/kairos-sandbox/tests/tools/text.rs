//! Reading text.

use crate::account::{Home, both};
use crate::desk::{changed, made, said};
use kairos_sandbox::Exit;

#[test]
fn text_is_found_counted_and_sorted() {
    if crate::account::is_excused(&["rg", "jq"]) {
        return;
    }
    both("text::text_is_found_counted_and_sorted", Home::Bare, |desk| {
        desk.file("a.txt", "pear\napple\npear\n").file("d/x.json", r#"{"a": [1, {"b": "c"}]}"#);
        let cases: &[(&[&str], &str)] = &[
            (&["rg", "-n", "pear", "a.txt"], "1:pear\n3:pear\n"),
            (&["rg", "-c", "p", "--sort", "path"], "a.txt:3\n"),
            (&["jq", "-c", ".a[1]", "d/x.json"], "{\"b\":\"c\"}\n"),
            (&["find", ".", "-type", "f", "-name", "*.json"], "./d/x.json\n"),
            (&["sort", "-u", "a.txt"], "apple\npear\n"),
            (&["wc", "-l", "a.txt"], "3 a.txt\n"),
            (&["ls", "-1"], "a.txt\nd\n"),
            (&["cat", "a.txt"], "pear\napple\npear\n"),
            (&["head", "-n", "1", "a.txt"], "pear\n"),
            (&["tail", "-1", "a.txt"], "pear\n"),
            (&["grep", "-rn", "apple", "."], "./a.txt:2:apple\n"),
            (&["sed", "-n", "2p", "a.txt"], "apple\n"),
            (&["uniq", "a.txt"], "pear\napple\npear\n"),
            (&["cut", "-c", "1-2", "a.txt"], "pe\nap\npe\n"),
            (&["du", "-s", "--apparent-size", "-b", "a.txt"], "16\ta.txt\n"),
            (
                &["sha256sum", "a.txt"],
                "75958312421078ccfd8429baef465e023fabe17bc40719095f12f2130d96e786  a.txt\n",
            ),
        ];
        for (argv, expected) in cases {
            assert_eq!(desk.answer(argv[0], &argv[1..]), *expected, "{argv:?}");
        }
    });
}

#[test]
fn an_edit_in_place_is_a_change_and_the_file_stays() {
    both("text::an_edit_in_place_is_a_change_and_the_file_stays", Home::Bare, |desk| {
        desk.file("a.txt", "b\na\n");
        let edit = desk.asks("sed", &["-i", "s/a/c/", "a.txt"]);
        assert_eq!(
            (edit.exit, changed(&edit)),
            (Exit::Code(0), vec!["a.txt".into()]),
            "{}",
            said(&edit)
        );
        assert_eq!(made(&edit, "a.txt"), "b\nc\n");
        let sort = desk.asks("sort", &["-o", "sorted.txt", "a.txt"]);
        assert_eq!(
            (sort.exit, changed(&sort)),
            (Exit::Code(0), vec!["sorted.txt".into()]),
            "{}",
            said(&sort)
        );
        assert_eq!(made(&sort, "sorted.txt"), "a\nb\n");
        assert_eq!(desk.text("a.txt"), "b\na\n");
        assert!(!desk.workspace().join("sorted.txt").exists());
    });
}
