//! Looking at a repository.

use std::fs;

use crate::account::{Home, both, mode};
use crate::desk::Desk;

/// Two commits, one file that was edited since, and one that is new.
fn repository(desk: &Desk) {
    desk.git(&["init", "-q", "-b", "main"]);
    desk.file("a.txt", "one\n").file("docs/b.md", "# B\n");
    desk.git(&["add", "."]);
    desk.git(&["commit", "-q", "-m", "Begin"]);
    desk.file("a.txt", "one\ntwo\n");
    desk.git(&["commit", "-q", "-a", "-m", "Say more\n\nAnd why."]);
    desk.file("a.txt", "one\nthree\n").file("new.txt", "new\n");
}

#[test]
fn status_diff_and_log_are_what_a_person_sees() {
    both("git::status_diff_and_log_are_what_a_person_sees", Home::Bare, |desk| {
        repository(desk);
        for argv in [
            &["status"][..],
            &["status", "--short", "--branch"],
            &["diff"],
            &["diff", "--stat", "HEAD~1"],
            &["log"],
            &["log", "--oneline", "--stat"],
            &["log", "-p", "--", "a.txt"],
            &["show", "HEAD~1"],
            &["ls-files"],
            &["blame", "a.txt"],
            &["rev-parse", "HEAD"],
            &["grep", "-n", "one"],
        ] {
            assert_eq!(desk.answer("git", argv), desk.git(argv), "{argv:?}");
        }
        assert_eq!(desk.answer("git", &["status", "--porcelain"]), " M a.txt\n?? new.txt\n");
        let diff = "\
diff --git a/a.txt b/a.txt
index 814f4a4..4c7442b 100644
--- a/a.txt
+++ b/a.txt
@@ -1,2 +1,2 @@
 one
-two
+three
";
        assert_eq!(desk.answer("git", &["diff"]), diff);
    });
}

#[test]
fn what_a_repository_configures_is_not_started() {
    both("git::what_a_repository_configures_is_not_started", Home::Bare, |desk| {
        repository(desk);
        desk.file("evil", "#!/bin/sh\ntouch made\n");
        mode(&desk.workspace().join("evil"), 0o755);
        desk.git(&["config", "core.fsmonitor", "./evil"]);
        desk.git(&["config", "filter.f.clean", "./evil"]);
        desk.file(".gitattributes", "*.txt filter=f\n");
        assert_eq!(desk.answer("git", &["status", "--porcelain", "-uno"]), " M a.txt\n");
        assert!(desk.answer("git", &["diff"]).contains("-two\n+three\n"));
        assert!(!desk.workspace().join("made").exists());
        fs::remove_file(desk.workspace().join("evil")).unwrap();
    });
}
